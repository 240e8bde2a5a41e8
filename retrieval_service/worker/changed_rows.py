"""Reads changed rows of sources beside a worker. Several readings run at a time, so a slow source delays no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from retrieval_service import errors
from retrieval_service.services.sources.changed_rows import Follower
from retrieval_service.stores.queue.index_changes import Change
from retrieval_service.worker.wake_up import Wakeup

log = structlog.get_logger("kladez.change_runner")

IDLE_SECONDS = 0.5


class ChangeRunner:
    """Runs until it is cancelled. Another worker then repeats the interrupted readings."""

    def __init__(self, follower: Follower, wakeups: Sequence[Wakeup]) -> None:
        """There is one reader for each of `wakeups`, which end their waits."""
        self._follower = follower
        self._wakeups = wakeups

    async def run(self) -> None:
        async with asyncio.TaskGroup() as readers:
            for wakeup in self._wakeups:
                readers.create_task(self._read_for_ever(wakeup))

    async def _read_for_ever(self, wakeup: Wakeup) -> None:
        while True:
            wakeup.clear()
            change = await self._claim()
            if change is None:
                await wakeup.wait(IDLE_SECONDS)
            else:
                await self._read(change)

    async def _claim(self) -> Change | None:
        try:
            return await self._follower.claim()
        except errors.Unavailable as error:
            log.warning("changes_not_claimed", error=str(error))
            return None

    async def _read(self, change: Change) -> None:
        try:
            await self._follower.read(change)
        except errors.Unavailable as error:
            log.warning("changes_left", source=change.source, error=str(error))  # the lease expires
        except Exception as error:
            log.exception("changes_failed", tenant_id=str(change.tenant_id), source=change.source)
            await self._give_up(change, type(error).__name__)

    async def _give_up(self, change: Change, error: str) -> None:
        try:
            await self._follower.give_up(change, error)
        except errors.Unavailable as failure:
            log.warning("changes_left", source=change.source, error=str(failure))
