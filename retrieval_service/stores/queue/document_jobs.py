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
# Before every tenant.
NOBODY = UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A claimed job; `attempts` counts this one. An orphan's last worker died with it."""

    id: int
    tenant_id: UUID
    document_id: UUID
    action: str
    attempts: int
    is_orphan: bool = False
    content_bytes: int = 0
    is_large: bool = False


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How many jobs a worker has or could have now, and how many failed at least once and are not done.

    Index jobs count among the first until they end, because they have more documents to queue. Of a deleted
    tenant nothing has failed: nobody can have it tried again.
    """

    due_count: int
    failed_count: int


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a worker can take now: `limit` jobs of the target at most, of `tenants` tenants.

    `max_bytes` of content, or one document. Large documents are asked for apart. `after` is the tenant that was
    served last. Those of `busy` are passed over, and with `takes_orphans` false what a dead worker left too.
    """

    target: str = PGVECTOR
    limit: int
    is_large: bool = False
    tenants: int = 1
    max_bytes: int = 2**31 - 1
    after: UUID = NOBODY
    busy: Sequence[UUID] = ()
    takes_orphans: bool = True


# The tenants that wait stand in a ring by their ids, which is gone round from the tenant served last on: each step
# is one look into an index, however many jobs a tenant has. Subqueries are written so that no planner makes joins
# of them, which would read all jobs when the queue was empty at the last ANALYZE. Jobs whose worker died come one
# at a time, the least tried first: the one that kills its workers takes no others with it. At a provider, where
# each attempt takes seconds and a look for what the last one left, only from the second death on.
CLAIM = """
WITH RECURSIVE ring AS (
    SELECT %(after)s::uuid AS tenant_id, false AS is_round, false AS waits
    UNION ALL
    SELECT following.tenant_id, following.is_round, true FROM ring r, LATERAL (
        (SELECT j.tenant_id, r.is_round FROM document_sync_jobs j
         WHERE j.status = 'pending' AND j.target = %(target)s AND j.is_large = %(is_large)s
            AND j.tenant_id > r.tenant_id
         ORDER BY j.tenant_id LIMIT 1)
        UNION ALL
        (SELECT j.tenant_id, true FROM document_sync_jobs j
         WHERE j.status = 'pending' AND j.target = %(target)s AND j.is_large = %(is_large)s AND NOT r.is_round
         ORDER BY j.tenant_id LIMIT 1)
        ORDER BY is_round LIMIT 1
    ) AS following
    WHERE NOT following.is_round OR following.tenant_id <= %(after)s
),
turn AS (
    SELECT ring.tenant_id FROM ring, LATERAL (
        SELECT FROM document_sync_jobs j
        WHERE j.status = 'pending' AND j.target = %(target)s AND j.is_large = %(is_large)s
            AND j.tenant_id = ring.tenant_id AND j.scheduled_at <= now()
            AND (%(takes_orphans)s OR NOT j.is_orphan)
            AND (SELECT p.id FROM document_sync_jobs p
                WHERE p.tenant_id = j.tenant_id AND p.document_id = j.document_id AND p.target = j.target
                    AND p.status = 'processing') IS NULL
        ORDER BY j.scheduled_at LIMIT 1
    ) AS due
    WHERE waits AND tenant_id <> ALL(%(busy)s) LIMIT %(tenants)s
),
share AS (
    SELECT tenant_id, ceil(%(limit)s::float8 / count(*) OVER ())::int AS fair FROM turn
),
ready AS (
    SELECT free.id, free.comes_alone, free.attempts,
        sum(free.bytes) OVER (ORDER BY free.place, share.tenant_id) - free.bytes AS bytes_before
    FROM share, LATERAL (
        SELECT *, row_number() OVER () AS place FROM (
            SELECT j.id, j.attempts, coalesce(j.content_bytes, 0) AS bytes,
                j.is_orphan AND (j.target = 'pgvector' OR j.attempts > 1) AS comes_alone
            FROM document_sync_jobs j
            WHERE j.status = 'pending' AND j.target = %(target)s AND j.is_large = %(is_large)s
                AND j.tenant_id = share.tenant_id AND j.scheduled_at <= now()
                AND (%(takes_orphans)s OR NOT j.is_orphan)
                AND (SELECT p.id FROM document_sync_jobs p
                    WHERE p.tenant_id = j.tenant_id AND p.document_id = j.document_id AND p.target = j.target
                        AND p.status = 'processing') IS NULL
            ORDER BY j.scheduled_at, j.id LIMIT share.fair FOR UPDATE SKIP LOCKED
        ) AS oldest
    ) AS free
),
picked AS (
    SELECT id, comes_alone, attempts FROM ready WHERE bytes_before < %(max_bytes)s ORDER BY bytes_before LIMIT %(limit)s
),
chosen AS (
    (SELECT id FROM picked WHERE comes_alone ORDER BY attempts, id LIMIT 1)
    UNION ALL
    SELECT id FROM picked WHERE NOT EXISTS (SELECT FROM picked WHERE comes_alone)
)
UPDATE document_sync_jobs SET status = 'processing', worker = %(worker)s, attempts = attempts + 1,
    lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE id IN (SELECT id FROM chosen)
RETURNING id, tenant_id, document_id, action, attempts, is_orphan, coalesce(content_bytes, 0) AS content_bytes,
    is_large
"""


# Planning it anew each time would take longer than doing it, and the plan is the same for all.
REUSE_PLAN = "SELECT set_config('plan_cache_mode', 'force_generic_plan', true)"


async def claim(operator: AsyncConnection, ask: Ask, *, worker: str, lease_seconds: float) -> list[Job]:
    """Due jobs, each for another document, the oldest of each tenant; from now on this worker alone has them."""
    async with operator.cursor(row_factory=class_row(Job)) as cursor:
        parameters = {**vars(ask), "busy": list(ask.busy), "worker": worker, "lease_seconds": lease_seconds}
        async with operator.pipeline():  # two statements for one wait
            await operator.execute(REUSE_PLAN)
            await cursor.execute(CLAIM, parameters, prepare=True)
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
    RETURNING tenant_id, document_id, action, target, attempts, created_at, coalesce(content_bytes, 0) AS content_bytes
)
INSERT INTO document_sync_jobs
    (tenant_id, document_id, action, target, attempts, created_at, content_bytes, scheduled_at, last_error, status)
SELECT tenant_id, document_id, action, target, attempts, created_at, content_bytes,
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


# At once or later, as the same attempt: nothing of it has gone wrong. It keeps its place among those of its tenant.
GIVE_BACK = """
WITH given AS (
    DELETE FROM document_sync_jobs
    WHERE tenant_id = %(tenant_id)s AND id = %(job_id)s AND worker = %(worker)s AND status = 'processing'
    RETURNING tenant_id, document_id, action, target, attempts, created_at, scheduled_at,
        coalesce(content_bytes, 0) AS content_bytes
)
INSERT INTO document_sync_jobs
    (tenant_id, document_id, action, target, attempts, created_at, content_bytes, scheduled_at)
SELECT tenant_id, document_id, action, target, attempts - 1, created_at, content_bytes,
    CASE WHEN %(delay_seconds)s::float8 > 0 THEN now() + make_interval(secs => %(delay_seconds)s) ELSE scheduled_at END
FROM given
ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending' DO NOTHING
RETURNING id
"""


async def give_back(scope: TenantScope, job: Job, *, worker: str, delay_seconds: float = 0.0) -> bool:
    """Puts the job back for whoever claims it next; false when a newer job or another worker has its work.

    The document must be locked, so that no newer version of it is on its way.
    """
    parameters = {
        "tenant_id": scope.tenant_id,
        "job_id": job.id,
        "worker": worker,
        "delay_seconds": delay_seconds,
    }
    cursor = await scope.connection.execute(GIVE_BACK, parameters)
    return cursor.rowcount > 0


OTHERS_WAIT = """
SELECT EXISTS (
    SELECT FROM document_sync_jobs j JOIN tenants t ON t.id = j.tenant_id AND t.deleted_at IS NULL
    WHERE j.status = 'pending' AND j.target = %(target)s AND j.is_large AND j.scheduled_at <= now()
        AND j.tenant_id <> %(tenant_id)s)
"""


async def others_wait(operator: AsyncConnection, tenant_id: UUID, *, target: str = PGVECTOR) -> bool:
    """Whether a large document of another tenant is due and nobody works on it."""
    cursor = await operator.execute(OTHERS_WAIT, {"tenant_id": tenant_id, "target": target})
    row = await cursor.fetchone()
    return bool(row and row[0])


RECOVER = """
WITH left_behind AS MATERIALIZED (
    SELECT id FROM document_sync_jobs
    WHERE status = 'processing' AND (lease_until < now() OR worker = %(worker)s)
    FOR UPDATE SKIP LOCKED
),
taken AS (
    DELETE FROM document_sync_jobs j USING left_behind WHERE j.id = left_behind.id
    RETURNING j.tenant_id, j.document_id, j.action, j.target, j.attempts, j.created_at,
        coalesce(j.content_bytes, 0) AS content_bytes, j.worker = %(worker)s AS is_given_back
)
INSERT INTO document_sync_jobs
    (tenant_id, document_id, action, target, created_at, content_bytes, attempts, is_orphan, last_error)
SELECT tenant_id, document_id, action, target, created_at, content_bytes,
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
        + (SELECT count(*) FROM index_jobs WHERE state IN ('queued', 'running', 'cancelling')
            AND tenant_id NOT IN (SELECT id FROM tenants WHERE deleted_at IS NOT NULL)) AS due_count,
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
