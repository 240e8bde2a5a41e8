"""Currencies and prices are read as shops write them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from retrieval_service.text.facts.prices import currency_code, format_price, stated_price


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("руб.", "RUB"),
        ("р.", "RUB"),
        ("₽", "RUB"),
        ("RUR", "RUB"),
        ("R$", "BRL"),
        ("reais", "BRL"),
        ("€", "EUR"),
        ("gbp", "GBP"),
        ("chf", "CHF"),
        ("CNY", "CNY"),
        ("", ""),
        ("points", "points"),
    ],
)
def test_currency_has_one_code(written: str, code: str) -> None:
    assert currency_code(written) == code


@pytest.mark.parametrize(
    ("written", "amount", "code"),
    [
        ("1 290 ₽", "1290", "RUB"),
        ("12.900 руб.", "12900", "RUB"),
        ("R$ 35,50", "35.50", "BRL"),
        ("$1,299.90", "1299.90", "USD"),
        ("19 €", "19", "EUR"),
    ],
)
def test_price_with_its_currency_is_a_number(written: str, amount: str, code: str) -> None:
    assert stated_price(written) == (Decimal(amount), code)


@pytest.mark.parametrize(
    "written", ["from 300 ₽", "1 290", "300–500 ₽", "free", "", "9 € a day", "7" * 50 + " €"]
)
def test_what_says_more_or_less_than_a_price_stays_as_it_is(written: str) -> None:
    assert stated_price(written) is None


def test_price_is_shown_with_the_sign_of_its_currency() -> None:
    assert format_price(Decimal(12900), "руб.", "ru") == "12 900 ₽"
