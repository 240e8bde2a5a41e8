"""Reads and checks request fields. Errors name the field."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import ParamSpec, Protocol, TypeVar, cast
from uuid import UUID

from google.protobuf import struct_pb2
from kladez.v1 import common_pb2

from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.errors import Invalid, Violation
from retrieval_service.text import exact_json
from retrieval_service.text.invisible import is_blank

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

MAX_FILTER_VALUES = 50
MAX_CONDITIONS = 16
MAX_KEY = 64
MAX_ETAG = 19
MAX_FILTER_VALUE = 256
MAX_NUMBER = 2 * exact_json.MOST_DIGITS
LANGUAGE = re.compile(r"[a-z]{2}")
CHANNEL = re.compile(r"[a-z0-9_-]{1,32}")

# Positions before and after every row, for listings by time and id.
BEGINNING = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
END = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))


class Check(Protocol):
    """Raises `Invalid` for a value that the field may not have."""

    def __call__(self, field: str, value: str, *, limit: int) -> str: ...


def refuse(field: str, description: str) -> Invalid:
    return Invalid([Violation(field, description)])


class Collected:
    """Checks all fields before it raises, so that the caller learns of all errors at once."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def __call__(
        self, check: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Value:
        """Returns what the check returns. The placeholder for a wrong value is never used."""
        try:
            return check(*args, **kwargs)
        except Invalid as error:
            self.violations.extend(error.violations)
            return cast("Value", None)


@contextlib.contextmanager
def collected() -> Iterator[Collected]:
    """Raises one `Invalid` at the end of the block, for everything that was checked in it."""
    check = Collected()
    yield check
    if check.violations:
        raise Invalid(check.violations)


def uuid(field: str, value: str) -> UUID:
    """Raises `Invalid` for anything but a UUID; an empty one is called required."""
    if not value:
        raise refuse(field, "is required")
    try:
        return UUID(value)
    except ValueError as error:
        raise refuse(field, "is not a UUID") from error


def optional_uuid(field: str, value: str) -> UUID | None:
    return uuid(field, value) if value else None


def version(field: str, etag: str) -> int | None:
    """The version that an etag stands for; None for none."""
    if not etag:
        return None
    if not (etag.isdecimal() and len(etag) < MAX_ETAG):
        raise refuse(field, "is not one that we gave")
    return int(etag)


def text(field: str, value: str, *, limit: int) -> str:
    """1 to `limit` code points, of which at least one is visible."""
    if is_blank(value):
        raise refuse(field, "is required")
    if len(value) > limit:
        raise refuse(field, f"must be at most {limit:,} characters, is {len(value):,}")
    return optional_text(field, value, limit=limit)


def optional_text(field: str, value: str, *, limit: int) -> str:
    if len(value) > limit:
        raise refuse(field, f"must be at most {limit:,} characters, is {len(value):,}")
    if "\0" in value:
        raise refuse(field, "must not contain the character NUL (U+0000)")
    return value


def language(field: str, value: str) -> str:
    if value and not LANGUAGE.fullmatch(value):
        raise refuse(field, 'must be an ISO 639-1 code of two lower-case letters, for example "ru"')
    return value


def channel(field: str, value: str) -> str:
    if not CHANNEL.fullmatch(value):
        raise refuse(field, "must be 1-32 characters of a-z, 0-9, _ and -")
    return value


def position(read: Sequence[str] | None, first: tuple[datetime, UUID]) -> tuple[datetime, UUID]:
    """The time and id that a page token holds."""
    return (datetime.fromisoformat(read[0]), UUID(read[1])) if read else first


def place(time: datetime, row_id: UUID) -> tuple[str, str]:
    """The position of a row for a page token."""
    return time.isoformat(), str(row_id)


def conditions(wanted: common_pb2.Filter) -> Conditions:
    """The filter as the stores take it. A document without a section or a language has "" there."""
    with collected() as check:
        check(_check_each, "filter.source_types", wanted.source_types, text)
        check(_check_each, "filter.sections", wanted.sections, optional_text)
        check(_check_each, "filter.tags", wanted.tags, text)
        check(_check_each, "filter.languages", wanted.languages, _language_of_filter)
        check(_check_count, "filter.metadata", wanted.metadata, MAX_CONDITIONS)
        metadata = [
            check(_condition, number, one) for number, one in enumerate(wanted.metadata[:MAX_CONDITIONS])
        ]
    return Conditions(
        source_types=list(wanted.source_types),
        sections=list(wanted.sections),
        tags=list(wanted.tags),
        languages=list(wanted.languages),
        metadata=metadata,
    )


def _language_of_filter(field: str, value: str, *, limit: int) -> str:
    return language(field, optional_text(field, value, limit=limit))


def _condition(number: int, condition: common_pb2.MetadataCondition) -> dict[str, object]:
    path = f"filter.metadata[{number}]"
    key = text(f"{path}.key", condition.key, limit=MAX_KEY)
    kind = condition.WhichOneof("condition")
    if kind == "any_of":
        return {"key": key, "any": _values(f"{path}.any_of", condition.any_of)}
    if kind == "range":
        return {"key": key, **_bounds(f"{path}.range", condition.range)}
    raise refuse(path, "must have any_of or range")


def _values(path: str, wanted: common_pb2.MetadataValues) -> list[str | float | Decimal | bool]:
    _check_count(f"{path}.values", [*wanted.values, *wanted.numbers], MAX_FILTER_VALUES)
    if not (wanted.values or wanted.numbers):
        raise refuse(f"{path}.values", "is required")
    return [
        *(_scalar(f"{path}.values", value) for value in wanted.values),
        *(_number(f"{path}.numbers", text) for text in wanted.numbers),
    ]


def _bounds(field: str, bounds: common_pb2.MetadataRange) -> dict[str, float | Decimal]:
    """Without bounds every number matches."""
    lower = bounds.lower if bounds.HasField("lower") else None
    upper = bounds.upper if bounds.HasField("upper") else None
    ends = {
        "lower": _bound(field, lower, bounds.lower_number),
        "upper": _bound(field, upper, bounds.upper_number),
    }
    given = {name: end for name, end in ends.items() if end is not None}
    if given.get("lower", -math.inf) > given.get("upper", math.inf):
        raise refuse(field, "must have a lower bound that is not above the upper one")
    return given


def _bound(field: str, number: float | None, digits: str) -> float | Decimal | None:
    """A bound that is given as a float or as digits; None for an open end."""
    if digits and number is not None:
        raise refuse(field, "must not have the same bound twice")
    if digits:
        return _number(field, digits)
    return None if number is None else _finite(field, number)


def _number(field: str, digits: str) -> float | Decimal:
    """The exact value of the digits."""
    number = exact_json.number(optional_text(field, digits, limit=MAX_NUMBER))
    if number is None or exact_json.has_too_many_digits(number) or not math.isfinite(number):
        raise refuse(field, f"must be a number of at most {exact_json.MOST_DIGITS} digits")
    return number


def _scalar(field: str, value: struct_pb2.Value) -> str | float | Decimal | bool:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return optional_text(field, value.string_value, limit=MAX_FILTER_VALUE)
    if kind == "number_value":
        return _safe(field, exact_json.normal(_finite(field, value.number_value)))
    if kind == "bool_value":
        return value.bool_value
    raise refuse(field, "must be strings, numbers or booleans")


def _safe(field: str, number: float | Decimal) -> float | Decimal:
    if not exact_json.is_safe(number):
        raise refuse(
            field, f"may have been rounded beyond {exact_json.LARGEST_SAFE_INTEGER:,}; send it in numbers"
        )
    return number


def _finite(field: str, number: float) -> float:
    if not math.isfinite(number):
        raise refuse(field, "must be a finite number")
    return number


def _check_each(field: str, values: Sequence[str], check: Check) -> None:
    _check_count(field, values, MAX_FILTER_VALUES)
    for value in values:
        check(field, value, limit=MAX_FILTER_VALUE)


def _check_count(field: str, values: Iterable[object], limit: int) -> None:
    count = sum(1 for _ in values)
    if count > limit:
        raise refuse(field, f"must be at most {limit}, are {count:,}")
