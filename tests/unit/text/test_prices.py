"""Currencies and prices are read as shops write them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from retrieval_service.text.facts.prices import (
    StatedPrice,
    currency_code,
    format_price,
    stated_price,
    with_currency,
)


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
        ("USD 19.90", "19.90", "USD"),
        ("12 CNY", "12", "CNY"),
        ("R$ 1.234.567,89", "1234567.89", "BRL"),
        ("£1,234,567.89", "1234567.89", "GBP"),
        ("$0.125", "0.125", "USD"),
        ("R$ 0.500", "0.5", "BRL"),
        ("0,990 ₽", "0.99", "RUB"),
        ("1290.500 €", "1290.5", "EUR"),
    ],
)
@pytest.mark.parametrize("language", ["ru", "en", "pt", "de", ""])
def test_price_with_its_currency_is_a_number(written: str, amount: str, code: str, language: str) -> None:
    assert stated_price(written, "", language) == StatedPrice(amounts=(Decimal(amount),), currency=code)


@pytest.mark.parametrize(
    "written", ["from 300 ₽", "300–500 ₽", "free", "", "9 € a day", "7" * 50 + " €", "5 kg", "$5 each"]
)
def test_what_says_more_or_less_than_a_price_stays_as_it_is(written: str) -> None:
    assert stated_price(written, "", "en") is None


@pytest.mark.parametrize(
    ("figures", "currency", "language", "amounts"),
    [
        ("1.290", "BRL", "pt", "1290"),
        ("1.290", "", "pt", "1290"),
        ("1.290", "BRL", "en", "1290"),
        ("12.345", "RUB", "ru", "12345"),
        ("12.345", "EUR", "ru", "12345"),
        ("12.345", "EUR", "de", "12345"),
        ("1,290", "GBP", "en", "1290"),
        ("1,290", "RUB", "en", "1290"),
        ("1,290", "USD", "pt", "1290"),
        ("1,290", "JPY", "ru", "1290"),
        ("1.299", "USD", "en", "1.299 1299"),
        ("1.799", "EUR", "en", "1.799 1799"),
        ("1.299", "", "", "1.299 1299"),
        ("1,290", "RUB", "ru", "1.290 1290"),
        ("5,899", "BRL", "pt", "5.899 5899"),
        ("1.290", "KWD", "pt", "1.290 1290"),
        ("1.250 mil", "BRL", "pt", "1250 1250000"),
        ("1.290", "points", "en", "1.290 1290"),
        ("0.125", "KWD", "en", "0.125"),
        ("0 125", "RUB", "ru", ""),
        ("1.29,50", "BRL", "pt", ""),
        ("1.290.5", "BRL", "pt", ""),
    ],
)
def test_three_digits_are_thousands_unless_they_may_be_cents(
    figures: str, currency: str, language: str, amounts: str
) -> None:
    stated = stated_price(figures, currency, language)
    assert stated == StatedPrice(amounts=tuple(map(Decimal, amounts.split())), currency=currency)
    assert stated_price(f"{figures} {currency}", currency, language) == stated


@pytest.mark.parametrize(
    ("price", "currency", "language", "shown"),
    [
        ("30-45", "GBP", "en", "£30-45"),
        ("30-45", "BRL", "pt", "R$ 30-45"),
        ("от 300", "RUB", "ru", "от 300 ₽"),
        ("from 300", "USD", "en", "from 300 USD"),
        ("a partir de 30", "EUR", "pt", "a partir de 30 €"),
        ("from 300 ₽", "RUB", "en", "from 300 ₽"),
        ("от 300 руб.", "RUB", "ru", "от 300 руб."),
        ("from 30 CHF", "CHF", "en", "from 30 CHF"),
        ("on request", "EUR", "en", "on request"),
        ("30-45", "", "en", "30-45"),
    ],
)
def test_price_in_words_is_shown_with_its_currency(
    price: str, currency: str, language: str, shown: str
) -> None:
    assert with_currency(price, currency, language) == shown


def test_price_is_shown_with_the_sign_of_its_currency() -> None:
    assert format_price(Decimal(12900), "руб.", "ru") == "12 900 ₽"
