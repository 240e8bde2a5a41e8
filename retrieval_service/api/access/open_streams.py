"""Limits the open streams of callers without a key: by connection, by network and in all."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from retrieval_service import errors

# A client that checks health holds one stream on each connection, a reflection tool another one.
OF_A_CONNECTION = 4
OF_A_NETWORK = 64
IN_ALL = 1_024
RETRY_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a stream comes from: a network, and one connection of it."""

    network: str
    connection: str


class OpenStreams:
    """Each open stream costs memory until the caller ends it.

    A connection at its limit gets no more streams. At the other limits a new stream replaces an older one: the oldest
    of the network, or the oldest of the network that holds the most. So early callers cannot keep others out.
    """

    def __init__(self, *, of_a_network: int = OF_A_NETWORK, in_all: int = IN_ALL) -> None:
        self._of_a_network = of_a_network
        self._in_all = in_all
        # Oldest first.
        self._by_network: dict[str, dict[asyncio.Timeout, Place]] = {}
        self._of_connections: Counter[Place] = Counter()

    def __len__(self) -> int:
        return self._of_connections.total()

    @contextlib.asynccontextmanager
    async def held(self, place: Place) -> AsyncIterator[None]:
        """Raises `TooMany` at once, or later when a new stream replaces this one."""
        if self._of_connections[place] >= OF_A_CONNECTION:
            raise too_many()
        self._make_room(place.network)
        patience = asyncio.timeout(None)
        try:
            async with patience:
                self._by_network.setdefault(place.network, {})[patience] = place
                self._of_connections[place] += 1
                yield
        except TimeoutError as error:
            if patience.expired():
                raise too_many() from error
            raise
        finally:
            self._forget(place.network, patience)

    def _make_room(self, network: str) -> None:
        if len(self._by_network.get(network, ())) >= self._of_a_network:
            self._end_oldest(network)
        elif len(self) >= self._in_all:
            self._end_oldest(max(self._by_network, key=lambda one: len(self._by_network[one])))

    def _end_oldest(self, network: str) -> None:
        oldest = next(iter(self._by_network[network]))
        self._forget(network, oldest)
        oldest.reschedule(asyncio.get_running_loop().time())

    def _forget(self, network: str, patience: asyncio.Timeout) -> None:
        streams = self._by_network.get(network, {})
        place = streams.pop(patience, None)
        if place is not None:
            self._of_connections[place] -= 1
            if not self._of_connections[place]:
                del self._of_connections[place]
        if not streams:
            self._by_network.pop(network, None)


def too_many() -> errors.TooMany:
    return errors.TooMany(
        "too many streams without a key are open; close one, or wait", retry_after_seconds=RETRY_SECONDS
    )
