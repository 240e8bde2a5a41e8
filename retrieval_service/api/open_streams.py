"""Streams that callers without a key hold open: so many from one network, and so many in all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from retrieval_service import errors

OF_A_NETWORK = 64
IN_ALL = 1_024
RETRY_SECONDS = 5.0


class OpenStreams:
    """Each costs memory until its end, which is up to the caller.

    Where there are too many in all, the network that holds the most gives up its oldest: gateways and bots watch the
    server's health without a key, and whoever comes from many addresses must not keep them from it.
    """

    def __init__(self, *, of_a_network: int = OF_A_NETWORK, in_all: int = IN_ALL) -> None:
        self._of_a_network = of_a_network
        self._in_all = in_all
        # Oldest first.
        self._by_network: dict[str, dict[asyncio.Timeout, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_network.values()))

    @contextlib.asynccontextmanager
    async def held(self, network: str) -> AsyncIterator[None]:
        """Raises `TooMany` at once, or later, when this one has to give way."""
        self._make_room(network)
        patience = asyncio.timeout(None)
        try:
            async with patience:
                self._by_network.setdefault(network, {})[patience] = None
                yield
        except TimeoutError as error:
            if patience.expired():
                raise too_many() from error
            raise
        finally:
            self._forget(network, patience)

    def _make_room(self, network: str) -> None:
        mine = len(self._by_network.get(network, ()))
        if mine >= self._of_a_network:
            raise too_many()
        if len(self) < self._in_all:
            return
        largest = max(self._by_network, key=lambda one: len(self._by_network[one]))
        if len(self._by_network[largest]) <= mine + 1:
            raise too_many()
        oldest = next(iter(self._by_network[largest]))
        self._forget(largest, oldest)
        oldest.reschedule(asyncio.get_running_loop().time())

    def _forget(self, network: str, patience: asyncio.Timeout) -> None:
        streams = self._by_network.get(network, {})
        streams.pop(patience, None)
        if not streams:
            self._by_network.pop(network, None)


def too_many() -> errors.TooMany:
    return errors.TooMany(
        "too many streams without a key are open; close one, or wait", retry_after_seconds=RETRY_SECONDS
    )
