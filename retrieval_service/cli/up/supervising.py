"""Children that belong together: each is started again when it ends, or its end ends the work that needs it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from retrieval_service import errors
from retrieval_service.cli import output
from retrieval_service.cli.failures import Failed
from retrieval_service.postgres import processes
from retrieval_service.postgres.log import LogLimits, ServerLog, kept_short
from retrieval_service.postgres.processes import Child, Command

LOG_LINES = 15
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
LONGEST_REASON = 300

Opened = Callable[[], AbstractAsyncContextManager[Child]]


class ChildEnded(Failed):
    """A part of the system ended by itself."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A part that is started again whenever it ends; until `settled` is set, its end ends the block instead."""

    name: str
    log: ServerLog
    settled: asyncio.Event

    def say(self, what: str, pause_seconds: float) -> None:
        output.note(f"The {self.name} {what} ({self.log.path}); starting it in {pause_seconds:g} s.")

    async def last_words(self) -> str:
        """What its log ends with, which says why it ended unless it was killed."""
        reason = (await asyncio.to_thread(self.log.last_line))[:LONGEST_REASON]
        return f": {reason}" if reason else ""


@asynccontextmanager
async def kept_running(
    command: Command, logs: Path, limits: LogLimits | None = None
) -> AsyncIterator[asyncio.Event]:
    """Runs a command for as long as the block runs, and starts it again whenever it ends.

    The block gets an event to set once the command has shown that it can start: before, its end breaks the block
    off with `ChildEnded`. Its output goes to a file of its name in the folder `logs`.
    """
    log = await asyncio.to_thread(_opened_log, command, logs, limits)
    kept = Kept(name=command.name, log=log, settled=asyncio.Event())
    async with kept_short(log), kept_up(kept, lambda: processes.running(replace(command, log=log.path))):
        yield kept.settled


@asynccontextmanager
async def kept_up(kept: Kept, opened: Opened, first: Child | None = None) -> AsyncIterator[None]:
    """As `kept_running`, for a part that knows how it is opened; `first` runs already, and is another's to stop."""
    try:
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(_keep(kept, opened, first))
            yield
            keeper.cancel()
    except BaseExceptionGroup as several:
        raise _most_telling(several) from None


async def _keep(kept: Kept, opened: Opened, first: Child | None) -> None:
    failures = 0
    running = contextlib.nullcontext(first) if first else opened()
    while True:
        began = time.monotonic()
        what = await _ended(kept, running)
        failures = failures + 1 if time.monotonic() - began < LONGEST_PAUSE_SECONDS else 1
        pause = pause_seconds(failures)
        kept.say(what, pause)
        await asyncio.sleep(pause)
        running = opened()


async def _ended(kept: Kept, running: AbstractAsyncContextManager[Child]) -> str:
    """What happened to the child, in words. Raises `ChildEnded` when it never settled."""
    try:
        async with running as child:
            code = await child.wait()
    except errors.KladezError as error:
        return f"did not start ({error}){await kept.last_words()}"
    if not kept.settled.is_set():
        raise await _told_end(kept.name, code, kept.log)
    return how_it_ended(code) + ("" if code < 0 else await kept.last_words())


def how_it_ended(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended by itself with code {code}"


def pause_seconds(failures: int) -> float:
    """Twice as long after each failure in a row, up to a minute."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))


async def _told_end(name: str, code: int, log: ServerLog) -> ChildEnded:
    quoted = "\n".join((await asyncio.to_thread(log.since_opened)).rstrip().splitlines()[-LOG_LINES:])
    return ChildEnded(f"The {name} {how_it_ended(code)}. The end of {log.path}:\n{quoted}")


def _most_telling(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """A child's end explains whatever else went wrong at the same moment."""
    ended = several.subgroup(ChildEnded)
    return (ended or several).exceptions[0]


def _opened_log(command: Command, logs: Path, limits: LogLimits | None) -> ServerLog:
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ServerLog.opened(logs / f"{command.name}.log", limits)
