"""Jobs that bring many documents of a tenant up to date, and what became of each document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

FINAL_STATES = frozenset({"completed", "failed", "cancelled"})

IDS_PER_READING = 500

# About as many in English, Russian and Portuguese: Cyrillic letters take two bytes, and more tokens a letter.
BYTES_PER_TOKEN = 4


class IndexMode(StrEnum):
    """Which documents a job looks at; each does all that those before it do."""

    CHANGED = "changed"
    MISSING = "missing"
    ALL = "all"
    REBUILD = "rebuild"


def is_wider(mode: str, than: str) -> bool:
    """Whether a job of the mode does something that one of the other would leave."""
    modes = list(IndexMode)
    return modes.index(IndexMode(mode)) > modes.index(IndexMode(than))


class Outcome(StrEnum):
    """What became of one document; `REMOVED` when it is gone, and its index with it."""

    INDEXED = "indexed"
    SKIPPED = "skipped"
    FAILED = "failed"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True)
class ChangedRows:
    """Rows of a source that changed or are gone; without ids, whatever changed since its last sync, or every row."""

    source: str
    ids: tuple[str, ...] = ()
    every_row: bool = False


@dataclass(frozen=True, kw_only=True)
class IndexJob:
    """A row of `index_jobs`.

    `state` is queued, running, cancelling, completed, failed or cancelled. `row_error` tells of a row of a source that
    could not be stored, which fails no job. The documents up to
    `last_document_id`, in the order of their ids, are handed to the queue; `is_walked` when all are.
    """

    id: UUID
    tenant_id: UUID
    mode: str
    state: str
    total_count: int
    processed_count: int
    indexed_count: int
    skipped_count: int
    failed_count: int
    removed_count: int
    embedded_tokens: int
    saved_tokens: int
    last_document_id: UUID
    is_walked: bool
    error: str
    row_error: str = ""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES


def readings(changed: Iterable[ChangedRows]) -> Iterator[ChangedRows]:
    """The same rows, each once, in parts that are read at once."""
    for one in changed:
        ids = tuple(dict.fromkeys(one.ids))
        for start in range(0, max(1, len(ids)), IDS_PER_READING):
            yield replace(one, ids=ids[start : start + IDS_PER_READING])


def room(waiting: int, *, batch: int, concurrency: int) -> int:
    """How many documents may be handed out now, in whole batches: `concurrency` of them at a time."""
    return max(0, batch * concurrency - waiting) // batch * batch


def estimated_tokens(text: str) -> int:
    """What embedding the text would cost, without a tokenizer."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
