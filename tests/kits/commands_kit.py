"""A command line in the test's own process: to start one takes longer than what most commands do."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from structlog.testing import capture_logs

from retrieval_service.cli import main


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended, and what it wrote to each stream."""

    code: int
    printed: str
    complaints: str


async def kladez(*arguments: str, typed: str = "") -> Done:
    """Runs `kladez …` with `typed` at its standard input; one at a time, for the streams are the process's."""
    return await asyncio.to_thread(_run, arguments, typed)


def _run(arguments: tuple[str, ...], typed: str) -> Done:
    printed, complaints = io.StringIO(), io.StringIO()
    # The log is that of the service, which runs in this process too.
    with capture_logs(), redirect_stdout(printed), redirect_stderr(complaints), _input(typed):
        code = main.run(list(arguments))
    return Done(code=code, printed=printed.getvalue(), complaints=complaints.getvalue())


@contextmanager
def _input(text: str) -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = before
