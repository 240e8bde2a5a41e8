"""Vectors of chunks in one embedding space: which there are, which are missing, and writing them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from pgvector import HalfVector
from psycopg import sql
from psycopg.rows import class_row, scalar_row

from retrieval_service.domain.indexing.spaces import Vector
from retrieval_service.stores.database import TenantScope, only
from retrieval_service.stores.tenants.spaces import vectors_table

ROWS_AT_A_TIME = 128
ROWS_READ_AT_A_TIME = 500

SELECT_HELD = """
SELECT c.id FROM chunks c JOIN {vectors} v ON v.tenant_id = c.tenant_id AND v.chunk_id = c.id
WHERE c.tenant_id = %(tenant_id)s AND c.document_id = ANY(%(document_ids)s)
"""


async def held(scope: TenantScope, space_id: int, document_ids: Sequence[UUID]) -> frozenset[UUID]:
    """The documents' chunks that have a vector in the space."""
    async with scope.connection.cursor(row_factory=scalar_row) as cursor:
        statement = sql.SQL(SELECT_HELD).format(vectors=vectors_table(space_id))
        parameters = {"tenant_id": scope.tenant_id, "document_ids": list(document_ids)}
        await cursor.execute(statement, parameters)
        return frozenset(await cursor.fetchall())


INSERT = """
INSERT INTO {vectors} (tenant_id, chunk_id, embedding) VALUES (%(tenant_id)s, %(id)s, %(embedding)b)
ON CONFLICT (tenant_id, chunk_id) DO UPDATE SET embedding = excluded.embedding
"""


async def insert(scope: TenantScope, space_id: int, vectors: Mapping[UUID, Vector]) -> None:
    """For chunks that this transaction wrote or has locked with their document."""
    await _write(scope, space_id, INSERT, vectors)


REMOVE = "DELETE FROM {vectors} WHERE tenant_id = %(tenant_id)s AND chunk_id = ANY(%(ids)s)"


async def remove(scope: TenantScope, space_id: int, chunk_ids: Sequence[UUID]) -> None:
    if chunk_ids:
        statement = sql.SQL(REMOVE).format(vectors=vectors_table(space_id))
        await scope.connection.execute(statement, {"tenant_id": scope.tenant_id, "ids": list(chunk_ids)})


# A chunk that somebody is deleting is passed over: waiting for him could make him wait for us.
FILL = """
INSERT INTO {vectors} (tenant_id, chunk_id, embedding)
SELECT tenant_id, id, %(embedding)b FROM chunks WHERE tenant_id = %(tenant_id)s AND id = %(id)s
FOR KEY SHARE SKIP LOCKED
ON CONFLICT (tenant_id, chunk_id) DO NOTHING
"""
COUNT_MISSED = """
SELECT count(*) FROM chunks c
WHERE c.tenant_id = %(tenant_id)s AND c.id = ANY(%(ids)s) AND NOT EXISTS (
    SELECT FROM {vectors} v WHERE v.tenant_id = c.tenant_id AND v.chunk_id = c.id)
"""


async def fill(scope: TenantScope, space_id: int, vectors: Mapping[UUID, Vector]) -> int:
    """Adds vectors to chunks that still exist; returns how many of them have none yet all the same."""
    await _write(scope, space_id, FILL, vectors)
    statement = sql.SQL(COUNT_MISSED).format(vectors=vectors_table(space_id))
    parameters = {"tenant_id": scope.tenant_id, "ids": list(vectors)}
    cursor = await scope.connection.execute(statement, parameters)
    return only(await cursor.fetchone())[0]


@dataclass(frozen=True, kw_only=True)
class Walked:
    """A chunk of a document that a walk comes by; without `chunk_id` the document has none."""

    document_id: UUID
    title: str
    chunk_id: UUID | None
    heading: str | None
    text: str | None
    has_vector: bool


# As many documents as are small together: whoever reads a large one reads no other.
SELECT_WALKED = """
WITH following AS (
    SELECT tenant_id, id, title, octet_length(content) AS size FROM documents
    WHERE tenant_id = %(tenant_id)s AND id > %(after)s ORDER BY id LIMIT %(limit)s
),
measured AS (
    SELECT tenant_id, id, title, sum(size) OVER (ORDER BY id) - size AS bytes_before FROM following
),
walked AS MATERIALIZED (SELECT tenant_id, id, title FROM measured WHERE bytes_before < %(max_bytes)s)
SELECT w.id AS document_id, w.title, c.id AS chunk_id, c.heading, c.text,
    v.chunk_id IS NOT NULL AS has_vector
FROM walked w LEFT JOIN chunks c ON c.tenant_id = w.tenant_id AND c.document_id = w.id
    LEFT JOIN {vectors} v ON v.tenant_id = c.tenant_id AND v.chunk_id = c.id
ORDER BY w.id, c.chunk_index
"""


async def walk(scope: TenantScope, space_id: int, *, after: UUID, limit: int, max_bytes: int) -> list[Walked]:
    """The chunks of the next documents by id: so many, and of so much content, or one document."""
    found: list[Walked] = []
    async with scope.connection.cursor(row_factory=class_row(Walked)) as cursor:
        statement = sql.SQL(SELECT_WALKED).format(vectors=vectors_table(space_id))
        parameters = {"tenant_id": scope.tenant_id, "after": after, "limit": limit, "max_bytes": max_bytes}
        await cursor.execute(statement, parameters)
        while rows := await cursor.fetchmany(ROWS_READ_AT_A_TIME):
            found += rows
            await asyncio.sleep(0)  # others come between
    return found


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Chunks without a vector in a space, and about how many bytes they would be embedded from."""

    chunk_count: int
    byte_count: int


COUNT_MISSING = """
SELECT count(*) AS chunk_count,
    coalesce(sum(octet_length(d.title) + octet_length(c.heading) + octet_length(c.text) + 2), 0)::bigint
        AS byte_count
FROM chunks c JOIN documents d ON d.tenant_id = c.tenant_id AND d.id = c.document_id
WHERE c.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM {vectors} v WHERE v.tenant_id = c.tenant_id AND v.chunk_id = c.id)
"""


async def missing(scope: TenantScope, space_id: int) -> Missing:
    async with scope.connection.cursor(row_factory=class_row(Missing)) as cursor:
        statement = sql.SQL(COUNT_MISSING).format(vectors=vectors_table(space_id))
        await cursor.execute(statement, {"tenant_id": scope.tenant_id})
        return only(await cursor.fetchone())


# The sum keeps an approximate index out of it.
SELECT_NEAREST = """
SELECT chunk_id FROM {vectors} WHERE tenant_id = %(tenant_id)s
ORDER BY (embedding <=> %(vector)s) + 0 LIMIT %(limit)s
"""


async def nearest(scope: TenantScope, space_id: int, vector: Vector, *, limit: int) -> set[UUID]:
    """The true neighbours: every vector of the tenant is looked at."""
    async with scope.connection.cursor(row_factory=scalar_row) as cursor:
        statement = sql.SQL(SELECT_NEAREST).format(vectors=vectors_table(space_id))
        parameters = {"tenant_id": scope.tenant_id, "vector": HalfVector(vector), "limit": limit}
        await cursor.execute(statement, parameters)
        return set(await cursor.fetchall())


DELETE = """
DELETE FROM {vectors} WHERE tenant_id = %(tenant_id)s AND chunk_id IN (
    SELECT chunk_id FROM {vectors} WHERE tenant_id = %(tenant_id)s LIMIT %(limit)s)
"""


async def delete(scope: TenantScope, space_id: int, *, limit: int) -> int:
    """Removes some of the tenant's vectors; returns how many."""
    statement = sql.SQL(DELETE).format(vectors=vectors_table(space_id))
    cursor = await scope.connection.execute(statement, {"tenant_id": scope.tenant_id, "limit": limit})
    return cursor.rowcount


SELECT_QUESTIONS = """
WITH asked AS (
    SELECT question AS text, max(created_at) AS asked_at FROM chat_logs
    WHERE tenant_id = %(tenant_id)s AND btrim(question) <> '' GROUP BY question
    ORDER BY asked_at DESC LIMIT %(limit)s
),
titled AS (
    SELECT coalesce(nullif(btrim(title), ''), left(content, 100)) AS text FROM documents
    WHERE tenant_id = %(tenant_id)s AND NOT is_deleted AND btrim(content) <> '' ORDER BY id LIMIT %(limit)s
)
SELECT text FROM (SELECT text, 0 AS place FROM asked UNION ALL SELECT text, 1 FROM titled) AS questions
ORDER BY place LIMIT %(limit)s
"""


async def questions(scope: TenantScope, *, limit: int) -> list[str]:
    """What was asked last, filled up with titles and beginnings of documents."""
    async with scope.connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(SELECT_QUESTIONS, {"tenant_id": scope.tenant_id, "limit": limit})
        return await cursor.fetchall()


async def _write(
    scope: TenantScope, space_id: int, statement: LiteralString, vectors: Mapping[UUID, Vector]
) -> None:
    """Portion by portion: making the rows takes the event loop's time, which others need too."""
    ordered = sorted(vectors.items())
    async with scope.connection.cursor() as cursor:
        for start in range(0, len(ordered), ROWS_AT_A_TIME):
            rows = [
                {"tenant_id": scope.tenant_id, "id": chunk_id, "embedding": HalfVector(vector)}
                for chunk_id, vector in ordered[start : start + ROWS_AT_A_TIME]
            ]
            await cursor.executemany(sql.SQL(statement).format(vectors=vectors_table(space_id)), rows)
