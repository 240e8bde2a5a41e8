"""The queue as people see and hurry it: what waits, what failed for good, what nobody has queued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from retrieval_service.stores.database import TenantScope, only
from retrieval_service.stores.queue.document_jobs import CHANNEL


@dataclass(frozen=True, kw_only=True)
class QueuedJob:
    """A job for people; without `source_type` and `external_id` its document has been purged."""

    id: int
    document_id: UUID
    source_type: str
    external_id: str
    action: str
    target: str
    status: str
    attempts: int
    last_error: str
    scheduled_at: datetime
    created_at: datetime


SELECT_PAGE = """
SELECT j.id, j.document_id, coalesce(d.source_type, '') AS source_type, coalesce(d.external_id, '') AS external_id,
    j.action, j.target, j.status, j.attempts, j.last_error, j.scheduled_at, j.created_at
FROM document_sync_jobs j LEFT JOIN documents d ON d.tenant_id = j.tenant_id AND d.id = j.document_id
WHERE j.tenant_id = %(tenant_id)s AND j.id < %(before_id)s
    AND (%(status)s = '' OR j.status = %(status)s) AND (%(target)s = '' OR j.target = %(target)s)
ORDER BY j.id DESC LIMIT %(limit)s
"""


async def page(
    scope: TenantScope, *, before_id: int, status: str, target: str, limit: int
) -> list[QueuedJob]:
    """Newest first, before the given id; an empty status or target means any."""
    async with scope.connection.cursor(row_factory=class_row(QueuedJob)) as cursor:
        parameters = {
            "tenant_id": scope.tenant_id,
            "before_id": before_id,
            "status": status,
            "target": target,
            "limit": limit,
        }
        await cursor.execute(SELECT_PAGE, parameters)
        return await cursor.fetchall()


# Documents are locked first and in the order in which upserts write them, so that neither waits for the other in
# a circle. A dead job leaves for a fresh one: of the document's later version, if one has been written since.
REVIVE = """
WITH dead AS MATERIALIZED (
    SELECT DISTINCT j.document_id, j.target FROM document_sync_jobs j
    WHERE j.tenant_id = %(tenant_id)s AND j.status = 'error' AND (%(every)s OR j.id = ANY(%(ids)s))
        AND (%(document_id)s::uuid IS NULL OR j.document_id = %(document_id)s)
),
locked AS MATERIALIZED (
    SELECT id, is_deleted, source_type, external_id FROM documents
    WHERE tenant_id = %(tenant_id)s AND id IN (SELECT document_id FROM dead)
    ORDER BY source_type, external_id FOR UPDATE
),
buried AS (
    DELETE FROM document_sync_jobs j USING dead
    WHERE j.tenant_id = %(tenant_id)s AND j.status = 'error' AND j.document_id = dead.document_id
        AND j.target = dead.target
),
marked AS (
    UPDATE documents d SET
        sync_status = CASE WHEN EXISTS (SELECT FROM dead
            WHERE dead.document_id = d.id AND dead.target = 'pgvector') THEN 'pending' ELSE sync_status END,
        remote_status = CASE WHEN EXISTS (SELECT FROM dead
            WHERE dead.document_id = d.id AND dead.target = 'openai') THEN 'pending' ELSE remote_status END
    FROM locked WHERE d.tenant_id = %(tenant_id)s AND d.id = locked.id
)
INSERT INTO document_sync_jobs (tenant_id, document_id, action, target)
SELECT %(tenant_id)s, dead.document_id,
    CASE WHEN coalesce(locked.is_deleted, true) THEN 'delete' ELSE 'upsert' END, dead.target
FROM dead LEFT JOIN locked ON locked.id = dead.document_id
ORDER BY locked.source_type, locked.external_id
ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
DO UPDATE SET scheduled_at = least(document_sync_jobs.scheduled_at, now()), attempts = 0, is_orphan = false
"""


async def revive(scope: TenantScope, *, ids: Sequence[int] = (), document_id: UUID | None = None) -> int:
    """Queues anew what failed for good: the jobs with these ids, or all, or all of a document; returns how many."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "every": not ids,
        "ids": list(ids),
        "document_id": document_id,
    }
    revived = (await scope.connection.execute(REVIVE, parameters)).rowcount
    await _wake(scope)
    return revived


HASTEN = """
UPDATE document_sync_jobs SET scheduled_at = now(), attempts = 0
WHERE tenant_id = %(tenant_id)s AND status = 'pending' AND scheduled_at > now()
    AND (%(document_id)s::uuid IS NULL OR document_id = %(document_id)s)
"""


async def hasten(scope: TenantScope, *, document_id: UUID | None = None) -> int:
    """Makes due at once what waits for its next attempt, of one document or all; returns how many jobs."""
    parameters = {"tenant_id": scope.tenant_id, "document_id": document_id}
    hastened = (await scope.connection.execute(HASTEN, parameters)).rowcount
    await _wake(scope)
    return hastened


# What a worker has at this moment or what waits already needs no second job.
ENQUEUE_LAGGING = """
WITH lagging AS MATERIALIZED (
    SELECT d.id, d.source_type, d.external_id, d.sync_status <> 'synced' AS in_index,
        d.remote_status <> 'synced' AND EXISTS (SELECT FROM tenants t
            WHERE t.id = d.tenant_id AND t.is_mirrored) AS in_mirror
    FROM documents d
    WHERE d.tenant_id = %(tenant_id)s AND NOT d.is_deleted
        AND (d.sync_status <> 'synced' OR d.remote_status <> 'synced')
        AND (%(document_id)s::uuid IS NULL OR d.id = %(document_id)s)
    ORDER BY d.source_type, d.external_id FOR UPDATE
),
wanted AS (
    SELECT id, source_type, external_id, 'pgvector' AS target FROM lagging WHERE in_index
    UNION ALL
    SELECT id, source_type, external_id, 'openai' FROM lagging WHERE in_mirror
),
queued AS (
    INSERT INTO document_sync_jobs (tenant_id, document_id, action, target)
    SELECT %(tenant_id)s, w.id, 'upsert', w.target FROM wanted w
    WHERE NOT EXISTS (SELECT FROM document_sync_jobs j WHERE j.tenant_id = %(tenant_id)s AND j.document_id = w.id
        AND j.target = w.target AND j.status IN ('pending', 'processing'))
    ORDER BY w.source_type, w.external_id
    ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending' DO NOTHING
    RETURNING document_id, target
),
marked AS (
    UPDATE documents d SET
        sync_status = CASE WHEN EXISTS (SELECT FROM queued q
            WHERE q.document_id = d.id AND q.target = 'pgvector') THEN 'pending' ELSE sync_status END,
        remote_status = CASE WHEN EXISTS (SELECT FROM queued q
            WHERE q.document_id = d.id AND q.target = 'openai') THEN 'pending' ELSE remote_status END
    WHERE d.tenant_id = %(tenant_id)s AND d.id IN (SELECT document_id FROM queued)
)
SELECT count(*) FROM queued
"""


async def enqueue_lagging(scope: TenantScope, *, document_id: UUID | None = None) -> int:
    """Queues documents that are not in step and that no job stands for; returns how many jobs."""
    parameters = {"tenant_id": scope.tenant_id, "document_id": document_id}
    cursor = await scope.connection.execute(ENQUEUE_LAGGING, parameters)
    queued = only(await cursor.fetchone())[0]
    await _wake(scope)
    return queued


EXISTS = "SELECT EXISTS (SELECT FROM documents WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s)"


async def knows(scope: TenantScope, document_id: UUID) -> bool:
    """Whether there is such a document, deleted or not: deletions are queued as well."""
    parameters = {"tenant_id": scope.tenant_id, "document_id": document_id}
    return only(await (await scope.connection.execute(EXISTS, parameters)).fetchone())[0]


IS_MIRRORED = "SELECT is_mirrored FROM tenants WHERE id = %(tenant_id)s"


async def is_mirrored(scope: TenantScope) -> bool:
    """Whether changes of the tenant's documents are queued for the retrieval provider."""
    cursor = await scope.connection.execute(IS_MIRRORED, {"tenant_id": scope.tenant_id})
    return only(await cursor.fetchone())[0]


OLDEST_PENDING = """
SELECT min(created_at) FROM document_sync_jobs
WHERE tenant_id = %(tenant_id)s AND target = 'openai' AND status = 'pending'
"""


async def oldest_remote(scope: TenantScope) -> datetime | None:
    """When the job for the provider that has waited longest was queued."""
    cursor = await scope.connection.execute(OLDEST_PENDING, {"tenant_id": scope.tenant_id})
    return only(await cursor.fetchone())[0]


WAKE = "SELECT pg_notify(%(channel)s, '')"


async def _wake(scope: TenantScope) -> None:
    await scope.connection.execute(WAKE, {"channel": CHANNEL})
