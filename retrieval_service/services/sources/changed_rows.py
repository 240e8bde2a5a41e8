"""Reads the rows that index jobs were told of; the documents they change are followed by the jobs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.services.sources.scans import SourceReport, Sourcing
from retrieval_service.services.sources.tracker import IndexJobEnded
from retrieval_service.stores.database import Database
from retrieval_service.stores.queue import index_changes, index_jobs
from retrieval_service.stores.queue.index_changes import Change

log = structlog.get_logger("kladez.following")

BUSY_SOURCE_SECONDS = 2.0
# What another attempt would not change.
UNREADABLE = (
    errors.NotFound,
    errors.SourceFailed,
    errors.SourceUnavailable,
    errors.Invalid,
    errors.Misconfigured,
)


class Follower:
    """Rows whose reader died are read again after the lease, which changes nothing that was done."""

    def __init__(
        self, database: Database, sourcing: Sourcing, *, lease_seconds: float, max_attempts: int
    ) -> None:
        self._database = database
        self._sourcing = sourcing
        self._lease_seconds = lease_seconds
        self._max_attempts = max_attempts
        self._served_last = UUID(int=0)

    async def claim(self) -> Change | None:
        """The rows of the next tenant that have waited longest; None when none wait."""
        async with self._database.operator() as operator:
            change = await index_changes.claim(
                operator, after=self._served_last, lease_seconds=self._lease_seconds
            )
        if change:
            self._served_last = change.tenant_id
        return change

    async def read(self, change: Change) -> None:
        """A source that fails fails its job, but only at its end: the other rows are still brought up to date."""
        if change.attempts > self._max_attempts:
            await self.give_up(change, "every attempt ended with the death of its worker")
            return
        try:
            async with self._kept(change):
                report = await self._sync(change)
        except IndexJobEnded:
            log.info("reading_left", tenant_id=str(change.tenant_id), source=change.source)
        except errors.Conflict:
            await self._postpone(change)
        except UNREADABLE as error:
            await self.give_up(change, str(error))
        else:
            await self._finish(change, report.failed_count, row_error=row_error(change, report))

    async def give_up(self, change: Change, error: str) -> None:
        log.warning("reading_failed", tenant_id=str(change.tenant_id), source=change.source, error=error)
        await self._finish(change, len(change.ids), f"source {change.source}: {error}")

    async def _sync(self, change: Change) -> SourceReport:
        tenant_id, job_id = change.tenant_id, change.index_job_id
        if change.ids:
            return await self._sourcing.sync_ids(tenant_id, change.source, change.ids, index_job_id=job_id)
        return await self._sourcing.sync(
            tenant_id, change.source, every_row=change.every_row, index_job_id=job_id
        )

    async def _finish(
        self, change: Change, failed_count: int, error: str = "", *, row_error: str = ""
    ) -> None:
        async with self._database.tenant(change.tenant_id) as scope:
            if await index_jobs.lock(scope, change.index_job_id):
                await index_changes.finish(
                    scope, change, failed_count=failed_count, error=error, row_error=row_error
                )
                await index_jobs.announce(scope)

    async def _postpone(self, change: Change) -> None:
        """Somebody reads the whole source just now, and may be past these rows already."""
        async with self._database.tenant(change.tenant_id) as scope:
            await index_changes.postpone(scope, change, delay_seconds=BUSY_SOURCE_SECONDS)

    @contextlib.asynccontextmanager
    async def _kept(self, change: Change) -> AsyncIterator[None]:
        """Extends the lease for as long as the block runs."""
        heartbeat = asyncio.create_task(self._extend(change))
        try:
            yield
        finally:
            heartbeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heartbeat

    async def _extend(self, change: Change) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            with contextlib.suppress(errors.Unavailable):
                async with self._database.tenant(change.tenant_id) as scope:
                    await index_changes.extend(scope, change, lease_seconds=self._lease_seconds)


def row_error(change: Change, report: SourceReport) -> str:
    """Which row could not be stored, and why; "" when all were."""
    return f"source {change.source}: {report.problem}" if report.problem else ""
