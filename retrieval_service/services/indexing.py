"""Brings the index of documents up to their latest versions: read, think, write, with no transaction in between."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.chunking import ChunkPolicy
from retrieval_service.domain.index_jobs import Outcome
from retrieval_service.domain.retry import delay_seconds
from retrieval_service.services.embedders import Embedders
from retrieval_service.services.embedding import EmbeddedChunks, embed
from retrieval_service.services.planning import Plan, Target, nothing_left, plan
from retrieval_service.services.writing import Planned, Spaces, SpacesChanged, Writer, portions
from retrieval_service.stores import chunks, documents, index_jobs, jobs, tenant_spaces, vectors
from retrieval_service.stores.chunks import Source, StoredChunk
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.index_jobs import Ended
from retrieval_service.stores.jobs import Job

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


class Indexer:
    """Indexes batches of claimed jobs under one worker's name."""

    def __init__(
        self,
        database: Database,
        embedders: Embedders,
        *,
        policy: ChunkPolicy,
        worker: str,
        max_attempts: int,
    ) -> None:
        self._database = database
        self._embedders = embedders
        self._policy = policy
        self._writer = Writer(database, embedders, worker=worker)
        self._worker = worker
        self._max_attempts = max_attempts

    async def index(self, batch: Sequence[Job]) -> None:
        """Ends every job of the batch: done, put back for later, or given up with the reason kept."""
        for job in batch:
            if job.attempts > self._max_attempts:
                await self._fail(job, "every attempt ended with the death of its worker", final=True)
        alive = [job for job in batch if job.attempts <= self._max_attempts]
        for tenant_id, tenant_jobs in by_tenant(alive).items():
            await self._index(await self._read(tenant_id, tenant_jobs))

    async def _index(self, reading: Reading) -> None:
        spaces = reading.spaces
        try:
            planned = await asyncio.to_thread(plan_all, reading, self._policy)
            embedded = await embed(self._embedders, [one.plan for one in planned], active_id=spaces.active_id)
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
            locked = isinstance(error, errors.ProviderLocked)
            final = isinstance(error, errors.ProviderRefused) and not locked
            await self._fail_all(reading.jobs, f"{type(error).__name__}: {error}", final=final)
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

    async def _fail_all(self, batch: Iterable[Job], error: str, *, final: bool) -> None:
        for job in batch:
            await self._fail(job, error, final=final)

    async def _fail(self, job: Job, error: str, *, final: bool) -> None:
        async with self._database.tenant(job.tenant_id) as scope:
            await documents.lock(scope, job.document_id)
            status = await jobs.fail(
                scope,
                job,
                worker=self._worker,
                error=error,
                delay_seconds=delay_seconds(job.attempts),
                max_attempts=self._max_attempts,
                final=final,
            )
            if status == "error":
                await chunks.mark_failed(scope, job.document_id, error)
                failed = Ended(document_id=job.document_id, outcome=Outcome.FAILED)
                await index_jobs.record(scope, [failed])
        metrics.JOBS.labels(jobs.PGVECTOR, status).inc()
        log.warning(
            "indexing_failed",
            tenant_id=str(job.tenant_id),
            document_id=str(job.document_id),
            attempts=job.attempts,
            status=status,
            error=error,
        )


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
