"""Repeats a share of the searches on the other backend after the reply, and stores the comparison."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.retrieval import backends as rules
from retrieval_service.domain.retrieval.backends import Backend, Comparison
from retrieval_service.services.retrieval.backend_choice import Chosen
from retrieval_service.services.retrieval.openai_search import RemoteSearcher
from retrieval_service.services.retrieval.search import Found, Query, Searcher
from retrieval_service.stores.database import Database
from retrieval_service.stores.sync import comparisons

log = structlog.get_logger("kladez.shadowing")

AT_ONCE = 2
WAITING = 8


@dataclass(frozen=True, kw_only=True)
class Served:
    """A search that was answered; `took_ms` is how long the one who answered it took."""

    tenant_id: UUID
    query: Query
    found: Found
    took_ms: float


@dataclass(frozen=True, kw_only=True)
class _Second:
    """The same search on the other backend; `found` is None when that failed."""

    found: Found | None
    took_ms: float
    error: str = ""


class Shadow:
    """`run` does the work for as long as the server lives; what does not fit beside it is dropped."""

    def __init__(
        self,
        database: Database,
        searcher: Searcher,
        remote: RemoteSearcher,
        *,
        usd_per_thousand: float,
        sample: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._searcher = searcher
        self._remote = remote
        self._usd_per_search = usd_per_thousand / 1_000
        self._sample = sample
        self._clock = clock
        self._waiting: asyncio.Queue[tuple[Served, str]] = asyncio.Queue(WAITING)

    def offer(self, served: Served, chosen: Chosen) -> None:
        """Accepts or rejects the search at once. Only first pages from the right backend are compared."""
        is_whole = served.found.backend is chosen.wanted and not served.found.degraded_reason
        if chosen.obstacle or not is_whole or served.query.offset:
            return
        if self._sample() >= chosen.shadow_share:
            return
        try:
            self._waiting.put_nowait((served, chosen.store_id))
        except asyncio.QueueFull:
            log.info("comparison_dropped", tenant_id=str(served.tenant_id))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            served, store_id = await self._waiting.get()
            try:
                await self._compare(served, store_id)
            except errors.Unavailable as error:
                log.warning("comparison_lost", tenant_id=str(served.tenant_id), error=str(error))
            except Exception:
                log.exception("comparison_failed", tenant_id=str(served.tenant_id))

    async def _compare(self, served: Served, store_id: str) -> None:
        second = await self._second(served, store_id)
        async with self._database.tenant(served.tenant_id) as scope:
            await comparisons.record(scope, compared(served, second, self._usd_per_search))

    async def _second(self, served: Served, store_id: str) -> _Second:
        started_at = self._clock()
        try:
            found = await self._search(served, store_id)
        except (errors.Unavailable, errors.ProviderRefused) as error:
            return _Second(found=None, took_ms=self._since(started_at), error=str(error))
        return _Second(found=found, took_ms=self._since(started_at), error=found.degraded_reason)

    async def _search(self, served: Served, store_id: str) -> Found:
        if served.found.backend is Backend.OPENAI:
            return await self._searcher.search(served.tenant_id, served.query)
        return await self._remote.search(served.tenant_id, store_id, served.query)

    def _since(self, started_at: float) -> float:
        return (self._clock() - started_at) * 1_000


def compared(served: Served, second: _Second, usd_per_search: float) -> Comparison:
    """Records the cost of OpenAI's search unless it failed, whichever backend answered."""
    by_postgres = served.found.backend is Backend.PGVECTOR
    failed = second.found is None or bool(second.error)
    first_count, second_count = len(served.found.hits), len(second.found.hits) if second.found else 0
    return Comparison(
        query=served.query.text,
        served_by=served.found.backend,
        pgvector_count=first_count if by_postgres else second_count,
        openai_count=second_count if by_postgres else first_count,
        overlap=None
        if failed
        else rules.overlap(first_documents(served.found), first_documents(second.found)),
        pgvector_ms=served.took_ms if by_postgres else second.took_ms,
        openai_ms=second.took_ms if by_postgres else served.took_ms,
        cost_usd=0.0 if by_postgres and failed else usd_per_search,
        error=second.error,
    )


def first_documents(found: Found | None) -> Sequence[UUID]:
    """Of the whole ranking: the page of the caller may hold one hit."""
    return found.first_documents if found else ()
