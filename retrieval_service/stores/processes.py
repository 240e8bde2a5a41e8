"""The processes that run on this database, and what the installation runs with; by the database's clock alone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, kwargs_row, scalar_row
from psycopg.types.json import Jsonb

from retrieval_service.domain.operations.processes import Installation, Kind, Process, Said
from retrieval_service.stores.database import only

# Processes that start together are let in one after another; the number is arbitrary.
LOCK = "SELECT pg_advisory_xact_lock(6172639)"


async def lock(operator: AsyncConnection) -> None:
    """Nobody else is let in until the transaction ends."""
    await operator.execute(LOCK)


SELECT_INSTALLATION = "SELECT fingerprint_key, settings, recorded_by, recorded_at FROM installation"


async def installation(operator: AsyncConnection) -> Installation:
    async with operator.cursor(row_factory=class_row(Installation)) as cursor:
        await cursor.execute(SELECT_INSTALLATION)
        return only(await cursor.fetchone())


RECORD = """
UPDATE installation SET settings = %(settings)s, recorded_by = %(recorded_by)s, recorded_at = now()
"""


async def record(operator: AsyncConnection, said: Said) -> None:
    """What the installation runs with from now on."""
    await operator.execute(RECORD, {"settings": Jsonb(dict(said.settings)), "recorded_by": said.title})


# A process that slept for a day finds its row gone.
SAY_ALIVE = """
INSERT INTO processes (id, kind, name, version, settings)
VALUES (%(id)s, %(kind)s, %(name)s, %(version)s, %(settings)s)
ON CONFLICT (id) DO UPDATE SET alive_at = now()
"""


async def say_alive(operator: AsyncConnection, said: Said) -> None:
    parameters = {
        "id": said.id,
        "kind": said.kind.value,
        "name": said.name,
        "version": said.version,
        "settings": Jsonb(dict(said.settings)),
    }
    await operator.execute(SAY_ALIVE, parameters)


SELECT_ALL = """
SELECT id, kind, name, version, settings, started_at, alive_at,
    extract(epoch FROM clock_timestamp() - alive_at)::float8 AS silent_seconds
FROM processes ORDER BY started_at, id
"""


async def all_known(operator: AsyncConnection) -> list[Process]:
    """Also those that were killed within the last day."""
    async with operator.cursor(row_factory=kwargs_row(_process)) as cursor:
        await cursor.execute(SELECT_ALL)
        return await cursor.fetchall()


def _process(*, kind: str, **columns: Any) -> Process:
    return Process(kind=Kind(kind), **columns)


FORGET = "DELETE FROM processes WHERE id = %(id)s"


async def forget(operator: AsyncConnection, process_id: UUID) -> None:
    await operator.execute(FORGET, {"id": process_id})


SWEEP = "DELETE FROM processes WHERE alive_at < now() - interval '1 day'"


async def sweep(operator: AsyncConnection) -> None:
    await operator.execute(SWEEP)


SELECT_SPACES_IN_USE = """
SELECT DISTINCT s.key FROM tenants t JOIN embedding_spaces s ON s.id = t.space_id
WHERE t.deleted_at IS NULL ORDER BY s.key
"""


async def spaces_in_use(operator: AsyncConnection) -> list[str]:
    """The keys of the spaces that searches of any tenant read."""
    async with operator.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(SELECT_SPACES_IN_USE)
        return await cursor.fetchall()
