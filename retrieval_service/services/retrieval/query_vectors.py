"""Caches the vectors of questions, so that a repeated question costs neither time nor money."""

from __future__ import annotations

import asyncio
from uuid import UUID

from cachetools import LRUCache

from retrieval_service import errors, metrics
from retrieval_service.domain.indexing.costs import embedding_bill
from retrieval_service.domain.indexing.spaces import Embedded, Vector
from retrieval_service.domain.usage import Usage
from retrieval_service.providers.ports import Embedder
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.usage import Meter

REMEMBERED_QUESTIONS = 2_000
# Models embed a question within a second. When one hangs longer, words alone answer.
PATIENCE_SECONDS = 5.0

Key = tuple[UUID, int, str]


class Questions:
    """One tenant never gains from what another asked: the time of an answer would tell of it.

    The least recently asked is forgotten first; all of it together is at most some ten megabytes.
    """

    def __init__(
        self,
        embedders: Embedders,
        meter: Meter,
        *,
        limit: int = REMEMBERED_QUESTIONS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._embedders = embedders
        self._meter = meter
        self._patience_seconds = patience_seconds
        self._remembered: LRUCache[Key, Embedded] = LRUCache(limit)

    async def vector(self, tenant_id: UUID, space_id: int, text: str) -> Vector:
        """The space must have an embedder.

        Raises `errors.ProviderUnavailable` when it does not answer in time, `errors.ProviderRefused` when it cannot.
        """
        key = (tenant_id, space_id, text)
        known = self._remembered.get(key)
        if known is None:
            known = await self._embed(key)
        else:
            self._meter.count(tenant_id, Usage(cache_saved_tokens=known.tokens))
        return known.vectors[0]

    async def _embed(self, key: Key) -> Embedded:
        tenant_id, space_id, text = key
        embedder = self._embedders.get(space_id)
        if embedder is None:
            raise LookupError(f"space {space_id} has no embedder")
        embedded = await self._answered(embedder, text)
        self._meter.count(tenant_id, embedding_bill(self._embedders.price(space_id), tokens=embedded.tokens))
        self._remembered[key] = embedded
        return embedded

    async def _answered(self, embedder: Embedder, text: str) -> Embedded:
        try:
            async with asyncio.timeout(self._patience_seconds):
                embedded = await embedder.embed_query(text)
        except TimeoutError as error:
            raise errors.ProviderUnavailable("The embedding model did not answer in time.") from error
        except errors.SpaceMismatch as error:
            raise errors.ProviderRefused(str(error)) from error
        metrics.note_embedded("questions", embedded.tokens)
        return embedded
