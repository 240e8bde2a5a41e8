"""Ends a task's wait before its time."""

from __future__ import annotations

import asyncio
import contextlib


class Wakeup:
    """For one task that clears it, looks for work, and waits when it found none. So no wake-up is lost between."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    def clear(self) -> None:
        """Forgets earlier wake-ups; later ones end the next wait."""
        self._event.clear()

    async def wait(self, seconds: float) -> bool:
        """Whether it was set within the time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        return self._event.is_set()
