"""The fields of one shop row by type, what is wrong with them, and which ones nobody asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from retrieval_service.domain.documents.documents import JsonValue, check_characters
from retrieval_service.errors import Violation
from retrieval_service.text import exact_json
from retrieval_service.text.facts.numbers import numbers_of
from retrieval_service.text.facts.prices import currency_code, stated_price
from retrieval_service.text.invisible import is_blank

_NO_AMOUNT = re.compile(r"[+-]?(?:s?nan|inf|infinity)", re.IGNORECASE)
_MINUS = "-−–"
METADATA = "metadata"
_LONGEST_SHOWN = 60
_LONGEST_PRICE = 200
# Deeper values stay JSON: nobody filters by "a.b.c.d.e".
_FLATTENED_LEVELS = 4


class Fields:
    """One row; reading never raises, a wrong field reads as empty and leaves a violation."""

    def __init__(self, row: Mapping[str, JsonValue]) -> None:
        self._row = row
        self._known: set[str] = set()
        self.violations: list[Violation] = []

    def text(self, name: str, *, required: bool = False) -> str:
        """Trimmed text; null counts as missing."""
        value = self._take(name)
        if value is not None and not isinstance(value, str):
            self._refuse(name, f"must be text, is {_kind(value)}")
            return ""
        text = (value or "").strip()
        if required and is_blank(text):
            self._refuse(name, "is required" if value is None else "must not be blank")
        unfit = list(check_characters(name, text))
        self.violations += unfit
        return "" if unfit else text

    def identifier(self, *, required: bool) -> str:
        """Text or a whole number: 7 and "7" are the same id."""
        value = self._row.get("id")
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return self.text("id", required=required)
        self._known.add("id")
        number = exact_json.normal(value)
        if not isinstance(number, int):
            self._refuse("id", "must be text or a whole number")
            return ""
        return str(number)

    def tags(self) -> tuple[str, ...]:
        """Without repetitions, in the given order."""
        value = self._take("tags")
        if value is None:
            return ()
        if isinstance(value, str) or not isinstance(value, list):
            self._refuse("tags", f"must be a list of texts, is {_kind(value)}")
            return ()
        texts = [tag.strip() for tag in value if isinstance(tag, str)]
        if len(texts) < len(value):
            self._refuse("tags", "must be a list of texts only")
        return tuple(dict.fromkeys(filter(None, texts)))

    def price(self, language: str) -> tuple[Decimal | str | None, str]:
        """A number that is not negative, or a text that says more than a number ("from 300 ₽"), and the currency."""
        currency = currency_code(self.text("currency"))
        value = self._take("price")
        if isinstance(value, str):
            return self._written_price(value.strip(), currency, language)
        return self._amount(value), currency

    def _written_price(self, text: str, currency: str, language: str) -> tuple[Decimal | str | None, str]:
        stated = stated_price(text, currency, language)
        if _unreadable(text) or _NO_AMOUNT.fullmatch(text):
            self._refuse("price", f"must be a number or say one, is {shown(text)}")
        elif text.startswith(tuple(_MINUS)) and stated_price(text[1:], currency, language):
            self._refuse("price", f"must be a number from 0, is {shown(text)}")
        elif stated is None or currency not in ("", stated.currency):
            return text or None, currency
        elif len(stated.amounts) == 1:
            return stated.amounts[0], stated.currency
        else:
            readings = " or ".join(f"{amount:f}" for amount in sorted(stated.amounts))
            self._refuse("price", f"may be {readings}, is {shown(text)}; a JSON number is clear")
        return None, currency

    def _amount(self, value: JsonValue) -> Decimal | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            self._refuse("price", f"must be a number or text, is {_kind(value)}")
        elif exact_json.has_too_many_digits(value) or not math.isfinite(value) or value < 0:
            self._refuse("price", f"must be a number from 0, is {shown(str(value))}")
        else:
            return Decimal(str(value))
        return None

    def unknown_names(self) -> tuple[str, ...]:
        """The fields that have a value and were not read."""
        return tuple(name for name in self._row if name not in self._known and not _is_empty(self._row[name]))

    def unknown(self) -> dict[str, JsonValue]:
        """Their values; nested objects get names with dots: {"size": {"cm": 3}} becomes "size.cm": 3.

        What stands in an object called "metadata" keeps its names. A name that two values get is refused.
        """
        flat: dict[str, JsonValue] = {}
        for name in self.unknown_names():
            for flat_name, value in _flattened(name, self._row[name]):
                if flat_name in flat and not exact_json.are_same(flat[flat_name], value):
                    self._refuse(flat_name, "has two values among the fields that become metadata")
                flat[flat_name] = value
        return flat

    def _take(self, name: str) -> JsonValue:
        self._known.add(name)
        return self._row.get(name)

    def _refuse(self, name: str, description: str) -> None:
        self.violations.append(Violation(name, description))


def shown(value: str) -> str:
    """In quotation marks, its beginning."""
    return f'"{value[:_LONGEST_SHOWN]}"'


def _unreadable(price: str) -> bool:
    """ "1.2.3" looks like a number and is none; "on request" says what it says."""
    return any(not number.values for number in numbers_of(price[:_LONGEST_PRICE]))


def _flattened(name: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if name == METADATA and isinstance(value, Mapping):
        for inner, child in value.items():
            yield from _flat(inner, child, _FLATTENED_LEVELS)
    else:
        yield from _flat(name, value, _FLATTENED_LEVELS)


def _flat(name: str, value: JsonValue, levels: int) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, Mapping) and levels > 1:
        for inner, child in value.items():
            yield from _flat(f"{name}.{inner}", child, levels - 1)
    elif not _is_empty(value):
        yield name, value


def _is_empty(value: JsonValue) -> bool:
    return value is None or value in ("", [], {})


def _kind(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float | Decimal):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "an object" if isinstance(value, Mapping) else "a list"
