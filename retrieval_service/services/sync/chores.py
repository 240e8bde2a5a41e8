"""Work at the retrieval provider that nobody waits for, and the pause it keeps when the provider fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog

from retrieval_service import errors
from retrieval_service.providers.ports import RetrievalBackend

log = structlog.get_logger("kladez.provider_chores")

PAUSE_AFTER_FAILURE_SECONDS = 60.0
REQUESTS_AT_ONCE = 4


class ProviderChore:
    """Housekeeping that leaves the provider alone for a minute after a failure."""

    def __init__(
        self, name: str, work: Callable[[], Awaitable[None]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._work = work
        self._clock = clock
        self._next_look = clock()

    async def run_housekeeping(self) -> None:
        if self._clock() < self._next_look:
            return
        try:
            await self._work()
        except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
            self._next_look = self._clock() + PAUSE_AFTER_FAILURE_SECONDS
            log.warning("provider_chore_left", chore=self._name, error=str(error))


async def remove_files(backend: RetrievalBackend, store_id: str, file_ids: Iterable[str]) -> None:
    """From the store and the provider, a few at a time; the first failure ends it and is raised."""
    slots = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def remove(file_id: str) -> None:
        async with slots:
            await backend.remove(store_id, file_id)

    try:
        async with asyncio.TaskGroup() as group:
            for file_id in file_ids:
                group.create_task(remove(file_id))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
