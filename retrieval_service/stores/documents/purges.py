"""Removes every trace of documents from every table that names them, also from tables younger than this module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg import sql

from retrieval_service.stores.chats import snapshots
from retrieval_service.stores.database import TenantScope, only


@dataclass(frozen=True, kw_only=True)
class Traces:
    """The documents, and their chunks at the moment they were locked."""

    document_ids: Sequence[UUID]
    chunk_ids: Sequence[UUID]


@dataclass(frozen=True, kw_only=True)
class _Table:
    name: str
    column: str
    ids: list[UUID]


LOCK_JOBS = """
WITH locked AS MATERIALIZED (
    SELECT id FROM document_sync_jobs WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(ids)s)
    FOR UPDATE SKIP LOCKED
)
SELECT count(*) = (SELECT count(*) FROM locked) FROM document_sync_jobs
WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(ids)s)
"""


async def lock_jobs(scope: TenantScope, document_ids: Sequence[UUID]) -> bool:
    """False when a worker is just ending one: to wait for it with locked documents could be to wait in a circle."""
    parameters = {"tenant_id": scope.tenant_id, "ids": list(document_ids)}
    return only(await (await scope.connection.execute(LOCK_JOBS, parameters)).fetchone())[0]


SELECT_CHUNK_IDS = "SELECT id FROM chunks WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(ids)s)"


async def traces(scope: TenantScope, document_ids: Sequence[UUID]) -> Traces:
    """The documents must be locked, so that no worker adds chunks meanwhile."""
    parameters = {"tenant_id": scope.tenant_id, "ids": list(document_ids)}
    cursor = await scope.connection.execute(SELECT_CHUNK_IDS, parameters)
    return Traces(document_ids=document_ids, chunk_ids=[row[0] for row in await cursor.fetchall()])


DELETE = "DELETE FROM {table} WHERE tenant_id = %(tenant_id)s AND {column} = ANY(%(ids)s)"


async def remove(scope: TenantScope, found: Traces) -> dict[str, int]:
    """How many rows went, by table; what hangs on other rows goes first, so that all of it is counted."""
    # Their hits alone tell which summaries were made of them.
    await snapshots.forget_summaries(scope, found.document_ids)
    removed: Counter[str] = Counter()
    for table in await _tables(scope, found):
        removed[table.name] += await _run(scope, DELETE, table)
    removed[ANSWERS] = await _forget_fragments(scope, found.document_ids)
    # Deleting a document queues that it is gone, which nobody needs to be told of any more.
    await _run(
        scope, DELETE, _Table(name="document_sync_jobs", column="document_id", ids=[*found.document_ids])
    )
    return removed


COUNT = """
SELECT count(*) FROM {table} WHERE tenant_id = %(tenant_id)s AND {column} = ANY(%(ids)s)
"""


async def remaining(scope: TenantScope, found: Traces) -> dict[str, int]:
    """How many rows still name them, by table."""
    counts: Counter[str] = Counter()
    for table in await _tables(scope, found):
        cursor = await scope.connection.execute(*_statement(scope, COUNT, table))
        counts[table.name] += only(await cursor.fetchone())[0]
    counts[ANSWERS] += await _count_fragments(scope, found.document_ids)
    return counts


ANSWERS = "chat_logs"

# What was answered stays, for it was said; the fragments that it was made from go, and with them the citations.
FORGET_FRAGMENTS = """
UPDATE chat_logs SET context = coalesce((
        SELECT jsonb_agg(one ORDER BY place) FROM jsonb_array_elements(context) WITH ORDINALITY AS kept (one, place)
        WHERE one ->> 'document_id' <> ALL(%(ids)s)), '[]')
WHERE tenant_id = %(tenant_id)s AND EXISTS (
    SELECT FROM jsonb_array_elements(context) AS one WHERE one ->> 'document_id' = ANY(%(ids)s))
"""


async def _forget_fragments(scope: TenantScope, document_ids: Sequence[UUID]) -> int:
    """In how many answers."""
    cursor = await scope.connection.execute(FORGET_FRAGMENTS, _fragments(scope, document_ids))
    return cursor.rowcount


COUNT_FRAGMENTS = """
SELECT count(*) FROM chat_logs WHERE tenant_id = %(tenant_id)s AND EXISTS (
    SELECT FROM jsonb_array_elements(context) AS one WHERE one ->> 'document_id' = ANY(%(ids)s))
"""


async def _count_fragments(scope: TenantScope, document_ids: Sequence[UUID]) -> int:
    cursor = await scope.connection.execute(COUNT_FRAGMENTS, _fragments(scope, document_ids))
    return only(await cursor.fetchone())[0]


def _fragments(scope: TenantScope, document_ids: Sequence[UUID]) -> dict[str, object]:
    return {"tenant_id": scope.tenant_id, "ids": [str(one) for one in document_ids]}


# First what hangs on chunks, then what hangs on documents.
SELECT_TABLES = """
SELECT c.relname, a.attname
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id'
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attname IN ('chunk_id', 'document_id')
ORDER BY a.attname = 'document_id', c.relname = 'chunks', c.relname
"""


async def _tables(scope: TenantScope, found: Traces) -> list[_Table]:
    ids = {"chunk_id": [*found.chunk_ids], "document_id": [*found.document_ids]}
    cursor = await scope.connection.execute(SELECT_TABLES)
    rows = await cursor.fetchall()
    named = [_Table(name=name, column=column, ids=ids[column]) for name, column in rows]
    return [*named, _Table(name="documents", column="id", ids=ids["document_id"])]


async def _run(scope: TenantScope, statement: LiteralString, table: _Table) -> int:
    cursor = await scope.connection.execute(*_statement(scope, statement, table))
    return cursor.rowcount


def _statement(
    scope: TenantScope, statement: LiteralString, table: _Table
) -> tuple[sql.Composed, dict[str, object]]:
    composed = sql.SQL(statement).format(
        table=sql.Identifier(table.name), column=sql.Identifier(table.column)
    )
    return composed, {"tenant_id": scope.tenant_id, "ids": table.ids}
