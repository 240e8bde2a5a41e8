"""Searches a tenant's documents at the retrieval provider, and shows only hits that Postgres confirms."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from retrieval_service.domain.indexing.costs import search_bill
from retrieval_service.domain.retrieval.backends import Backend, first_documents
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.sync.remote_files import Hit as FileHit
from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.services.retrieval.circuit_breaker import Breaker
from retrieval_service.services.retrieval.search import Found, Hit, Query
from retrieval_service.services.usage import Meter
from retrieval_service.stores.database import Database
from retrieval_service.stores.retrieval import openai_hits
from retrieval_service.stores.retrieval.openai_hits import Candidate
from retrieval_service.text import languages, overlaps

# What the provider gives at most; pages are cut from it, so that they do not overlap.
MOST_HITS = 50


@dataclass(frozen=True, kw_only=True)
class CheckedHits:
    """What may be shown, best first, a chunk once; and how many of the provider's hits may not."""

    hits: Sequence[Hit]
    dropped_count: int


class RemoteSearcher:
    """`seconds` bound the provider's answer; its failures are raised as ours, and nothing is paid for them."""

    def __init__(
        self,
        database: Database,
        backend: RetrievalBackend,
        breaker: Breaker,
        meter: Meter,
        *,
        seconds: float,
        usd_per_thousand: float,
    ) -> None:
        self._database = database
        self._backend = backend
        self._breaker = breaker
        self._meter = meter
        self._seconds = seconds
        self._usd_per_thousand = usd_per_thousand

    async def search(self, tenant_id: UUID, store_id: str, query: Query) -> Found:
        """Raises `errors.ProviderUnavailable` or `errors.ProviderRefused`."""
        async with self._breaker.call(self._seconds):
            files = await self._backend.search(
                store_id,
                query.text,
                replace(query.conditions, tenant_id=tenant_id),
                limit=MOST_HITS,
                threshold=query.min_score,
            )
        self.count(tenant_id, 1)
        checked = await self.check(tenant_id, files.hits, query.conditions)
        good = [hit for hit in checked.hits if hit.score >= query.min_score]
        end = query.offset + query.limit
        return Found(
            hits=good[query.offset : end],
            mode=query.mode,
            language=await asyncio.to_thread(languages.detect_language, query.text),
            degraded_reason="",
            has_more=len(good) > end,
            backend=Backend.OPENAI,
            first_documents=first_documents(hit.passage.document_id for hit in good),
        )

    def count(self, tenant_id: UUID, searches: int) -> None:
        """Records the provider's cost of searches."""
        self._meter.count(tenant_id, search_bill(self._usd_per_thousand, searches=searches))

    async def check(self, tenant_id: UUID, files: Sequence[FileHit], conditions: Conditions) -> CheckedHits:
        """Asked of Postgres in one statement: what is deleted, replaced, foreign or excluded stays out."""
        candidates = [Candidate(file_id=hit.file_id, samples=overlaps.samples(hit.text)) for hit in files]
        async with self._database.tenant(tenant_id) as scope:
            checked = await openai_hits.check(scope, candidates, conditions)
        best: dict[UUID, Hit] = {}
        for one in checked:
            score = min(1.0, max(0.0, files[one.place].score))
            best.setdefault(
                one.passage.chunk_id,
                Hit(passage=one.passage, score=score, similarity=None, stem_score=0.0),
            )
        return CheckedHits(hits=list(best.values()), dropped_count=len(files) - len(checked))
