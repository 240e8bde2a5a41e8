"""Snapshots of searches: one for each reader, found by id or by the hash of a token, gone when they expire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.domain.summaries.snapshots import NewSnapshot, Snapshot, SnapshotHit
from retrieval_service.stores.database import TenantScope

# Two snapshots of one reader come one after the other; the later one stays.
LOCK_READER = "SELECT pg_advisory_xact_lock(hashtextextended(%(tenant_id)s::uuid::text || %(reader_key)s, 8))"
DELETE_FORMER = "DELETE FROM snapshots WHERE tenant_id = %(tenant_id)s AND reader_key = %(reader_key)s"
INSERT = """
INSERT INTO snapshots (tenant_id, id, reader_key, token_hash, query, language, summary, summarizer, hit_count,
    expires_at)
VALUES (%(tenant_id)s, %(id)s, %(reader_key)s, %(token_hash)s, %(query)s, %(language)s, %(summary)s,
    %(summarizer)s, %(hit_count)s, now() + make_interval(days => %(valid_days)s))
"""
# A document may have gone since it was found.
INSERT_HIT = """
INSERT INTO snapshot_hits (tenant_id, snapshot_id, number, document_id, chunk_id, source_type, external_id, title,
    section, url, snippet, score)
SELECT %(tenant_id)s, %(snapshot_id)s, %(number)s, id, %(chunk_id)s, %(source_type)s, %(external_id)s, %(title)s,
    %(section)s, %(url)s, %(snippet)s, %(score)s
FROM documents WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s AND NOT is_deleted
FOR KEY SHARE
"""
# What a summary says of a document that has gone must go too; a deleted one may still come back.
FORGET_UNFOUNDED = """
UPDATE snapshots s SET summary = ''
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND hit_count > (
    SELECT count(*) FROM snapshot_hits h WHERE h.tenant_id = s.tenant_id AND h.snapshot_id = s.id
)
"""


async def replace(scope: TenantScope, snapshot: NewSnapshot, hits: Sequence[SnapshotHit]) -> None:
    """Puts it in the place of the reader's former one."""
    reader = {"tenant_id": scope.tenant_id, "reader_key": snapshot.reader_key}
    await scope.connection.execute(LOCK_READER, reader)
    await scope.connection.execute(DELETE_FORMER, reader)
    values = {**asdict(snapshot), "tenant_id": scope.tenant_id, "hit_count": len(hits)}
    await scope.connection.execute(INSERT, values)
    rows = [{**asdict(hit), "tenant_id": scope.tenant_id, "snapshot_id": snapshot.id} for hit in hits]
    async with scope.connection.cursor() as cursor:
        await cursor.executemany(INSERT_HIT, rows)
    await scope.connection.execute(FORGET_UNFOUNDED, {"tenant_id": scope.tenant_id, "id": snapshot.id})


SELECT = """
SELECT s.id, s.query, s.language, s.summarizer, s.created_at, s.expires_at,
    CASE WHEN s.hit_count = (
        SELECT count(*) FROM snapshot_hits h
        JOIN documents d ON d.tenant_id = h.tenant_id AND d.id = h.document_id AND NOT d.is_deleted
        WHERE h.tenant_id = s.tenant_id AND h.snapshot_id = s.id
    ) THEN s.summary ELSE '' END AS summary
FROM snapshots s
WHERE s.tenant_id = %(tenant_id)s AND s.id = %(snapshot_id)s AND s.expires_at > now()
"""


async def get(scope: TenantScope, snapshot_id: UUID) -> Snapshot | None:
    """Only one that has not expired; its summary is "" as soon as one of its documents has gone."""
    async with scope.connection.cursor(row_factory=class_row(Snapshot)) as cursor:
        await cursor.execute(SELECT, {"tenant_id": scope.tenant_id, "snapshot_id": snapshot_id})
        return await cursor.fetchone()


SELECT_HITS = """
SELECT h.number, h.document_id, h.chunk_id, h.source_type, h.external_id, h.title, h.section, h.url, h.snippet,
    h.score
FROM snapshot_hits h
JOIN documents d ON d.tenant_id = h.tenant_id AND d.id = h.document_id AND NOT d.is_deleted
WHERE h.tenant_id = %(tenant_id)s AND h.snapshot_id = %(snapshot_id)s
ORDER BY h.number
"""


async def hits(scope: TenantScope, snapshot_id: UUID) -> list[SnapshotHit]:
    """Those whose documents are still there."""
    async with scope.connection.cursor(row_factory=class_row(SnapshotHit)) as cursor:
        await cursor.execute(SELECT_HITS, {"tenant_id": scope.tenant_id, "snapshot_id": snapshot_id})
        return await cursor.fetchall()


DELETE = (
    "DELETE FROM snapshots WHERE tenant_id = %(tenant_id)s AND id = %(snapshot_id)s AND expires_at > now()"
)


async def delete(scope: TenantScope, snapshot_id: UUID) -> bool:
    """False when there is none, or none any more."""
    parameters = {"tenant_id": scope.tenant_id, "snapshot_id": snapshot_id}
    cursor = await scope.connection.execute(DELETE, parameters)
    return cursor.rowcount > 0


FORGET_SUMMARIES = """
UPDATE snapshots SET summary = ''
WHERE tenant_id = %(tenant_id)s AND id IN (
    SELECT snapshot_id FROM snapshot_hits
    WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(document_ids)s)
)
"""


async def forget_summaries(scope: TenantScope, document_ids: Sequence[UUID]) -> None:
    """Of all snapshots that were made of these documents too; their other hits stay."""
    parameters = {"tenant_id": scope.tenant_id, "document_ids": list(document_ids)}
    await scope.connection.execute(FORGET_SUMMARIES, parameters)


SELECT_OWNER = """
SELECT s.tenant_id, s.id FROM snapshots s JOIN tenants t ON t.id = s.tenant_id
WHERE s.token_hash = %(token_hash)s AND s.expires_at > now() AND t.deleted_at IS NULL
"""


async def owner_of(operator: AsyncConnection, token_hash: bytes) -> tuple[UUID, UUID] | None:
    """The tenant and the id of the snapshot that the token opens."""
    cursor = await operator.execute(SELECT_OWNER, {"token_hash": token_hash})
    return await cursor.fetchone()


PRUNE = "DELETE FROM snapshots WHERE expires_at <= now()"


async def prune(operator: AsyncConnection) -> int:
    """How many had expired."""
    cursor = await operator.execute(PRUNE)
    return cursor.rowcount
