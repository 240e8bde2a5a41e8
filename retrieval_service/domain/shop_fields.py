"""The fields of one shop row by type, what is wrong with them, and which ones nobody asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal

from retrieval_service.domain.documents import JsonValue, check_characters
from retrieval_service.domain.invisible import is_blank
from retrieval_service.errors import Violation

_DECIMAL = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
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
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self.text("id", required=required)
        self._known.add("id")
        if not float(value).is_integer():
            self._refuse("id", "must be text or a whole number")
            return ""
        return str(int(value))

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

    def price(self) -> Decimal | str | None:
        """A number that is not negative, or a text that says more than a number ("from 300 ₽")."""
        value = self._take("price")
        if value is None:
            return None
        if isinstance(value, str):
            text = value.strip()
            return Decimal(text) if _DECIMAL.fullmatch(text) else text or None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse("price", f"must be a number or text, is {_kind(value)}")
        elif not math.isfinite(value) or value < 0:
            self._refuse("price", "must be a number from 0")
        else:
            return Decimal(str(value))
        return None

    def unknown_names(self) -> tuple[str, ...]:
        """The fields that have a value and were not read."""
        return tuple(name for name in self._row if name not in self._known and not _is_empty(self._row[name]))

    def unknown(self) -> dict[str, JsonValue]:
        """Their values; nested objects get names with dots: {"size": {"cm": 3}} becomes "size.cm": 3."""
        flat: dict[str, JsonValue] = {}
        for name in self.unknown_names():
            _flatten(name, self._row[name], flat, _FLATTENED_LEVELS)
        return flat

    def _take(self, name: str) -> JsonValue:
        self._known.add(name)
        return self._row.get(name)

    def _refuse(self, name: str, description: str) -> None:
        self.violations.append(Violation(name, description))


def _flatten(name: str, value: JsonValue, flat: dict[str, JsonValue], levels: int) -> None:
    if isinstance(value, Mapping) and levels > 1:
        for inner, child in value.items():
            _flatten(f"{name}.{inner}", child, flat, levels - 1)
    elif not _is_empty(value):
        flat[name] = value


def _is_empty(value: JsonValue) -> bool:
    return value is None or value in ("", [], {})


def _kind(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "an object" if isinstance(value, Mapping) else "a list"
