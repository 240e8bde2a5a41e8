"""Many documents at once: counted, deleted, queued; never all of a tenant's by mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from retrieval_service.domain.retrieval.filters import Selection
from retrieval_service.stores.database import TenantScope, only
from retrieval_service.stores.queue.document_jobs import CHANNEL
from retrieval_service.stores.retrieval import filters

SAMPLE_SIZE = 100


@dataclass(frozen=True, kw_only=True)
class Selected:
    """How many documents a selection holds, and the oldest of them by id."""

    count: int
    sample: list[UUID]


# Locked in the order in which upserts write, so that neither waits for the other in a circle.
LOCK = """
SELECT d.id FROM documents d
WHERE d.tenant_id = %(tenant_id)s
    AND (%(deleted_too)s OR NOT d.is_deleted) AND (NOT %(deleted_only)s OR d.is_deleted)
    AND (NOT %(by_id)s OR d.id = ANY(%(ids)s::uuid[])) AND {matches}
ORDER BY d.source_type, d.external_id FOR UPDATE
"""


async def lock(scope: TenantScope, selection: Selection) -> list[UUID]:
    """Nobody changes these documents until the transaction ends."""
    statement = sql.SQL(LOCK).format(matches=filters.MATCHES)
    cursor = await scope.connection.execute(statement, _parameters(scope, selection))
    return [row[0] for row in await cursor.fetchall()]


COUNT = """
SELECT count(*), coalesce((array_agg(d.id ORDER BY d.created_at, d.id))[1:%(sample_size)s], '{{}}') AS sample
FROM documents d
WHERE d.tenant_id = %(tenant_id)s
    AND (%(deleted_too)s OR NOT d.is_deleted) AND (NOT %(deleted_only)s OR d.is_deleted)
    AND (NOT %(by_id)s OR d.id = ANY(%(ids)s::uuid[])) AND {matches}
"""


async def count(scope: TenantScope, selection: Selection) -> Selected:
    async with scope.connection.cursor(row_factory=class_row(Selected)) as cursor:
        statement = sql.SQL(COUNT).format(matches=filters.MATCHES)
        await cursor.execute(statement, {**_parameters(scope, selection), "sample_size": SAMPLE_SIZE})
        return only(await cursor.fetchone())


DELETE = """
UPDATE documents SET is_deleted = true
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s) AND NOT is_deleted
"""


async def delete(scope: TenantScope, selection: Selection) -> list[UUID]:
    """Marks them deleted, which takes their chunks out of every search; returns their ids."""
    ids = await lock(scope, selection)
    await scope.connection.execute(DELETE, {"tenant_id": scope.tenant_id, "ids": ids})
    return ids


ENQUEUE = """
WITH marked AS (
    UPDATE documents SET sync_status = 'pending' WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
)
INSERT INTO document_sync_jobs (tenant_id, document_id, action)
SELECT %(tenant_id)s, id, 'upsert' FROM unnest(%(ids)s::uuid[]) AS id
ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
DO UPDATE SET scheduled_at = least(document_sync_jobs.scheduled_at, now()), attempts = 0, is_orphan = false
"""

WAKE = "SELECT pg_notify(%(channel)s, '')"


async def enqueue(scope: TenantScope, selection: Selection) -> list[UUID]:
    """Queues them for the index and wakes the workers; returns their ids."""
    ids = await lock(scope, selection)
    await scope.connection.execute(ENQUEUE, {"tenant_id": scope.tenant_id, "ids": ids})
    await scope.connection.execute(WAKE, {"channel": CHANNEL})
    return ids


def _parameters(scope: TenantScope, selection: Selection) -> dict[str, Any]:
    if selection.empty:
        raise ValueError("a selection without a condition would be every document of the tenant")
    return {
        "tenant_id": scope.tenant_id,
        "deleted_too": selection.deleted_too or selection.deleted_only,
        "deleted_only": selection.deleted_only,
        "by_id": bool(selection.ids),
        "ids": list(selection.ids),
        **filters.parameters(selection.conditions),
    }
