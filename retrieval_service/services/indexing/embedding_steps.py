"""Embeds a large document step by step: what a step made is kept, so that a death costs one step and no other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.indexing.costs import embedding_bill
from retrieval_service.domain.indexing.spaces import Vector
from retrieval_service.domain.usage import Usage
from retrieval_service.providers.ports import Embedder
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.indexing.embedding import EmbeddedChunks, in_order
from retrieval_service.services.indexing.plans import Plan, Wanted
from retrieval_service.services.usage import total
from retrieval_service.stores.database import Database
from retrieval_service.stores.index import embedding_steps
from retrieval_service.stores.index.chunks import Source
from retrieval_service.stores.index.embedding_steps import Kept

log = structlog.get_logger("kladez.embedding")


class Overtaken(Exception):
    """The document has changed meanwhile: nobody needs the rest."""


@dataclass(frozen=True, kw_only=True)
class Large:
    """A document that is embedded in steps, and its tenant."""

    tenant_id: UUID
    source: Source


class Stepper:
    """`passages` are embedded in a step, and others come between two of them."""

    def __init__(self, database: Database, embedders: Embedders, *, passages: int) -> None:
        self._database = database
        self._embedders = embedders
        self._passages = passages

    async def embed(self, large: Large, plan: Plan, *, active_id: int | None) -> EmbeddedChunks:
        """No search sees anything of it. Of a document that has changed meanwhile the rest is left out.

        Raises what the active space's embedder raises.
        """
        vectors: dict[int, Mapping[UUID, Vector]] = {}
        bill, failed = Usage(), set[int]()
        for wanted in wanted_in_order(plan, active_id):
            try:
                made = await self._embed_in(large, wanted)
            except Overtaken:
                break
            except errors.KladezError as error:
                if wanted.space_id == active_id:
                    raise
                failed.add(wanted.space_id)
                log.warning("space_not_maintained", space_id=wanted.space_id, error=str(error))
            else:
                vectors[wanted.space_id] = by_chunk(wanted, made)
                bill = total(bill, self._bill(wanted.space_id, made))
        return EmbeddedChunks(vectors=vectors, bill=bill, failed_spaces=frozenset(failed))

    def _bill(self, space_id: int, made: Mapping[bytes, Kept]) -> Usage:
        """With what earlier attempts have paid."""
        tokens = round(sum(one.tokens for one in made.values()))
        return embedding_bill(self._embedders.price(space_id), tokens=tokens)

    async def _embed_in(self, large: Large, wanted: Wanted) -> dict[bytes, Kept]:
        """By the hash of the text."""
        embedder = self._embedders.get(wanted.space_id)
        if embedder is None:
            raise errors.Misconfigured(f"space {wanted.space_id} has no embedder")
        async with self._database.tenant(large.tenant_id) as scope:
            known = await embedding_steps.kept(scope, large.source.id, wanted.space_id)
        texts = {text_hash(text): text for text in wanted.texts}
        made = {digest: known[digest] for digest in texts if digest in known}
        for step in steps(
            {digest: text for digest, text in texts.items() if digest not in made}, self._passages
        ):
            made |= await self._step(large, wanted.space_id, embedder, step)
        return made

    async def _step(
        self, large: Large, space_id: int, embedder: Embedder, step: Mapping[bytes, str]
    ) -> dict[bytes, Kept]:
        embedded = await embedder.embed_passages([*step.values()], patiently=True)
        metrics.note_embedded("passages", embedded.tokens)
        share = embedded.tokens / len(step)
        rows = zip(step, embedded.vectors, strict=True)
        made = {digest: Kept(vector=vector, tokens=share) for digest, vector in rows}
        async with self._database.tenant(large.tenant_id) as scope:
            if not await embedding_steps.keep(scope, large.source, space_id, made):
                raise Overtaken
        return made


def wanted_in_order(plan: Plan, active_id: int | None) -> list[Wanted]:
    by_space = {one.space_id: one for one in plan.wanted}
    return [by_space[space_id] for space_id in in_order([plan], active_id)]


def steps(texts: Mapping[bytes, str], size: int) -> Iterator[dict[bytes, str]]:
    items = list(texts.items())
    return (dict(items[start : start + size]) for start in range(0, len(items), size))


def text_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def by_chunk(wanted: Wanted, made: Mapping[bytes, Kept]) -> dict[UUID, Vector]:
    """Equal texts have the same vector."""
    pairs = zip(wanted.chunk_ids, wanted.texts, strict=True)
    return {chunk_id: made[text_hash(text)].vector for chunk_id, text in pairs}
