"""Changing what others use: short waits in the queue for a lock, and as many of them as it takes.

Whoever waits for an exclusive lock makes everybody wait who comes after, so no single wait may be long.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator

import structlog
from psycopg import errors as faults

from retrieval_service import errors

log = structlog.get_logger("kladez.patience")

LOCK_MILLISECONDS = 200
SHORT_WAITS = f"-c lock_timeout={LOCK_MILLISECONDS}"
LONGEST_PAUSE_SECONDS = 2.0
PATIENCE_SECONDS = 600.0
# The last one is how Postgres says that another session changed the same row of the catalogue meanwhile.
IN_THE_WAY = (faults.LockNotAvailable, faults.DeadlockDetected, faults.InternalError_)


def pauses(seconds: float = PATIENCE_SECONDS) -> Iterator[float]:
    """How long to rest after each attempt, until the patience is over; never in step with anybody."""
    deadline = time.monotonic() + seconds
    pause = 0.1
    while time.monotonic() < deadline:
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311 - nothing secret
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


async def insisting(what: str, attempt: Callable[[], Awaitable[None]]) -> None:
    """Repeats it while others are in the way; the connection must have a `lock_timeout`."""
    for pause in pauses():
        try:
            return await attempt()
        except IN_THE_WAY as error:
            log.info("database_change_waits", change=what, reason=type(error).__name__)
        await asyncio.sleep(pause)
    raise given_up(what)


def given_up(what: str) -> errors.DatabaseBusy:
    return errors.DatabaseBusy(
        f"{what}: no lock was to be had for {PATIENCE_SECONDS:.0f} s. A transaction stands open; "
        "pg_stat_activity shows it, by the oldest xact_start."
    )
