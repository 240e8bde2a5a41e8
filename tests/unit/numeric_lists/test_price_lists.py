"""Prices are compared in the currency that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import pytest

from retrieval_service.domain.numeric_lists.fields import field_of
from retrieval_service.domain.numeric_lists.listings import Listing, lines_of, listing_of
from retrieval_service.domain.numeric_lists.wishes import wish_of
from retrieval_service.domain.retrieval.subjects import Thing


def _thing(title: str, price: float | str, currency: str) -> Thing:
    figures: Mapping[str, object] = {"price": price, "currency": currency}
    return Thing(
        document_id=UUID(int=1),
        chunk_id=UUID(int=1),
        title=title,
        section="",
        tags=(),
        language="en",
        figures=figures,
    )


def _listed(question: str, *things: Thing) -> Listing:
    wish = wish_of(question)
    assert wish
    found = field_of(wish, ["price"])
    assert found
    listing = listing_of(found[1], found[0], things)
    assert listing
    return listing


DESK, LAMP, SOFA = ("Oak desk", 1000, ""), ("Lamp", 900, "RUB"), ("Sofa", 800, "EUR")


@pytest.mark.parametrize(
    ("things", "titles"),
    [
        ([DESK], ["Oak desk"]),
        ([DESK, LAMP], ["Lamp", "Oak desk"]),
        ([DESK, LAMP, SOFA], ["Lamp"]),
    ],
)
def test_price_without_a_currency_counts_where_no_other_than_the_asked_is_known(
    things: list[tuple[str, int, str]], titles: list[str]
) -> None:
    listing = _listed("What is below 1,300 ₽?", *(_thing(*one) for one in things))
    assert [one.thing.title for one in listing.entries] == titles
    assert not listing.asked_currency


def test_price_without_a_currency_is_not_in_the_asked_one_where_all_others_are_in_another() -> None:
    assert _listed("What is below 1,300 ₽?", _thing(*DESK), _thing(*SOFA)).asked_currency == "RUB"


def test_price_in_words_is_listed_with_its_currency() -> None:
    listing = _listed("How many products do you have?", _thing("Servicing", "30-45", "GBP"))
    assert "Servicing — £30-45" in "".join(lines_of(listing, "en"))
