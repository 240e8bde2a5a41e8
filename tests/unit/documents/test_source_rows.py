"""What a row of a source becomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from retrieval_service.domain.documents.documents import check
from retrieval_service.domain.documents.source_rows import RowRenderer, json_of, tags_of
from retrieval_service.domain.documents.sources import Source

SOURCE = Source(
    name="products",
    dsn_variable="KLADEZ_SOURCE_SHOP",
    source_type="product",
    ids_query="SELECT * FROM products WHERE id = ANY(%(ids)s)",
    all_query="SELECT * FROM products",
    id_column="id",
    title_template="{{ title }}",
    text_template="{{ title }}: {{ price / 100 }}",
    metadata_columns={"price": "cents"},
)


def test_row_becomes_a_document() -> None:
    [row] = RowRenderer(SOURCE).render([{"id": 7, "title": "Tea", "price": 450}])
    assert row.draft is not None
    assert (row.draft.external_id, row.draft.title, row.draft.content) == ("7", "Tea", "Tea: 4.5")
    assert row.draft.metadata == {"cents": 450}
    assert check(row.draft) == []


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"id": 7, "price": 450}, "title_template"),
        ({"id": 7, "title": "Tea"}, "metadata_columns[price]"),
        ({"title": "Tea", "price": 450}, "id_column"),
        ({"id": 7, "title": "Tea", "price": None}, "text_template"),
        ({"id": 7, "title": "Tea", "price": "much"}, "text_template"),
    ],
)
def test_row_that_cannot_be_rendered_names_why(row: dict[str, object], field: str) -> None:
    good = {"id": 8, "title": "Coffee", "price": 1}
    bad, kept = RowRenderer(SOURCE).render([row, good])
    assert bad.draft is None
    assert field in [one.field for one in bad.violations]
    assert kept.draft is not None


def test_row_that_is_nested_too_deeply_is_refused_alone() -> None:
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    bad, kept = RowRenderer(SOURCE).render(
        [{"id": 7, "title": deep, "price": 1}, {"id": 8, "title": "Tea", "price": 1}]
    )
    assert {one.description for one in bad.violations} == {"the row is nested too deeply"}
    assert kept.draft is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("450.00"), 450),
        (Decimal("4.5"), 4.5),
        (Decimal(9007199254740993), 9007199254740993),
        (Decimal("123456789012345678.123456789"), Decimal("123456789012345678.123456789")),
        (Decimal("1E+3"), 1000),
        ({"a": [Decimal("9007199254740993.5")]}, {"a": [Decimal("9007199254740993.5")]}),
        (date(2026, 3, 29), "2026-03-29"),
        (datetime(2026, 3, 29, 1, tzinfo=UTC), "2026-03-29T01:00:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"a": [Decimal(1), None]}, {"a": [1, None]}),
        (True, True),
    ],
)
def test_values_become_json(value: object, expected: object) -> None:
    assert json_of(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(["a", " b ", ""], ("a", "b")), ("a, b,,", ("a", "b")), (None, ()), (5, ())],
)
def test_tags_come_from_an_array_or_a_text(value: object, expected: tuple[str, ...]) -> None:
    assert tags_of(value) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT * FROM t WHERE id = ANY(%(ids)s)", True),
        ("SELECT * FROM t WHERE id =any ( %(ids)s )", True),
        ("SELECT * FROM t WHERE id IN (SELECT unnest(%(ids)s))", False),
    ],
)
def test_query_that_an_index_can_serve_is_recognised(query: str, expected: bool) -> None:
    assert replace(SOURCE, ids_query=query).uses_any() is expected


def test_small_decimals_are_written_without_an_exponent() -> None:
    row = {"id": Decimal("0.0000001"), "title": Decimal("0.00000012"), "price": 1}
    [rendered] = RowRenderer(SOURCE).render([row])
    assert rendered.draft is not None
    assert (rendered.draft.external_id, rendered.draft.title) == ("0.0000001", "0.00000012")
