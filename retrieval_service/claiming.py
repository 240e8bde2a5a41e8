"""Claims the jobs of one target and has them done, a few batches at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiojobs
import structlog

from retrieval_service import errors
from retrieval_service.bell import Bell
from retrieval_service.stores import jobs
from retrieval_service.stores.database import Database
from retrieval_service.stores.jobs import Job

log = structlog.get_logger("kladez.worker")

MOST_WAITING = 16


@dataclass(frozen=True, kw_only=True)
class Lane:
    """`concurrency` batches of `batch` jobs for the target at a time; `work` ends every job of a batch.

    It is given a function to call while it only waits for others: then the next batch begins beside it.
    `ran_dry` is called when a batch has ended and no job is left.
    """

    target: str
    concurrency: int
    batch: int
    work: Callable[[Sequence[Job], Callable[[], None]], Awaitable[None]]
    ran_dry: Callable[[], None] = lambda: None


class Claiming:
    """Goes on until `stop()`; a dead worker's jobs are free after the lease."""

    def __init__(
        self, database: Database, lane: Lane, *, worker: str, lease_seconds: float, poll_seconds: float
    ) -> None:
        self._database = database
        self._lane = lane
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._bell = Bell()
        self._busy: set[object] = set()
        self._waiting: set[object] = set()
        self._has_ended_some = False
        self._stopping = False

    def wake(self) -> None:
        self._bell.ring()

    def stop(self) -> None:
        self._stopping = True
        self._bell.ring()

    async def run(self, scheduler: aiojobs.Scheduler) -> None:
        """The batches themselves run in the scheduler and may outlast this."""
        while not self._stopping:
            self._bell.listen()
            claimed = await self._claim() if len(self._busy) < self._lane.concurrency else []
            if claimed:
                batch = object()
                self._busy.add(batch)
                await scheduler.spawn(self._process(batch, claimed))
            else:
                self._tell_when_dry()
                await self._bell.sleep(self._poll_seconds)

    def _tell_when_dry(self) -> None:
        if self._has_ended_some and not self._busy:
            self._has_ended_some = False
            self._lane.ran_dry()

    async def _claim(self) -> list[Job]:
        try:
            async with self._database.operator() as operator:
                return await jobs.claim(
                    operator,
                    worker=self._worker,
                    limit=self._lane.batch,
                    lease_seconds=self._lease_seconds,
                    target=self._lane.target,
                )
        except errors.Unavailable as error:
            log.warning("claim_failed", target=self._lane.target, error=str(error))
            return []

    def _let_go(self, batch: object) -> None:
        """Too many that wait keep the place of the next: their leases and their polling cost something too."""
        if batch in self._busy and len(self._waiting) < MOST_WAITING:
            self._busy.remove(batch)
            self._waiting.add(batch)
            self._bell.ring()

    async def _process(self, batch: object, claimed: Sequence[Job]) -> None:
        try:
            async with self._kept(claimed):
                await self._lane.work(claimed, lambda: self._let_go(batch))
        except errors.Unavailable as error:
            log.warning("batch_left", jobs=len(claimed), error=str(error))  # the lease ends it
        except Exception:
            log.exception("batch_failed", jobs=len(claimed))
        finally:
            self._has_ended_some = True
            self._busy.discard(batch)  # here: the scheduler drops a job only after the waking
            self._waiting.discard(batch)
            self._bell.ring()

    @contextlib.asynccontextmanager
    async def _kept(self, claimed: Sequence[Job]) -> AsyncIterator[None]:
        """Extends the leases for as long as the block runs."""
        heartbeat = asyncio.create_task(self._extend([job.id for job in claimed]))
        try:
            yield
        finally:
            heartbeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heartbeat

    async def _extend(self, ids: Sequence[int]) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            with contextlib.suppress(errors.Unavailable):
                async with self._database.operator() as operator:
                    await jobs.extend(operator, ids, worker=self._worker, lease_seconds=self._lease_seconds)
