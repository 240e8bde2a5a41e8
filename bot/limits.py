"""Obeys Telegram's flood control for each chat. Final messages are repeated, passing frames are dropped.

PTB's own limiter counts edits against the group limit and blocks, and a flood in one chat pauses all others.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter

from bot import metrics

Call = Callable[[], Awaitable[Any]]

FINAL_ATTEMPTS = 6


class Delivery(enum.Enum):
    """How important a call is; the default is FINAL."""

    FINAL = "waits out a flood and is repeated"
    FRAME = "is given up at once while the chat is flooded"


class ChatRateLimiter(BaseRateLimiter[Delivery]):
    """Obeys only `retry_after`, the one reliable number that Telegram publishes."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._quiet_until: dict[int | str, float] = {}

    async def initialize(self) -> None:
        """Nothing to prepare."""

    async def shutdown(self) -> None:
        self._quiet_until.clear()

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, Any]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: Delivery | None,
    ) -> Any:
        """Makes the call; raises `RetryAfter` for a frame in a flooded chat, and after the last attempt."""
        chat_id = data.get("chat_id", endpoint)
        call = functools.partial(callback, *args, **kwargs)
        if rate_limit_args is Delivery.FRAME:
            return await self._once(chat_id, call)
        return await self._until_through(chat_id, call)

    async def _once(self, chat_id: int | str, call: Call) -> Any:
        if remaining := self._remaining(chat_id):
            raise RetryAfter(math.ceil(remaining))
        return await self._attempt(chat_id, call)

    async def _until_through(self, chat_id: int | str, call: Call) -> Any:
        for _ in range(FINAL_ATTEMPTS - 1):
            await self._sleep(self._remaining(chat_id))
            with contextlib.suppress(RetryAfter):
                return await self._attempt(chat_id, call)
        await self._sleep(self._remaining(chat_id))
        return await self._attempt(chat_id, call)

    async def _attempt(self, chat_id: int | str, call: Call) -> Any:
        try:
            return await call()
        except RetryAfter as error:
            metrics.FLOODS.inc()
            self._quiet_until[chat_id] = self._clock() + seconds(error)
            raise

    def _remaining(self, chat_id: int | str) -> float:
        remaining = self._quiet_until.get(chat_id, 0.0) - self._clock()
        if remaining <= 0:
            self._quiet_until.pop(chat_id, None)
        return max(0.0, remaining)


def seconds(error: RetryAfter) -> float:
    """PTB gives a timedelta, or a number without PTB_TIMEDELTA."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
