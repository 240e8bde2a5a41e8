"""The rows of a shop's JSON with the line each one begins on.

`json.loads` forgets positions, so the two outer levels are walked here; the rows are left to the standard
decoder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from retrieval_service.domain.documents.documents import JsonValue
from retrieval_service.text import exact_json

PRODUCTS, FAQ, POLICIES = "products", "faq", "policies"
LISTS = (PRODUCTS, FAQ, POLICIES)

_SPACE = " \t\r\n"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One element of a list; `index` counts from 0, `line` from 1."""

    list: str
    index: int
    line: int
    value: JsonValue


@dataclass(frozen=True, kw_only=True)
class RowError:
    """Why a row was refused; `list` or `field` is empty when the fault is not inside one."""

    list: str = ""
    index: int = 0
    line: int
    field: str = ""
    description: str


def read_rows(data: bytes) -> tuple[list[Row], list[RowError]]:
    """All rows of the known lists and what is wrong around them; what is no JSON has one error, no rows."""
    try:
        entries = list(_entries(_decode(data)))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return [], [RowError(line=error.lineno, description=f"is not JSON: {error.msg} ({where})")]
    except RecursionError:
        return [], [RowError(line=1, description="is nested too deeply")]
    rows = [entry for entry in entries if isinstance(entry, Row)]
    return rows, [entry for entry in entries if isinstance(entry, RowError)]


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        raise json.JSONDecodeError("the text is not UTF-8", before, len(before)) from error


def _entries(text: str) -> Iterator[Row | RowError]:
    reader = _Reader(text)
    if reader.peek() != "{":
        yield RowError(line=reader.line(), description=f"must be an object with {_some_of(LISTS)}")
        reader.value()
    else:
        yield from _members(reader)
    reader.expect_end()


def _members(reader: _Reader) -> Iterator[Row | RowError]:
    seen: set[str] = set()
    for _ in reader.elements("}"):
        line = reader.line()
        key = reader.key()
        yield from (
            _refused_member(reader, key, line) if key in seen or key not in LISTS else _list(reader, key)
        )
        seen.add(key)
    if not seen:
        yield RowError(line=1, description=f"has none of {_some_of(LISTS)}")


def _refused_member(reader: _Reader, key: str, line: int) -> Iterator[RowError]:
    reader.value()
    if key in LISTS:
        yield RowError(list=key, line=line, description="is given twice; only the first one is read")
    else:
        yield RowError(line=line, field=key, description=f"is not one of {_some_of(LISTS)}")


def _list(reader: _Reader, key: str) -> Iterator[Row | RowError]:
    line = reader.line()
    if reader.peek() == "[":
        for index, _ in enumerate(reader.elements("]")):
            yield Row(list=key, index=index, line=reader.line(), value=reader.value())
    elif reader.value() is not None:
        yield RowError(list=key, line=line, description="must be a list")


def _some_of(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)


class _Reader:
    """A place in a JSON text; every step raises `json.JSONDecodeError` where the text is wrong."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1
        self._counted = 0

    def peek(self) -> str:
        """The next character that is not white space, empty at the end."""
        while self._text[self._position : self._position + 1] in _SPACE and self._position < len(self._text):
            self._position += 1
        return self._text[self._position : self._position + 1]

    def line(self) -> int:
        """The line of the next value, from 1."""
        self.peek()
        self._line += self._text.count("\n", self._counted, self._position)
        self._counted = self._position
        return self._line

    def elements(self, closing: str) -> Iterator[None]:
        """Stops before each element of a list or object in turn; the caller reads it before going on."""
        self._position += 1
        if self.peek() == closing:
            self._position += 1
            return
        while True:
            yield
            separator = self.peek()
            if separator not in (",", closing):
                raise self._error("Expecting ',' delimiter")
            self._position += 1
            if separator == closing:
                return

    def key(self) -> str:
        """The name of a member, colon included."""
        if self.peek() != '"':
            raise self._error("Expecting property name enclosed in double quotes")
        name = self.value()
        if self.peek() != ":":
            raise self._error("Expecting ':' delimiter")
        self._position += 1
        return str(name)

    def value(self) -> JsonValue:
        """The next value, whatever it is."""
        self.peek()
        value, self._position = exact_json.DECODER.raw_decode(self._text, self._position)
        return value

    def expect_end(self) -> None:
        if self.peek():
            raise self._error("Extra data")

    def _error(self, message: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(message, self._text, self._position)
