"""When two questions ask for the same: near-duplicates in three languages, and what only looks like one."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

from retrieval_service.domain.indexing.spaces import Scale
from retrieval_service.domain.insights.question_similarity import Asked, compared, likeness, nearest
from tests.kits.likeness_pairs import HALVES, LEAST_PRECISION, LEAST_RECALL, figures
from tests.kits.likeness_table import ALONE, SAME

# What the words must find and may confuse, as measured when the thresholds were chosen.
LEAST_FOUND = 0.9
SCALE = Scale(alike={"": 0.72})
MOST_CONFUSED = 0.002


def asked(text: str, language: str = "en", *, angle: float | None = None) -> Asked:
    vector = None if angle is None else np.array([np.cos(angle), np.sin(angle)], np.float32)
    return Asked(text=text, language=language, vector=vector, scale=SCALE)


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
    assert sum(found) / len(found) >= LEAST_FOUND


@pytest.mark.parametrize("language", sorted(SAME))
def test_words_rarely_confuse_what_only_looks_alike(language: str) -> None:
    confused = judged(language, same=False)
    assert sum(confused) / len(confused) <= MOST_CONFUSED


@pytest.mark.parametrize("half", sorted(HALVES))
def test_words_alone_join_what_belongs_together_and_keep_look_alikes_apart(half: str) -> None:
    found = figures(
        HALVES[half], lambda pair, language: likeness(*(asked(text, language) for text in pair)) >= 1
    )
    sys.stdout.write(f"{half}: precision {found.precision:.3f}, recall {found.recall:.3f}\n")
    assert found.precision >= LEAST_PRECISION
    assert found.recall >= LEAST_RECALL[half]


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("Do you sell gift vouchers?", "Are there gift cards?", "en"),
        ("У вас есть подарочные карты?", "Продаёте ли вы подарочные сертификаты?", "ru"),
        ("Vocês têm vale-presente?", "Vendem cartão-presente?", "pt"),
        ("Can I get my money back?", "Is a refund possible?", "en"),
    ],
)
def test_names_of_one_thing_are_one_word(one: str, other: str, language: str) -> None:
    assert likeness(asked(one, language), asked(other, language)) >= 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Do you deliver to Brazil?", "Do you deliver to Portugal?"),
        ("Can I return a kettle that I bought online?", "Can I return a lamp that I bought online?"),
        ("Do you deliver to Brazil?", "How much is delivery to Brazil?"),
        ("Is the tea without sugar?", "Is the tea with sugar?"),
        ("Is the AB1234 in stock?", "Is the AB1235 in stock?"),
    ],
)
def test_frame_in_common_never_joins_what_asks_for_something_else(one: str, other: str) -> None:
    assert likeness(asked(one), asked(other)) < 1
    assert likeness(asked(one, angle=0), asked(other, angle=0.3)) < 1


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("Можно купить подарочную карту?", "продаёте подарочные карты", "ru"),
        ("Do you sell gift cards?", "gift card available", "en"),
        ("Vocês têm cartão-presente?", "Posso comprar um cartão presente?", "pt"),
    ],
)
def test_words_of_asking_do_not_count(one: str, other: str, language: str) -> None:
    assert compared(one, other, language).coverage == 1


def test_questions_in_two_languages_are_never_the_same() -> None:
    assert likeness(asked("wifi", "en", angle=0), asked("wifi", "pt", angle=0)) == 0


def test_meaning_joins_what_shares_no_word() -> None:
    assert likeness(asked("How heavy is the sofa?", angle=0), asked("weight of a couch", angle=0.5)) >= 1
    assert likeness(asked("How heavy is the sofa?", angle=0), asked("gift wrapping", angle=1.2)) < 1


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
