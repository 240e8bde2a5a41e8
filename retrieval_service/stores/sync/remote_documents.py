"""Documents as the retrieval provider is to hold them, how far each has come there, and the queue of those behind."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg.rows import class_row

from retrieval_service.domain.sync.remote_files import Original
from retrieval_service.stores.database import TenantScope, only
from retrieval_service.stores.queue.document_jobs import CHANNEL

SELECT = """
WITH RECURSIVE above AS (
    SELECT d.id AS document_id, p.parent_id, p.title, p.is_deleted, 1 AS distance
    FROM documents d JOIN documents p ON p.tenant_id = d.tenant_id AND p.id = d.parent_id
    WHERE d.tenant_id = %(tenant_id)s AND d.id = ANY(%(ids)s)
    UNION ALL
    SELECT above.document_id, p.parent_id, p.title, p.is_deleted, above.distance + 1
    FROM above JOIN documents p ON p.tenant_id = %(tenant_id)s AND p.id = above.parent_id
    WHERE above.distance < 64
)
SELECT tenant_id, id, version, source_type, title, section, tags, content, content_type, language, metadata,
    is_deleted, is_remote_unsettled AS is_unsettled,
    ARRAY(SELECT above.title FROM above WHERE above.document_id = d.id AND NOT above.is_deleted
          ORDER BY above.distance DESC) AS ancestors
FROM documents d WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
"""


async def read(scope: TenantScope, ids: Sequence[UUID]) -> list[Original]:
    """The documents that exist, deleted ones included, in no order."""
    async with scope.connection.cursor(row_factory=class_row(Original)) as cursor:
        await cursor.execute(SELECT, {"tenant_id": scope.tenant_id, "ids": list(ids)})
        return await cursor.fetchall()


# Locked in the order in which upserts write, so that neither waits for the other in a circle.
BEGIN_UPLOADS = """
WITH chosen AS MATERIALIZED (
    SELECT tenant_id, id FROM documents WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
    ORDER BY source_type, external_id FOR UPDATE
)
UPDATE documents d SET is_remote_unsettled = true FROM chosen
WHERE d.tenant_id = chosen.tenant_id AND d.id = chosen.id AND NOT d.is_remote_unsettled
"""


async def begin_uploads(scope: TenantScope, ids: Sequence[UUID]) -> None:
    """Until `mark_synced` or `mark_removed` the provider may hold files of these that nobody has written down."""
    await scope.connection.execute(BEGIN_UPLOADS, {"tenant_id": scope.tenant_id, "ids": list(ids)})


# A title above may have changed meanwhile: then a job waits for the document, which is still behind.
MARK_SYNCED = """
UPDATE documents d SET openai_primary_file_id = %(file_id)s, is_remote_unsettled = false, remote_error = '',
    remote_synced_at = CASE WHEN version = %(version)s THEN now() ELSE remote_synced_at END,
    remote_status = CASE WHEN is_deleted THEN '' WHEN version <> %(version)s OR EXISTS (
        SELECT FROM document_sync_jobs j WHERE j.tenant_id = d.tenant_id AND j.document_id = d.id
            AND j.target = 'openai' AND j.status = 'pending')
    THEN 'pending' ELSE 'synced' END
WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s
RETURNING version = %(version)s
"""


async def mark_synced(scope: TenantScope, document_id: UUID, version: int, file_id: str) -> bool:
    """Without a file for a document that has no text. False when a newer version came: only the file is noted."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "document_id": document_id,
        "version": version,
        "file_id": file_id,
    }
    cursor = await scope.connection.execute(MARK_SYNCED, parameters)
    row = await cursor.fetchone()
    return bool(row and row[0])


MARK_REMOVED = """
UPDATE documents SET openai_primary_file_id = '', is_remote_unsettled = false,
    remote_status = CASE WHEN is_deleted THEN '' ELSE remote_status END,
    remote_error = CASE WHEN is_deleted THEN '' ELSE remote_error END
WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s
"""


async def mark_removed(scope: TenantScope, document_id: UUID) -> None:
    """The provider holds nothing of the document any more."""
    await scope.connection.execute(MARK_REMOVED, {"tenant_id": scope.tenant_id, "document_id": document_id})


MARK_FAILED = """
UPDATE documents SET remote_status = 'error', remote_error = %(error)s
WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s
"""


async def mark_failed(scope: TenantScope, document_id: UUID, error: str) -> None:
    """Nothing more is tried; what the provider held before stays there."""
    parameters = {"tenant_id": scope.tenant_id, "document_id": document_id, "error": error}
    await scope.connection.execute(MARK_FAILED, parameters)


# A file whose document is gone is found by its own row; a deleted document may also have one that is not known.
ENQUEUE_ALL = """
WITH behind AS MATERIALIZED (
    SELECT tenant_id, id FROM documents
    WHERE tenant_id = %(tenant_id)s AND NOT is_deleted AND remote_status <> 'synced'
    ORDER BY source_type, external_id FOR UPDATE
),
marked AS (
    UPDATE documents d SET remote_status = 'pending', remote_error = '' FROM behind b
    WHERE d.tenant_id = b.tenant_id AND d.id = b.id
),
gone AS (
    SELECT f.document_id AS id FROM document_files f
    WHERE f.tenant_id = %(tenant_id)s AND f.role = 'primary' AND NOT EXISTS (
        SELECT FROM documents d WHERE d.tenant_id = f.tenant_id AND d.id = f.document_id AND NOT d.is_deleted)
    UNION
    SELECT id FROM documents WHERE tenant_id = %(tenant_id)s AND is_deleted AND is_remote_unsettled
)
INSERT INTO document_sync_jobs (tenant_id, document_id, action, target)
SELECT tenant_id, id, 'upsert', 'openai' FROM behind
UNION ALL SELECT %(tenant_id)s, id, 'delete', 'openai' FROM gone
ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
DO UPDATE SET action = excluded.action, scheduled_at = least(document_sync_jobs.scheduled_at, now()),
    attempts = 0, is_orphan = false
"""

WAKE = "SELECT pg_notify(%(channel)s, '')"


async def enqueue_all(scope: TenantScope) -> int:
    """Queues what the provider does not hold as it is here, and what it holds too much; returns how many."""
    cursor = await scope.connection.execute(ENQUEUE_ALL, {"tenant_id": scope.tenant_id})
    await scope.connection.execute(WAKE, {"channel": CHANNEL})
    return cursor.rowcount


ENQUEUE = """
WITH chosen AS MATERIALIZED (
    SELECT tenant_id, id, is_deleted FROM documents WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
    ORDER BY source_type, external_id FOR UPDATE
),
marked AS (
    UPDATE documents d SET remote_status = 'pending', remote_error = '' FROM chosen c
    WHERE d.tenant_id = c.tenant_id AND d.id = c.id AND NOT d.is_deleted
)
INSERT INTO document_sync_jobs (tenant_id, document_id, action, target)
SELECT %(tenant_id)s, wanted.id, CASE WHEN c.id IS NULL OR c.is_deleted THEN 'delete' ELSE 'upsert' END, 'openai'
FROM (SELECT DISTINCT unnest(%(ids)s::uuid[]) AS id) AS wanted LEFT JOIN chosen c ON c.id = wanted.id
ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
DO UPDATE SET action = excluded.action, scheduled_at = least(document_sync_jobs.scheduled_at, now()),
    attempts = 0, is_orphan = false
"""


async def enqueue(scope: TenantScope, ids: Sequence[UUID]) -> int:
    """Queues these documents whatever their state, also those that are gone; returns how many."""
    parameters = {"tenant_id": scope.tenant_id, "ids": list(ids)}
    cursor = await scope.connection.execute(ENQUEUE, parameters)
    await scope.connection.execute(WAKE, {"channel": CHANNEL})
    return cursor.rowcount


RESET = """
WITH chosen AS MATERIALIZED (
    SELECT tenant_id, id FROM documents WHERE tenant_id = %(tenant_id)s AND remote_status <> ''
    ORDER BY source_type, external_id FOR UPDATE
)
UPDATE documents d SET remote_status = '' FROM chosen WHERE d.tenant_id = chosen.tenant_id AND d.id = chosen.id
"""


async def reset(scope: TenantScope) -> None:
    """The tenant's store is lost: no document counts as held any more."""
    await scope.connection.execute(RESET, {"tenant_id": scope.tenant_id})


COUNT = """
SELECT remote_status, count(*) FROM documents
WHERE tenant_id = %(tenant_id)s AND NOT is_deleted GROUP BY remote_status
"""


async def counts(scope: TenantScope) -> dict[str, int]:
    """Living documents that are pending, synced, error, or "" for not wanted; statuses without any are missing."""
    cursor = await scope.connection.execute(COUNT, {"tenant_id": scope.tenant_id})
    return dict(await cursor.fetchall())


IS_HELD = """
SELECT EXISTS (SELECT FROM documents
    WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s AND remote_status = 'synced')
"""


async def is_held(scope: TenantScope, document_id: UUID) -> bool:
    """Whether the provider holds the document as it is now."""
    parameters = {"tenant_id": scope.tenant_id, "document_id": document_id}
    cursor = await scope.connection.execute(IS_HELD, parameters)
    return only(await cursor.fetchone())[0]


COUNT_UPLOADING = """
SELECT count(*) FROM document_sync_jobs
WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(ids)s) AND target = 'openai' AND status = 'processing'
    AND action = 'upsert'
"""


async def count_uploading(scope: TenantScope, ids: Sequence[UUID]) -> int:
    """How many of the documents a worker may be sending to the provider at this moment."""
    parameters = {"tenant_id": scope.tenant_id, "ids": list(ids)}
    cursor = await scope.connection.execute(COUNT_UPLOADING, parameters)
    return only(await cursor.fetchone())[0]


KNOWN = "SELECT id FROM documents WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)"


async def known(scope: TenantScope, ids: Sequence[UUID]) -> set[UUID]:
    """Those that are the tenant's documents, deleted ones included."""
    cursor = await scope.connection.execute(KNOWN, {"tenant_id": scope.tenant_id, "ids": list(ids)})
    return {row[0] for row in await cursor.fetchall()}


WITHDRAW = """
DELETE FROM document_sync_jobs
WHERE tenant_id = %(tenant_id)s AND target = 'openai' AND status IN ('pending', 'error')
"""

COUNT_BUSY = """
SELECT count(*) FROM document_sync_jobs
WHERE tenant_id = %(tenant_id)s AND target = 'openai' AND status = 'processing'
"""


async def withdraw(scope: TenantScope) -> int:
    """Takes out of the queue what nobody has begun; returns how many a worker is busy with."""
    await scope.connection.execute(WITHDRAW, {"tenant_id": scope.tenant_id})
    cursor = await scope.connection.execute(COUNT_BUSY, {"tenant_id": scope.tenant_id})
    return only(await cursor.fetchone())[0]


FORGET = """
WITH chosen AS MATERIALIZED (
    SELECT tenant_id, id FROM documents WHERE tenant_id = %(tenant_id)s
        AND (remote_status <> '' OR openai_primary_file_id <> '' OR is_remote_unsettled)
    ORDER BY source_type, external_id FOR UPDATE
)
UPDATE documents d SET remote_status = '', remote_error = '', openai_primary_file_id = '',
    is_remote_unsettled = false
FROM chosen WHERE d.tenant_id = chosen.tenant_id AND d.id = chosen.id
"""


async def forget(scope: TenantScope) -> None:
    """The provider holds nothing of the tenant any more."""
    await scope.connection.execute(FORGET, {"tenant_id": scope.tenant_id})
