"""What the bot says by itself: complete in three languages, honest, and never a detail of the service."""

from __future__ import annotations

import string
from dataclasses import asdict

import pytest

from bot.apologies import apology
from bot.texts import BY_LANGUAGE, FALLBACK, first_known
from retrieval_service.client import CallFailed

TEXTS = {code: asdict(texts) for code, texts in BY_LANGUAGE.items()}
SAME_IN_ALL = {"help": ("/start", "/lang", "/help"), "no_shop": ("/start",)}
MENU_CHARACTERS = 256


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_three_languages_are_spoken() -> None:
    assert set(TEXTS) == {"en", "ru", "pt"}


@pytest.mark.parametrize("name", TEXTS["en"])
def test_every_text_is_said_in_every_language_with_the_same_values(name: str) -> None:
    said = [texts[name] for texts in TEXTS.values()]
    assert all(text.strip() for text in said)
    assert len(set(said)) == len(said)
    assert len({frozenset(placeholders(text)) for text in said}) == 1


@pytest.mark.parametrize("name", SAME_IN_ALL)
def test_commands_are_named_in_every_language(name: str) -> None:
    assert all(command in texts[name] for texts in TEXTS.values() for command in SAME_IN_ALL[name])


def test_menu_entries_fit_the_menu() -> None:
    for texts in TEXTS.values():
        entries = [text for name, text in texts.items() if name.startswith("command_")]
        assert all(3 <= len(entry) <= MENU_CHARACTERS for entry in entries)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("ru", "en"), "ru"),
        (("", "pt-BR"), "pt"),
        ((None, "EN-gb"), "en"),
        (("de", "fr", "ru"), "ru"),
        ((None, "", "zh"), FALLBACK.code),
    ],
)
def test_the_first_language_we_speak_is_used(codes: tuple[str | None, ...], expected: str) -> None:
    assert first_known(codes).code == expected


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "NOT_FOUND", "INTERNAL", "UNKNOWN"])
@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_an_apology_names_the_request_and_no_detail(code: str, language: str) -> None:
    said = apology(CallFailed("secret detail", code=code, request_id="req-7"), BY_LANGUAGE[language])
    assert "req-7" in said
    assert "secret detail" not in said
    assert "{" not in said


def test_an_apology_says_how_long_to_wait() -> None:
    error = CallFailed("slow down", code="RESOURCE_EXHAUSTED", retry_after_seconds=6.2)
    assert "in 7 s" in apology(error, FALLBACK)


def test_without_a_server_there_is_no_request_to_name() -> None:
    assert apology(CallFailed("no route", code="UNAVAILABLE"), FALLBACK) == FALLBACK.unavailable
