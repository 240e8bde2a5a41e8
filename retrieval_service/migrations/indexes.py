"""Indexes of tables that may be big, for migrations: made and dropped while everybody goes on writing.

What such a migration did before is committed first, so it should do nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op


def create(name: str, definition: str, *, unique: bool = False) -> None:
    """`definition` begins with ON. One that an earlier attempt left half-built is replaced."""
    kind = "UNIQUE INDEX" if unique else "INDEX"
    with _outside_transaction():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE {kind} CONCURRENTLY {name} {definition}")


def drop(name: str) -> None:
    with _outside_transaction():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextmanager
def _outside_transaction() -> Iterator[None]:
    """Without the short patience of other changes: nobody waits behind this one, however long it takes."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        yield
        op.execute("RESET lock_timeout")
