"""Chunks of documents with their terms and vectors; a document's index changes as a whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from pgvector import SparseVector as PgSparseVector
from psycopg.rows import class_row

from retrieval_service.domain.lexical import SparseVector, Terms
from retrieval_service.stores.database import TenantScope, only

TERM_DIMENSIONS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Source:
    """What an index is made from, at one version of the document.

    `ancestors` are the titles of the documents above it, root first, without those that are deleted.
    """

    id: UUID
    version: int
    title: str
    content: str
    content_type: str
    language: str
    is_deleted: bool
    ancestors: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class StoredChunk:
    """A chunk in the index."""

    id: UUID
    chunk_index: int
    chunk_hash: bytes
    text: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a chunk stands in its document: code points, end exclusive."""

    index: int
    heading: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class NewChunk:
    """A chunk to add."""

    id: UUID
    place: Place
    text: str
    chunk_hash: bytes
    language: str
    terms: Terms


@dataclass(frozen=True, kw_only=True)
class KeptChunk:
    """A chunk that stays under its id."""

    id: UUID
    place: Place


@dataclass(frozen=True, kw_only=True)
class Change:
    """Everything that turns a document's index into that of one version."""

    document_id: UUID
    version: int
    added: Sequence[NewChunk] = field(default=())
    kept: Sequence[KeptChunk] = field(default=())
    removed: Sequence[UUID] = field(default=())


SELECT_SOURCES = """
WITH RECURSIVE above AS (
    SELECT d.id AS document_id, p.parent_id, p.title, p.is_deleted, 1 AS distance
    FROM documents d JOIN documents p ON p.tenant_id = d.tenant_id AND p.id = d.parent_id
    WHERE d.tenant_id = %(tenant_id)s AND d.id = ANY(%(ids)s)
    UNION ALL
    SELECT above.document_id, p.parent_id, p.title, p.is_deleted, above.distance + 1
    FROM above JOIN documents p ON p.tenant_id = %(tenant_id)s AND p.id = above.parent_id
    WHERE above.distance < 64
)
SELECT id, version, title, content, content_type, language, is_deleted,
    ARRAY(SELECT above.title FROM above WHERE above.document_id = d.id AND NOT above.is_deleted
          ORDER BY above.distance DESC) AS ancestors
FROM documents d WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
"""


async def sources(scope: TenantScope, ids: Sequence[UUID]) -> list[Source]:
    """The documents that exist, deleted ones included, in no order."""
    async with scope.connection.cursor(row_factory=class_row(Source)) as cursor:
        await cursor.execute(SELECT_SOURCES, {"tenant_id": scope.tenant_id, "ids": list(ids)})
        return await cursor.fetchall()


SELECT_CHUNKS = """
SELECT id, chunk_index, chunk_hash, text FROM chunks
WHERE tenant_id = %(tenant_id)s AND document_id = %(document_id)s ORDER BY chunk_index
"""


async def of_document(scope: TenantScope, document_id: UUID) -> list[StoredChunk]:
    async with scope.connection.cursor(row_factory=class_row(StoredChunk)) as cursor:
        await cursor.execute(SELECT_CHUNKS, {"tenant_id": scope.tenant_id, "document_id": document_id})
        return await cursor.fetchall()


LOCK_DOCUMENT = """
SELECT FROM documents
WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s AND version = %(version)s FOR UPDATE
"""

DELETE_CHUNKS = """
DELETE FROM chunks WHERE tenant_id = %(tenant_id)s AND document_id = %(document_id)s AND id = ANY(%(ids)s)
"""

MOVE_CHUNK = """
UPDATE chunks SET chunk_index = %(index)s, heading = %(heading)s, start_offset = %(start)s, end_offset = %(end)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
    AND (chunk_index, heading, start_offset, end_offset)
        IS DISTINCT FROM (%(index)s, %(heading)s, %(start)s, %(end)s)
"""

INSERT_CHUNK = """
INSERT INTO chunks
    (tenant_id, id, document_id, chunk_index, text, heading, start_offset, end_offset, chunk_hash, language)
VALUES (%(tenant_id)s, %(id)s, %(document_id)s, %(index)s, %(text)s, %(heading)s, %(start)s, %(end)s,
        %(chunk_hash)s, %(language)s)
"""

INSERT_TERMS = """
INSERT INTO chunk_terms (tenant_id, chunk_id, language, stem_ids, stems, grams)
VALUES (%(tenant_id)s, %(id)s, %(language)s, %(stem_ids)b, %(stems)b, %(grams)b)
"""

# A title above may have changed meanwhile: then a job waits for the document, which is still behind.
MARK_SYNCED = """
UPDATE documents d SET last_sync_at = now(), last_sync_error = '', sync_status = CASE WHEN EXISTS (
        SELECT FROM document_sync_jobs j WHERE j.tenant_id = d.tenant_id AND j.document_id = d.id
            AND j.target = 'pgvector' AND j.status = 'pending')
    THEN 'pending' ELSE 'synced' END
WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s
"""


async def apply(scope: TenantScope, change: Change) -> bool:
    """Writes the change and marks the document synced; False, with nothing written, when a newer version came."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "document_id": change.document_id,
        "version": change.version,
        "ids": list(change.removed),
    }
    cursor = await scope.connection.execute(LOCK_DOCUMENT, parameters)
    if await cursor.fetchone() is None:
        return False
    if change.removed:
        await scope.connection.execute(DELETE_CHUNKS, parameters)
    await _move(scope, change)
    await _add(scope, change)
    await scope.connection.execute(MARK_SYNCED, parameters)
    return True


async def _move(scope: TenantScope, change: Change) -> None:
    rows = [{"tenant_id": scope.tenant_id, "id": kept.id, **_place(kept.place)} for kept in change.kept]
    if rows:
        async with scope.connection.cursor() as cursor:
            await cursor.executemany(MOVE_CHUNK, rows)


async def _add(scope: TenantScope, change: Change) -> None:
    if not change.added:
        return
    rows = [
        {
            "tenant_id": scope.tenant_id,
            "id": chunk.id,
            "document_id": change.document_id,
            "text": chunk.text,
            "chunk_hash": chunk.chunk_hash,
            "language": chunk.language,
            "stem_ids": chunk.terms.stems.indices.tolist(),
            "stems": sparse(chunk.terms.stems),
            "grams": sparse(chunk.terms.grams),
            **_place(chunk.place),
        }
        for chunk in change.added
    ]
    async with scope.connection.cursor() as cursor:
        await cursor.executemany(INSERT_CHUNK, rows)
        await cursor.executemany(INSERT_TERMS, rows)


MARK_FAILED = """
UPDATE documents SET sync_status = 'error', last_sync_error = %(error)s
WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s AND NOT is_deleted
"""


async def mark_failed(scope: TenantScope, document_id: UUID, error: str) -> None:
    """Every attempt failed; what was indexed before stays."""
    parameters = {"tenant_id": scope.tenant_id, "document_id": document_id, "error": error}
    await scope.connection.execute(MARK_FAILED, parameters)


# Locked first, so that an upsert which takes the delete back waits, and then finds no chunks to keep.
REMOVE_STALE = """
WITH stale AS MATERIALIZED (
    SELECT d.tenant_id, d.id FROM documents d
    WHERE d.tenant_id = %(tenant_id)s AND d.is_deleted AND EXISTS (
        SELECT FROM chunks c WHERE c.tenant_id = d.tenant_id AND c.document_id = d.id)
    ORDER BY d.source_type, d.external_id FOR UPDATE OF d
),
removed AS (
    DELETE FROM chunks c USING stale WHERE c.tenant_id = stale.tenant_id AND c.document_id = stale.id
    RETURNING c.document_id
)
SELECT count(DISTINCT document_id) FROM removed
"""


async def remove_stale(scope: TenantScope) -> int:
    """Removes the chunks of deleted documents, with terms and vectors; returns how many documents had some."""
    cursor = await scope.connection.execute(REMOVE_STALE, {"tenant_id": scope.tenant_id})
    return only(await cursor.fetchone())[0]


COUNT = "SELECT count(*) FROM chunks WHERE tenant_id = %(tenant_id)s"


async def count(scope: TenantScope) -> int:
    cursor = await scope.connection.execute(COUNT, {"tenant_id": scope.tenant_id})
    return only(await cursor.fetchone())[0]


def _place(place: Place) -> dict[str, int | str]:
    return {"index": place.index, "heading": place.heading, "start": place.start, "end": place.end}


def sparse(vector: SparseVector) -> PgSparseVector:
    """The form psycopg sends in binary."""
    pairs = zip(vector.indices.tolist(), vector.values.tolist(), strict=True)
    return PgSparseVector(dict(pairs), TERM_DIMENSIONS)
