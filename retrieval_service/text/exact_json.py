"""JSON whose numbers stay what they were: read, compared and written without rounding.

Every number has one form: an `int` when it is whole, a `float` when that says exactly the same, else a `Decimal`.
So 1.0 is 1, 1.10 is 1.1, and 0.1234567890123456789 is no float.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

# All floats have fewer. Postgres writes 1e300 with all its digits, so few characters may become many.
MOST_DIGITS = 350
# The largest that programs whose numbers are all floats surely tell from its neighbours.
LARGEST_SAFE_INTEGER = 2**53 - 1
# From here on nobody counts or numbers things; a float of this size, as 1e300, is meant to be one.
_NO_COUNT = 2**64
_LARGEST_FLOAT = int(sys.float_info.max)
# Of a path that is shown; without an end, many values below long keys would be many long paths.
LONGEST_PATH = 200
_CUT = "…"

_ALWAYS_SAFE = frozenset({str, float, bool, type(None)})
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class TooDeep(ValueError):
    """The JSON is nested too deeply."""

    def __init__(self) -> None:
        super().__init__("is nested too deeply")


class RepeatedKeys(dict[str, Any]):
    """An object in which `repeated` keys stand more than once, with the first value of each: to be refused."""

    def __init__(self, values: Mapping[str, Any], repeated: Sequence[str]) -> None:
        super().__init__(values)
        self.repeated = tuple(repeated)


def loads(text: str | bytes) -> Any:
    """Raises `ValueError`, `TooDeep` among others; NaN and Infinity, which are no JSON, are read as Python does."""
    return _decoded(DECODER, text)


def dumps_stored(value: Any) -> str:
    """For Postgres, which refuses half of a surrogate pair by name only where it is written in ASCII."""
    return dumps(value, ascii_only=True)


def loads_stored(text: str | bytes) -> Any:
    """What Postgres gives of JSON: no key stands twice there, and no number has too many digits."""
    return _decoded(STORED_DECODER, text)


def dumps(
    value: Any,
    *,
    sort_keys: bool = False,
    ascii_only: bool = False,
    separators: tuple[str, str] = (", ", ": "),
) -> str:
    """As `json.dumps`, which knows no `Decimal`."""
    try:
        return json.dumps(value, sort_keys=sort_keys, ensure_ascii=ascii_only, separators=separators)
    except TypeError:
        return "".join(_written(value, sort_keys=sort_keys, ascii_only=ascii_only, separators=separators))


def number(text: str) -> float | Decimal | None:
    """None for a text that is no JSON number."""
    return loads(text) if _NUMBER.fullmatch(text) else None


def normal(number: float | Decimal) -> float | Decimal:
    """The one form of the number; what is not finite or has too many digits stays as it is."""
    if isinstance(number, int):
        return number
    if isinstance(number, float):
        return int(number) if number.is_integer() else number
    if not number.is_finite() or has_too_many_digits(number):
        return number
    if number == number.to_integral_value():
        return int(number)
    nearest = float(number)
    return nearest if Decimal(repr(nearest)) == number else number


def has_too_many_digits(number: float | Decimal) -> bool:
    """On either side of the point."""
    if isinstance(number, int):
        return abs(number) >= 10**MOST_DIGITS
    if isinstance(number, float) or not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    return number.adjusted() >= MOST_DIGITS or (isinstance(exponent, int) and -exponent > MOST_DIGITS)


def is_safe(number: float | Decimal) -> bool:
    """Whether a float says exactly this, and no neighbour of it could have been meant."""
    if not isinstance(number, int):
        return isinstance(number, float)
    size = abs(number)
    return size <= LARGEST_SAFE_INTEGER or (_NO_COUNT <= size <= _LARGEST_FLOAT and float(number) == number)


def is_all_safe(value: object) -> bool:
    """Whether all numbers in the value are safe, however deep. Asked of every hit, so the usual types come first."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        kind = type(one)
        if kind in _ALWAYS_SAFE:
            continue
        if isinstance(one, dict | Mapping):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
        elif isinstance(one, int | Decimal) and not is_safe(one):
            return False
    return True


def are_same(one: object, other: object) -> bool:
    """Whether both are the same JSON, whatever the order of keys; true is not 1. What is too deep to tell is not."""
    try:
        return dumps(one, sort_keys=True) == dumps(other, sort_keys=True)
    except RecursionError:
        return False


def repetitions(value: object) -> Iterator[str]:
    """The paths of keys that stand more than once in one object."""
    for path, one in walk(value):
        if isinstance(one, RepeatedKeys):
            yield from (below(path, key) for key in one.repeated)


def walk(value: object) -> Iterator[tuple[str, object]]:
    """The value and all values in it with their paths; without recursion: the depth is the caller's."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        path, one = waiting.pop()
        yield path, one
        waiting.extend(children(path, one))


def children(path: str, value: object) -> Iterator[tuple[str, Any]]:
    """The members of an object or a list with their paths; of anything else none."""
    if isinstance(value, Mapping):
        yield from ((below(path, key), child) for key, child in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield from ((_cut(path, f"[{place}]"), child) for place, child in enumerate(value))


def below(path: str, key: str) -> str:
    """For people: cut where it gets long, and with escapes for what no text field may hold."""
    shown = _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", key[: LONGEST_PATH + 1])
    return _cut(path, f".{shown}" if path else shown)


def _decoded(decoder: json.JSONDecoder, text: str | bytes) -> Any:
    try:
        return decoder.decode(text if isinstance(text, str) else text.decode())
    except RecursionError:
        raise TooDeep from None


def _cut(path: str, more: str) -> str:
    if path.endswith(_CUT):
        return path
    longer = path + more
    return longer if len(longer) <= LONGEST_PATH else longer[:LONGEST_PATH] + _CUT


def _read_integer(digits: str) -> float | Decimal:
    """Python makes no integer of many thousand digits."""
    return int(digits) if len(digits) <= MOST_DIGITS else _read_decimal(digits)


def _read_decimal(digits: str) -> float | Decimal:
    """An exponent that nobody can compute with reads as infinite, which is refused wherever it is kept."""
    try:
        return normal(Decimal(digits))
    except InvalidOperation:
        return float("inf")


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    counts = Counter(key for key, _ in pairs)
    return RepeatedKeys(dict(reversed(pairs)), [key for key, count in counts.items() if count > 1])


DECODER = json.JSONDecoder(parse_int=_read_integer, parse_float=_read_decimal, object_pairs_hook=_read_object)
STORED_DECODER = json.JSONDecoder(parse_float=_read_decimal)


def _written(
    value: object, *, sort_keys: bool, ascii_only: bool, separators: tuple[str, str]
) -> Iterator[str]:
    comma, colon = separators
    style: dict[str, Any] = {"sort_keys": sort_keys, "ascii_only": ascii_only, "separators": separators}
    if isinstance(value, Decimal):
        yield format(value, "f")
    elif isinstance(value, Mapping):
        members = sorted(value.items()) if sort_keys else value.items()
        parts = (
            json.dumps(key, ensure_ascii=ascii_only) + colon + dumps(one, **style) for key, one in members
        )
        yield "{" + comma.join(parts) + "}"
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield "[" + comma.join(dumps(one, **style) for one in value) + "]"
    else:
        yield json.dumps(value, ensure_ascii=ascii_only)
