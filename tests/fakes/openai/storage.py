"""What the fake keeps: files, stores, and which file is in which store and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.fakes.filter_language import matches
from tests.fakes.openai import wire
from tests.fakes.openai.bags import bag_of_words

DIMENSIONS = 512


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of a file that is attached: `error_code` fails it, `is_stuck` leaves it in progress forever."""

    seconds: float = 0.0
    error_code: str | None = None
    is_stuck: bool = False


@dataclass(kw_only=True)
class KeptFile:
    file_id: str
    name: str
    purpose: str
    content: bytes
    created_at: int


@dataclass(kw_only=True)
class KeptStore:
    store_id: str
    name: str
    metadata: Mapping[str, str]
    created_at: int
    expires_after: Mapping[str, Any] | None = None
    is_expired: bool = False


@dataclass(kw_only=True)
class Entry:
    """A file in a store; `chunks` are its text in pieces."""

    store_id: str
    file_id: str
    file_name: str
    attributes: Mapping[str, Any]
    chunking: Mapping[str, int]
    chunks: Sequence[str]
    fate: Fate
    created_at: int
    attached_at: float = field(default_factory=time.monotonic)
    is_cancelled: bool = False

    @property
    def status(self) -> str:
        if self.is_cancelled:
            return "cancelled"
        if self.fate.is_stuck or time.monotonic() < self.attached_at + self.fate.seconds:
            return "in_progress"
        return "failed" if self.fate.error_code else "completed"


@dataclass(kw_only=True)
class KeptBatch:
    batch_id: str
    store_id: str
    file_ids: Sequence[str]
    created_at: int


class Storage:
    """`fates` are by the beginning of a file's name, `fate` is that of all others.

    `delete_lag_seconds` keeps what was taken out of a store in its searches. Of more than `writes_allowed`
    writes to one store within `write_window_seconds` the rest is refused. `poll_after_ms` is the server's hint.
    """

    def __init__(self) -> None:
        self.files: dict[str, KeptFile] = {}
        self.stores: dict[str, KeptStore] = {}
        self.entries: dict[tuple[str, str], Entry] = {}
        self.batches: dict[str, KeptBatch] = {}
        self.fate = Fate()
        self.fates: dict[str, Fate] = {}
        self.delete_lag_seconds = 0.0
        self.writes_allowed: int | None = None
        self.write_window_seconds = 60.0
        self.poll_after_ms: int | None = 20
        self._ghosts: list[tuple[float, Entry]] = []
        self._writes: dict[str, list[float]] = {}
        self._clock = wire.CREATED

    def now(self) -> int:
        """A second later with each call, so that the order of creation is seen."""
        self._clock += 1
        return self._clock

    def attach(
        self, store_id: str, file_id: str, attributes: Mapping[str, Any], chunking: Mapping[str, int]
    ) -> Entry:
        """A file that is in the store already is processed anew."""
        file = self.files[file_id]
        entry = Entry(
            store_id=store_id,
            file_id=file_id,
            file_name=file.name,
            attributes=attributes,
            chunking=chunking,
            chunks=list(pieces(file.content.decode(), **chunking)),
            fate=self._fate_of(file.name),
            created_at=self.now(),
        )
        self.entries[store_id, file_id] = entry
        return entry

    def detach(self, store_id: str, file_id: str) -> None:
        entry = self.entries.pop((store_id, file_id))
        self._ghosts.append((time.monotonic() + self.delete_lag_seconds, entry))

    def delete_file(self, file_id: str) -> None:
        del self.files[file_id]
        for store_id in [store_id for store_id, kept_id in self.entries if kept_id == file_id]:
            self.detach(store_id, file_id)

    def delete_store(self, store_id: str) -> None:
        del self.stores[store_id]
        self.entries = {key: entry for key, entry in self.entries.items() if key[0] != store_id}

    def entries_of(self, store_id: str) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.store_id == store_id]

    def seconds_until_write(self, store_id: str) -> float | None:
        """None when the write may happen, and then it counts."""
        now = time.monotonic()
        recent = [
            moment for moment in self._writes.get(store_id, ()) if moment > now - self.write_window_seconds
        ]
        if self.writes_allowed is not None and len(recent) >= self.writes_allowed:
            return recent[-self.writes_allowed] + self.write_window_seconds - now
        self._writes[store_id] = [*recent, now]
        return None

    def search(
        self, store_ids: Sequence[str], query: str, filters: Mapping[str, Any] | None, *, limit: int
    ) -> list[tuple[float, Entry, str]]:
        """Score, file and piece; best first."""
        wanted = bag_of_words(query, DIMENSIONS)
        found = [
            (similarity(wanted, bag_of_words(piece, DIMENSIONS)), entry, piece)
            for entry in self._searchable(store_ids)
            if matches(filters, entry.attributes)
            for piece in entry.chunks
        ]
        return sorted(found, key=lambda one: -one[0])[:limit]

    def _searchable(self, store_ids: Sequence[str]) -> Iterator[Entry]:
        now = time.monotonic()
        ghosts = [entry for until, entry in self._ghosts if until > now]
        for entry in [*self.entries.values(), *ghosts]:
            if entry.store_id in store_ids and entry.status == "completed":
                yield entry

    def _fate_of(self, name: str) -> Fate:
        return next((fate for start, fate in self.fates.items() if name.startswith(start)), self.fate)


def pieces(text: str, max_chunk_size_tokens: int, chunk_overlap_tokens: int) -> Iterator[str]:
    """Words count as tokens."""
    words = text.split(" ")
    step = max_chunk_size_tokens - chunk_overlap_tokens
    for start in range(0, max(1, len(words) - chunk_overlap_tokens), step):
        yield " ".join(words[start : start + max_chunk_size_tokens])


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    cosine = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
    return round(max(0.0, min(1.0, cosine)), 6)
