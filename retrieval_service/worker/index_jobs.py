"""Advances index jobs beside a worker in short steps. A worker that dies loses no step and repeats none."""

from __future__ import annotations

import structlog

from retrieval_service import errors
from retrieval_service.services.indexing.index_jobs import Reindexer
from retrieval_service.stores.queue.index_jobs import Due
from retrieval_service.worker.wake_up import Wakeup

log = structlog.get_logger("kladez.index_runner")

STEP_SECONDS = 0.1
IDLE_SECONDS = 0.5
JOBS_AT_A_TIME = 32


class IndexRunner:
    """Runs until it is cancelled, which rolls back the current step."""

    def __init__(self, reindexer: Reindexer, wakeup: Wakeup) -> None:
        """`wakeup` ends the wait for a job."""
        self._reindexer = reindexer
        self._wakeup = wakeup
        self._at_once = False

    def step_at_once(self) -> None:
        """Steps at once. Called when the queue is empty, because jobs may be complete or have more to enqueue."""
        self._at_once = True
        self._wakeup.set()

    async def run(self) -> None:
        was_woken = False
        while True:
            self._wakeup.clear()
            due = await self._claim()
            for one in due:
                await self._advance(one)
            # The job that it was woken for may be in its pause.
            was_woken = await self._wakeup.wait(STEP_SECONDS if due or was_woken else IDLE_SECONDS)

    async def _claim(self) -> list[Due]:
        at_once, self._at_once = self._at_once, False
        try:
            return await self._reindexer.claim(
                pause_seconds=STEP_SECONDS, limit=JOBS_AT_A_TIME, at_once=at_once
            )
        except errors.Unavailable as error:
            log.warning("index_jobs_not_claimed", error=str(error))
            return []

    async def _advance(self, due: Due) -> None:
        try:
            await self._reindexer.advance(due)
        except errors.Unavailable as error:
            log.warning("index_step_left", index_job_id=str(due.id), error=str(error))
        except Exception as error:
            log.exception("index_job_failed", tenant_id=str(due.tenant_id), index_job_id=str(due.id))
            await self._fail(due, type(error).__name__)

    async def _fail(self, due: Due, error: str) -> None:
        try:
            await self._reindexer.fail(due, error)
        except errors.Unavailable as failure:
            log.warning("index_step_left", index_job_id=str(due.id), error=str(failure))
