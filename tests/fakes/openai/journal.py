"""What the fake was asked, in order, and how each exchange ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Exchange:
    """One request; `deltas_sent` counts the words of a streamed answer that left before it ended.

    The body is empty unless it was JSON. Two exchanges with the same `client_port` came over one connection.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    client_port: int
    deltas_sent: int = 0
    is_disconnected: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Journal:
    """Grows with every request that reaches the fake, also those a fault answers."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self._arrival = asyncio.Condition()

    def to(self, path: str) -> list[Exchange]:
        """Exchanges whose path ends so, for example with `/embeddings`."""
        return [exchange for exchange in self.exchanges if exchange.path.endswith(path)]

    async def add(self, exchange: Exchange) -> None:
        async with self._arrival:
            self.exchanges.append(exchange)
            self._arrival.notify_all()

    async def arrived(self, path: str, *, count: int = 1, timeout_seconds: float = 5.0) -> Exchange:
        """Waits for the `count`-th request to a path."""
        async with asyncio.timeout(timeout_seconds), self._arrival:
            await self._arrival.wait_for(lambda: len(self.to(path)) >= count)
        return self.to(path)[count - 1]
