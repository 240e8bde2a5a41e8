"""Refuses unknown enum numbers, so that a newer client's value is not read as the default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from google.protobuf import message
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from retrieval_service import errors
from retrieval_service.errors import Violation


def check(request: message.Message) -> None:
    """Raises `Invalid` naming each field."""
    if not may_hold_enums(request.DESCRIPTOR):
        return
    violations = list(_unknown(request, ""))
    if violations:
        raise errors.Invalid(violations)


@cache
def may_hold_enums(descriptor: Descriptor) -> bool:
    """Whether the message, or one inside it, has an enum field.

    Google's own types are skipped: they have no enum that a caller chooses, and `Struct` contains itself.
    """
    if descriptor.full_name.startswith("google.protobuf."):
        return False
    return any(
        field.enum_type is not None or (field.message_type is not None and may_hold_enums(field.message_type))
        for field in descriptor.fields
    )


def _unknown(found: message.Message, path: str) -> Iterator[Violation]:
    for field, value in found.ListFields():
        name = f"{path}{field.name}"
        if field.enum_type is not None:
            yield from _unknown_numbers(field.enum_type, value if field.is_repeated else (value,), name)
        elif field.message_type is not None and may_hold_enums(field.message_type):
            for place, inner in _messages(field, field.message_type, value):
                yield from _unknown(inner, f"{name}{place}.")


def _unknown_numbers(kind: EnumDescriptor, numbers: Iterable[int], path: str) -> Iterator[Violation]:
    for number in numbers:
        if number not in kind.values_by_number:
            yield Violation(path, f"has no value {number}")


def _messages(field: FieldDescriptor, kind: Descriptor, value: Any) -> Iterator[tuple[str, message.Message]]:
    """The messages in a field, with their positions. No map of the contract holds an enum."""
    if not field.is_repeated:
        yield "", value
    elif not kind.GetOptions().map_entry:
        yield from ((f"[{number}]", inner) for number, inner in enumerate(value))
