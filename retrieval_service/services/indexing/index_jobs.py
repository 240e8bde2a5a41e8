"""Starts, shows and cancels index jobs, and moves them on through the queue that all documents go through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.indexing.index_jobs import (
    ChangedRows,
    IndexJob,
    IndexMode,
    is_wider,
    readings,
    room,
)
from retrieval_service.errors import Violation
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.index import chunks
from retrieval_service.stores.queue import index_changes, index_jobs
from retrieval_service.stores.queue.index_jobs import Due
from retrieval_service.stores.sources import sources

log = structlog.get_logger("kladez.reindexing")

WATCH_SECONDS = 0.5
CANCELLING_RETRY_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class ReindexOptions:
    """`concurrency` batches of `batch` documents of a tenant are in the queue at a time."""

    batch: int
    concurrency: int
    cooldown_seconds: float


class Reindexer:
    """Index jobs of one tenant at a time."""

    def __init__(self, database: Database, options: ReindexOptions) -> None:
        self._database = database
        self._options = options

    async def start(
        self, tenant_id: UUID, mode: IndexMode, changed: Sequence[ChangedRows] = ()
    ) -> tuple[IndexJob, bool]:
        """The new job, or the active one and True, which then does what this one would have done as well.

        Raises `TooMany` soon after a rebuild, or when the active job would have to do more and is being cancelled,
        and `Invalid` for sources that the tenant does not have.
        """
        while True:
            async with self._database.tenant(tenant_id) as scope:
                await check_sources(scope, changed)
                active = await index_jobs.active(scope)
                if active is None:
                    job = await self._create(scope, mode, changed)
                else:
                    job = await self._join(scope, active, mode, changed)
            if job:  # otherwise another call was faster, or the active job has just ended
                event = "index_job_joined" if active else "index_job_created"
                log.info(event, tenant_id=str(tenant_id), index_job_id=str(job.id), mode=mode)
                return job, active is not None

    async def get(self, tenant_id: UUID, index_job_id: UUID) -> IndexJob:
        async with self._database.tenant(tenant_id) as scope:
            return found(await index_jobs.get(scope, index_job_id))

    async def page(self, tenant_id: UUID, *, before: tuple[datetime, UUID], limit: int) -> list[IndexJob]:
        async with self._database.tenant(tenant_id) as scope:
            return await index_jobs.page(scope, before=before, limit=limit)

    async def cancel(self, tenant_id: UUID, index_job_id: UUID) -> IndexJob:
        """Asks the job to stop; one that has ended stays as it is."""
        async with self._database.tenant(tenant_id) as scope:
            await index_jobs.request_cancel(scope, index_job_id)
            await index_jobs.announce(scope)
            return found(await index_jobs.get(scope, index_job_id))

    async def watch(self, tenant_id: UUID, index_job_id: UUID) -> AsyncGenerator[IndexJob, None]:
        """The job now and after changes, twice a second at most, until it has ended."""
        shown: IndexJob | None = None
        while shown is None or not shown.is_final:
            job = await self.get(tenant_id, index_job_id)
            if job != shown:
                yield job
            shown = job
            if not job.is_final:
                await asyncio.sleep(WATCH_SECONDS)

    async def claim(self, *, pause_seconds: float, limit: int, at_once: bool = False) -> list[Due]:
        """Jobs of any tenant to be moved on now; `at_once` minds no pause since their last step."""
        async with self._database.operator() as operator:
            return await index_jobs.claim(operator, pause_seconds=pause_seconds, limit=limit, at_once=at_once)

    async def advance(self, due: Due) -> None:
        """One step: counts what is done, hands out the next documents, ends the job when there are none.

        A step is one transaction and nothing is kept between two of them, so that any worker may do the next.
        """
        async with self._database.tenant(due.tenant_id) as scope:
            job = await index_jobs.lock(scope, due.id)
            if job is None:
                return
            if job.state == "queued":
                await index_jobs.begin(scope, job.id)
            await index_jobs.settle(scope, job.id)
            if job.state == "cancelling":
                await self._cancel(scope, job)
            else:
                await self._hand_out(scope, job)

    async def fail(self, due: Due, error: str) -> None:
        async with self._database.tenant(due.tenant_id) as scope:
            await index_jobs.end(scope, due.id, state="failed", error=error)

    async def _hand_out(self, scope: TenantScope, job: IndexJob) -> None:
        waiting = await index_jobs.count_waiting(scope, job.id)
        unread = await index_changes.count(scope, job.id)
        if job.is_walked and not waiting and not unread:
            await self._complete(scope, job)
            return
        new_ids = [] if job.is_walked else await self._walk(scope, job, waiting)
        await index_jobs.enqueue(scope, job.id, new_ids)

    async def _walk(self, scope: TenantScope, job: IndexJob, waiting: int) -> list[UUID]:
        limit = room(waiting, batch=self._options.batch, concurrency=self._options.concurrency)
        if not limit:
            return []
        new_ids = await index_jobs.hand_out(scope, job, limit=limit)
        await index_jobs.move(
            scope,
            job.id,
            last_document_id=max(new_ids, default=job.last_document_id),
            is_walked=len(new_ids) < limit,
            waiting=waiting + len(new_ids),
        )
        return new_ids

    async def _complete(self, scope: TenantScope, job: IndexJob) -> None:
        removed = await chunks.remove_stale(scope) if job.mode == IndexMode.REBUILD else 0
        await index_jobs.complete(scope, job.id, removed=removed)
        log.info("index_job_completed", tenant_id=str(job.tenant_id), index_job_id=str(job.id))

    async def _cancel(self, scope: TenantScope, job: IndexJob) -> None:
        """What workers have begun is waited for, and counted."""
        await index_changes.forget(scope, job.id)
        await index_jobs.stop_waiting(scope, job.id)
        if not await index_jobs.count_waiting(scope, job.id):
            await index_jobs.end(scope, job.id, state="cancelled")
            log.info("index_job_cancelled", tenant_id=str(job.tenant_id), index_job_id=str(job.id))

    async def _create(
        self, scope: TenantScope, mode: IndexMode, changed: Sequence[ChangedRows]
    ) -> IndexJob | None:
        job = await index_jobs.insert(scope, mode)
        if job is None:
            return None
        # Behind the insert: a rebuild that was begun and ended since the look for an active one counts too.
        await self._check_cooldown(scope, mode)
        return await told(scope, job, [*changed, *await whole_sources(scope, mode)])

    async def _join(
        self, scope: TenantScope, active: IndexJob, mode: IndexMode, changed: Sequence[ChangedRows]
    ) -> IndexJob | None:
        """The active job, which is told what it would not have done; None when it has ended meanwhile."""
        if not changed and not is_wider(mode, active.mode):
            return active
        job = await index_jobs.lock(scope, active.id)
        if job is None:
            return None
        if job.state == "cancelling":
            raise errors.TooMany(
                "the tenant's index job is being cancelled; try again when it has ended",
                retry_after_seconds=CANCELLING_RETRY_SECONDS,
            )
        if not is_wider(mode, job.mode):
            return await told(scope, job, changed)
        await self._check_cooldown(scope, mode)
        await index_changes.widen(scope, job.id, mode)
        return await told(scope, job, [*changed, *await whole_sources(scope, mode)])

    async def _check_cooldown(self, scope: TenantScope, mode: IndexMode) -> None:
        if mode != IndexMode.REBUILD:
            return
        seconds = await index_jobs.cooldown(scope, cooldown_seconds=self._options.cooldown_seconds)
        if seconds > 0:
            raise errors.TooMany(
                f"the last rebuild has only just ended; the next may start in {seconds:.0f} s",
                retry_after_seconds=seconds,
            )


async def told(scope: TenantScope, job: IndexJob, changed: Sequence[ChangedRows]) -> IndexJob:
    """The job, which reads these rows too."""
    for part in readings(changed):
        await index_changes.add(scope, job.id, part)
    await index_jobs.announce(scope)
    return found(await index_jobs.get(scope, job.id))


async def whole_sources(scope: TenantScope, mode: IndexMode) -> list[ChangedRows]:
    """What a rebuild reads beside what it is told: every row of every source, also those that seem unchanged."""
    if mode != IndexMode.REBUILD:
        return []
    return [ChangedRows(source=name, every_row=True) for name in await sources.names(scope)]


async def check_sources(scope: TenantScope, changed: Sequence[ChangedRows]) -> None:
    unknown = [one.source for one in changed if await sources.get(scope, one.source) is None]
    if unknown:
        raise errors.Invalid(
            [Violation(f"scope.changed.sources[{name}]", "there is no such source") for name in unknown]
        )


def found(job: IndexJob | None) -> IndexJob:
    if job is None:
        raise errors.NotFound("there is no such index job")
    return job
