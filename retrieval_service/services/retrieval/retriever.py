"""Finds passages with the tenant's backend. When that fails, Postgres answers, and the reply says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.retrieval.backends import Backend
from retrieval_service.services.retrieval.backend_choice import Chooser, Chosen
from retrieval_service.services.retrieval.openai_search import RemoteSearcher
from retrieval_service.services.retrieval.relevance import WEIGHED, Sifted, Sifter, Support
from retrieval_service.services.retrieval.search import Found, Hit, Mode, Query, Searcher
from retrieval_service.services.retrieval.shadow import Served, Shadow

log = structlog.get_logger("kladez.retrieving")


class Retriever:
    """Searches as a `Searcher` does; without `remote` it is one."""

    def __init__(
        self,
        searcher: Searcher,
        chooser: Chooser,
        sifter: Sifter,
        remote: RemoteSearcher | None = None,
        shadow: Shadow | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._searcher = searcher
        self._chooser = chooser
        self._sifter = sifter
        self._remote = remote
        self._shadow = shadow
        self._clock = clock

    async def search(self, tenant_id: UUID, query: Query) -> Found:
        """Searches with the tenant's backend, or in Postgres with the reason."""
        found = await self._search(tenant_id, query)
        metrics.note_search(found.mode, found.backend, is_degraded=bool(found.degraded_reason))
        return found

    async def _search(self, tenant_id: UUID, query: Query) -> Found:
        """Full text is searched in Postgres: the provider cannot search by words alone."""
        if self._remote is None or query.mode is Mode.FULL_TEXT:
            return await self._searcher.search(tenant_id, query)
        chosen = await self._chooser.chosen(tenant_id)
        started_at = self._clock()
        found = await self._found(self._remote, tenant_id, chosen, query)
        if self._shadow:
            took_ms = (self._clock() - started_at) * 1_000
            self._shadow.offer(Served(tenant_id=tenant_id, query=query, found=found, took_ms=took_ms), chosen)
        return found

    async def search_in_postgres(self, tenant_id: UUID, query: Query, reason: str) -> Found:
        """Instead of the backend that was to answer, for this reason in words for people."""
        found = await self._searcher.search(tenant_id, query)
        return replace(found, degraded_reason="; ".join(filter(None, (reason, found.degraded_reason))))

    async def relevant(self, tenant_id: UUID, found: Found, text: str, *, most: int = WEIGHED) -> Sifted:
        """The hits to answer from or to offer, of the best `most`; none when nothing has to do with the question."""
        return await self._sifter.relevant(tenant_id, found, text, most=most)

    async def supports(self, tenant_id: UUID, hits: Sequence[Hit], words: str) -> list[Support]:
        """What each of these hits, and the tenant's documents, know of these words."""
        return await self._sifter.supports(tenant_id, hits, words)

    async def _found(self, remote: RemoteSearcher, tenant_id: UUID, chosen: Chosen, query: Query) -> Found:
        if chosen.wanted is Backend.PGVECTOR:
            return await self._searcher.search(tenant_id, query)
        if chosen.obstacle:
            return await self.search_in_postgres(tenant_id, query, chosen.obstacle)
        try:
            return await remote.search(tenant_id, chosen.store_id, query)
        except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
            log.warning("backend_degraded", tenant_id=str(tenant_id), error=str(error))
            return await self.search_in_postgres(tenant_id, query, str(error))
