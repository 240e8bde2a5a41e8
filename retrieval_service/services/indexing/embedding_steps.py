"""Embeds a large document step by step: what a step made is kept, so that a death costs one step and no other."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
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
from retrieval_service.stores.queue import document_jobs
from retrieval_service.stores.tenants import tenants

log = structlog.get_logger("kladez.embedding")


# A deleted tenant may be restored: then its documents go on after this time at most.
DELETED_SECONDS = 600.0


class Overtaken(Exception):
    """The document has changed meanwhile: nobody needs the rest."""


class GaveWay(Exception):
    """The steps so far are kept, and the rest is done in a later turn."""

    def __init__(self, *, delay_seconds: float = 0.0) -> None:
        super().__init__()
        self.delay_seconds = delay_seconds


@dataclass(frozen=True, kw_only=True)
class Large:
    """A document that is embedded in steps, and its tenant."""

    tenant_id: UUID
    source: Source


class Stepper:
    """`passages` are embedded in a step, and small documents come between two of them.

    A document has the lane for `turn_seconds` where large documents of other tenants wait. `clock` is monotonic, in
    seconds.
    """

    def __init__(
        self,
        database: Database,
        embedders: Embedders,
        *,
        passages: int,
        turn_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._embedders = embedders
        self._passages = passages
        self._turn_seconds = turn_seconds
        self._clock = clock

    async def embed(self, large: Large, plan: Plan, *, active_id: int | None) -> EmbeddedChunks:
        """No search sees anything of it. Of a document that has changed meanwhile the rest is left out.

        Raises what the active space's embedder raises, and `GaveWay`.
        """
        turn_ends = self._clock() + self._turn_seconds
        vectors: dict[int, Mapping[UUID, Vector]] = {}
        bill, failed = Usage(), set[int]()
        for wanted in wanted_in_order(plan, active_id):
            try:
                made = await self._embed_in(large, wanted, turn_ends)
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

    async def check_served(self, tenant_id: UUID) -> None:
        """Raises `GaveWay` for a deleted tenant."""
        async with self._database.tenant(tenant_id) as scope:
            tenant = await tenants.get(scope.connection, tenant_id)
        if tenant is None or tenant.deleted_at is not None:
            raise GaveWay(delay_seconds=DELETED_SECONDS)

    async def _give_way(self, tenant_id: UUID, turn_ends: float) -> None:
        await self.check_served(tenant_id)
        if self._clock() < turn_ends:
            return
        async with self._database.operator() as operator:
            others_wait = await document_jobs.others_wait(operator, tenant_id)
        if others_wait:
            raise GaveWay

    async def _embed_in(self, large: Large, wanted: Wanted, turn_ends: float) -> dict[bytes, Kept]:
        """By the hash of the text."""
        embedder = self._embedders.get(wanted.space_id)
        if embedder is None:
            raise errors.Misconfigured(f"space {wanted.space_id} has no embedder")
        async with self._database.tenant(large.tenant_id) as scope:
            known = await embedding_steps.kept(scope, large.source.id, wanted.space_id)
        texts = {text_hash(text): text for text in wanted.texts}
        made = {digest: known[digest] for digest in texts if digest in known}
        missing = {digest: text for digest, text in texts.items() if digest not in made}
        for number, step in enumerate(steps(missing, self._passages)):
            if number:
                await self._give_way(large.tenant_id, turn_ends)
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
