"""Tries a filled embedding space on real questions before a tenant is flipped to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from uuid import UUID

from retrieval_service import errors, metrics
from retrieval_service.domain.indexing.spaces import Vector
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.providers.ports import Embedder
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.spaces.switches import Standing, Switcher, require_open
from retrieval_service.stores.database import Database
from retrieval_service.stores.index import vectors
from retrieval_service.stores.retrieval import passages
from retrieval_service.stores.retrieval.passages import Probe
from retrieval_service.stores.tenants import tenant_spaces

NEIGHBOURS = 10


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One question's shares: of its true neighbours found, and of those the active space has too."""

    recall: float
    agreement: float | None


class Verifier:
    """Recall is that of the path that searches take, also through a big tenant's own index."""

    def __init__(self, database: Database, embedders: Embedders, switcher: Switcher) -> None:
        self._database = database
        self._embedders = embedders
        self._switcher = switcher

    async def verify(self, tenant_id: UUID, key: str, *, questions: int) -> Standing:
        """Stores the means over at most so many questions; raises when there is nothing to ask."""
        standing = await self._switcher.standing(tenant_id, key)
        require_open(standing)
        if standing.held is None or not standing.held.is_complete:
            raise errors.SpaceNotReady("the space is not filled yet; start the switch and wait for it")
        async with self._database.tenant(tenant_id) as scope:
            active_id = await tenant_spaces.active(scope)
            texts = await vectors.questions(scope, limit=questions)
        trials = [await self._try(tenant_id, standing.space.id, active_id, text) for text in texts]
        await self._record(tenant_id, standing.space.id, trials)
        return await self._switcher.standing(tenant_id, standing.space.key)

    async def _try(self, tenant_id: UUID, space_id: int, active_id: int | None, text: str) -> Trial:
        vector = await embedded(self._embedders.get(space_id), text)
        other = await embedded(self._embedders.get(active_id), text)
        if vector is None:
            raise errors.ProviderUnavailable
        probe = Probe(vector=vector, stems=None, grams=None, gate=(), depth=NEIGHBOURS)
        async with self._database.snapshot(tenant_id) as scope:
            true = await vectors.nearest(scope, space_id, vector, limit=NEIGHBOURS)
            found = await passages.score(scope, space_id, probe, Conditions())
            before: set[UUID] = set()
            if other is not None and active_id is not None:
                before = await vectors.nearest(scope, active_id, other, limit=NEIGHBOURS)
        return Trial(
            recall=share(true & set(found.chunk_ids), true),
            agreement=None if other is None else share(true & before, true),
        )

    async def _record(self, tenant_id: UUID, space_id: int, trials: Sequence[Trial]) -> None:
        if not trials:
            raise errors.SpaceNotReady("there is no question, title or text to try the space on")
        agreements = [trial.agreement for trial in trials if trial.agreement is not None]
        async with self._database.tenant(tenant_id) as scope:
            await tenant_spaces.record_trial(
                scope,
                space_id,
                sample_count=len(trials),
                recall=fmean(trial.recall for trial in trials),
                agreement=fmean(agreements) if agreements else None,
            )


async def embedded(embedder: Embedder | None, text: str) -> Vector | None:
    if embedder is None:
        return None
    trial = await embedder.embed_query(text)
    metrics.note_embedded("trials", trial.tokens)
    return trial.vectors[0]


def share(found: set[UUID], wanted: set[UUID]) -> float:
    """1.0 when there was nothing to find."""
    return len(found) / len(wanted) if wanted else 1.0
