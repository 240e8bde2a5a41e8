"""Documents as their owners gave them: the source of truth that every index is made from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from retrieval_service.domain.documents.documents import Draft, content_hash
from retrieval_service.domain.documents.stored import DocumentKey, StoredDocument
from retrieval_service.errors import Invalid, Violation
from retrieval_service.stores.database import TenantScope
from retrieval_service.text import exact_json

# From here on a thread is cheaper than the loop's time.
SLOW_CHARACTERS = 50_000

# What the trigger documents_tree calls its two rules.
TREE_RULES = ("documents_no_circle", "documents_depth")


@dataclass(frozen=True, kw_only=True)
class Written:
    """A document that an upsert made or changed."""

    id: UUID
    source_type: str
    external_id: str
    created: bool

    @property
    def key(self) -> DocumentKey:
        return DocumentKey(source_type=self.source_type, external_id=self.external_id)


@dataclass(frozen=True, kw_only=True)
class State:
    """A document and the version that it has."""

    id: UUID
    source_type: str
    external_id: str
    version: int

    @property
    def key(self) -> DocumentKey:
        return DocumentKey(source_type=self.source_type, external_id=self.external_id)


# Rows that are the same already are sorted out before they are inserted, which would lock them. Subqueries are
# answered row by row by an index; for joins, a planner that does not know yet how many documents there are reads all.
UPSERT = """
INSERT INTO documents AS d
    (tenant_id, source_type, external_id, parent_id, title, section, tags, content, content_type, language, url,
     metadata, content_hash)
SELECT %(tenant_id)s, r.source_type, r.external_id,
    (SELECT up.id FROM documents up WHERE up.tenant_id = %(tenant_id)s AND up.source_type = r.parent_source_type
        AND up.external_id = r.parent_external_id),
    r.title, r.section, r.tags, r.content, r.content_type,
    r.language, r.url, r.metadata, decode(r.content_hash, 'hex')
FROM jsonb_to_recordset(%(rows)s) AS r(source_type text, external_id text, title text, section text, tags text[],
    content text, content_type text, language text, url text, metadata jsonb, content_hash text,
    parent_source_type text, parent_external_id text)
WHERE (SELECT old.content_hash = decode(r.content_hash, 'hex') AND NOT old.is_deleted FROM documents old
    WHERE old.tenant_id = %(tenant_id)s AND old.source_type = r.source_type AND old.external_id = r.external_id)
    IS NOT TRUE
ORDER BY r.source_type, r.external_id
ON CONFLICT (tenant_id, source_type, external_id) DO UPDATE SET
    parent_id = excluded.parent_id, title = excluded.title, section = excluded.section, tags = excluded.tags,
    content = excluded.content,
    content_type = excluded.content_type, language = excluded.language, url = excluded.url,
    metadata = excluded.metadata, content_hash = excluded.content_hash, is_deleted = false
WHERE d.content_hash IS DISTINCT FROM excluded.content_hash OR d.is_deleted
RETURNING id, source_type, external_id, xmax = 0 AS created
"""


async def upsert(scope: TenantScope, drafts: Sequence[Draft]) -> list[Written]:
    """Returns what was made or changed; documents that are the same already are left alone.

    Two drafts of one call must not share a key, and parents must be stored. Raises `Invalid` when a document
    would stand below itself, or too deep.
    """
    async with scope.connection.cursor(row_factory=class_row(Written)) as cursor:
        rows = await _rows(drafts)
        try:
            await cursor.execute(UPSERT, {"tenant_id": scope.tenant_id, "rows": rows})
        except psycopg.errors.CheckViolation as error:
            if error.diag.constraint_name not in TREE_RULES:
                raise
            raise Invalid([Violation("parent_key", error.diag.message_primary or str(error))]) from error
        return await cursor.fetchall()


SELECT_LIVING = """
SELECT d.source_type, d.external_id
FROM jsonb_to_recordset(%(keys)s) AS k(source_type text, external_id text)
JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.source_type = k.source_type
    AND d.external_id = k.external_id AND NOT d.is_deleted
"""


async def living(scope: TenantScope, keys: Iterable[DocumentKey]) -> set[DocumentKey]:
    """Those of the keys that a document has."""
    async with scope.connection.cursor(row_factory=class_row(DocumentKey)) as cursor:
        await cursor.execute(
            SELECT_LIVING, {"tenant_id": scope.tenant_id, "keys": Jsonb([asdict(key) for key in keys])}
        )
        return set(await cursor.fetchall())


# Locked in the order in which upserts write, so that neither waits for the other in a circle.
LOCK_STATES = """
SELECT d.id, d.source_type, d.external_id, d.version
FROM jsonb_to_recordset(%(keys)s) AS k(source_type text, external_id text)
JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.source_type = k.source_type
    AND d.external_id = k.external_id AND NOT d.is_deleted
ORDER BY d.source_type, d.external_id FOR UPDATE OF d
"""


async def lock_states(scope: TenantScope, keys: Iterable[DocumentKey]) -> list[State]:
    """Of those of the keys that a document has; nobody changes these until the transaction ends."""
    named = Jsonb([asdict(key) for key in keys])
    async with scope.connection.cursor(row_factory=class_row(State)) as cursor:
        await cursor.execute(LOCK_STATES, {"tenant_id": scope.tenant_id, "keys": named})
        return await cursor.fetchall()


# The same lock that the trigger documents_tree takes; here it comes before any row is locked.
LOCK_TREE = "SELECT pg_advisory_xact_lock(6172637, hashtext(%(tenant_id)s::uuid::text))"


async def lock_tree(scope: TenantScope) -> None:
    """No other transaction gives a document of the tenant a parent until this one ends."""
    await scope.connection.execute(LOCK_TREE, {"tenant_id": scope.tenant_id})


SELECT = """
SELECT id, source_type, external_id, title, section, tags, content, content_type, language, url, metadata,
    content_hash, version, last_sync_at, last_sync_error, remote_status, remote_error, created_at, updated_at,
    (SELECT up.source_type FROM documents up
     WHERE up.tenant_id = d.tenant_id AND up.id = d.parent_id) AS parent_source_type,
    (SELECT up.external_id FROM documents up
     WHERE up.tenant_id = d.tenant_id AND up.id = d.parent_id) AS parent_external_id,
    CASE WHEN sync_status = 'pending' AND EXISTS (
        SELECT FROM document_sync_jobs j
        WHERE j.tenant_id = d.tenant_id AND j.document_id = d.id AND j.target = 'pgvector'
            AND j.status = 'processing')
    THEN 'processing' ELSE sync_status END AS sync_status,
    (SELECT count(*) FROM chunks c WHERE c.tenant_id = d.tenant_id AND c.document_id = d.id) AS chunk_count
FROM documents d
WHERE tenant_id = %(tenant_id)s AND NOT is_deleted
    AND (id = %(document_id)s OR (source_type, external_id) = (%(source_type)s, %(external_id)s))
"""


async def get(scope: TenantScope, selector: UUID | DocumentKey) -> StoredDocument | None:
    """None when there is no such document, or it is deleted."""
    async with scope.connection.cursor(row_factory=class_row(StoredDocument)) as cursor:
        await cursor.execute(SELECT, {"tenant_id": scope.tenant_id, **_selected(selector)})
        return await cursor.fetchone()


SELECT_PAGE = """
SELECT id, source_type, external_id, title, section, tags, '' AS content, content_type, language, url, metadata,
    content_hash, version, last_sync_at, last_sync_error, remote_status, remote_error, created_at, updated_at,
    status_now AS sync_status,
    (SELECT up.source_type FROM documents up
     WHERE up.tenant_id = p.tenant_id AND up.id = p.parent_id) AS parent_source_type,
    (SELECT up.external_id FROM documents up
     WHERE up.tenant_id = p.tenant_id AND up.id = p.parent_id) AS parent_external_id,
    (SELECT count(*) FROM chunks c WHERE c.tenant_id = p.tenant_id AND c.document_id = p.id) AS chunk_count
FROM (
    SELECT d.*, CASE WHEN d.sync_status = 'pending' AND EXISTS (
        SELECT FROM document_sync_jobs j
        WHERE j.tenant_id = d.tenant_id AND j.document_id = d.id AND j.target = 'pgvector'
            AND j.status = 'processing')
    THEN 'processing' ELSE d.sync_status END AS status_now
    FROM documents d
    WHERE d.tenant_id = %(tenant_id)s AND NOT d.is_deleted
        AND (d.created_at, d.id) > (%(after_time)s, %(after_id)s)
        AND (%(source_type)s = '' OR d.source_type = %(source_type)s)
) AS p
WHERE %(sync_status)s = '' OR status_now = %(sync_status)s
ORDER BY created_at, id LIMIT %(limit)s
"""


async def page(
    scope: TenantScope, *, after: tuple[datetime, UUID], source_type: str, sync_status: str, limit: int
) -> list[StoredDocument]:
    """Oldest first, after the given creation time and id, without contents; "" means any."""
    async with scope.connection.cursor(row_factory=class_row(StoredDocument)) as cursor:
        parameters = {
            "tenant_id": scope.tenant_id,
            "after_time": after[0],
            "after_id": after[1],
            "source_type": source_type,
            "sync_status": sync_status,
            "limit": limit,
        }
        await cursor.execute(SELECT_PAGE, parameters)
        return await cursor.fetchall()


DELETE = """
UPDATE documents SET is_deleted = true
WHERE tenant_id = %(tenant_id)s AND NOT is_deleted
    AND (id = %(document_id)s OR (source_type, external_id) = (%(source_type)s, %(external_id)s))
    AND (%(version)s::bigint IS NULL OR version = %(version)s)
"""


async def delete(scope: TenantScope, selector: UUID | DocumentKey, *, version: int | None = None) -> bool:
    """Marks the document deleted, which takes its chunks out of every search; False when there is none.

    With a version it must still be at it.
    """
    parameters = {"tenant_id": scope.tenant_id, "version": version, **_selected(selector)}
    cursor = await scope.connection.execute(DELETE, parameters)
    return cursor.rowcount > 0


LOCK = "SELECT FROM documents WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s FOR UPDATE"


async def lock(scope: TenantScope, document_id: UUID) -> None:
    """Nobody changes the document until the transaction ends; a change under way is waited for."""
    await scope.connection.execute(LOCK, {"tenant_id": scope.tenant_id, "document_id": document_id})


# Locked in the order in which upserts write, so that neither waits for the other in a circle.
TOUCH_ALL = """
WITH touched AS MATERIALIZED (
    SELECT tenant_id, id FROM documents WHERE tenant_id = %(tenant_id)s AND NOT is_deleted
    ORDER BY source_type, external_id FOR UPDATE
),
marked AS (
    UPDATE documents d SET sync_status = 'pending' FROM touched t
    WHERE d.tenant_id = t.tenant_id AND d.id = t.id
)
INSERT INTO document_sync_jobs (tenant_id, document_id, action)
SELECT tenant_id, id, 'upsert' FROM touched
ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending' DO NOTHING
"""


async def enqueue_all(scope: TenantScope) -> int:
    """Queues every document of the tenant for the index; returns how many were queued."""
    cursor = await scope.connection.execute(TOUCH_ALL, {"tenant_id": scope.tenant_id})
    return cursor.rowcount


COUNT_BY_STATUS = """
SELECT CASE WHEN sync_status = 'pending' AND EXISTS (
        SELECT FROM document_sync_jobs j
        WHERE j.tenant_id = d.tenant_id AND j.document_id = d.id AND j.target = 'pgvector'
            AND j.status = 'processing')
    THEN 'processing' ELSE sync_status END AS status, count(*)
FROM documents d WHERE tenant_id = %(tenant_id)s AND NOT is_deleted GROUP BY 1
"""


async def count_by_status(scope: TenantScope) -> dict[str, int]:
    """How many documents are pending, processing, synced and error; statuses without any are missing."""
    cursor = await scope.connection.execute(COUNT_BY_STATUS, {"tenant_id": scope.tenant_id})
    return dict(await cursor.fetchall())


def _selected(selector: UUID | DocumentKey) -> dict[str, Any]:
    if isinstance(selector, UUID):
        return {"document_id": selector, "source_type": None, "external_id": None}
    return {"document_id": None, "source_type": selector.source_type, "external_id": selector.external_id}


async def _rows(drafts: Sequence[Draft]) -> Jsonb:
    """Hashing and packing long contents would keep the event loop from everybody else."""
    return await asyncio.to_thread(_packed, drafts) if are_long(drafts) else _packed(drafts)


def are_long(drafts: Iterable[Draft]) -> bool:
    """Whether hashing them is work for a thread."""
    return sum(len(draft.content) for draft in drafts) >= SLOW_CHARACTERS


def _packed(drafts: Sequence[Draft]) -> Jsonb:
    # A document at a time: others have their turn between one and the next.
    rows = ",".join(exact_json.dumps_stored(_row(draft)) for draft in drafts)
    return Jsonb(f"[{rows}]", dumps=str)


def _row(draft: Draft) -> dict[str, Any]:
    return {
        "source_type": draft.source_type,
        "external_id": draft.external_id,
        "title": draft.title,
        "section": draft.section,
        "tags": list(draft.tags),
        "content": draft.content,
        "content_type": draft.content_type,
        "language": draft.language,
        "url": draft.url,
        "metadata": dict(draft.metadata),
        "content_hash": content_hash(draft).hex(),
        "parent_source_type": draft.parent_key and draft.parent_key.source_type,
        "parent_external_id": draft.parent_key and draft.parent_key.external_id,
    }
