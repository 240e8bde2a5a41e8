"""Arguments made from a text by nothing but their types."""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from retrieval_service.domain.documents.documents import MAX_TITLE

# What is chosen from a list or checked at the door by its name, and so is no stranger's text.
CHOSEN: Mapping[str, str] = {
    "language": "en",
    "languages": "en",
    "query_language": "en",
    "query_script": "Latin",
    "script": "Latin",
    "content_type": "text/markdown",
    "currency": "EUR",
    "cron": "0 3 * * *",
    "timezone": "UTC",
}
# What is repeated with each passage of a document is short, for longer ones are refused at the door.
_SHORT: Mapping[str, int] = {"title": MAX_TITLE, "ancestors": MAX_TITLE}
# Classes of these are made by their constructors; others are shells of connections and stores.
_PURE = ("retrieval_service.domain.", "retrieval_service.text.", "bot.rendering.", "widget_gateway.session")
_DEEPEST = 7
_PIECE = 64
_ELEMENTS = 5
_ID = UUID("00000000-0000-4000-8000-000000000001")
_PLAIN: Mapping[Any, Any] = {
    bool: True,
    int: 1,
    float: 0.5,
    type(None): None,
    UUID: _ID,
    datetime: datetime(2026, 1, 1, tzinfo=UTC),
    timedelta: timedelta(days=1),
    Decimal: Decimal("1.5"),
    np.ndarray: np.ones(8, dtype=np.float32),
}
_MANY = (abc.Sequence, abc.Iterable, abc.Iterator, abc.Collection, abc.Set, list, set, frozenset)
_MAPPINGS = (abc.Mapping, dict, abc.MutableMapping)
# A type that is made of itself; strings are those of its values that strangers make long.
_RECURSIVE: Mapping[str, Any] = {"JsonValue": str}


def hints_of(thing: Any) -> dict[str, Any]:
    """The annotations; names that a module imports for the type checker only are those of collections.abc."""
    known = dict(_RECURSIVE)
    while True:
        try:
            return typing.get_type_hints(thing, localns=known)
        except NameError as missing:
            if missing.name in known or not hasattr(abc, missing.name):
                raise
            known[missing.name] = getattr(abc, missing.name)


class Unbuildable(Exception):
    """Nothing here makes such a value."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Builder:
    """`made` are values for types that nothing but a person can make, by the type."""

    made: Mapping[Any, Callable[[str], Any]]

    def arguments(self, called: Callable[..., Any], text: str) -> dict[str, Any]:
        """By name, for all that have an annotation and no variable count."""
        kinds = hints_of(called)
        names = [
            name
            for name, one in inspect.signature(called).parameters.items()
            if name in kinds
            and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
            # A limit stays what it is.
            and not (kinds[name] in (int, float, bool) and one.default is not one.empty)
        ]
        return {name: self.build(kinds[name], text, name) for name in names}

    def build(self, kind: Any, text: str, name: str = "", depth: int = 0) -> Any:
        origin = typing.get_origin(kind) or kind
        if depth > _DEEPEST:
            raise Unbuildable(f"{kind} is too deep")
        if isinstance(kind, typing.TypeVar):
            return self.build(kind.__bound__ or str, text, name, depth)
        if origin in self.made:
            return self.made[origin](text)
        if origin in _PLAIN:
            return _PLAIN[origin]
        if origin in (str, Any, object, typing.LiteralString):
            return CHOSEN.get(name, text)
        if origin is bytes:
            return text.encode()
        return self._compound(kind, origin, text, name, depth)

    def _compound(self, kind: Any, origin: Any, text: str, name: str, depth: int) -> Any:
        arguments = typing.get_args(kind)
        if origin is typing.Literal:
            return arguments[0]
        if origin in (typing.Union, types.UnionType):
            return self._one_of(arguments, text, name, depth)
        if origin is tuple and (len(arguments) != 2 or arguments[1] is not ...):
            return tuple(self.build(one, text, name, depth + 1) for one in arguments)
        if origin is tuple or origin in _MANY:
            elements = self._elements(arguments[0], text, name, depth)
            return origin(elements) if origin in (tuple, set, frozenset) else list(elements)
        if origin in _MAPPINGS:
            return self._mapping(arguments, text, depth)
        if origin is abc.Callable:
            answer = self.build(arguments[1], "en", "", depth + 1)
            return lambda *_: answer
        return self._instance(kind, text, depth)

    def _one_of(self, kinds: Iterable[Any], text: str, name: str, depth: int) -> Any:
        for kind in sorted(kinds, key=lambda one: (one is type(None), one is not str)):
            try:
                return self.build(kind, text, name, depth)
            except Unbuildable:
                continue
        raise Unbuildable(f"none of {kinds}")

    def _elements(self, kind: Any, text: str, name: str, depth: int) -> Iterable[Any]:
        """Of texts: half of it whole, the rest in pieces; of what is larger: few, each with its part."""
        if kind is str:
            half = len(text) // 2
            pieces = [text[at : at + _PIECE] for at in range(half, len(text), _PIECE)]
            return [CHOSEN.get(name, piece) for piece in [text[:half], *pieces]][
                : 1 if name in CHOSEN else None
            ]
        part = -(-len(text) // _ELEMENTS)
        parts = [text[at : at + part] for at in range(0, max(1, len(text)), max(1, part))]
        return [self.build(kind, one, name, depth + 1) for one in parts]

    def _mapping(self, kinds: tuple[Any, ...], text: str, depth: int) -> dict[Any, Any]:
        key, value = kinds or (str, str)
        pieces = [text[at : at + _PIECE] for at in range(0, max(1, len(text)), _PIECE)]
        return {
            self.build(key, piece, "", depth + 1): self.build(value, piece, "", depth + 1) for piece in pieces
        }

    def _instance(self, kind: Any, text: str, depth: int) -> Any:
        if not inspect.isclass(kind):
            raise Unbuildable(typing.get_origin(kind) or kind)
        if issubclass(kind, enum.Enum):
            return next(iter(kind))
        if issubclass(kind, Message):
            return filled(kind(), text)
        if dataclasses.is_dataclass(kind):
            return self._data(kind, text, depth)
        if kind.__module__.startswith(_PURE) and inspect.isfunction(kind.__init__):
            return kind(**self.arguments(kind.__init__, text))
        raise Unbuildable(kind)

    def _data(self, kind: Any, text: str, depth: int) -> Any:
        kinds = hints_of(kind)
        fields = [field for field in dataclasses.fields(kind) if field.init]
        given = {one.name: text[: _SHORT.get(one.name)] for one in fields}
        return kind(**{name: self.build(kinds[name], said, name, depth + 1) for name, said in given.items()})


def filled(message: Message, text: str, depth: int = 0) -> Any:
    """The message with the text in every field that takes one, some levels deep."""
    for field in message.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            _set(message, field, CHOSEN.get(field.name, text))
        elif field.type == FieldDescriptor.TYPE_BYTES:
            _set(message, field, text.encode())
        elif field.message_type is not None and depth < 3 and not field.message_type.GetOptions().map_entry:
            inner = getattr(message, field.name)
            filled(inner.add() if field.is_repeated else inner, text, depth + 1)
    return message


def _set(message: Message, field: FieldDescriptor, value: str | bytes) -> None:
    if not field.is_repeated:
        setattr(message, field.name, value)
    else:
        half = len(value) // 2
        pieces = [value[at : at + _PIECE] for at in range(half, len(value), _PIECE)]
        getattr(message, field.name).extend([value[:half], *pieces])
