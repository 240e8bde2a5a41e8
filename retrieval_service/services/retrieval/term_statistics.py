"""Caches term frequencies of each tenant, so that rare words of a question weigh more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID
from weakref import WeakValueDictionary

import numpy as np
from cachetools import LRUCache

from retrieval_service.domain.indexing.lexical import Indices, TermStatistics
from retrieval_service.stores.database import Database
from retrieval_service.stores.retrieval import passages
from retrieval_service.stores.retrieval.passages import Sample

SAMPLE_CHUNKS = 5_000
REMEMBERED_TENANTS = 500
# Of so few chunks a search sees all, and with them whether the weights still hold.
FEW_CHUNKS = 100
SPARSE_HEADER_BYTES = 12
SPARSE_ELEMENT_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Statistics of a sample of at most 5,000 chunks, and the languages the tenant's chunks are in.

    `terms_state` is that of the chunks they were made from.
    """

    statistics: TermStatistics
    languages: tuple[str, ...]
    terms_state: str

    @property
    def is_of_few(self) -> bool:
        """Whether a search sees every chunk."""
        return 0 < self.statistics.chunk_count <= FEW_CHUNKS


@dataclass(frozen=True, kw_only=True)
class _Remembered:
    weights: Weights
    until: float


class Weigher:
    """Weights may be half a minute old for big tenants and a second for small ones, which change faster.

    Those of few chunks hold until a search sees that somebody has written to the chunks.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._remembered: LRUCache[UUID, _Remembered] = LRUCache(REMEMBERED_TENANTS)
        # A lock exists while somebody holds it or waits for it.
        self._refreshing: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def weights(self, tenant_id: UUID) -> Weights:
        """The weights. One caller refreshes them while the others get the old ones."""
        known = self._remembered.get(tenant_id)
        if known is not None and known.until > self._clock():
            return known.weights
        lock = self._refreshing.setdefault(tenant_id, asyncio.Lock())
        if known is not None and lock.locked():
            return known.weights
        async with lock:
            again = self._remembered.get(tenant_id)
            if again is not None and again.until > self._clock():
                return again.weights
            return await self._refresh(tenant_id)

    async def latest(self, tenant_id: UUID) -> Weights:
        """For searches, which see whether the weights of few chunks still hold: those are as old as may be."""
        known = self._remembered.get(tenant_id)
        if known is None or not known.weights.is_of_few:
            return await self.weights(tenant_id)
        return known.weights

    def forget(self, tenant_id: UUID) -> None:
        """Forgets the weights; the next question reads new ones."""
        self._remembered.pop(tenant_id, None)

    async def _refresh(self, tenant_id: UUID) -> Weights:
        async with self._database.tenant(tenant_id) as scope:
            sample = await passages.sample_terms(scope, limit=SAMPLE_CHUNKS)
        weights = await asyncio.to_thread(weigh, sample)
        until = self._clock() + seconds_to_keep(weights.statistics.chunk_count)
        self._remembered[tenant_id] = _Remembered(weights=weights, until=until)
        return weights


def weigh(sample: Sample) -> Weights:
    statistics = TermStatistics.from_vectors(
        sample.chunk_count, sparse_indices(sample.stems), sparse_indices(sample.grams)
    )
    spoken = tuple(sorted(filter(None, sample.languages or ())))
    return Weights(statistics=statistics, languages=spoken, terms_state=sample.terms_state)


def seconds_to_keep(chunk_count: int) -> float:
    """A second for up to 200 chunks, half a minute for the largest sample."""
    return min(30.0, max(1.0, chunk_count / 200))


def sparse_indices(packed: bytes) -> Iterator[Indices]:
    """The index arrays of sparse vectors as pgvector sends them: dim, nnz, unused, indices, values."""
    view = memoryview(packed)
    position = 0
    while position < len(view):
        count = int.from_bytes(view[position + 4 : position + 8], "big")
        start = position + SPARSE_HEADER_BYTES
        yield np.frombuffer(view, ">i4", count, start).astype(np.int32)
        position = start + count * SPARSE_ELEMENT_BYTES
