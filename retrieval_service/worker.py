"""Claims jobs as soon as they are written and indexes them; dies without harm, for another worker takes over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import aiojobs
import structlog

from retrieval_service import errors
from retrieval_service.services.indexing import Indexer
from retrieval_service.stores import jobs
from retrieval_service.stores.database import Database
from retrieval_service.stores.jobs import Job

log = structlog.get_logger("kladez.worker")

HOUSEKEEPING_SECONDS = 5.0
DONE_JOBS_KEPT_HOURS = 24
PAUSE_AFTER_FAILURE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """`concurrency` batches of `batch` jobs at a time; a dead worker's jobs are free after the lease."""

    concurrency: int
    batch: int
    lease_seconds: float
    poll_seconds: float
    shutdown_seconds: float


def worker_name() -> str:
    """Unique for each worker of the whole installation."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


class Worker:
    """Runs until `stop()`; then lets batches in flight finish and gives back what it could not."""

    def __init__(
        self,
        database: Database,
        indexer: Indexer,
        *,
        name: str,
        options: WorkerOptions,
        housekeeping: Sequence[Callable[[], Awaitable[None]]] = (),
        companions: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        """`companions` run beside the claiming until the worker stops, which cancels them."""
        self._database = database
        self._indexer = indexer
        self._name = name
        self._options = options
        self._housekeeping = housekeeping
        self._companions = companions
        self._wake = asyncio.Event()
        self._busy = 0
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        scheduler = aiojobs.Scheduler(close_timeout=self._options.shutdown_seconds, limit=None)
        chores = [self._repeat(chore) for chore in (self._recover, *self._housekeeping)]
        companions = [companion() for companion in self._companions]
        services = [await scheduler.spawn(service) for service in (self._listen(), *chores, *companions)]
        try:
            await self._claim_until_stopped(scheduler)
        finally:
            for service in services:
                await service.close(timeout=self._options.shutdown_seconds)
            await scheduler.wait_and_close(timeout=self._options.shutdown_seconds)
            await self._give_back()

    async def _claim_until_stopped(self, scheduler: aiojobs.Scheduler) -> None:
        while not self._stopping:
            self._wake.clear()
            claimed = await self._claim() if self._busy < self._options.concurrency else []
            if claimed:
                self._busy += 1
                await scheduler.spawn(self._process(claimed))
            else:
                await self._sleep(self._options.poll_seconds)

    async def _claim(self) -> list[Job]:
        try:
            async with self._database.operator() as operator:
                return await jobs.claim(
                    operator,
                    worker=self._name,
                    limit=self._options.batch,
                    lease_seconds=self._options.lease_seconds,
                )
        except errors.Unavailable as error:
            log.warning("claim_failed", error=str(error))
            return []

    async def _process(self, claimed: Sequence[Job]) -> None:
        try:
            async with self._kept(claimed):
                await self._indexer.index(claimed)
        except errors.Unavailable as error:
            log.warning("batch_left", jobs=len(claimed), error=str(error))  # the lease ends it
        except Exception:
            log.exception("batch_failed", jobs=len(claimed))
        finally:
            self._busy -= 1  # counted here: the scheduler drops a job only after the waking
            self._wake.set()

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
            await asyncio.sleep(self._options.lease_seconds / 3)
            with contextlib.suppress(errors.Unavailable):
                async with self._database.operator() as operator:
                    await jobs.extend(
                        operator, ids, worker=self._name, lease_seconds=self._options.lease_seconds
                    )

    async def _listen(self) -> None:
        """Wakes the claiming as soon as a job is committed; polling is the net below."""
        while True:
            try:
                async with self._database.owner() as connection:
                    await connection.execute("LISTEN kladez_jobs")
                    self._wake.set()
                    async for _ in connection.notifies():
                        self._wake.set()
            except errors.Unavailable:
                await asyncio.sleep(PAUSE_AFTER_FAILURE_SECONDS)

    async def _repeat(self, chore: Callable[[], Awaitable[None]]) -> None:
        """Each chore in its own time: neither a slow one nor a broken one keeps the others from theirs."""
        while True:
            try:
                await chore()
            except errors.Unavailable as error:
                log.warning("housekeeping_failed", error=str(error))
            except Exception:
                log.exception("housekeeping_failed")
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _recover(self) -> None:
        async with self._database.operator() as operator:
            recovered = await jobs.recover(operator)
            await jobs.prune(operator, hours=DONE_JOBS_KEPT_HOURS)
        if recovered:
            log.info("jobs_recovered", jobs=recovered)
            self._wake.set()

    async def _give_back(self) -> None:
        with contextlib.suppress(errors.Unavailable):
            async with self._database.operator() as operator:
                await jobs.recover(operator, worker=self._name)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
