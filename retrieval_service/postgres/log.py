"""A log file that a child writes: kept short while it grows, and read back when the child does not start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MEBIBYTE = 2**20
_LOOK_SECONDS = 1.0
_TAIL_CHARACTERS = 2000


@dataclass(frozen=True, kw_only=True)
class LogLimits:
    """How long one file may grow, and how many are kept of one log, the growing one included."""

    file_bytes: int = 8 * MEBIBYTE
    files: int = 5


class ServerLog:
    """The log at `path`, which the child itself appends to.

    It is copied aside and emptied, not renamed: the child holds it open. A pipe through us instead would stop the
    child whenever we are stopped, as by Ctrl-Z, and would break when we are killed.
    """

    def __init__(self, path: Path, limits: LogLimits, *, offset: int) -> None:
        self.path = path
        self._limits = limits
        self._offset = offset

    @classmethod
    def opened(cls, path: Path, limits: LogLimits | None = None) -> Self:
        """Put a long log aside and remember where the new lines will begin."""
        log = cls(path, limits or LogLimits(), offset=0)
        log.keep_short()
        log._offset = log._size()
        return log

    def since_opened(self) -> str:
        """The last lines since then, at most 2,000 characters."""
        with self.path.open("rb") as file:
            file.seek(max(self._offset, self._size() - 4 * _TAIL_CHARACTERS))
            return file.read().decode(errors="replace")[-_TAIL_CHARACTERS:]

    def last_line(self) -> str:
        """Of what was written since it was opened; "" for nothing."""
        lines = [line for line in self.since_opened().splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""

    def keep_short(self) -> None:
        """Put the log aside when it is long; the oldest of those that were put aside is forgotten."""
        if self._size() <= self._limits.file_bytes:
            return
        # On a full disk the lines are lost, and the room is won.
        with contextlib.suppress(OSError):
            self._set_aside()
        os.truncate(self.path, 0)
        self._offset = 0

    def _set_aside(self) -> None:
        for number in range(self._limits.files - 2, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._aside(number).replace(self._aside(number + 1))
        if self._limits.files > 1:
            _copy_privately(self.path, self._aside(1))

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


@contextlib.asynccontextmanager
async def kept_short(log: ServerLog) -> AsyncIterator[None]:
    """Looks at the log once a second for as long as the block runs."""
    looking = asyncio.create_task(_look_for_ever(log))
    try:
        yield
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking


async def _look_for_ever(log: ServerLog) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        with contextlib.suppress(OSError):  # it is tried again in a second
            await asyncio.to_thread(log.keep_short)


def _copy_privately(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as copy, source.open("rb") as original:
        shutil.copyfileobj(original, copy, MEBIBYTE)
