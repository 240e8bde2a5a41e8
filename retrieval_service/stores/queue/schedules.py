"""When each schedule ran last, and which of many workers runs it."""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.domain.operations.schedules import Run
from retrieval_service.stores.database import only

# Free again when the connection ends, however it ends; the first number is arbitrary.
LOCK = "SELECT pg_try_advisory_lock(6172638, hashtext(%(name)s))"


async def lead(owner: AsyncConnection, name: str) -> bool:
    """Whether this connection alone may now run the schedule; False when another worker does."""
    cursor = await owner.execute(LOCK, {"name": name})
    return only(await cursor.fetchone())[0]


SELECT = "SELECT name, started_at, finished_at, error FROM schedule_runs WHERE name = %(name)s"


async def last_run(operator: AsyncConnection, name: str) -> Run | None:
    """None when it never ran to its end."""
    async with operator.cursor(row_factory=class_row(Run)) as cursor:
        await cursor.execute(SELECT, {"name": name})
        return await cursor.fetchone()


RECORD = """
INSERT INTO schedule_runs (name, started_at, finished_at, error)
VALUES (%(name)s, %(started_at)s, %(finished_at)s, %(error)s)
ON CONFLICT (name) DO UPDATE SET
    started_at = excluded.started_at, finished_at = excluded.finished_at, error = excluded.error
"""


async def record(operator: AsyncConnection, run: Run) -> None:
    parameters = {
        "name": run.name,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "error": run.error,
    }
    await operator.execute(RECORD, parameters)
