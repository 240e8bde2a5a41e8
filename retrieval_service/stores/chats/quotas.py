"""Counts of the questions of a day, which `chats.begin` makes grow."""

from __future__ import annotations

from psycopg import AsyncConnection

FORGET_OLD = "DELETE FROM question_counts WHERE day < (now() AT TIME ZONE 'UTC')::date - 1"


async def forget_old(operator: AsyncConnection) -> None:
    """Of all tenants; yesterday is kept for servers whose clock is late."""
    await operator.execute(FORGET_OLD)
