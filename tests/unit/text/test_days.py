"""Days of the year are read from texts of three languages, and "24/12" in a question is one of them."""

from __future__ import annotations

import pytest

from retrieval_service.domain.documents.special_days import day_stances
from retrieval_service.text.facts.days import Day, days_of, without_days, written_out
from retrieval_service.text.polarity import Stance


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("On 1 January we are closed.", [((1, 1), (1, 1))]),
        ("closed January 1–8", [((1, 1), (1, 8))]),
        ("с 1 по 8 января", [((1, 1), (1, 8))]),
        ("1 и 2 января, 31 декабря", [((1, 1), (1, 1)), ((1, 2), (1, 2)), ((12, 31), (12, 31))]),
        ("from 24 December to 2 January", [((12, 24), (1, 2))]),
        ("de 24 de dezembro a 2 de janeiro", [((12, 24), (1, 2))]),
        ("Em 1º de janeiro", [((1, 1), (1, 1))]),
        ("12.05.2026", [((5, 12), (5, 12))]),
        ("2026-05-12", [((5, 12), (5, 12))]),
        ("99 bottles, 5 of them may break", []),
    ],
)
def test_days_are_read(text: str, days: list[tuple[Day, Day]]) -> None:
    assert [(one.first, one.last) for one in days_of(text)] == days


@pytest.mark.parametrize(
    ("question", "language", "read"),
    [
        ("open on 01/01?", "en", "open on 1 January?"),
        ("open on 02/01?", "en", "open on 2 January or 1 February?"),
        ("открыты 24.12?", "ru", "открыты 24 декабря?"),
        ("abrem em 02/01?", "pt", "abrem em 2 de janeiro?"),
        ("is it 12.10 €?", "en", "is it 12.10 €?"),
        ("a 1/2 inch pipe", "en", "a 1/2 inch pipe"),
        ("geöffnet am 01.01?", "de", "geöffnet am 01.01?"),
    ],
)
def test_a_day_in_figures_is_written_out(question: str, language: str, read: str) -> None:
    assert written_out(question, language) == read


def test_a_range_over_the_new_year_has_its_days() -> None:
    (days,) = days_of("24 December to 2 January")
    assert days.has((12, 31))
    assert days.has((1, 1))
    assert not days.has((1, 3))


def test_a_day_is_compared_with_days_and_today_with_usual_ones() -> None:
    texts = ["Holidays\nOn 1 January we are closed.", "Hours\n9 to 6. Closed on 2 January.", "Hours\n9 to 6."]
    assert day_stances("open on 1 January?", texts) == [Stance.FITS, Stance.OPPOSES, Stance.FREE]
    assert day_stances("open today?", texts) == [Stance.OPPOSES, Stance.FREE, Stance.FREE]
    assert day_stances("open on Sunday?", texts) == [Stance.FREE, Stance.FREE, Stance.FREE]


def test_what_is_asked_besides_a_day_is_left() -> None:
    assert without_days("open on 1 January?").split() == ["open", "on", "?"]
    assert without_days("aberto hoje?").split() == ["aberto", "?"]
