"""Child processes that stop in order, and that never outlive the process that started them.

On Linux the kernel signals the child when its parent ends, however it ends. The kernel counts the *thread*
that started the child as the parent: start children from a thread that lives as long as they should, such as
the event loop's. Elsewhere there is no such signal: a parent killed with SIGKILL leaves its children running.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from retrieval_service import errors
from retrieval_service.postgres import guard
from retrieval_service.postgres.accounts import Account


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program to run: `arguments[0]` is the program, `folder` where it starts.

    `account` is who it runs as (only root may name one). Its output is added to the file `log`, or goes where
    the parent's goes. `environment` replaces the parent's when given, and is never shown: it carries secrets.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path | None = None
    account: Account | None = None
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    log: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a finished program ended, and what it printed on both outputs."""

    returncode: int
    output: str


class Child:
    """A running child process."""

    def __init__(self, command: Command, process: Process) -> None:
        self.name = command.name
        self._command = command
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for the child to end by itself; returns its exit code."""
        return await self._process.wait()

    async def stop(self) -> int:
        """Ask it to stop, wait for `grace_seconds`, then kill it; returns its exit code."""
        self._ask_to_stop()
        try:
            async with asyncio.timeout(self._command.grace_seconds):
                return await self._process.wait()
        except TimeoutError:
            self._kill_group()
            return await self._process.wait()

    def _ask_to_stop(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(self._command.stop_signal)

    def _kill_group(self) -> None:
        """The child leads its own group, so the helpers that it started go with it."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


@asynccontextmanager
async def running(command: Command) -> AsyncIterator[Child]:
    """Run a command for as long as the block runs; the child is stopped on the way out."""
    child = await start(command)
    try:
        yield child
    finally:
        await child.stop()


async def start(command: Command) -> Child:
    """Start a command; whoever calls this owes the child a `stop()`."""
    if command.log is None:
        return Child(command, await _spawn(command, None))
    with await asyncio.to_thread(_open_log, command.log) as log:
        return Child(command, await _spawn(command, log))


async def finish(command: Command, *, timeout_seconds: float) -> Outcome:
    """Run a command to its end. Raises errors.Unavailable when the time is up; the child is killed then."""
    process = await _spawn(command, PIPE)
    try:
        async with asyncio.timeout(timeout_seconds):
            output, _ = await process.communicate()
    except TimeoutError as error:
        message = f"{command.name} did not finish within {timeout_seconds:g} s."
        raise errors.Unavailable(message) from error
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return Outcome(returncode=await process.wait(), output=output.decode(errors="replace"))


async def _spawn(command: Command, output: IO[bytes] | int | None) -> Process:
    """A session of its own: a Ctrl-C reaches only the parent, which then stops its children in order."""
    return await asyncio.create_subprocess_exec(
        *_guarded(command),
        stdin=DEVNULL,
        stdout=output,
        stderr=None if output is None else STDOUT,
        cwd=command.folder,
        env=command.environment,
        start_new_session=True,
    )


def _guarded(command: Command) -> tuple[str, ...]:
    account = f"{command.account.uid}:{command.account.gid}" if command.account else "-"
    ties = (str(os.getpid()), str(int(command.stop_signal)), account)
    return (sys.executable, "-I", "-S", guard.__file__, *ties, *command.arguments)


def _open_log(path: Path) -> IO[bytes]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "ab")
