"""Prices as people of each language write them: "12 900,50 ₽", "$1,290.50", "R$ 1.290,50"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal

from retrieval_service.text.exact_json import MOST_DIGITS
from retrieval_service.text.facts.numbers import Number, numbers_of
from retrieval_service.text.facts.words import CURRENCIES

_SYMBOLS: Mapping[str, str] = {
    "RUB": "₽",
    "USD": "$",
    "EUR": "€",
    "GBP": "£",
    "BRL": "R$",
    "KZT": "₸",
    "UAH": "₴",
    "JPY": "¥",
    "CNY": "¥",
    "INR": "₹",
    "TRY": "₺",
}
# What people write cents behind (CLDR), in languages without a style and for currencies; elsewhere it may be either.
_COMMA_LANGUAGES = frozenset({"cs", "da", "de", "fi", "fr", "it", "nl", "no", "pl", "sv", "tr", "uk"})
_EITHER = ".,"
_CENT_MARKS: Mapping[str, str] = {
    **dict.fromkeys(("USD", "GBP", "CNY", "INR"), "."),
    **dict.fromkeys(("RUB", "BRL", "KZT", "UAH", "TRY"), ","),
    "JPY": "",
}
# ISO 4217: all others have two digits of cents at most.
_THREE_DIGITS_OF_CENTS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_CURRENCY_WORD = re.compile(r"[^\W\d_]+\$?|[^\w\s]")
_AROUND_CURRENCY = " .\u00a0\u2009\u202f"
_CENTS = 2
_CODE_LETTERS = 3
_LONGEST_PRICE = 40
# A document may state a number of any length that JSON keeps; the usual precision of 28 digits refuses cents there.
_EXACT = Context(prec=2 * MOST_DIGITS)


@dataclass(frozen=True, kw_only=True)
class _Style:
    thousands: str
    grouped_from: int
    decimal: str
    symbols_in_front: frozenset[str]
    space_after_symbol: str


_ENGLISH = _Style(
    thousands=",",
    grouped_from=1_000,
    decimal=".",
    symbols_in_front=frozenset({"$", "€", "£", "R$", "¥", "₹"}),
    space_after_symbol="",
)
_STYLES: Mapping[str, _Style] = {
    "ru": _Style(
        # Russian leaves four digits together.
        thousands=" ",
        grouped_from=10_000,
        decimal=",",
        symbols_in_front=frozenset(),
        space_after_symbol=" ",
    ),
    "en": _ENGLISH,
    "pt": _Style(
        thousands=".",
        grouped_from=1_000,
        decimal=",",
        symbols_in_front=frozenset({"R$", "$"}),
        space_after_symbol=" ",
    ),
}


def currency_code(written: str) -> str:
    """The ISO 4217 code of a symbol, a name or an abbreviation: "руб." is RUB; of what is none the text itself."""
    said = written.strip().rstrip(".").strip()
    if said.upper() in _SYMBOLS:
        return said.upper()
    is_code = len(said) == _CODE_LETTERS and said.isascii() and said.isalpha()
    return CURRENCIES.get(said.casefold()) or (said.upper() if is_code else written.strip())


@dataclass(frozen=True, kw_only=True)
class StatedPrice:
    """`amounts` are the ways to read it: none of "1.2.3 €", two of "$1.299". `currency` may be empty."""

    amounts: tuple[Decimal, ...]
    currency: str


def stated_price(text: str, currency: str, language: str) -> StatedPrice | None:
    """What a text says that says nothing else: "1 290 ₽", "R$ 35,00", "12,50"; None of "from 300 ₽".

    `currency`, a code or empty, is the one that is given beside the text; the text may say another.
    """
    if len(text) > _LONGEST_PRICE or len(numbers := numbers_of(text)) != 1:
        return None
    number = numbers[0]
    around = f"{text[: number.start]}{text[number.end :]}".strip(_AROUND_CURRENCY)
    if number.symbol and around:
        return None
    said = number.symbol or around
    code = _code_beside(said, currency)
    if said and not code:
        return None
    mark = next((one for one in text[number.start : number.end] if one in _EITHER), "")
    return StatedPrice(amounts=_amounts(number, mark, code, language), currency=code)


def _code_beside(said: str, currency: str) -> str:
    """ "¥" may be of two currencies: the given one tells which."""
    if not said or (currency and (currency_code(said) == currency or _SYMBOLS.get(currency) == said)):
        return currency
    return said.upper() if said.upper() in _SYMBOLS else CURRENCIES.get(said.casefold(), "")


def _amounts(number: Number, mark: str, currency: str, language: str) -> tuple[Decimal, ...]:
    """One mark with three digits behind it groups thousands: these are no cents.

    It may be meant as a point where language and currency both write cents behind it ("$1.299" for fuel).
    """
    style = _STYLES.get(language)
    of_language = style.decimal if style else "," if language in _COMMA_LANGUAGES else _EITHER
    is_point = mark in of_language and mark in _CENT_MARKS.get(currency, _EITHER)
    if is_point or number.scale != 1 or currency in _THREE_DIGITS_OF_CENTS:
        return number.values
    return number.values and (max(number.values),)


def with_currency(price: str, currency: str, language: str) -> str:
    """A price in words with the currency that is given beside it, unless it says one or no number: "£30-45"."""
    code = currency_code(currency)
    words = {code.casefold(), *CURRENCIES}
    is_said = any(word in words for word in _CURRENCY_WORD.findall(price.casefold()))
    if not code or is_said or not any(map(str.isdigit, price)):
        return price
    style, symbol = _STYLES.get(language, _ENGLISH), _SYMBOLS.get(code, code)
    if symbol not in style.symbols_in_front:
        return f"{price} {symbol}"
    return f"{symbol}{style.space_after_symbol}{price}" if price[0].isdigit() else f"{price} {code}"


def format_price(amount: Decimal, currency: str, language: str) -> str:
    """`currency` is an ISO 4217 code, what `currency_code` reads, or empty; whole amounts get no cents."""
    style = _STYLES.get(language, _ENGLISH)
    number = _format_number(amount, style)
    symbol = _SYMBOLS.get(currency_code(currency), currency)
    if symbol in style.symbols_in_front:
        return f"{symbol}{style.space_after_symbol}{number}"
    return f"{number} {symbol}".rstrip()


def _format_number(amount: Decimal, style: _Style) -> str:
    shortest = _EXACT.normalize(amount)
    places = max(0, -int(shortest.as_tuple().exponent))
    digits = f"{amount:,.2f}" if 0 < places <= _CENTS else f"{shortest:,f}"
    thousands = style.thousands if amount >= style.grouped_from else ""
    return digits.translate({ord(","): thousands, ord("."): style.decimal})
