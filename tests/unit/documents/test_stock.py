"""Shops call the field of the stock as they like, and write into it what they like."""

from __future__ import annotations

import pytest

from retrieval_service.domain.documents.documents import JsonValue
from retrieval_service.domain.documents.stock import stock_in


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"in_stock": True}, True),
        ({"inStock": "yes"}, True),
        ({"is_available": False}, False),
        ({"availability": "https://schema.org/OutOfStock"}, False),
        ({"availability": "in_stock"}, True),
        ({"stock_quantity": 0}, False),
        ({"stock": "lots"}, True),
        ({"estoque": "muitos"}, True),
        ({"options.stock": "34 pcs"}, True),
        ({"Наличие": "есть"}, True),
        ({"наличие": "нет в наличии"}, False),
        ({"остаток": "0 шт."}, False),
        ({"disponível": "não"}, False),
        ({"em estoque": "sim"}, True),
        ({"estoque": 7}, True),
        ({"quantity": 0}, False),
        ({"quantity": 12, "in_stock": False}, False),
        ({"stock": 0, "in_stock": True}, True),
        ({"stock": 3, "availability": "to order"}, True),
    ],
)
def test_stock_is_read_as_it_is_written(metadata: dict[str, JsonValue], expected: bool) -> None:
    stated = stock_in(metadata)
    assert stated
    assert stated[1] is expected


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"availability": "to order"},
        {"наличие": "3 дня"},
        {"back_in_stock": True},
        {"stock_code": 1234},
        {"available_sizes": ["S"]},
        {"in_stock": ["yes"]},
        {"stock": "no" * 1000},
    ],
)
def test_what_tells_nothing_of_the_stock(metadata: dict[str, JsonValue]) -> None:
    assert stock_in(metadata) is None
