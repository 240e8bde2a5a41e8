"""What can be set of a tenant on the command line: an option for each field of the contract, made from it.

A field that is new in the contract has an option at once, by its own name; `NAMES` gives it a better one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from google.protobuf import json_format, message, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from kladez.v1 import tenant_service_pb2 as pb

from retrieval_service.cli.failures import BadInput

# The server alone writes these.
OUTPUT_ONLY = frozenset({"tenant_id", "public_key", "etag", "create_time", "update_time", "delete_time"})
# The path in a Tenant, the option's name, and what it says of itself.
NAMES: Mapping[str, tuple[str, str]] = {
    "name": ("name", "The name customers see."),
    "settings.languages": ("language", "ISO 639-1 code, the default one first."),
    "settings.system_prompt": ("system-prompt", "Added to the model's instructions."),
    "settings.fallback_contact": ("contact", "Where a customer turns when we do not know."),
    "settings.allowed_origins": ("origin", "A page's origin that may open the widget."),
    "settings.greetings": ("greeting", "First words of the chat, by language: ru=Здравствуйте!"),
    "settings.suggested_questions": ("suggestion", "A question offered at the start: en=Where are you?"),
    "settings.chat_retention_days": (
        "keep-chats-days",
        "Erase conversations after so many days; 0 keeps them.",
    ),
    "settings.index_granularity": ("granularity", "What a vector stands for: chunk or document."),
    "settings.quotas.questions_per_day": (
        "questions-per-day",
        "Questions that are answered in a day of UTC; 0 is what the installation sets.",
    ),
    "settings.quotas.channel_questions_per_day": (
        "channel-questions-per-day",
        "Of these in any one channel.",
    ),
    "settings.quotas.visitor_questions_per_day": (
        "visitor-questions-per-day",
        "Of these by any one visitor.",
    ),
    "settings.allowed_link_domains": ("link-domain", "A domain that answers may link to."),
    "settings.trusted_source_types": ("trusted-type", "A source type that the business itself writes."),
    "settings.untrusted_source_types": (
        "untrusted-type",
        "One that strangers write: its links reach nobody.",
    ),
}
WHOLE_MESSAGES = "google.protobuf."
# Of a value that is wrong; a person knows it again by its beginning.
SHOWN_CHARACTERS = 60
# Protobuf's own reasons repeat the value.
SHOWN_OF_REASON = 200
LIMITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
INTEGERS = frozenset(LIMITS)
FLOATS = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})
YES_AND_NO = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Shape(Enum):
    """How a field is written on the command line."""

    ONE = auto()
    LIST = auto()
    BY_KEY = auto()
    LISTS_BY_KEY = auto()


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field that can be set; `path` leads to it from a Tenant."""

    path: tuple[str, ...]
    descriptor: FieldDescriptor
    shape: Shape
    option: str
    about: str

    @property
    def dotted(self) -> str:
        return ".".join(self.path)

    @property
    def mask(self) -> str:
        """The contract's masks name fields of the settings, and nothing within them."""
        return ".".join(self.path[:2])

    @property
    def parameter(self) -> str:
        return self.option.replace("-", "_")

    def holder(self, tenant: message.Message) -> Any:
        """The message that has the field."""
        found: Any = tenant
        for name in self.path[:-1]:
            found = getattr(found, name)
        return found

    def value(self, tenant: message.Message) -> Any:
        return getattr(self.holder(tenant), self.path[-1])

    def shown(self, tenant: message.Message) -> str:
        """As a person reads it."""
        value = self.value(tenant)
        if self.shape is Shape.ONE:
            return self._one_shown(value)
        if self.shape is Shape.LIST:
            return ", ".join(self._one_shown(one) for one in value)
        parts = ((key, value[key]) for key in sorted(value))
        if self.shape is Shape.BY_KEY:
            return "; ".join(f"{key}: {text}" for key, text in parts)
        return "; ".join(f"{key}: {' | '.join(listed(held))}" for key, held in parts)

    def _one_shown(self, value: Any) -> str:
        if isinstance(value, message.Message):
            return json_format.MessageToJson(value, indent=None, ensure_ascii=False)
        if self.descriptor.enum_type:
            return self.descriptor.enum_type.values_by_number[value].name
        return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What one field was told, files read already: `given` replaces what was there, None leaves it."""

    given: Sequence[str] | None = None
    added: Sequence[str] = ()
    removed: Sequence[str] = ()


def all_fields() -> list[Field]:
    """In the order of the contract, the name first."""
    return list(fields_of(pb.Tenant.DESCRIPTOR))


def field_of(violation: str) -> Field | None:
    """The field that the server's "tenant.settings.x[0]" speaks of."""
    dotted = violation.removeprefix("tenant.").split("[", 1)[0]
    return next((one for one in all_fields() if one.dotted == dotted), None)


def apply(tenant: message.Message, field: Field, changes: Changes) -> None:
    """Raises `BadInput` naming the option for what cannot be read."""
    if field.shape is Shape.ONE:
        _apply_one(tenant, field, changes)
    elif field.shape is Shape.LIST:
        _apply_list(tenant, field, changes)
    else:
        _apply_by_key(tenant, field, changes.given or ())


def clear(tenant: message.Message, field: Field) -> None:
    field.holder(tenant).ClearField(field.path[-1])


def listed(held: message.Message) -> Any:
    """The only field of a message that stands for a list."""
    [only] = held.DESCRIPTOR.fields
    return getattr(held, only.name)


def fields_of(descriptor: Descriptor, path: tuple[str, ...] = ()) -> Iterator[Field]:
    """Of a message and of the messages in it; `path` leads to it from a Tenant."""
    for one in descriptor.fields:
        if path or one.name not in OUTPUT_ONLY:
            yield from _fields_at(one, (*path, one.name))


def _fields_at(one: FieldDescriptor, path: tuple[str, ...]) -> Iterator[Field]:
    shape = _shape(one)
    if shape is Shape.ONE and one.message_type and not one.message_type.full_name.startswith(WHOLE_MESSAGES):
        yield from fields_of(one.message_type, path)
        return
    fallback = ("-".join(path[1:] or path).replace("_", "-"), f"The field {'.'.join(path)}.")
    option, about = NAMES.get(".".join(path), fallback)
    yield Field(path=path, descriptor=one, shape=shape, option=option, about=about)


def _shape(one: FieldDescriptor) -> Shape:
    if not one.is_repeated:
        return Shape.ONE
    if not (one.message_type and one.message_type.GetOptions().map_entry):
        return Shape.LIST
    value = one.message_type.fields_by_name["value"]
    return Shape.LISTS_BY_KEY if value.message_type else Shape.BY_KEY


def _apply_one(tenant: message.Message, field: Field, changes: Changes) -> None:
    if changes.given is None:
        return
    holder, name = field.holder(tenant), field.path[-1]
    [text] = changes.given
    value = _value(field, field.descriptor, text)
    if isinstance(value, message.Message):
        getattr(holder, name).CopyFrom(value)
    else:
        setattr(holder, name, value)


def _apply_list(tenant: message.Message, field: Field, changes: Changes) -> None:
    there = field.value(tenant)
    before = list(there)
    given, added, removed = (
        [_value(field, field.descriptor, text) for text in texts]
        for texts in (changes.given or (), changes.added, changes.removed)
    )
    missing = [text for text, value in zip(changes.removed, removed, strict=True) if value not in before]
    if missing:
        raise BadInput(f"--remove-{field.option} {missing[0]}: is not there")
    wanted = given if changes.given is not None else [one for one in before if one not in removed]
    wanted += [one for one in added if one not in wanted]
    del there[:]
    there.extend(wanted)


def _apply_by_key(tenant: message.Message, field: Field, texts: Sequence[str]) -> None:
    """The keys that are named are replaced, and removed when nothing stands behind the sign."""
    there = field.value(tenant)
    by_key: dict[str, list[str]] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise BadInput(f"--{field.option} {text}: must be key=value, for example en=…")
        by_key.setdefault(key, []).extend([value] if value else [])
    for key, values in by_key.items():
        there.pop(key, None)
        if values:
            _set_key(field, there, key, values)


def _set_key(field: Field, there: Any, key: str, values: list[str]) -> None:
    value_field = _described(field.descriptor).fields_by_name["value"]
    if field.shape is Shape.LISTS_BY_KEY:
        listed(there[key]).extend(values)
    elif len(values) > 1:
        raise BadInput(f"--{field.option} {key}=…: was given more than once")
    else:
        there[key] = _value(field, value_field, values[0])


def _value(field: Field, descriptor: FieldDescriptor, text: str) -> Any:
    if descriptor.message_type:
        return _message(field, descriptor, text)
    if descriptor.enum_type:
        return _choice(field, descriptor, text)
    kind = descriptor.cpp_type
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _chosen(field, YES_AND_NO, text)
    if kind not in INTEGERS | FLOATS:
        return text
    try:
        number = int(text) if kind in INTEGERS else float(text)
    except ValueError:
        wanted = "a whole number" if kind in INTEGERS else "a number"
        raise BadInput(f"--{field.option} {text}: must be {wanted}") from None
    least, most = LIMITS.get(kind, (number, number))
    if not least <= number <= most:
        raise BadInput(f"--{field.option} {text}: must be between {least} and {most}")
    return number


def _choice(field: Field, descriptor: FieldDescriptor, text: str) -> int:
    """Also without the prefix that all values of an enum share."""
    numbers = (
        {one.name.lower(): one.number for one in descriptor.enum_type.values} if descriptor.enum_type else {}
    )
    prefix = next(iter(numbers)).removesuffix("unspecified")
    short = {name.removeprefix(prefix): number for name, number in numbers.items() if number}
    return short[text.lower()] if text.lower() in short else _chosen(field, {**short, **numbers}, text)


def _chosen(field: Field, choices: Mapping[str, Any], text: str) -> Any:
    try:
        return choices[text.lower()]
    except KeyError:
        raise BadInput(f"--{field.option} {text}: must be one of {', '.join(choices)}") from None


def _message(field: Field, descriptor: FieldDescriptor, text: str) -> message.Message:
    """A duration as 30s, a time as 2026-01-31T00:00:00Z, anything else as JSON."""
    made: Any = message_factory.GetMessageClass(_described(descriptor))()
    shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    try:
        if hasattr(made, "FromJsonString"):
            made.FromJsonString(text)
            return made
        return json_format.ParseDict(_json(made, text), made)
    except RecursionError:
        raise BadInput(f"--{field.option} {shown}: is nested too deeply") from None
    except (ValueError, TypeError, json_format.ParseError) as error:
        raise BadInput(f"--{field.option} {shown}: {str(error)[:SHOWN_OF_REASON]}") from error


def _json(made: message.Message, text: str) -> Any:
    """Raises `ValueError` for a text that is no JSON, and unless it is an object where one is needed."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(value, dict) and not made.DESCRIPTOR.full_name.startswith(WHOLE_MESSAGES):
        raise ValueError("must be a JSON object")
    return value


def _described(descriptor: FieldDescriptor) -> Descriptor:
    if descriptor.message_type is None:
        raise TypeError(f"{descriptor.full_name} is no message")
    return descriptor.message_type


def texts_of(field: Field, given: Sequence[str]) -> list[str]:
    """Of a field that holds one text or texts by key, with what stands in the files that are named."""
    if field.shape is Shape.ONE:
        return [text_of(field, text) for text in given]
    if field.shape is Shape.LIST:
        return list(given)
    parts = [text.partition("=") for text in given]
    return [f"{key}{sign}{text_of(field, value)}" for key, sign, value in parts]


def text_of(field: Field, text: str) -> str:
    """What stands in a file for "@file" and on standard input for "@-"; "@@" begins a text with one "@"."""
    if not text.startswith("@"):
        return text
    if text.startswith("@@"):
        return text[1:]
    if text == "@-":
        return sys.stdin.read().removesuffix("\n")
    try:
        return Path(text[1:]).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise BadInput(
            f"--{field.option} {text}: the file cannot be read ({reason}); @{text} gives the text itself"
        ) from error
