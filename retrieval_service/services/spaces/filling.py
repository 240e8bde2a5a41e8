"""Fills embedding spaces with the vectors of chunks that are stored already, one batch of documents after another."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from uuid import UUID

import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.indexing.costs import embedding_bill
from retrieval_service.domain.indexing.hashing import embedding_text
from retrieval_service.domain.indexing.spaces import Space, TenantSpace, Vector, mean
from retrieval_service.providers.ports import Embedder
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.indexing.plans import readable
from retrieval_service.services.spaces.switches import Switcher
from retrieval_service.stores.database import Database
from retrieval_service.stores.index import vectors
from retrieval_service.stores.index.vectors import Walked
from retrieval_service.stores.tenants import tenant_spaces, usage
from retrieval_service.stores.tenants.tenant_spaces import Due, Step

log = structlog.get_logger("kladez.filling")

DOCUMENTS_PER_STEP = 16
BYTES_PER_STEP = 128 * 1024
# Of a document that has more than a step may embed, the next step does the next ones.
PASSAGES_PER_STEP = 128
# A chunk that somebody is deleting right now is gone, or free again, after so long.
CONTENDED_SECONDS = 0.5
OUTAGE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Vectors by chunk id and what they cost; chunks that the provider refuses are only counted."""

    vectors: dict[UUID, Vector] = field(default_factory=dict)
    texts: int = 0
    tokens: int = 0
    refused: int = 0


class Filler:
    """A step embeds what it has read outside of any transaction; a crash costs that step and no other."""

    def __init__(self, database: Database, embedders: Embedders, switcher: Switcher) -> None:
        self._database = database
        self._embedders = embedders
        self._switcher = switcher

    async def due(self, *, limit: int) -> list[Due]:
        """Spaces of any tenant to fill on now."""
        async with self._database.operator() as operator:
            return await tenant_spaces.due(operator, self._embedders.ids, limit=limit)

    async def advance(self, due: Sequence[Due]) -> None:
        """One step for each, but for those that another filler is at; none waits for another's."""
        async with self._database.owner() as owner:
            try:
                async with asyncio.TaskGroup() as group:
                    for one in due:
                        group.create_task(self._advance_alone(owner, one))
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from None

    async def _advance_alone(self, owner: tenant_spaces.Session, due: Due) -> None:
        if await tenant_spaces.lock_filling(owner, due):
            await self._advance(due)
            await tenant_spaces.unlock_filling(owner, due)

    async def _advance(self, due: Due) -> None:
        try:
            await self._step(due)
        except errors.KladezError as error:
            log.warning(
                "filling_postponed", tenant_id=str(due.tenant_id), space_id=due.space_id, error=str(error)
            )
            await self._postpone(due, OUTAGE_SECONDS, str(error))

    async def _step(self, due: Due) -> None:
        standing, embedder = await self._standing(due), self._embedders.get(due.space_id)
        if standing is None or embedder is None:
            return
        async with self._database.tenant(due.tenant_id) as scope:
            after = standing.last_document_id
            walked = await vectors.walk(
                scope, due.space_id, after=after, limit=DOCUMENTS_PER_STEP, max_bytes=BYTES_PER_STEP
            )
            by_document = await tenant_spaces.is_by_document(scope)
        if not walked:
            await self._complete(due, standing)
        elif by_document:
            filled = await embedded(embedder, lacking(unpooled(walked), embedder.space))
            await self._fill(due, standing, walked, pooled(walked, filled))
        else:
            await self._fill_some(due, standing, walked, embedder)

    async def _fill_some(
        self, due: Due, standing: TenantSpace, walked: Sequence[Walked], embedder: Embedder
    ) -> None:
        """A step's worth; the walk stays where it is when more is left, for what has its vector is passed over.

        What is refused never has one: then all is done at once.
        """
        texts = lacking(walked, embedder.space)
        first = dict(islice(texts.items(), PASSAGES_PER_STEP))
        filled = await embedded(embedder, first)
        if filled.refused and len(texts) > len(first):
            rest = {chunk_id: text for chunk_id, text in texts.items() if chunk_id not in first}
            filled = joined([filled, await embedded(embedder, rest)])
            first = texts
        await self._fill(due, standing, walked if len(first) == len(texts) else (), filled)

    async def _standing(self, due: Due) -> TenantSpace | None:
        """None when another filler was faster."""
        async with self._database.tenant(due.tenant_id) as scope:
            known = await tenant_spaces.of_tenant(scope)
        wanted = (one for one in known if one.space_id == due.space_id)
        return next((one for one in wanted if one.state == "filling" or one.is_stale), None)

    async def _fill(self, due: Due, standing: TenantSpace, walked: Sequence[Walked], filled: Filled) -> None:
        """The walk goes on behind what is `walked`, which now has all that it can have."""
        bill = embedding_bill(self._embedders.price(due.space_id), tokens=filled.tokens)
        amounts = replace(bill, embedded_chunks=filled.texts)
        step = Step(
            walk=standing.walk,
            last_document_id=walked[-1].document_id if walked else standing.last_document_id,
            filled=sum(one.chunk_id is not None for one in walked),
            failed=filled.refused,
            tokens=filled.tokens,
        )
        async with self._database.tenant(due.tenant_id) as scope:
            missed = await vectors.fill(scope, due.space_id, filled.vectors)
            await usage.add(scope, amounts)
            if not missed:
                await tenant_spaces.move(scope, due.space_id, step)
        if missed:
            await self._postpone(due, CONTENDED_SECONDS, "")

    async def _complete(self, due: Due, standing: TenantSpace) -> None:
        async with self._database.tenant(due.tenant_id) as scope:
            await tenant_spaces.end_walk(scope, due.space_id, standing.walk)
        log.info("space_filled", tenant_id=str(due.tenant_id), space_id=due.space_id)
        if standing.is_automatic:
            await self._switcher.flip_when_ready(due.tenant_id, due.space_id)

    async def _postpone(self, due: Due, seconds: float, error: str) -> None:
        async with self._database.tenant(due.tenant_id) as scope:
            await tenant_spaces.postpone(scope, due.space_id, seconds=seconds, error=error)


def first_chunks(walked: Sequence[Walked]) -> dict[UUID, Walked]:
    """By document; documents without chunks are missing."""
    return {one.document_id: one for one in reversed(walked) if one.chunk_id}


def unpooled(walked: Sequence[Walked]) -> list[Walked]:
    """The chunks of documents that have no vector yet."""
    firsts = first_chunks(walked)
    return [one for one in walked if one.chunk_id and not firsts[one.document_id].has_vector]


def pooled(walked: Sequence[Walked], filled: Filled) -> Filled:
    """One vector for each document, at its first chunk."""
    rows: defaultdict[UUID, list[Vector]] = defaultdict(list)
    for one in walked:
        if one.chunk_id and one.chunk_id in filled.vectors:
            rows[one.document_id].append(filled.vectors[one.chunk_id])
    firsts = first_chunks(walked)
    means = {firsts[document_id].chunk_id: mean(own) for document_id, own in rows.items()}
    return replace(filled, vectors={chunk_id: row for chunk_id, row in means.items() if chunk_id})


def lacking(walked: Sequence[Walked], space: Space) -> dict[UUID, str]:
    """What is to be embedded, by chunk id."""
    texts = {
        one.chunk_id: embedding_text(one.title, one.heading or "", one.text or "")
        for one in walked
        if one.chunk_id and not one.has_vector
    }
    return {chunk_id: text for chunk_id, text in texts.items() if readable(text, space)}


async def embedded(embedder: Embedder, texts: dict[UUID, str]) -> Filled:
    """One text spoils its batch: then each goes alone, and those that are refused stay without a vector."""
    if not texts:
        return Filled()
    try:
        result = await embedder.embed_passages(list(texts.values()), patiently=True)
    except errors.ProviderLocked:
        raise
    except errors.ProviderRefused:
        return await _isolated(embedder, texts)
    metrics.note_embedded("moves", result.tokens)
    rows = dict(zip(texts, result.vectors, strict=True))
    return Filled(vectors=rows, texts=len(texts), tokens=result.tokens)


async def _isolated(embedder: Embedder, texts: dict[UUID, str]) -> Filled:
    if len(texts) == 1:
        return Filled(refused=1)
    return joined([await embedded(embedder, {chunk_id: text}) for chunk_id, text in texts.items()])


def joined(parts: Sequence[Filled]) -> Filled:
    return Filled(
        vectors={chunk_id: vector for part in parts for chunk_id, vector in part.vectors.items()},
        texts=sum(part.texts for part in parts),
        tokens=sum(part.tokens for part in parts),
        refused=sum(part.refused for part in parts),
    )
