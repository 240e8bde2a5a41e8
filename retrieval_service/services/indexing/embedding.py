"""Embeds the texts of plans, space by space: the active one must succeed, the others may be filled in later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.indexing.costs import embedding_bill
from retrieval_service.domain.indexing.spaces import Vector, mean
from retrieval_service.domain.usage import Usage
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.indexing.plans import Plan, Wanted
from retrieval_service.services.usage import total

log = structlog.get_logger("kladez.embedding")


@dataclass(frozen=True, kw_only=True)
class EmbeddedChunks:
    """Vectors by space and chunk id for a whole batch, and what they cost together.

    `failed_spaces` are those whose model was not there.
    """

    vectors: Mapping[int, Mapping[UUID, Vector]]
    bill: Usage
    failed_spaces: frozenset[int]

    @classmethod
    def nothing(cls) -> EmbeddedChunks:
        return cls(vectors={}, bill=Usage(), failed_spaces=frozenset())

    @property
    def count(self) -> int:
        return sum(map(len, self.vectors.values()))

    def of(self, wanted: Wanted) -> dict[UUID, Vector]:
        """The vectors of the chunks, or the one they have in common; none when their space failed."""
        vectors = self.vectors.get(wanted.space_id, {})
        own = {chunk_id: vectors[chunk_id] for chunk_id in wanted.chunk_ids if chunk_id in vectors}
        return {wanted.pooled_id: mean([*own.values()])} if own and wanted.pooled_id else own


async def embed(embedders: Embedders, plans: Sequence[Plan], *, active_id: int | None) -> EmbeddedChunks:
    """Raises what the active space's embedder raises, before any other space is paid for."""
    vectors: dict[int, dict[UUID, Vector]] = {}
    bill, failed = Usage(), set[int]()
    for space_id in in_order(plans, active_id):
        try:
            vectors[space_id], paid = await _embed_in(embedders, space_id, plans)
            bill = total(bill, embedding_bill(embedders.price(space_id), tokens=paid))
        except errors.KladezError as error:
            if space_id == active_id:
                raise
            failed.add(space_id)
            log.warning("space_not_maintained", space_id=space_id, error=str(error))
    return EmbeddedChunks(vectors=vectors, bill=bill, failed_spaces=frozenset(failed))


def in_order(plans: Sequence[Plan], active_id: int | None) -> list[int]:
    """The spaces that anything is wanted in, the active one first."""
    space_ids = {wanted.space_id for plan in plans for wanted in plan.wanted}
    return sorted(space_ids, key=lambda space_id: (space_id != active_id, space_id))


async def _embed_in(
    embedders: Embedders, space_id: int, plans: Sequence[Plan]
) -> tuple[dict[UUID, Vector], int]:
    """Vectors by chunk id, and what they cost."""
    embedder = embedders.get(space_id)
    if embedder is None:
        raise errors.Misconfigured(f"space {space_id} has no embedder")
    wanted = [one for plan in plans for one in plan.wanted if one.space_id == space_id]
    embedded = await embedder.embed_passages([text for one in wanted for text in one.texts])
    metrics.note_embedded("passages", embedded.tokens)
    ids = [chunk_id for one in wanted for chunk_id in one.chunk_ids]
    return dict(zip(ids, embedded.vectors, strict=True)), embedded.tokens
