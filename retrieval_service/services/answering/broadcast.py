"""Tells what one writer says to any number of listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

from retrieval_service import errors

Event = TypeVar("Event")


class Broadcast(Generic[Event]):
    """Each listener hears everything from the beginning, in order, however late it comes and however slow it is.

    All of them share one list, so memory does not grow with listeners; it is the writer who must come to an end.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._failure: errors.KladezError | None = None

    def say(self, event: Event) -> int:
        """How many there are now."""
        self._events.append(event)
        self._announce()
        return len(self._events)

    def end(self, failure: errors.KladezError | None = None) -> None:
        """Nothing is said afterwards; listeners end with the failure, once they have heard all before it."""
        self._failure = failure
        self._over.set()
        self._announce()

    async def ended(self) -> None:
        """Returns when the writer has come to an end."""
        await self._over.wait()

    async def listen(self) -> AsyncGenerator[Event, None]:
        heard = 0
        while True:
            news = self._news
            while heard < len(self._events):
                heard += 1
                yield self._events[heard - 1]
            if self._over.is_set() and heard == len(self._events):
                break
            await news.wait()
        if self._failure:
            raise self._failure

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
