"""Reads request fields; what is wrong with them is said by name."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import ParamSpec, Protocol, TypeVar, cast
from uuid import UUID

from google.protobuf import struct_pb2
from kladez.v1 import common_pb2

from retrieval_service.domain.conditions import Conditions
from retrieval_service.domain.invisible import is_blank
from retrieval_service.errors import Invalid, Violation

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

MAX_FILTER_VALUES = 50
MAX_CONDITIONS = 16
MAX_KEY = 64
MAX_FILTER_VALUE = 256
LANGUAGE = re.compile(r"[a-z]{2}")
CHANNEL = re.compile(r"[a-z0-9_-]{1,32}")

# Before everything, and after everything, in listings by time and id.
BEGINNING = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
END = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))


class Check(Protocol):
    """Raises `Invalid` for a value that the field may not have."""

    def __call__(self, field: str, value: str, *, limit: int) -> str: ...


def refuse(field: str, description: str) -> Invalid:
    return Invalid([Violation(field, description)])


class Collected:
    """Checks field after field, so that a caller learns of all that is wrong at once."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def __call__(
        self, check: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Value:
        """What the check returns; nobody sees what stands in the place of a value that is wrong."""
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


def text(field: str, value: str, *, limit: int) -> str:
    """1 to `limit` code points of which a reader sees some."""
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
    """What a page token holds of a row."""
    return time.isoformat(), str(row_id)


def conditions(wanted: common_pb2.Filter) -> Conditions:
    """The filter as the stores take it; a document may have no section and no language, which are then empty."""
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
        values = condition.any_of.values
        _check_count(f"{path}.any_of.values", values, MAX_FILTER_VALUES)
        if not values:
            raise refuse(f"{path}.any_of.values", "is required")
        return {"key": key, "any": [_scalar(f"{path}.any_of.values", value) for value in values]}
    if kind == "range":
        return {"key": key, **_bounds(f"{path}.range", condition.range)}
    raise refuse(path, "must have any_of or range")


def _bounds(field: str, bounds: common_pb2.MetadataRange) -> dict[str, float]:
    """Without any, every number lies between them."""
    given = {
        name: _finite(field, getattr(bounds, name)) for name in ("lower", "upper") if bounds.HasField(name)
    }
    if given.get("lower", -math.inf) > given.get("upper", math.inf):
        raise refuse(field, "must have a lower bound that is not above the upper one")
    return given


def _scalar(field: str, value: struct_pb2.Value) -> str | float | bool:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return optional_text(field, value.string_value, limit=MAX_FILTER_VALUE)
    if kind == "number_value":
        return _finite(field, value.number_value)
    if kind == "bool_value":
        return value.bool_value
    raise refuse(field, "must be strings, numbers or booleans")


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
