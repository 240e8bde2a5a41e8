"""Runs jobs as soon as they are committed. When a worker dies, another one takes over its jobs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiojobs
import structlog

from retrieval_service import errors
from retrieval_service.stores.database import Database
from retrieval_service.stores.index import embedding_steps
from retrieval_service.stores.queue import document_jobs, index_jobs
from retrieval_service.worker.claiming import Claiming, Lane
from retrieval_service.worker.wake_up import Wakeup

log = structlog.get_logger("kladez.worker")

HOUSEKEEPING_SECONDS = 5.0
DONE_JOBS_KEPT_HOURS = 24
STEPS_KEPT_HOURS = 24
PAUSE_AFTER_FAILURE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """After `lease_seconds` without an extension, other workers may claim a job."""

    lease_seconds: float
    poll_seconds: float
    shutdown_seconds: float


def worker_name() -> str:
    """Unique for each worker of the whole installation."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


async def nothing() -> None:
    """For workers that have nothing to close."""


class Worker:
    """Runs until `stop()`. Then it waits for current batches and releases unfinished jobs."""

    def __init__(
        self,
        database: Database,
        lanes: Sequence[Lane],
        *,
        name: str,
        options: WorkerOptions,
        housekeeping: Sequence[Callable[[], Awaitable[None]]] = (),
        companions: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
        index_job_wakeups: Sequence[Wakeup] = (),
        last: Callable[[], Awaitable[None]] = nothing,
    ) -> None:
        """Lanes do not wait for each other. `companions` run beside them until the worker stops, which cancels them.

        `index_job_wakeups` are set when an index job changes. `last` closes what the lanes have used.
        """
        self._database = database
        self._name = name
        self._options = options
        self._housekeeping = housekeeping
        self._companions = companions
        self._index_job_wakeups = index_job_wakeups
        self._last = last
        self._beside: Sequence[aiojobs.Job[None]] = ()
        self._claimings = [
            Claiming(
                database,
                lane,
                worker=name,
                lease_seconds=options.lease_seconds,
                poll_seconds=options.poll_seconds,
                ended=partial(self._wake, lane.target),
            )
            for lane in lanes
        ]

    async def fault(self) -> str:
        """Why jobs are not claimed as they should be, in words; "" when nothing is wrong."""
        claiming = [f"claiming for {one.target} {one.fault}" for one in self._claimings if one.fault]
        ended = sum(job.closed for job in self._beside)
        beside = [f"{ended} of the tasks beside the claiming have ended"] if ended else []
        return "; ".join(dict.fromkeys([*claiming, *beside]))

    def stop(self) -> None:
        for claiming in self._claimings:
            claiming.stop()

    async def run(self) -> None:
        scheduler = aiojobs.Scheduler(close_timeout=self._options.shutdown_seconds, limit=None)
        chores = [self._repeat(chore) for chore in (self._recover, *self._housekeeping)]
        companions = [companion() for companion in self._companions]
        services = [await scheduler.spawn(service) for service in (self._listen(), *chores, *companions)]
        self._beside = services
        try:
            async with asyncio.TaskGroup() as group:
                for claiming in self._claimings:
                    group.create_task(claiming.run(scheduler))
        finally:
            for service in services:
                await service.close(timeout=self._options.shutdown_seconds)
            await scheduler.wait_and_close(timeout=self._options.shutdown_seconds)
            await self._last()
            await self._give_back()

    def _wake(self, target: str = "") -> None:
        """Wakes the claiming of one target, or of all."""
        for claiming in self._claimings:
            if target in ("", claiming.target):
                claiming.wake()

    def _wake_index_jobs(self) -> None:
        for wakeup in self._index_job_wakeups:
            wakeup.set()

    async def _listen(self) -> None:
        """Wakes the claiming when a job is committed. Polling covers lost notifications."""
        while True:
            try:
                async with self._database.owner() as connection:
                    await connection.execute("LISTEN kladez_index_jobs")
                    await connection.execute("LISTEN kladez_jobs")
                    self._wake_index_jobs()
                    self._wake()
                    async for notice in connection.notifies():
                        if notice.channel == index_jobs.CHANNEL:
                            self._wake_index_jobs()
                        else:
                            self._wake()
            except errors.Unavailable:
                await asyncio.sleep(PAUSE_AFTER_FAILURE_SECONDS)

    async def _repeat(self, chore: Callable[[], Awaitable[None]]) -> None:
        """Repeats a chore in a task of its own, so that slow or failing chores do not delay others."""
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
            recovered = await document_jobs.recover(operator)
            await document_jobs.prune(operator, hours=DONE_JOBS_KEPT_HOURS)
            await embedding_steps.prune(operator, hours=STEPS_KEPT_HOURS)
        if recovered:
            log.info("jobs_recovered", jobs=recovered)
            self._wake()

    async def _give_back(self) -> None:
        with contextlib.suppress(errors.Unavailable):
            async with self._database.operator() as operator:
                await document_jobs.recover(operator, worker=self._name)
