"""Children that belong together: when one ends by itself, the work that needs it ends with its reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from retrieval_service.cli.failures import Failed
from retrieval_service.postgres import processes
from retrieval_service.postgres.log import ServerLog
from retrieval_service.postgres.processes import Child, Command

LOG_LINES = 15


class ChildEnded(Failed):
    """A part of the system ended by itself."""


@asynccontextmanager
async def supervised(command: Command, logs: Path) -> AsyncIterator[Child]:
    """Runs a command for as long as the block runs, which ends in `ChildEnded` when the command ends first.

    Its output goes to a file of its name in the folder `logs`.
    """
    await asyncio.to_thread(_make_folder, logs)
    log = await asyncio.to_thread(ServerLog.opened, logs / f"{command.name}.log")
    async with processes.running(replace(command, log=log.path)) as child, watched(child, log):
        yield child


@asynccontextmanager
async def watched(child: Child, log: ServerLog) -> AsyncIterator[None]:
    """Breaks the block off with `ChildEnded` when a child ends; an error of the block comes out as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(_raise_when_ended(child, log))
            yield
            watcher.cancel()
    except BaseExceptionGroup as several:
        raise _most_telling(several) from None


async def _raise_when_ended(child: Child, log: ServerLog) -> None:
    code = await child.wait()
    quoted = "\n".join((await asyncio.to_thread(log.since_opened)).rstrip().splitlines()[-LOG_LINES:])
    raise ChildEnded(f"The {child.name} ended by itself with code {code}. The end of {log.path}:\n{quoted}")


def _most_telling(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """A child's end explains whatever else went wrong at the same moment."""
    ended = several.subgroup(ChildEnded)
    return (ended or several).exceptions[0]


def _make_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
