"""How answers stand in the chat log's columns: what was cited, and what the sources do not confirm, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from psycopg import AsyncCursor
from psycopg.rows import RowMaker, dict_row
from psycopg.types.json import Jsonb

from retrieval_service.domain.answering.citations import Cited
from retrieval_service.domain.answering.grounding import Flagged, Reason
from retrieval_service.domain.answering.logged import Reference

Row = TypeVar("Row")


def references_column(references: Sequence[Reference]) -> Jsonb:
    return Jsonb([asdict(one) for one in references])


def citations_column(citations: Sequence[Cited]) -> Jsonb:
    """`[start, end, [numbers]]` each."""
    return Jsonb([[one.start, one.end, one.numbers] for one in citations])


def unsupported_column(unsupported: Sequence[Flagged]) -> Jsonb:
    """`[start, end, reason]` each."""
    return Jsonb([[one.start, one.end, one.reason] for one in unsupported])


_READERS: Mapping[str, Callable[[Any], object]] = {
    "references": lambda stored: [Reference(**one) for one in stored],
    "citations": lambda stored: [
        Cited(start=start, end=end, numbers=tuple(numbers)) for start, end, numbers in stored
    ],
    "unsupported": lambda stored: [
        Flagged(start=start, end=end, reason=Reason(reason)) for start, end, reason in stored
    ],
}


def answer_row(kind: type[Row]) -> Callable[[AsyncCursor[Any]], RowMaker[Row]]:
    """Rows become objects of the class, which has a field for each column."""

    def of(cursor: AsyncCursor[Any]) -> RowMaker[Row]:
        named = dict_row(cursor)

        def make(values: Sequence[Any]) -> Row:
            row = named(values)
            return kind(**{name: _READERS.get(name, _as_it_is)(value) for name, value in row.items()})

        return make

    return of


def _as_it_is(value: object) -> object:
    return value
