"""Prices as people of each language write them: "12 900,50 ₽", "$1,290.50", "R$ 1.290,50"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal

from retrieval_service.text.exact_json import MOST_DIGITS
from retrieval_service.text.facts.numbers import numbers_of
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


def stated_price(text: str) -> tuple[Decimal, str] | None:
    """Amount and currency of a text that says nothing else: "1 290 ₽", "R$ 35,00"; not of "from 300 ₽"."""
    if len(text) > _LONGEST_PRICE or len(numbers := numbers_of(text)) != 1:
        return None
    number = numbers[0]
    said = number.symbol or text[number.end :].strip()
    code = CURRENCIES.get(said.rstrip(".").casefold(), "")
    rest = f"{text[: number.start]}{text[number.end :]}".replace(said, "", 1).strip(" .\u00a0\u202f")
    return (max(number.values), code) if code and number.values and not rest else None


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
