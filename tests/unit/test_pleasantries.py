"""Which messages are mere politeness, and which ask for something."""

from __future__ import annotations

import pytest

from retrieval_service.domain.follow_ups import needs_context
from retrieval_service.domain.pleasantries import Pleasantry, Said, pleasantry_of


@pytest.mark.parametrize(
    ("text", "pleasantry", "language"),
    [
        ("привет", Pleasantry.GREETING, "ru"),
        ("Здравствуйте! Добрый день)", Pleasantry.GREETING, "ru"),
        ("Доброе утро всем 🙂", Pleasantry.GREETING, "ru"),
        ("Спасибо большое за помощь!", Pleasantry.THANKS, "ru"),
        ("Hi there", Pleasantry.GREETING, "en"),
        ("Good morning!", Pleasantry.GREETING, "en"),
        ("thank you very much", Pleasantry.THANKS, "en"),
        ("Hello, thanks for the answer", Pleasantry.THANKS, "en"),
        ("Olá, tudo bem?", Pleasantry.GREETING, "pt"),
        ("Oi, boa tarde", Pleasantry.GREETING, "pt"),
        ("Muito obrigada pela ajuda", Pleasantry.THANKS, "pt"),
    ],
)
def test_politeness_is_known_with_its_language(text: str, pleasantry: Pleasantry, language: str) -> None:
    assert pleasantry_of(text) == Said(pleasantry=pleasantry, language=language)
    assert not needs_context(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "🙂",
        "Привет, есть зелёный чай?",
        "спасибо, а сколько он стоит?",
        "добрый чай",
        "hi, do you deliver to Brazil?",
        "good tea",
        "there",
        "за помощь",
        "obrigado, e o frete?",
        "bom chá",
        "hello " * 7,
    ],
)
def test_whoever_says_more_asks_for_something(text: str) -> None:
    assert pleasantry_of(text) is None
