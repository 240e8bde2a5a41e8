"""Brings the index of documents up to their latest versions: read, think, write, with no transaction in between."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.documents.documents import oversized
from retrieval_service.domain.indexing.chunking import ChunkPolicy
from retrieval_service.domain.indexing.index_jobs import Outcome
from retrieval_service.domain.sync.retry import delay_seconds
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.indexing.embedding import EmbeddedChunks, embed
from retrieval_service.services.indexing.embedding_steps import GaveWay
from retrieval_service.services.indexing.index_writer import Planned, Spaces, SpacesChanged, Writer, portions
from retrieval_service.services.indexing.plans import Plan, Target, nothing_left, plan
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.documents import documents
from retrieval_service.stores.index import chunks, vectors
from retrieval_service.stores.index.chunks import Source, StoredChunk
from retrieval_service.stores.queue import document_jobs, index_jobs
from retrieval_service.stores.queue.document_jobs import Job
from retrieval_service.stores.queue.index_jobs import Ended
from retrieval_service.stores.tenants import tenant_spaces

log = structlog.get_logger("kladez.indexing")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The documents of one tenant's jobs at one moment, their chunks in the index, and the spaces of the tenant."""

    tenant_id: UUID
    jobs: Sequence[Job]
    sources: Mapping[UUID, Source]
    stored: Mapping[UUID, Sequence[StoredChunk]]
    space_ids: tuple[int, ...]
    targets: Sequence[Target]
    by_document: bool

    @property
    def spaces(self) -> Spaces:
        embedded_ids = frozenset(target.space_id for target in self.targets)
        return Spaces(ids=self.space_ids, embedded_ids=embedded_ids)


class Thought(Protocol):
    """What is done between reading and writing, without a transaction."""

    async def plan(self, reading: Reading) -> list[Planned]: ...

    async def embed(
        self, reading: Reading, planned: Sequence[Planned], *, active_id: int | None
    ) -> EmbeddedChunks: ...


class AtOnce:
    """Plans and embeds a batch as a whole."""

    def __init__(self, embedders: Embedders, policy: ChunkPolicy) -> None:
        self._embedders = embedders
        self._policy = policy

    async def plan(self, reading: Reading) -> list[Planned]:
        return await asyncio.to_thread(plan_all, reading, self._policy)

    async def embed(
        self,
        reading: Reading,  # noqa: ARG002 - the plans hold all there is to embed
        planned: Sequence[Planned],
        *,
        active_id: int | None,
    ) -> EmbeddedChunks:
        return await embed(self._embedders, [one.plan for one in planned], active_id=active_id)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`attempts` at a document, and what it may hold at most, which whoever writes SQL is not told before."""

    attempts: int
    content_bytes: int


class Indexer:
    """Indexes batches of claimed jobs under one worker's name."""

    def __init__(
        self, database: Database, embedders: Embedders, thought: Thought, *, worker: str, limits: Limits
    ) -> None:
        self._database = database
        self._embedders = embedders
        self._thought = thought
        self._writer = Writer(database, embedders, worker=worker)
        self._worker = worker
        self._limits = limits

    async def index(self, batch: Sequence[Job]) -> None:
        """Ends every job of the batch: done, put back for later, or given up with the reason kept."""
        for job in batch:
            if fault := self._fault(job):
                await self._fail(job, fault, final=True)
        alive = [job for job in batch if not self._fault(job)]
        for tenant_id, tenant_jobs in by_tenant(alive).items():
            await self._index(await self._read(tenant_id, tenant_jobs))

    def _fault(self, job: Job) -> str:
        """Why the job is not worth beginning."""
        if job.attempts > self._limits.attempts:
            return "every attempt ended with the death of its worker"
        if job.content_bytes > self._limits.content_bytes:
            return str(errors.Invalid([oversized(job.content_bytes, self._limits.content_bytes)]))
        return ""

    async def _index(self, reading: Reading) -> None:
        spaces = reading.spaces
        try:
            planned = await self._thought.plan(reading)
            embedded = await self._thought.embed(reading, planned, active_id=spaces.active_id)
        except GaveWay as gave_way:
            await self._give_back(reading.jobs, gave_way.delay_seconds)
        except errors.ProviderUnavailable as error:
            await self._fail_all(reading.jobs, str(error), final=False)
        except (errors.KladezError, ValueError) as error:
            await self._isolate(reading, error)
        else:
            for portion in portions(planned):
                await self._write(portion, embedded, spaces)

    async def _isolate(self, reading: Reading, error: Exception) -> None:
        """One document spoils its batch: the others go on without it."""
        if len(reading.jobs) == 1:
            await self._fail_all(reading.jobs, in_words(error), final=is_final(error))
            return
        for job in reading.jobs:
            await self._index(replace(reading, jobs=[job]))

    async def _read(self, tenant_id: UUID, tenant_jobs: Sequence[Job]) -> Reading:
        document_ids = [job.document_id for job in tenant_jobs]
        async with self._database.tenant(tenant_id) as scope:
            sources = {source.id: source for source in await chunks.sources(scope, document_ids)}
            space_ids = await tenant_spaces.maintained(scope)
            return Reading(
                tenant_id=tenant_id,
                jobs=tenant_jobs,
                sources=sources,
                stored=await chunks.of_documents(scope, document_ids),
                space_ids=space_ids,
                targets=await self._targets(scope, space_ids, document_ids),
                by_document=await tenant_spaces.is_by_document(scope),
            )

    async def _targets(
        self, scope: TenantScope, space_ids: tuple[int, ...], document_ids: Sequence[UUID]
    ) -> list[Target]:
        """The spaces that have an embedder."""
        return [
            Target(space_id=space_id, space=space, held=await vectors.held(scope, space_id, document_ids))
            for space_id, space in self._embedders.spaces(space_ids).items()
        ]

    async def _write(self, planned: Sequence[Planned], embedded: EmbeddedChunks, spaces: Spaces) -> None:
        """What others are changing comes last, one by one, so that it keeps no document waiting that is ready."""
        try:
            held = await self._writer.write_free(planned, embedded, spaces)
        except SpacesChanged:
            await self._again(planned)
            return
        for one in held:
            try:
                await self._writer.write_alone(one, embedded, spaces)
            except SpacesChanged:
                await self._again([one])

    async def _again(self, planned: Sequence[Planned]) -> None:
        batch = [one.job for one in planned]
        await self._index(await self._read(batch[0].tenant_id, batch))

    async def _give_back(self, batch: Iterable[Job], delay_seconds: float) -> None:
        for job in batch:
            async with self._database.tenant(job.tenant_id) as scope:
                await documents.lock(scope, job.document_id)
                await document_jobs.give_back(scope, job, worker=self._worker, delay_seconds=delay_seconds)

    async def _fail_all(self, batch: Iterable[Job], error: str, *, final: bool) -> None:
        for job in batch:
            await self._fail(job, error, final=final)

    async def _fail(self, job: Job, error: str, *, final: bool) -> None:
        async with self._database.tenant(job.tenant_id) as scope:
            await documents.lock(scope, job.document_id)
            status = await document_jobs.fail(
                scope,
                job,
                worker=self._worker,
                error=error,
                delay_seconds=delay_seconds(job.attempts),
                max_attempts=self._limits.attempts,
                final=final,
            )
            if status == "error":
                await chunks.mark_failed(scope, job.document_id, error)
                failed = Ended(document_id=job.document_id, outcome=Outcome.FAILED)
                await index_jobs.record(scope, [failed])
        metrics.JOBS.labels(document_jobs.PGVECTOR, status).inc()
        log.warning(
            "indexing_failed",
            tenant_id=str(job.tenant_id),
            document_id=str(job.document_id),
            attempts=job.attempts,
            status=status,
            error=error,
        )


def is_final(error: Exception) -> bool:
    """Whether another attempt would end in the same way."""
    if isinstance(error, errors.ProviderRefused):
        return not isinstance(error, errors.ProviderLocked)
    return isinstance(error, errors.Invalid)


def in_words(error: Exception) -> str:
    """What names a field says all there is to say."""
    return str(error) if isinstance(error, errors.Invalid) else f"{type(error).__name__}: {error}"


def by_tenant(batch: Iterable[Job]) -> dict[UUID, list[Job]]:
    grouped: defaultdict[UUID, list[Job]] = defaultdict(list)
    for job in batch:
        grouped[job.tenant_id].append(job)
    return grouped


def plan_all(reading: Reading, policy: ChunkPolicy) -> list[Planned]:
    """Slow for long documents: call it in a thread."""
    return [
        Planned(job=job, plan=plan_one(reading, job, policy), is_known=job.document_id in reading.sources)
        for job in reading.jobs
    ]


def plan_one(reading: Reading, job: Job, policy: ChunkPolicy) -> Plan:
    source, stored = reading.sources.get(job.document_id), reading.stored.get(job.document_id, ())
    if source is None or source.is_deleted:
        version = source.version if source else 0
        return nothing_left(job.document_id, version, stored)
    return plan(source, stored, policy, reading.targets, by_document=reading.by_document)
