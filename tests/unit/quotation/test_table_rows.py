"""Of a table the row that was asked for is quoted, or all of them, and never its neighbours alone."""

from __future__ import annotations

import pytest

from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.quotation.quotes import quotes_of
from retrieval_service.domain.quotation.table_rows import MOST_ROWS, rows_asked, with_rows_asked
from retrieval_service.text.facts.facts import amounts_of

TIERS = """| Ярусов | От веса | Цена за кг |
|---|---|---|
| 1 | 2 кг | 2200 ₽ |
| 2 | 3,5 кг | 2500 ₽ |
| 3 | 6 кг | 2800 ₽ |
| 4 и больше | 9 кг | 3200 ₽ |"""
GROUPS = """| People | Discount |
|---|---|
| 10–19 | 5% |
| 20–39 | 10% |
| 40 and more | 15% |"""
SIZES = """| Size | Chest, cm |
|---|---|
| S | 88–92 |
| M | 93–98 |
| L | 99–105 |"""
CITIES = """| Cidade | Compras | Prazo |
|---|---|---|
| Santos | até R$ 1.000 | 3 dias |
| Londrina | R$ 1.000 – R$ 5.000 | 5 dias |
| Curitiba | R$ 5.000 – R$ 9.000 | 1 dia |"""
TABLES = {"ru": TIERS, "en": GROUPS, "pt": CITIES}


def fragment(text: str, language: str = "en") -> Fragment:
    return Fragment(
        number=1,
        document_id="d",
        chunk_id="c",
        title="Table",
        url="",
        text=text,
        language=language,
        score=1.0,
    )


def asked(question: str, table: str, language: str) -> list[int]:
    """The places of the rows."""
    rows = quotes_of(fragment(table, language))
    return [rows.index(one) for one in rows_asked(question, rows)]


@pytest.mark.parametrize(
    ("table", "language", "question", "expected"),
    [
        (TIERS, "ru", "свадебный торт 1 ярус цена", [0]),
        (TIERS, "ru", "свадебный торт 2 яруса цена", [1]),
        (TIERS, "ru", "торт в три яруса", [2]),
        (TIERS, "ru", "торт 4 яруса", [3]),
        (TIERS, "ru", "торт на 6000 г", [2]),
        (GROUPS, "en", "discount for 25 people", [1]),
        (GROUPS, "en", "we are 19", [0]),
        (SIZES, "en", "chest of 95 cm", [1]),
        (SIZES, "en", "what is size L", [2]),
        (CITIES, "pt", "prazo para londrina", [1]),
        (CITIES, "pt", "compras de R$ 3.000", [1]),
        (CITIES, "pt", "compras de 6 mil", [2]),
    ],
)
def test_row_that_was_asked_for_stands_alone(
    table: str, language: str, question: str, expected: list[int]
) -> None:
    assert asked(question, table, language) == expected


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("ru", "сколько стоит трёхъярусный торт"),
        ("ru", "торт 2 и 3 яруса"),
        ("en", "discount for 5 people"),
        ("en", "discount for 60 people"),
        ("en", "what discounts are there?"),
        ("pt", "prazo para Santos e Londrina"),
    ],
)
def test_where_no_row_has_all_a_short_table_is_quoted_whole(language: str, question: str) -> None:
    table = TABLES[language]
    assert asked(question, table, language) == list(range(table.count("\n") - 1))


def test_of_a_long_table_a_row_is_found_and_nothing_else_is_told() -> None:
    rows = "\n".join(f"| Town{n} | {n} km |" for n in range(10, 11 + MOST_ROWS))
    table = f"| Town | Way |\n|---|---|\n{rows}"
    assert asked("how far is 12 km", table, "en") == [2]
    assert asked("how far is it", table, "en") == []


def test_rows_take_the_places_of_their_neighbours_and_other_quotes_stay() -> None:
    one = fragment(f"Discounts are for groups.\n\n{GROUPS}\n\n{SIZES}")
    said, first, second, third, *sizes = quotes_of(one)
    quotes = [said, first, second, third, *sizes]
    assert with_rows_asked("25 people", [first, said, third], quotes, 900) == [second, said]
    assert with_rows_asked("25 people", [first, said], quotes, 30) == [first, said]
    assert with_rows_asked("25 people", [], quotes, 900) == []


def test_range_with_a_dash_covers_what_lies_in_it_and_two_numbers_do_not() -> None:
    (ranged, *_), *_ = amounts_of("10–19 kg")
    (single, *_), *_ = amounts_of("10 and 19 kg")
    (inside, *_), *_ = amounts_of("12000 g")
    (bare, *_), *_ = amounts_of("12")
    (other, *_), *_ = amounts_of("12 km")
    assert ranged.covers(inside)
    assert not ranged.covers(bare)
    assert ranged.may_cover(bare)
    assert not single.covers(inside)
    assert not ranged.may_cover(other)
