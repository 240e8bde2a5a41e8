"""Reads a server's event stream under two deadlines and closes it the moment the reader leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TypeVar

from openai import AsyncStream

from retrieval_service import errors
from retrieval_service.domain.fragments import Ending, FinishReason, SpokenPart
from retrieval_service.providers.openai import failures

# After the last event the end is already on its way.
DRAIN_SECONDS = 0.1
# Events that have come together are read one after another, and whatever is made of them, without a pause: so long.
TURN_SECONDS = 0.002
Event = TypeVar("Event")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """`silence_seconds` until the first event (retries included) and between two; `total_seconds` in all."""

    silence_seconds: float = 30.0
    total_seconds: float = 180.0


@dataclass(frozen=True, kw_only=True)
class AnswerSettings:
    """Which model writes, how much at most, and how long it may take.

    `max_output_tokens` counts a reasoning model's thinking too; `reasoning_effort` is sent only when set.
    """

    model: str = "gpt-5.4-mini"
    max_output_tokens: int = 1024
    reasoning_effort: str | None = None
    patience: Patience = Patience()


async def read_events(
    open_stream: Callable[[], Awaitable[AsyncStream[Event]]], patience: Patience
) -> AsyncGenerator[Event]:
    """Every event until the server ends the stream; use `aclosing`, the generator holds a connection."""
    loop = asyncio.get_running_loop()
    turn_began = loop.time()
    end = turn_began + patience.total_seconds
    with failures.translated():
        async with asyncio.timeout(patience.silence_seconds):
            stream = await open_stream()
        async with stream:
            events = aiter(stream)
            while (event := await _next(events, patience.silence_seconds, end)) is not None:
                yield event
                if loop.time() - turn_began > TURN_SECONDS:
                    await asyncio.sleep(0)
                    turn_began = loop.time()


async def collected(parts: AsyncGenerator[SpokenPart], most_characters: int) -> tuple[str, Ending]:
    """All that is written, and how it ended; what knows no end is cut off, and never keeps others from their turn."""
    texts: list[str] = []
    room, ending = most_characters, Ending(finish_reason=FinishReason.STOP)
    async with aclosing(parts):
        async for part in parts:
            if isinstance(part, Ending):
                ending = part
                continue
            texts.append(part.text[:room])
            room -= len(part.text)
            if room <= 0:
                ending = Ending(finish_reason=FinishReason.LENGTH)
                break
            await asyncio.sleep(0)
    return "".join(texts), ending


async def drain(events: AsyncIterator[object]) -> None:
    """Lets the server end its stream: a connection with unread bytes cannot serve the next answer."""
    with suppress(TimeoutError, errors.KladezError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in events:
                pass


async def _next(events: AsyncIterator[Event], silence_seconds: float, end: float) -> Event | None:
    """None after the last one; `TimeoutError` when the server keeps the reader waiting."""
    now = asyncio.get_running_loop().time()
    async with asyncio.timeout_at(min(now + silence_seconds, end)):
        return await anext(events, None)
