"""Spreads writes over time, because OpenAI takes 300 a minute for each store and refuses the rest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from retrieval_service import errors


@dataclass(frozen=True, kw_only=True)
class PaceLimits:
    """At most `writes` in any `window_seconds`."""

    writes: int = 300
    window_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.writes < 1 or self.window_seconds <= 0:
            raise errors.Misconfigured("The pace of writes must allow at least one in some time.")


class WritePace:
    """Decides when the next write to one store may leave; times are arguments, in seconds of any clock."""

    def __init__(self, limits: PaceLimits) -> None:
        self._limits = limits
        self._turns: deque[float] = deque()
        self._held_until = float("-inf")

    def next_turn(self, now: float) -> float:
        """The earliest moment that keeps the limits, `now` or later."""
        earliest = max(now, self._held_until)
        if len(self._turns) < self._limits.writes:
            return earliest
        return max(earliest, self._turns[-self._limits.writes] + self._limits.window_seconds)

    def take(self, moment: float) -> None:
        """Counts a write that leaves at `moment`, one that `next_turn` gave."""
        self._turns.append(moment)
        while len(self._turns) > self._limits.writes:
            self._turns.popleft()

    def hold(self, until: float) -> None:
        """Nothing leaves before: the server has asked for it."""
        self._held_until = max(self._held_until, until)


class StorePaces:
    """A pace for each store this process writes to, on the event loop's clock."""

    def __init__(self, limits: PaceLimits) -> None:
        self._limits = limits
        self._paces: dict[str, WritePace] = {}

    @asynccontextmanager
    async def write(self, store_id: str, *, deadline: float) -> AsyncIterator[None]:
        """One write in its turn; when the server then asks for a pause, all writes to the store keep it."""
        await self._turn(store_id, deadline)
        try:
            yield
        except errors.ProviderUnavailable as failed:
            if failed.retry_after_seconds:
                until = asyncio.get_running_loop().time() + failed.retry_after_seconds
                self._pace(store_id).hold(until)
            raise

    def forget(self, store_id: str) -> None:
        self._paces.pop(store_id, None)

    async def _turn(self, store_id: str, deadline: float) -> None:
        """Waits for its turn; raises at once when that comes after the `deadline`."""
        pace, now = self._pace(store_id), asyncio.get_running_loop().time()
        moment = pace.next_turn(now)
        if moment > deadline:
            raise errors.ProviderUnavailable(
                "The vector store takes no more writes for now.", retry_after_seconds=moment - now
            )
        # Taken before the wait, so that whoever comes meanwhile queues behind.
        pace.take(moment)
        if moment > now:
            await asyncio.sleep(moment - now)

    def _pace(self, store_id: str) -> WritePace:
        return self._paces.setdefault(store_id, WritePace(self._limits))
