"""What is wrong with the database, told apart: a full disk is no lost connection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from psycopg import errors as faults
from psycopg_pool import PoolTimeout

from retrieval_service import errors

KINDS: tuple[tuple[type[psycopg.Error], type[errors.Unavailable]], ...] = (
    (faults.DiskFull, errors.DatabaseFull),
    (faults.TooManyConnections, errors.DatabaseCrowded),
    (faults.OutOfMemory, errors.DatabaseOutOfMemory),
    (faults.ReadOnlySqlTransaction, errors.DatabaseReadOnly),
    (faults.IoError, errors.DatabaseFaulty),
    (faults.LockNotAvailable, errors.DatabaseBusy),
    (faults.DeadlockDetected, errors.DatabaseBusy),
)
RESTARTING = (faults.AdminShutdown, faults.CrashShutdown, faults.CannotConnectNow)

# A connection that is refused carries no code, only the server's words.
REFUSALS: tuple[tuple[str, type[errors.Unavailable]], ...] = (
    ("too many clients", errors.DatabaseCrowded),
    ("too many connections", errors.DatabaseCrowded),
    ("connection slots are reserved", errors.DatabaseCrowded),
    ("out of memory", errors.DatabaseOutOfMemory),
    ("no space left", errors.DatabaseFull),
)


@contextlib.contextmanager
def unavailable_when_lost() -> Iterator[None]:
    """Turns a lost, full or exhausted database into our error; mistakes in SQL stay what they are."""
    try:
        yield
    except faults.QueryCanceled:
        raise
    except PoolTimeout as error:
        raise errors.Unavailable("the database is busy or unreachable") from error
    except (psycopg.OperationalError, faults.ReadOnlySqlTransaction) as error:
        raise told_apart(error) from error


def told_apart(error: psycopg.Error) -> errors.Unavailable:
    """Our error for one of the server's or of the connection."""
    for kind, ours in KINDS:
        if isinstance(error, kind):
            return ours()
    if isinstance(error, RESTARTING):
        return errors.Unavailable("the database is restarting")
    words = str(error).casefold() if error.sqlstate is None else ""
    refused = next((ours for part, ours in REFUSALS if part in words), None)
    return refused() if refused else errors.Unavailable("the connection to the database was lost")
