"""Reads strangers' texts one after another, so that no import takes the time of those who ask, or of other imports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

from retrieval_service.services.tenant_locks import TenantLocks

Result = TypeVar("Result")

# One thread of its own: whatever is imported, the event loop and the threads of questions have the other half.
_THREADS = 1


class ReadingRoom:
    """Each tenant has one piece of work in the queue, so tenants take turns piece by piece."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "imports")
        self._locks = TenantLocks()

    async def run(self, tenant_id: UUID, pieces: Sequence[Callable[[], Result]]) -> list[Result]:
        """The results in order. Who is cancelled leaves the pieces behind the one that runs undone."""
        lock = self._locks.of(tenant_id)
        loop = asyncio.get_running_loop()
        results: list[Result] = []
        for piece in pieces:
            async with lock:
                results.append(await loop.run_in_executor(self._threads, piece))
        return results
