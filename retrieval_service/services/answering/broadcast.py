"""Sends the events of one writer to any number of listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

from retrieval_service import errors

Event = TypeVar("Event")


class Broadcast(Generic[Event]):
    """Each listener gets all events from the beginning, in order, at its own pace.

    All listeners share one list, so memory does not grow with them. Only the writer can end it.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._failure: errors.KladezError | None = None

    def say(self, event: Event) -> int:
        """Adds an event; returns their number."""
        self._events.append(event)
        self._announce()
        return len(self._events)

    def end(self, failure: errors.KladezError | None = None) -> None:
        """Ends the broadcast. Listeners get the failure after all events before it."""
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
