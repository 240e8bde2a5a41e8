"""Brings the index of documents up to their latest versions: read, think, write, with no transaction in between."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.chunking import ChunkPolicy
from retrieval_service.domain.costs import embedding_bill
from retrieval_service.domain.index_jobs import Outcome
from retrieval_service.domain.records import Usage
from retrieval_service.domain.retry import delay_seconds
from retrieval_service.services.embedders import Embedders
from retrieval_service.services.embedding import EmbeddedChunks, embed
from retrieval_service.services.metering import total
from retrieval_service.services.planning import Plan, Target, nothing_left, plan
from retrieval_service.stores import chunks, documents, index_jobs, jobs, tenant_spaces, usage, vectors
from retrieval_service.stores.chunks import Source, StoredChunk
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.jobs import Job

log = structlog.get_logger("kladez.indexing")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A document at one version, the chunks it has in the index, and the spaces its tenant keeps vectors in."""

    job: Job
    source: Source | None
    stored: Sequence[StoredChunk]
    space_ids: tuple[int, ...]
    targets: Sequence[Target]
    by_document: bool

    @property
    def active_id(self) -> int | None:
        return self.space_ids[0] if self.space_ids else None


class JobLost(Exception):
    """Another worker took the job over while we worked on it."""


class SpacesChanged(Exception):
    """The tenant's spaces are not those any more that we embedded in."""


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
        self._worker = worker
        self._max_attempts = max_attempts

    async def index(self, batch: Sequence[Job]) -> None:
        """Ends every job of the batch: done, put back for later, or given up with the reason kept."""
        for job in batch:
            if job.attempts > self._max_attempts:
                await self._fail(job, "every attempt ended with the death of its worker", final=True)
        alive = [job for job in batch if job.attempts <= self._max_attempts]
        for tenant_id, tenant_jobs in by_tenant(alive).items():
            readings = await self._read(tenant_id, tenant_jobs)
            await self._index_readings(readings)

    async def _index_readings(self, readings: Sequence[Reading]) -> None:
        try:
            plans = [(reading, await self._plan(reading)) for reading in readings]
            active_id = readings[0].active_id if readings else None
            embedded = await embed(self._embedders, [plan for _, plan in plans], active_id=active_id)
        except errors.ProviderUnavailable as error:
            await self._fail_all(readings, str(error), final=False)
        except (errors.KladezError, ValueError) as error:
            await self._isolate(readings, error)
        else:
            for reading, plan in plans:
                await self._write(reading, plan, embedded)

    async def _isolate(self, readings: Sequence[Reading], error: Exception) -> None:
        """One document spoils its batch: the others go on without it."""
        if len(readings) == 1:
            locked = isinstance(error, errors.ProviderLocked)
            final = isinstance(error, errors.ProviderRefused) and not locked
            await self._fail_all(readings, f"{type(error).__name__}: {error}", final=final)
            return
        for reading in readings:
            await self._index_readings([reading])

    async def _read(self, tenant_id: UUID, tenant_jobs: Sequence[Job]) -> list[Reading]:
        document_ids = [job.document_id for job in tenant_jobs]
        async with self._database.tenant(tenant_id) as scope:
            sources = {source.id: source for source in await chunks.sources(scope, document_ids)}
            space_ids = await tenant_spaces.maintained(scope)
            targets = await self._targets(scope, space_ids, document_ids)
            by_document = await tenant_spaces.is_by_document(scope)
            return [
                Reading(
                    job=job,
                    source=sources.get(job.document_id),
                    stored=await chunks.of_document(scope, job.document_id),
                    space_ids=space_ids,
                    targets=targets,
                    by_document=by_document,
                )
                for job in tenant_jobs
            ]

    async def _targets(
        self, scope: TenantScope, space_ids: tuple[int, ...], document_ids: Sequence[UUID]
    ) -> list[Target]:
        """The spaces that have an embedder."""
        return [
            Target(space_id=space_id, space=space, held=await vectors.held(scope, space_id, document_ids))
            for space_id, space in self._embedders.spaces(space_ids).items()
        ]

    async def _plan(self, reading: Reading) -> Plan:
        source = reading.source
        if source is None or source.is_deleted:
            version = source.version if source else 0
            return nothing_left(reading.job.document_id, version, reading.stored)
        return await asyncio.to_thread(
            plan, source, reading.stored, self._policy, reading.targets, by_document=reading.by_document
        )

    async def _write(self, reading: Reading, plan: Plan, embedded: EmbeddedChunks) -> None:
        price = self._embedders.price(reading.active_id)
        saved = embedding_bill(price, tokens=0, saved_tokens=plan.saved_tokens)
        job, amounts = reading.job, total(used(plan, embedded), saved)
        try:
            written = await self._finish(reading, plan, embedded, amounts)
        except JobLost:
            log.warning("job_lost", tenant_id=str(job.tenant_id), document_id=str(job.document_id))
            return
        except SpacesChanged:
            await self._index_readings(await self._read(job.tenant_id, [job]))
            return
        log.info(
            "document_indexed" if written else "document_superseded",
            tenant_id=str(job.tenant_id),
            document_id=str(job.document_id),
            chunks_added=len(plan.change.added),
            chunks_removed=len(plan.change.removed),
            chunks_unchanged=plan.unchanged_count,
            chunks_embedded=amounts.embedded_chunks,
            tokens_embedded=amounts.embedded_tokens,
        )

    async def _finish(self, reading: Reading, plan: Plan, embedded: EmbeddedChunks, amounts: Usage) -> bool:
        """False when a newer version came, whose own job is what an index job waits for then."""
        job = reading.job
        async with self._database.tenant(job.tenant_id) as scope:
            if await tenant_spaces.hold(scope) != reading.space_ids:
                raise SpacesChanged
            if not await jobs.finish(scope, job, worker=self._worker):
                raise JobLost
            written = await chunks.apply(scope, plan.change)
            if written:
                await self._write_vectors(scope, reading, plan, embedded)
            await usage.add(scope, amounts)
            if written or reading.source is None:
                await index_jobs.record(
                    scope,
                    job.document_id,
                    plan.outcome,
                    embedded_tokens=amounts.embedded_tokens,
                    saved_tokens=plan.saved_tokens,
                )
        return written

    async def _write_vectors(
        self, scope: TenantScope, reading: Reading, plan: Plan, embedded: EmbeddedChunks
    ) -> None:
        for wanted in plan.wanted:
            made = embedded.of(wanted)
            if made:
                await vectors.remove(scope, wanted.space_id, wanted.outdated_ids)
            await vectors.insert(scope, wanted.space_id, made)
        without = set(reading.space_ids) - {target.space_id for target in reading.targets}
        behind = [*without, *(one.space_id for one in plan.wanted if one.space_id in embedded.failed_spaces)]
        if behind and (plan.change.added or plan.text_count):
            await tenant_spaces.mark_stale(scope, behind)

    async def _fail_all(self, readings: Iterable[Reading], error: str, *, final: bool) -> None:
        for reading in readings:
            await self._fail(reading.job, error, final=final)

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
                await index_jobs.record(scope, job.document_id, Outcome.FAILED)
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


def used(plan: Plan, embedded: EmbeddedChunks) -> Usage:
    """The document's share of what a batch cost, by its share of the texts."""
    done = (one for one in plan.wanted if one.space_id not in embedded.failed_spaces)
    count = sum(len(one.texts) for one in done)
    share = count / embedded.count if embedded.count else 0.0
    return Usage(
        embedded_chunks=count,
        embedded_tokens=round(embedded.bill.embedded_tokens * share),
        embedding_usd=embedded.bill.embedding_usd * Decimal(share),
        unpriced_tokens=round(embedded.bill.unpriced_tokens * share),
        unchanged_chunks=plan.unchanged_count,
    )
