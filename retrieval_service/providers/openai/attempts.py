"""Asks again where that is safe, waits as long as the server says, and never past the deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import TypeVar

from openai import BaseModel
from openai.pagination import AsyncCursorPage

from retrieval_service import errors
from retrieval_service.providers.openai import failures

Item = TypeVar("Item")
Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Persistence:
    """How often a request is made at most, and how many seconds all of it may take, pauses included.

    The pause doubles each time; where the server names one, that one counts.
    """

    attempts: int
    seconds: float
    first_pause_seconds: float = 0.5

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.seconds <= 0:
            raise errors.Misconfigured("At least one attempt in some time is needed.")


class Attempts:
    """One undertaking of one or more requests under a common deadline, with a client that never repeats."""

    def __init__(self, persistence: Persistence) -> None:
        self._persistence = persistence
        self.deadline = asyncio.get_running_loop().time() + persistence.seconds

    async def ask(self, request: Callable[[], Awaitable[Result]]) -> Result:
        """For requests that do no harm when made twice."""
        return await self.persist(lambda: self.once(request))

    async def persist(self, act: Callable[[], Awaitable[Result]]) -> Result:
        """For acts that already speak of failure in our errors, and do no harm when repeated."""
        return await self.make(act, _nothing)

    async def make(
        self,
        create: Callable[[], Awaitable[Result]],
        look: Callable[[], Awaitable[Result | None]],
    ) -> Result:
        """Creates once: an answer can be lost after the effect, so `look` seeks it before each repetition."""
        attempt = 1
        while True:
            try:
                return await create()
            except errors.ProviderUnavailable as failed:
                if (result := await look()) is not None:
                    return result
                await self._pause(attempt, failed)
            attempt += 1

    async def once(self, request: Callable[[], Awaitable[Result]]) -> Result:
        with failures.translated():
            async with asyncio.timeout_at(self.deadline):
                return await request()

    async def pages(self, first: Callable[[], Awaitable[AsyncCursorPage[Item]]]) -> AsyncGenerator[Item]:
        """Every item of a listing, one request a page."""
        page = genuine(await self.ask(first))
        for item in page.data or ():
            yield item
        while page.has_next_page():
            page = genuine(await self.ask(page.get_next_page))
            for item in page.data or ():
                yield item

    async def _pause(self, attempt: int, failed: errors.ProviderUnavailable) -> None:
        """Raises `failed` when there is no attempt left, or no time for the wait that the server wants."""
        wanted = failed.retry_after_seconds
        seconds = self._persistence.first_pause_seconds * 2 ** (attempt - 1) if wanted is None else wanted
        if (
            attempt >= self._persistence.attempts
            or asyncio.get_running_loop().time() + seconds > self.deadline
        ):
            raise failed
        await asyncio.sleep(seconds)


def genuine(answer: Answer) -> Answer:
    """The answer itself: a page that is not JSON, say a proxy's, comes back from the SDK as a plain string."""
    if not isinstance(answer, BaseModel):
        raise failures.unintelligible()
    return answer


def request_id_of(answer: BaseModel | None) -> str:
    """What the server calls the request that it answered; empty when it does not say."""
    return getattr(answer, "_request_id", None) or ""


async def side_by_side(
    tasks: Iterable[Callable[[], Coroutine[None, None, Result]]], *, at_once: int
) -> list[Result]:
    """All results in order; the first failure ends the others and is raised alone."""
    slots = asyncio.Semaphore(at_once)

    async def in_turn(task: Callable[[], Coroutine[None, None, Result]]) -> Result:
        async with slots:
            return await task()

    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(in_turn(task)) for task in tasks]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in running]


async def _nothing() -> None:
    """There is no effect to look for."""
