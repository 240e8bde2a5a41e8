"""What ends a task's sleep before its time."""

from __future__ import annotations

import asyncio
import contextlib


class Bell:
    """For one sleeper: it listens, looks for work, and sleeps when it found none; so no ring gets lost between."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    def listen(self) -> None:
        """What rings from now on ends the next sleep."""
        self._rung.clear()

    async def sleep(self, seconds: float) -> bool:
        """Whether it has rung."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        return self._rung.is_set()
