"""Index jobs and the documents they wait for; a job is moved on in short steps, by whichever worker comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.domain.indexing.index_jobs import IndexJob, Outcome
from retrieval_service.stores.database import TenantScope, only

CHANNEL = "kladez_index_jobs"


@dataclass(frozen=True, kw_only=True)
class Due:
    """A job whose next step is due."""

    tenant_id: UUID
    id: UUID


CLAIM = """
UPDATE index_jobs SET next_step_at = now() + make_interval(secs => %(pause_seconds)s)
WHERE (tenant_id, id) IN (
    SELECT tenant_id, id FROM index_jobs
    WHERE state IN ('queued', 'running', 'cancelling')
        AND next_step_at <= now() + CASE WHEN %(at_once)s THEN make_interval(secs => %(pause_seconds)s)
            ELSE interval '0' END
    ORDER BY next_step_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING tenant_id, id
"""


async def claim(
    operator: AsyncConnection, *, pause_seconds: float, limit: int, at_once: bool = False
) -> list[Due]:
    """Active jobs to move on now, `at_once` also those in a pause; they are due again after the pause."""
    async with operator.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(CLAIM, {"pause_seconds": pause_seconds, "limit": limit, "at_once": at_once})
        return await cursor.fetchall()


INSERT = """
INSERT INTO index_jobs (tenant_id, mode, is_walked) VALUES (%(tenant_id)s, %(mode)s, %(mode)s = 'changed')
ON CONFLICT (tenant_id) WHERE state IN ('queued', 'running', 'cancelling') DO NOTHING
RETURNING id, tenant_id, mode, state, total_count, processed_count, indexed_count, skipped_count, failed_count,
    removed_count, embedded_tokens, saved_tokens, last_document_id, is_walked, error, row_error, created_at, started_at,
    ended_at
"""


async def insert(scope: TenantScope, mode: str) -> IndexJob | None:
    """A queued job; None when the tenant has an active one. For changed rows no documents are walked through."""
    async with scope.connection.cursor(row_factory=class_row(IndexJob)) as cursor:
        await cursor.execute(INSERT, {"tenant_id": scope.tenant_id, "mode": mode})
        return await cursor.fetchone()


SELECT_ACTIVE = """
SELECT id, tenant_id, mode, state, total_count, processed_count, indexed_count, skipped_count, failed_count,
    removed_count, embedded_tokens, saved_tokens, last_document_id, is_walked, error, row_error, created_at, started_at,
    ended_at
FROM index_jobs WHERE tenant_id = %(tenant_id)s AND state IN ('queued', 'running', 'cancelling')
"""


async def active(scope: TenantScope) -> IndexJob | None:
    """The tenant's job that has not ended."""
    async with scope.connection.cursor(row_factory=class_row(IndexJob)) as cursor:
        await cursor.execute(SELECT_ACTIVE, {"tenant_id": scope.tenant_id})
        return await cursor.fetchone()


SELECT = """
SELECT id, tenant_id, mode, state, total_count, processed_count, indexed_count, skipped_count, failed_count,
    removed_count, embedded_tokens, saved_tokens, last_document_id, is_walked, error, row_error, created_at, started_at,
    ended_at
FROM index_jobs WHERE tenant_id = %(tenant_id)s AND id = %(index_job_id)s
"""


async def get(scope: TenantScope, index_job_id: UUID) -> IndexJob | None:
    async with scope.connection.cursor(row_factory=class_row(IndexJob)) as cursor:
        await cursor.execute(SELECT, {"tenant_id": scope.tenant_id, "index_job_id": index_job_id})
        return await cursor.fetchone()


SELECT_PAGE = """
SELECT id, tenant_id, mode, state, total_count, processed_count, indexed_count, skipped_count, failed_count,
    removed_count, embedded_tokens, saved_tokens, last_document_id, is_walked, error, row_error, created_at, started_at,
    ended_at
FROM index_jobs
WHERE tenant_id = %(tenant_id)s AND (created_at, id) < (%(before_time)s, %(before_id)s)
ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""


async def page(scope: TenantScope, *, before: tuple[datetime, UUID], limit: int) -> list[IndexJob]:
    """Newest first, before the given creation time and id."""
    async with scope.connection.cursor(row_factory=class_row(IndexJob)) as cursor:
        parameters = {
            "tenant_id": scope.tenant_id,
            "before_time": before[0],
            "before_id": before[1],
            "limit": limit,
        }
        await cursor.execute(SELECT_PAGE, parameters)
        return await cursor.fetchall()


ANNOUNCE = "SELECT pg_notify(%(channel)s, '')"


async def announce(scope: TenantScope) -> None:
    """Wakes workers, once this is committed, for a job that has something to do, or nothing any more."""
    await scope.connection.execute(ANNOUNCE, {"channel": CHANNEL})


COOLDOWN = """
SELECT coalesce(max(extract(epoch FROM ended_at - now()))::float8 + %(cooldown_seconds)s, 0)
FROM index_jobs WHERE tenant_id = %(tenant_id)s AND mode = 'rebuild' AND state = 'completed'
"""


async def cooldown(scope: TenantScope, *, cooldown_seconds: float) -> float:
    """For how many seconds the tenant's last completed rebuild forbids another; not above 0 when it does not."""
    parameters = {"tenant_id": scope.tenant_id, "cooldown_seconds": cooldown_seconds}
    cursor = await scope.connection.execute(COOLDOWN, parameters)
    return only(await cursor.fetchone())[0]


REQUEST_CANCEL = """
UPDATE index_jobs SET state = 'cancelling', next_step_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(index_job_id)s AND state IN ('queued', 'running')
"""


async def request_cancel(scope: TenantScope, index_job_id: UUID) -> None:
    """Does nothing to a job that has ended, or is asked already."""
    await scope.connection.execute(
        REQUEST_CANCEL, {"tenant_id": scope.tenant_id, "index_job_id": index_job_id}
    )


LOCK = """
SELECT id, tenant_id, mode, state, total_count, processed_count, indexed_count, skipped_count, failed_count,
    removed_count, embedded_tokens, saved_tokens, last_document_id, is_walked, error, row_error, created_at, started_at,
    ended_at
FROM index_jobs
WHERE tenant_id = %(tenant_id)s AND id = %(index_job_id)s AND state IN ('queued', 'running', 'cancelling')
FOR UPDATE
"""


async def lock(scope: TenantScope, index_job_id: UUID) -> IndexJob | None:
    """Nobody else moves the job until the transaction ends; None when it has ended."""
    async with scope.connection.cursor(row_factory=class_row(IndexJob)) as cursor:
        await cursor.execute(LOCK, {"tenant_id": scope.tenant_id, "index_job_id": index_job_id})
        return await cursor.fetchone()


BEGIN = """
UPDATE index_jobs SET state = 'running', started_at = now(), total_count = total_count + (
    SELECT count(*) FROM documents d WHERE d.tenant_id = %(tenant_id)s AND NOT d.is_deleted
        AND mode <> 'changed' AND (mode <> 'missing' OR d.sync_status <> 'synced'))
WHERE tenant_id = %(tenant_id)s AND id = %(index_job_id)s
"""


async def begin(scope: TenantScope, index_job_id: UUID) -> None:
    """Counts what there is to do, beside the changed rows, which are counted already."""
    await scope.connection.execute(BEGIN, {"tenant_id": scope.tenant_id, "index_job_id": index_job_id})


# Whoever changes several rows takes them in the order of their documents, so that nobody waits in a circle.
RECORD = """
WITH ended AS (
    SELECT * FROM unnest(%(document_ids)s::uuid[], %(outcomes)s::text[], %(embedded)s::bigint[], %(saved)s::bigint[])
        AS ended (document_id, outcome, embedded_tokens, saved_tokens)
),
waiting AS MATERIALIZED (
    SELECT tenant_id, document_id FROM index_job_documents
    WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(document_ids)s) AND outcome IS NULL
    ORDER BY document_id FOR UPDATE
)
UPDATE index_job_documents w SET outcome = ended.outcome,
    embedded_tokens = w.embedded_tokens + ended.embedded_tokens, saved_tokens = w.saved_tokens + ended.saved_tokens
FROM ended, waiting
WHERE w.tenant_id = waiting.tenant_id AND w.document_id = waiting.document_id
    AND ended.document_id = waiting.document_id
"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a document came to, in the end."""

    document_id: UUID
    outcome: Outcome
    embedded_tokens: int = 0
    saved_tokens: int = 0


async def record(scope: TenantScope, ended: Sequence[Ended]) -> None:
    """To be called in the transaction that ends the documents' queued jobs; passes over those nobody waits for."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "document_ids": [one.document_id for one in ended],
        "outcomes": [one.outcome for one in ended],
        "embedded": [one.embedded_tokens for one in ended],
        "saved": [one.saved_tokens for one in ended],
    }
    await scope.connection.execute(RECORD, parameters)


# A row leaves as it is counted, in one statement: a worker's death can neither lose nor repeat it.
SETTLE = """
WITH settled AS (
    DELETE FROM index_job_documents
    WHERE tenant_id = %(tenant_id)s AND index_job_id = %(index_job_id)s AND outcome IS NOT NULL
    RETURNING outcome, embedded_tokens, saved_tokens
),
sums AS (
    SELECT count(*) AS processed, count(*) FILTER (WHERE outcome = 'indexed') AS indexed,
        count(*) FILTER (WHERE outcome = 'skipped') AS skipped,
        count(*) FILTER (WHERE outcome = 'failed') AS failed,
        count(*) FILTER (WHERE outcome = 'removed') AS removed,
        sum(embedded_tokens) AS embedded, sum(saved_tokens) AS saved
    FROM settled
)
UPDATE index_jobs SET processed_count = processed_count + processed, indexed_count = indexed_count + indexed,
    skipped_count = skipped_count + skipped, failed_count = failed_count + failed,
    removed_count = removed_count + removed, embedded_tokens = embedded_tokens + embedded,
    saved_tokens = saved_tokens + saved
FROM sums WHERE tenant_id = %(tenant_id)s AND id = %(index_job_id)s AND processed > 0
"""


async def settle(scope: TenantScope, index_job_id: UUID) -> None:
    """Adds what the documents came to and forgets these documents."""
    await scope.connection.execute(SETTLE, {"tenant_id": scope.tenant_id, "index_job_id": index_job_id})


COUNT_WAITING = """
SELECT count(*) FROM index_job_documents WHERE tenant_id = %(tenant_id)s AND index_job_id = %(index_job_id)s
"""


async def count_waiting(scope: TenantScope, index_job_id: UUID) -> int:
    """How many documents of the job are handed out and not settled."""
    parameters = {"tenant_id": scope.tenant_id, "index_job_id": index_job_id}
    cursor = await scope.connection.execute(COUNT_WAITING, parameters)
    return only(await cursor.fetchone())[0]


# Some may be waited for already, because their rows have changed.
HAND_OUT = """
WITH following AS (
    SELECT d.tenant_id, d.id FROM documents d
    WHERE d.tenant_id = %(tenant_id)s AND d.id > %(after)s AND NOT d.is_deleted
        AND (%(mode)s <> 'missing' OR d.sync_status <> 'synced')
    ORDER BY d.id LIMIT %(limit)s
),
handed_out AS (
    INSERT INTO index_job_documents (tenant_id, document_id, index_job_id)
    SELECT tenant_id, id, %(index_job_id)s FROM following
    ON CONFLICT (tenant_id, document_id) DO NOTHING
)
SELECT id FROM following
"""


async def hand_out(scope: TenantScope, job: IndexJob, *, limit: int) -> list[UUID]:
    """The next documents, which the job waits for from now on; fewer than the limit when they are the last."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "index_job_id": job.id,
        "after": job.last_document_id,
        "mode": job.mode,
        "limit": limit,
    }
    cursor = await scope.connection.execute(HAND_OUT, parameters)
    return [row[0] for row in await cursor.fetchall()]


# Documents that come while the job runs may make more of them than were counted.
MOVE = """
UPDATE index_jobs SET last_document_id = %(last_document_id)s, is_walked = %(is_walked)s,
    total_count = greatest(total_count, processed_count + %(waiting)s)
WHERE tenant_id = %(tenant_id)s AND id = %(index_job_id)s
"""


async def move(
    scope: TenantScope, index_job_id: UUID, *, last_document_id: UUID, is_walked: bool, waiting: int
) -> None:
    """Where the walk goes on; `waiting` counts the documents that are handed out now."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "index_job_id": index_job_id,
        "last_document_id": last_document_id,
        "is_walked": is_walked,
        "waiting": waiting,
    }
    await scope.connection.execute(MOVE, parameters)


# In the order in which upserts queue, so that neither waits for the other in a circle. A document whose queued
# job got lost is queued again: otherwise the index job would wait for it for ever.
ENQUEUE = """
WITH queued AS (
    INSERT INTO document_sync_jobs (tenant_id, document_id, action)
    SELECT w.tenant_id, w.document_id, 'upsert'
    FROM index_job_documents w LEFT JOIN documents d ON d.tenant_id = w.tenant_id AND d.id = w.document_id
    WHERE w.tenant_id = %(tenant_id)s AND w.index_job_id = %(index_job_id)s AND w.outcome IS NULL
        AND (w.document_id = ANY(%(new_ids)s) OR NOT EXISTS (
            SELECT FROM document_sync_jobs j WHERE j.tenant_id = w.tenant_id AND j.document_id = w.document_id
                AND j.target = 'pgvector' AND j.status IN ('pending', 'processing')))
    ORDER BY d.source_type, d.external_id
    ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
    DO UPDATE SET scheduled_at = least(document_sync_jobs.scheduled_at, now())
    RETURNING id
)
SELECT pg_notify('kladez_jobs', '') FROM queued LIMIT 1
"""


async def enqueue(scope: TenantScope, index_job_id: UUID, new_ids: Sequence[UUID]) -> None:
    """Queues the new documents now, however long a failed attempt was to wait, and those that are not queued."""
    parameters = {"tenant_id": scope.tenant_id, "index_job_id": index_job_id, "new_ids": list(new_ids)}
    await scope.connection.execute(ENQUEUE, parameters)


STOP_WAITING = """
DELETE FROM index_job_documents w
WHERE w.tenant_id = %(tenant_id)s AND w.index_job_id = %(index_job_id)s AND w.outcome IS NULL
    AND NOT EXISTS (SELECT FROM document_sync_jobs j
        WHERE j.tenant_id = w.tenant_id AND j.document_id = w.document_id AND j.target = 'pgvector'
            AND j.status = 'processing')
"""


async def stop_waiting(scope: TenantScope, index_job_id: UUID) -> None:
    """Waits no longer for documents that nobody works on; they stay queued."""
    await scope.connection.execute(STOP_WAITING, {"tenant_id": scope.tenant_id, "index_job_id": index_job_id})


# What was counted and never came was indexed or deleted by others meanwhile, or its row had not changed.
COMPLETE = """
UPDATE index_jobs SET state = CASE WHEN error = '' THEN 'completed' ELSE 'failed' END, ended_at = now(),
    skipped_count = skipped_count + (total_count - processed_count),
    removed_count = removed_count + %(removed)s,
    processed_count = total_count + %(removed)s, total_count = total_count + %(removed)s
WHERE tenant_id = %(tenant_id)s AND id = %(index_job_id)s
"""


async def complete(scope: TenantScope, index_job_id: UUID, *, removed: int) -> None:
    """Ends the job, which has failed when a source could not be read.

    `removed` documents lost what stood of them in the index.
    """
    parameters = {"tenant_id": scope.tenant_id, "index_job_id": index_job_id, "removed": removed}
    await scope.connection.execute(COMPLETE, parameters)


END = """
WITH waiting AS MATERIALIZED (
    SELECT tenant_id, document_id FROM index_job_documents
    WHERE tenant_id = %(tenant_id)s AND index_job_id = %(index_job_id)s ORDER BY document_id FOR UPDATE
),
forgotten AS (
    DELETE FROM index_job_documents w USING waiting
    WHERE w.tenant_id = waiting.tenant_id AND w.document_id = waiting.document_id
),
unread AS (
    DELETE FROM index_job_changes WHERE tenant_id = %(tenant_id)s AND index_job_id = %(index_job_id)s
)
UPDATE index_jobs SET state = %(state)s, error = %(error)s, ended_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(index_job_id)s AND state IN ('queued', 'running', 'cancelling')
"""


async def end(scope: TenantScope, index_job_id: UUID, *, state: str, error: str = "") -> None:
    """Ends the job before its time: cancelled, or failed with the error."""
    parameters = {"tenant_id": scope.tenant_id, "index_job_id": index_job_id, "state": state, "error": error}
    await scope.connection.execute(END, parameters)
