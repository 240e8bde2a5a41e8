"""Dates, versions, addresses of computers and other figures that are no number: nothing that reads a question trips."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retrieval_service.domain.answering.asked_prices import asks_price, tells_price
from retrieval_service.domain.answering.message_parts import halves_of, questions_of
from retrieval_service.domain.documents.entries import Field
from retrieval_service.domain.documents.product_sizes import size_sentences, size_stances, without_sizes
from retrieval_service.domain.documents.templates import Role
from retrieval_service.domain.numeric_lists.wishes import wish_of
from retrieval_service.text.facts.facts import amounts_of, facts_of
from retrieval_service.text.named_things import naming_words, numbers_said
from retrieval_service.text.polarity import stances

_FIELD = Field(role=Role.ATTRIBUTE, label="Weight", text="1.2.3 kg")
_READERS: dict[str, Callable[[str], object]] = {
    "amounts_of": amounts_of,
    "asks_price": asks_price,
    "facts_of": facts_of,
    "halves_of": halves_of,
    "naming_words": naming_words,
    "numbers_said": numbers_said,
    "questions_of": questions_of,
    "size_sentences": lambda text: size_sentences(text, "Lamp 1.2.3", [_FIELD], "en"),
    "size_stances": lambda text: size_stances(text, [(text, [_FIELD], "en")]),
    "stances": lambda text: stances(text, [text], "en"),
    "tells_price": tells_price,
    "wish_of": wish_of,
    "without_sizes": without_sizes,
}
_PIECES = st.sampled_from(
    [
        "1",
        "2",
        "12",
        "0",
        "31",
        "2025",
        "1000000",
        ".",
        ",",
        ":",
        "/",
        "-",
        "–",
        " ",
        "x",
        "х",
        "×",
        "'s",
        "%",
        "№",
        "€",
        "$",
        " руб",
        " kg",
        " кг",
        "тыс",
        "k",
        " to ",
        " до ",
        " até ",
        " for ",
        "under ",
        "v",
        "#",
        "+",
        "(",
        ")",
    ]
)


@pytest.mark.parametrize("name", _READERS)
@given(text=st.lists(_PIECES, max_size=12).map("".join))
@example("1.2.3")
@example("are you open on 24.12.2026?")
@example("5-1.2.3 kg")
@example("192.168.1.1")
@example("01/01")
@example("1,2,3 to 4,5,6")
def test_figures_that_are_no_number_are_read(name: str, text: str) -> None:
    _READERS[name](text)


def test_date_says_no_number() -> None:
    assert numbers_said("open on 24.12.2026 or 7 days") == {"7": 7}
