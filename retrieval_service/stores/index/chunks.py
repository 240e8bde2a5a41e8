"""Chunks of documents with their terms and vectors; a document's index changes as a whole or not at all."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from pgvector import SparseVector as PgSparseVector
from psycopg.rows import class_row, scalar_row

from retrieval_service.domain.indexing.lexical import SparseVector, Terms
from retrieval_service.stores.database import TenantScope, only

TERM_DIMENSIONS = 1_000_000_000
ROWS_AT_A_TIME = 16
ROWS_READ_AT_A_TIME = 500


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
SELECT document_id, id, chunk_index, chunk_hash, text FROM chunks
WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(ids)s) ORDER BY document_id, chunk_index
"""


async def of_documents(scope: TenantScope, ids: Sequence[UUID]) -> dict[UUID, list[StoredChunk]]:
    """By document, in order; documents without chunks are missing."""
    cursor = await scope.connection.execute(SELECT_CHUNKS, {"tenant_id": scope.tenant_id, "ids": list(ids)})
    found: defaultdict[UUID, list[StoredChunk]] = defaultdict(list)
    while rows := await cursor.fetchmany(ROWS_READ_AT_A_TIME):
        for document_id, chunk_id, index, digest, text in rows:
            found[document_id].append(
                StoredChunk(id=chunk_id, chunk_index=index, chunk_hash=digest, text=text)
            )
        await asyncio.sleep(0)  # others come between
    return dict(found)


LOCK_VERSIONS = """
SELECT d.id FROM documents d
JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS seen (id, version)
    ON d.id = seen.id AND d.version = seen.version
WHERE d.tenant_id = %(tenant_id)s FOR UPDATE OF d
"""

DELETE_CHUNKS = """
DELETE FROM chunks WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(document_ids)s) AND id = ANY(%(ids)s)
"""

MOVE_CHUNKS = """
UPDATE chunks c SET chunk_index = kept.chunk_index, heading = kept.heading,
    start_offset = kept.start_offset, end_offset = kept.end_offset
FROM unnest(%(ids)s::uuid[], %(indexes)s::int[], %(headings)s::text[], %(starts)s::int[], %(ends)s::int[])
    AS kept (id, chunk_index, heading, start_offset, end_offset)
WHERE c.tenant_id = %(tenant_id)s AND c.id = kept.id
    AND (c.chunk_index, c.heading, c.start_offset, c.end_offset)
        IS DISTINCT FROM (kept.chunk_index, kept.heading, kept.start_offset, kept.end_offset)
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
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
"""


async def apply(scope: TenantScope, changes: Sequence[Change]) -> frozenset[UUID]:
    """Writes the changes and marks their documents synced; returns these documents.

    Of a document whose newer version came, nothing is written. Several documents must be locked already.
    """
    found = await _lock_versions(scope, changes)
    current = [change for change in changes if change.document_id in found]
    if current:
        await _remove(scope, current)
        await _move(scope, [kept for change in current for kept in change.kept])
        await _add(scope, current)
        await scope.connection.execute(MARK_SYNCED, {"tenant_id": scope.tenant_id, "ids": list(found)})
    return found


async def _lock_versions(scope: TenantScope, changes: Sequence[Change]) -> frozenset[UUID]:
    """The documents that still have the version which was read."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "ids": [change.document_id for change in changes],
        "versions": [change.version for change in changes],
    }
    async with scope.connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(LOCK_VERSIONS, parameters)
        return frozenset(await cursor.fetchall())


async def _remove(scope: TenantScope, changes: Sequence[Change]) -> None:
    removing = [change for change in changes if change.removed]
    if not removing:
        return
    parameters = {
        "tenant_id": scope.tenant_id,
        "document_ids": [change.document_id for change in removing],
        "ids": [chunk_id for change in removing for chunk_id in change.removed],
    }
    await scope.connection.execute(DELETE_CHUNKS, parameters)


async def _move(scope: TenantScope, kept: Sequence[KeptChunk]) -> None:
    """Writes only the chunks that stand elsewhere now."""
    if not kept:
        return
    parameters = {
        "tenant_id": scope.tenant_id,
        "ids": [chunk.id for chunk in kept],
        "indexes": [chunk.place.index for chunk in kept],
        "headings": [chunk.place.heading for chunk in kept],
        "starts": [chunk.place.start for chunk in kept],
        "ends": [chunk.place.end for chunk in kept],
    }
    await scope.connection.execute(MOVE_CHUNKS, parameters)


async def _add(scope: TenantScope, changes: Sequence[Change]) -> None:
    """Portion by portion: making the rows takes the event loop's time, which others need too."""
    added = [(change.document_id, chunk) for change in changes for chunk in change.added]
    async with scope.connection.cursor() as cursor:
        for start in range(0, len(added), ROWS_AT_A_TIME):
            rows = [
                {"tenant_id": scope.tenant_id, "document_id": document_id, **_row(chunk)}
                for document_id, chunk in added[start : start + ROWS_AT_A_TIME]
            ]
            await cursor.executemany(INSERT_CHUNK, rows)
            await cursor.executemany(INSERT_TERMS, rows)


def _row(chunk: NewChunk) -> dict[str, object]:
    place = chunk.place
    return {
        "id": chunk.id,
        "index": place.index,
        "heading": place.heading,
        "start": place.start,
        "end": place.end,
        "text": chunk.text,
        "chunk_hash": chunk.chunk_hash,
        "language": chunk.language,
        "stem_ids": chunk.terms.stems.indices.tolist(),
        "stems": sparse(chunk.terms.stems),
        "grams": sparse(chunk.terms.grams),
    }


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


def sparse(vector: SparseVector) -> PgSparseVector:
    """The form psycopg sends in binary."""
    pairs = zip(vector.indices.tolist(), vector.values.tolist(), strict=True)
    return PgSparseVector(dict(pairs), TERM_DIMENSIONS)
