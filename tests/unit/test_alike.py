"""When two questions ask for the same: near-duplicates in three languages, and what only looks like one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from retrieval_service.domain.alike import Asked, likeness, nearest, wording
from tests.unit.likeness_table import ALONE, SAME

# What the words must find and may confuse, as measured when the thresholds were chosen.
LEAST_FOUND = {"en": 0.65, "ru": 0.85, "pt": 0.65}
MOST_CONFUSED = 0.02


def asked(text: str, language: str = "en", *, angle: float | None = None) -> Asked:
    vector = None if angle is None else np.array([np.cos(angle), np.sin(angle)], np.float32)
    return Asked(text=text, language=language, vector=vector)


def judged(language: str, *, same: bool) -> list[bool]:
    """What words say of every pair of the table that asks for the same, or of every other pair."""
    labelled = [(text, number) for number, group in enumerate(SAME[language]) for text in group]
    labelled += [(text, -number) for number, text in enumerate(ALONE[language], start=1)]
    return [
        likeness(asked(one, language), asked(other, language)) >= 1
        for (one, first), (other, second) in itertools.combinations(labelled, 2)
        if (first == second) is same
    ]


@pytest.mark.parametrize("language", sorted(SAME))
def test_words_find_near_duplicates(language: str) -> None:
    found = judged(language, same=True)
    assert sum(found) / len(found) >= LEAST_FOUND[language]


@pytest.mark.parametrize("language", sorted(SAME))
def test_words_rarely_confuse_what_only_looks_alike(language: str) -> None:
    confused = judged(language, same=False)
    assert sum(confused) / len(confused) <= MOST_CONFUSED


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("Можно купить подарочную карту?", "продаёте подарочные карты", "ru"),
        ("Do you sell gift cards?", "gift card available", "en"),
        ("Vocês têm cartão-presente?", "Posso comprar um cartão presente?", "pt"),
    ],
)
def test_words_of_asking_do_not_count(one: str, other: str, language: str) -> None:
    assert wording(one, other, language) > 0.85


def test_questions_in_two_languages_are_never_the_same() -> None:
    assert likeness(asked("wifi", "en", angle=0), asked("wifi", "pt", angle=0)) == 0


def test_meaning_joins_what_shares_no_word() -> None:
    assert likeness(asked("parcels abroad", angle=0), asked("international shipping", angle=0.5)) >= 1
    assert likeness(asked("parcels abroad", angle=0), asked("opening hours", angle=1.2)) < 1


def test_same_words_are_the_same_whatever_the_vectors_say() -> None:
    assert likeness(asked("Opening hours?", angle=0), asked("opening hours", angle=1.5)) >= 1


def test_question_without_content_words_is_compared_by_all_of_them() -> None:
    assert likeness(asked("Who are you?"), asked("who are you")) >= 1
    assert likeness(asked("Who are you?"), asked("")) == 0


def test_likest_leader_is_chosen_and_the_oldest_of_equals() -> None:
    leaders = [asked("Do you ship to Canada?"), asked("gift cards"), asked("Gift cards?")]
    assert nearest(asked("Do you have gift cards?"), leaders) == 1
    assert nearest(asked("Where is my parcel?"), leaders) is None
    assert nearest(asked("Where is my parcel?"), []) is None
