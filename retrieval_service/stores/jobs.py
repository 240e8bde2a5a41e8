"""The queue of documents whose index is behind: written by triggers, claimed in batches, taken over when a worker dies.

At most one pending and one processing job stand for a document and target, so its versions are indexed in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.stores.database import TenantScope, only

CHANNEL = "kladez_jobs"
PGVECTOR, OPENAI = "pgvector", "openai"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A claimed job; `attempts` counts this one."""

    id: int
    tenant_id: UUID
    document_id: UUID
    action: str
    attempts: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How many jobs a worker has or could have now, and how many failed at least once and are not done.

    Index jobs count among the first until they end, because they have more documents to queue. Of a deleted
    tenant nothing has failed: nobody can have it tried again.
    """

    due_count: int
    failed_count: int


# Tenants are visited in turn, so that one tenant's import does not keep the others waiting. Jobs whose worker
# died come one at a time, the least tried first: the one that kills its workers takes no others with it. At a
# provider, where each attempt takes seconds and a look for what the last one left, only from the second death on.
CLAIM = """
WITH RECURSIVE waiting AS (
    (SELECT tenant_id FROM document_sync_jobs WHERE status = 'pending' ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT j.tenant_id FROM document_sync_jobs j
            WHERE j.status = 'pending' AND j.tenant_id > w.tenant_id ORDER BY j.tenant_id LIMIT 1)
    FROM waiting w WHERE w.tenant_id IS NOT NULL
),
share AS (
    SELECT tenant_id, ceil(%(limit)s::float8 / count(*) OVER ())::int AS fair
    FROM waiting w WHERE EXISTS (SELECT FROM document_sync_jobs j
        WHERE j.tenant_id = w.tenant_id AND j.status = 'pending' AND j.scheduled_at <= now()
            AND j.target = %(target)s)
    ORDER BY random() LIMIT %(limit)s
),
picked AS (
    SELECT ready.id, ready.comes_alone, ready.attempts FROM share, LATERAL (
        SELECT j.id, j.attempts, j.is_orphan AND (j.target = 'pgvector' OR j.attempts > 1) AS comes_alone
        FROM document_sync_jobs j
        WHERE j.tenant_id = share.tenant_id AND j.status = 'pending' AND j.scheduled_at <= now()
            AND j.target = %(target)s
            AND NOT EXISTS (SELECT FROM document_sync_jobs p
                WHERE p.tenant_id = j.tenant_id AND p.document_id = j.document_id AND p.target = j.target
                    AND p.status = 'processing')
        ORDER BY j.scheduled_at, j.id LIMIT share.fair FOR UPDATE SKIP LOCKED
    ) AS ready LIMIT %(limit)s
),
chosen AS (
    (SELECT id FROM picked WHERE comes_alone ORDER BY attempts, id LIMIT 1)
    UNION ALL
    SELECT id FROM picked WHERE NOT EXISTS (SELECT FROM picked WHERE comes_alone)
)
UPDATE document_sync_jobs SET status = 'processing', worker = %(worker)s, attempts = attempts + 1,
    lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE id IN (SELECT id FROM chosen)
RETURNING id, tenant_id, document_id, action, attempts
"""


async def claim(
    operator: AsyncConnection, *, worker: str, limit: int, lease_seconds: float, target: str = PGVECTOR
) -> list[Job]:
    """Up to `limit` due jobs for the target, each for another document, now processed by this worker alone."""
    async with operator.cursor(row_factory=class_row(Job)) as cursor:
        parameters = {"worker": worker, "limit": limit, "lease_seconds": lease_seconds, "target": target}
        await cursor.execute(CLAIM, parameters)
        return await cursor.fetchall()


# Jobs that are being ended at this moment need no more time, and waiting for them could be waiting in a circle.
EXTEND = """
UPDATE document_sync_jobs SET lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE id IN (
    SELECT id FROM document_sync_jobs
    WHERE id = ANY(%(ids)s) AND worker = %(worker)s AND status = 'processing' FOR UPDATE SKIP LOCKED)
"""


async def extend(operator: AsyncConnection, ids: Sequence[int], *, worker: str, lease_seconds: float) -> None:
    """Keeps the jobs for this worker while it is still busy with them."""
    parameters = {"ids": list(ids), "worker": worker, "lease_seconds": lease_seconds}
    await operator.execute(EXTEND, parameters)


FINISH = """
UPDATE document_sync_jobs SET status = 'done', finished_at = now(), lease_until = NULL, last_error = ''
WHERE tenant_id = %(tenant_id)s AND id = %(job_id)s AND worker = %(worker)s AND status = 'processing'
"""


async def finish(scope: TenantScope, job: Job, *, worker: str) -> bool:
    """False when another worker has taken the job over: then nothing of it may be written."""
    parameters = {"tenant_id": scope.tenant_id, "job_id": job.id, "worker": worker}
    cursor = await scope.connection.execute(FINISH, parameters)
    return cursor.rowcount > 0


# Documents that somebody else is changing are passed over: who holds many must not wait, or it may be in a circle.
FINISH_FREE = """
WITH free AS MATERIALIZED (
    SELECT id FROM documents WHERE tenant_id = %(tenant_id)s AND id = ANY(%(document_ids)s)
    FOR UPDATE SKIP LOCKED
),
done AS (
    UPDATE document_sync_jobs j SET status = 'done', finished_at = now(), lease_until = NULL, last_error = ''
    FROM free WHERE j.tenant_id = %(tenant_id)s AND j.id = ANY(%(ids)s) AND j.document_id = free.id
        AND j.worker = %(worker)s AND j.status = 'processing'
    RETURNING j.id, j.document_id
)
SELECT free.id AS document_id, done.id AS job_id FROM free LEFT JOIN done ON done.document_id = free.id
"""


async def finish_free(
    scope: TenantScope, ended: Sequence[Job], *, worker: str
) -> tuple[list[Job], list[Job]]:
    """Ends what `finish` would, of documents that nobody else is changing, and locks these documents.

    Returns the jobs that are done, and those left for later because their documents are changed or gone.
    """
    parameters = {
        "tenant_id": scope.tenant_id,
        "ids": [job.id for job in ended],
        "document_ids": [job.document_id for job in ended],
        "worker": worker,
    }
    cursor = await scope.connection.execute(FINISH_FREE, parameters)
    free = dict(await cursor.fetchall())
    done = [job for job in ended if free.get(job.document_id) == job.id]
    return done, [job for job in ended if job.document_id not in free]


# A newer job of the same document makes the failed one superfluous. The row is not put back but made anew,
# because only an INSERT can step back from a newer job that is being committed at this moment.
FAIL = """
WITH failed AS (
    DELETE FROM document_sync_jobs
    WHERE tenant_id = %(tenant_id)s AND id = %(job_id)s AND worker = %(worker)s AND status = 'processing'
    RETURNING tenant_id, document_id, action, target, attempts, created_at
)
INSERT INTO document_sync_jobs
    (tenant_id, document_id, action, target, attempts, created_at, scheduled_at, last_error, status)
SELECT tenant_id, document_id, action, target, attempts, created_at,
    now() + make_interval(secs => %(delay_seconds)s), %(error)s,
    CASE WHEN attempts >= %(max_attempts)s OR %(final)s THEN 'error' ELSE 'pending' END
FROM failed WHERE NOT EXISTS (
    SELECT FROM document_sync_jobs p WHERE p.tenant_id = failed.tenant_id
        AND p.document_id = failed.document_id AND p.target = failed.target AND p.status = 'pending')
ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending' DO NOTHING
RETURNING status
"""


async def fail(
    scope: TenantScope,
    job: Job,
    *,
    worker: str,
    error: str,
    delay_seconds: float,
    max_attempts: int,
    final: bool,
) -> str:
    """Puts the job back for later, or ends it; returns its status, "" when a newer job or worker has its work.

    The document must be locked, so that no newer version of it is on its way.
    """
    parameters = {
        "tenant_id": scope.tenant_id,
        "job_id": job.id,
        "worker": worker,
        "error": error,
        "delay_seconds": delay_seconds,
        "max_attempts": max_attempts,
        "final": final,
    }
    cursor = await scope.connection.execute(FAIL, parameters)
    row = await cursor.fetchone()
    return row[0] if row else ""


RECOVER = """
WITH left_behind AS MATERIALIZED (
    SELECT id FROM document_sync_jobs
    WHERE status = 'processing' AND (lease_until < now() OR worker = %(worker)s)
    FOR UPDATE SKIP LOCKED
),
taken AS (
    DELETE FROM document_sync_jobs j USING left_behind WHERE j.id = left_behind.id
    RETURNING j.tenant_id, j.document_id, j.action, j.target, j.attempts, j.created_at,
        j.worker = %(worker)s AS is_given_back
)
INSERT INTO document_sync_jobs
    (tenant_id, document_id, action, target, created_at, attempts, is_orphan, last_error)
SELECT tenant_id, document_id, action, target, created_at,
    CASE WHEN is_given_back THEN attempts - 1 ELSE attempts END, NOT is_given_back, 'the worker stopped'
FROM taken
ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending' DO NOTHING
RETURNING id
"""


async def recover(operator: AsyncConnection, *, worker: str = "") -> int:
    """Takes over jobs whose lease ran out, and those that `worker` gives back untried; returns how many.

    Those for which a newer job waits are dropped.
    """
    cursor = await operator.execute(RECOVER, {"worker": worker})
    return len(await cursor.fetchall())


PRUNE = """
DELETE FROM document_sync_jobs
WHERE status = 'done' AND finished_at < now() - make_interval(hours => %(hours)s)
"""


async def prune(operator: AsyncConnection, *, hours: int) -> int:
    """Forgets jobs that were done this long ago."""
    cursor = await operator.execute(PRUNE, {"hours": hours})
    return cursor.rowcount


STANDING = """
SELECT count(*) FILTER (WHERE status = 'processing' OR (status = 'pending' AND scheduled_at <= now()))
        + (SELECT count(*) FROM index_jobs WHERE state IN ('queued', 'running', 'cancelling')) AS due_count,
    count(*) FILTER (WHERE (status = 'error' OR (status = 'pending' AND attempts > 0))
        AND tenant_id NOT IN (SELECT id FROM tenants WHERE deleted_at IS NOT NULL)) AS failed_count
FROM document_sync_jobs WHERE target = %(target)s AND status <> 'done'
"""


async def standing(operator: AsyncConnection, *, target: str = PGVECTOR) -> Standing:
    """Over all tenants."""
    async with operator.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(STANDING, {"target": target})
        return only(await cursor.fetchone())


OLDEST_PENDING = """
SELECT min(created_at) FROM document_sync_jobs
WHERE tenant_id = %(tenant_id)s AND status = 'pending' AND target = %(target)s
"""


async def oldest_pending(scope: TenantScope, *, target: str = PGVECTOR) -> datetime | None:
    """When the job that has waited longest was queued."""
    parameters = {"tenant_id": scope.tenant_id, "target": target}
    cursor = await scope.connection.execute(OLDEST_PENDING, parameters)
    row = await cursor.fetchone()
    return row[0] if row else None
