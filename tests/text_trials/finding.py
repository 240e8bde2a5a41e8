"""Finds every public function that reads a text, and makes of each something that can be run on any text."""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import enum
import importlib
import inspect
import pkgutil
import typing
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from types import ModuleType
from typing import Any

from google.protobuf.message import Message

from retrieval_service import errors
from tests.text_trials.building import Builder, Unbuildable, hints_of
from widget_gateway.access import ShopUnknown
from widget_gateway.connection import Refused
from widget_gateway.frames import BadFrame

# Every module below these is read; what is added to them is found by itself.
ROOTS = (
    "retrieval_service.domain",
    "retrieval_service.text",
    "retrieval_service.providers",
    "retrieval_service.services",
    "retrieval_service.api",
    "bot.rendering",
    "widget_gateway",
)
# Ways in which a function may refuse a text.
REFUSALS = (errors.KladezError, ValueError, ShopUnknown, BadFrame, Refused)

Thunk = Callable[[], object]
# Makes ready what a text is given to, and returns what does the work.
Prepare = Callable[[str], Thunk]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    name: str
    prepare: Prepare


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """`shells` are classes made of stores, connections and clocks; what they do to a text is in functions.

    `unexplained` are functions that neither types nor a recipe can call, with what is missing.
    """

    trials: tuple[Trial, ...]
    shells: frozenset[str]
    unexplained: Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finder:
    builder: Builder
    recipes: Mapping[str, Prepare]
    reasons: Mapping[str, str]
    process_types: frozenset[type]

    def find(self) -> Found:
        trials, shells, unexplained = list[Trial](), set[str](), dict[str, str]()
        for name, prepare in self._candidates():
            if name in self.reasons:
                continue
            try:
                trials.append(Trial(name=name, prepare=self._tried(name, prepare)))
            except Exception as fault:  # noqa: BLE001 - whatever it is, the function is unexplained
                if self._is_of_shell(name, fault):
                    shells.add(name)
                else:
                    unexplained[name] = f"{type(fault).__name__}: {fault}"
        return Found(trials=tuple(trials), shells=frozenset(shells), unexplained=unexplained)

    def _tried(self, name: str, prepare: Prepare) -> Prepare:
        """A short and harmless text shows whether it can be called at all."""
        chosen = self.recipes.get(name, prepare)
        run(chosen("A cup of 300 ml costs 5 euro. [1]"))
        return chosen

    def _is_of_shell(self, name: str, fault: Exception) -> bool:
        """A method of a class that cannot be made, or a function that takes what belongs to a process."""
        kind = fault.args[0] if isinstance(fault, Unbuildable) else None
        is_method = inspect.isclass(kind) and name.startswith(f"{kind.__module__}.{kind.__qualname__}")
        return is_method or kind in self.process_types

    def _candidates(self) -> Iterator[tuple[str, Prepare]]:
        for module in modules():
            for name, thing in sorted(_own(module)):
                if inspect.isclass(thing):
                    yield from self._of_class(thing)
                elif _is_work(thing) and _reads_text(thing):
                    yield f"{module.__name__}.{name}", self._function(thing)

    def _of_class(self, kind: type) -> Iterator[tuple[str, Prepare]]:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if not _is_of_interest(kind):
            return
        if not dataclasses.is_dataclass(kind) and _reads_text(kind.__init__):
            yield name, lambda text: lambda: self.builder.build(kind, text)
        for method, thing in sorted(vars(kind).items()):
            if not method.startswith("_") and (prepare := self._method(kind, method, thing)):
                yield f"{name}.{method}", prepare
        if hasattr(kind, "feed"):
            yield f"{name} in pieces", self._stream(kind)

    def _method(self, kind: type, name: str, thing: Any) -> Prepare | None:
        if isinstance(thing, property | cached_property):
            return (
                (lambda text: _reader(self.builder.build(kind, text), name)) if carries_text(kind) else None
            )
        bound = isinstance(thing, classmethod | staticmethod)
        called = thing.__func__ if bound else thing
        if not _is_work(called) or not (_reads_text(called) or carries_text(kind)):
            return None
        if bound:
            return self._function(getattr(kind, name))
        return lambda text: self._bound(getattr(self.builder.build(kind, text), name), text)

    def _function(self, called: Callable[..., Any]) -> Prepare:
        return lambda text: self._bound(called, text)

    def _bound(self, called: Callable[..., Any], text: str) -> Thunk:
        arguments = self.builder.arguments(called, text)
        return lambda: called(**arguments)

    def _stream(self, kind: Any) -> Prepare:
        def prepare(text: str) -> Thunk:
            return lambda: streamed(self.builder.build(kind, "en"), text)

        return prepare


def streamed(reader: Any, text: str, *, feed: str = "feed", characters: int = 6) -> None:
    """The text in the pieces in which a model writes it."""
    for at in range(0, len(text), characters):
        used(getattr(reader, feed)(text[at : at + characters]))
    if hasattr(reader, "finish"):
        used(reader.finish())


def run(thunk: Thunk) -> None:
    """A refusal is an answer too."""
    try:
        used(thunk())
    except REFUSALS:
        return


def used(result: object) -> None:
    """What is made lazily is made here."""
    if isinstance(result, abc.Iterator):
        deque(result, maxlen=0)


def carries_text(kind: Any, seen: frozenset[Any] = frozenset()) -> bool:
    """Whether a value of the type can hold what somebody wrote."""
    if kind in (str, bytes, Any, object) or isinstance(kind, typing.TypeVar):
        return True
    if isinstance(kind, list):
        return any(carries_text(one, seen) for one in kind)
    inner = typing.get_args(kind)
    if inner or kind in seen or not inspect.isclass(kind):
        return any(carries_text(one, seen) for one in inner if one is not kind)
    if issubclass(kind, enum.Enum):
        return False
    if dataclasses.is_dataclass(kind):
        return any(carries_text(one, seen | {kind}) for one in hints_of(kind).values())
    return issubclass(kind, Message) or kind.__module__.startswith(ROOTS)


def _reads_text(called: Callable[..., Any]) -> bool:
    kinds = hints_of(called)
    return any(carries_text(kind) for name, kind in kinds.items() if name != "return")


def modules() -> Iterator[ModuleType]:
    for root in ROOTS:
        package = importlib.import_module(root)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{root}."):
            yield importlib.import_module(found.name)


def _own(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """What is public and made in this module; of what is remembered, the work behind the memory."""
    for name, thing in vars(module).items():
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__:
            yield name, inspect.unwrap(thing) if callable(thing) else thing


def _is_work(thing: Any) -> bool:
    """A coroutine is a shell: what it does to a text is in functions."""
    return inspect.isfunction(thing) and not (
        inspect.iscoroutinefunction(thing) or inspect.isasyncgenfunction(thing)
    )


def _is_of_interest(kind: type) -> bool:
    return not (issubclass(kind, BaseException | enum.Enum | tuple) or getattr(kind, "_is_protocol", False))


def _reader(holder: Any, name: str) -> Thunk:
    return lambda: getattr(holder, name)
