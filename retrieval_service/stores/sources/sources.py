"""Declared sources, and the documents of theirs whose rows are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from retrieval_service import errors
from retrieval_service.domain.documents.sources import DeclaredSource, Source
from retrieval_service.stores.database import TenantScope, only

# A changed declaration makes other documents of the same rows, so all of them have to be read again.
UPSERT = """
INSERT INTO sources AS s
    (tenant_id, name, dsn_variable, source_type, ids_query, all_query, id_column, updated_at_column,
     title_template, text_template, url_template, language, section_column, tags_column, metadata_columns)
VALUES (%(tenant_id)s, %(name)s, %(dsn_variable)s, %(source_type)s, %(ids_query)s, %(all_query)s, %(id_column)s,
    %(updated_at_column)s, %(title_template)s, %(text_template)s, %(url_template)s, %(language)s,
    %(section_column)s, %(tags_column)s, %(metadata_columns)s)
ON CONFLICT (tenant_id, name) DO UPDATE SET
    dsn_variable = excluded.dsn_variable, ids_query = excluded.ids_query, all_query = excluded.all_query,
    id_column = excluded.id_column, updated_at_column = excluded.updated_at_column,
    title_template = excluded.title_template, text_template = excluded.text_template,
    url_template = excluded.url_template, language = excluded.language,
    section_column = excluded.section_column, tags_column = excluded.tags_column,
    metadata_columns = excluded.metadata_columns, last_sync_at = NULL, last_error = '',
    version = s.version + 1
WHERE s.source_type = excluded.source_type
RETURNING *
"""


async def upsert(scope: TenantScope, source: Source) -> DeclaredSource | None:
    """None when the source stands with another type. Raises `AlreadyExists` when another one has this type."""
    columns = {**asdict(source), "metadata_columns": Jsonb(dict(source.metadata_columns))}
    try:
        return await _first(scope, UPSERT, {"tenant_id": scope.tenant_id, **columns})
    except UniqueViolation as error:
        raise errors.AlreadyExists("another source has this source_type already") from error


SELECT = "SELECT * FROM sources WHERE tenant_id = %(tenant_id)s AND name = %(name)s"


async def get(scope: TenantScope, name: str) -> DeclaredSource | None:
    return await _first(scope, SELECT, {"tenant_id": scope.tenant_id, "name": name})


SELECT_PAGE = """
SELECT * FROM sources WHERE tenant_id = %(tenant_id)s AND name > %(after)s ORDER BY name LIMIT %(limit)s
"""


async def page(scope: TenantScope, *, after: str, limit: int) -> list[DeclaredSource]:
    """By name, after the given one; "" is before all."""
    async with scope.connection.cursor(row_factory=dict_row) as cursor:
        parameters = {"tenant_id": scope.tenant_id, "after": after, "limit": limit}
        await cursor.execute(SELECT_PAGE, parameters)
        return [_declared(row) for row in await cursor.fetchall()]


LOCK_VERSION = """
SELECT version FROM sources WHERE tenant_id = %(tenant_id)s AND name = %(name)s FOR UPDATE
"""


async def lock(scope: TenantScope, name: str) -> int | None:
    """The version, which nobody changes until the transaction ends; None when there is no such source."""
    cursor = await scope.connection.execute(LOCK_VERSION, {"tenant_id": scope.tenant_id, "name": name})
    row = await cursor.fetchone()
    return row[0] if row else None


SELECT_NAMES = "SELECT name FROM sources WHERE tenant_id = %(tenant_id)s ORDER BY name"


async def names(scope: TenantScope) -> list[str]:
    cursor = await scope.connection.execute(SELECT_NAMES, {"tenant_id": scope.tenant_id})
    return [row[0] for row in await cursor.fetchall()]


DELETE = "DELETE FROM sources WHERE tenant_id = %(tenant_id)s AND name = %(name)s"


async def delete(scope: TenantScope, name: str) -> bool:
    """Documents that were made of it stay; False when there is none."""
    cursor = await scope.connection.execute(DELETE, {"tenant_id": scope.tenant_id, "name": name})
    return cursor.rowcount > 0


# Of a declaration that was changed meanwhile nothing is known yet.
RECORD_SYNC = """
UPDATE sources SET last_sync_at = coalesce(%(read_at)s, last_sync_at), last_error = %(error)s
WHERE tenant_id = %(tenant_id)s AND name = %(name)s AND version = %(version)s
"""


async def record_sync(
    scope: TenantScope, declared: DeclaredSource, *, read_at: datetime | None, error: str
) -> None:
    """`read_at` is the moment at which all rows were read, None when some were, or none."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "name": declared.source.name,
        "version": declared.version,
        "read_at": read_at,
        "error": error,
    }
    await scope.connection.execute(RECORD_SYNC, parameters)


NOW = "SELECT now()"


async def moment(scope: TenantScope) -> datetime:
    """By the clock of our own database, which stamps the documents."""
    cursor = await scope.connection.execute(NOW)
    return only(await cursor.fetchone())[0]


SELECT_IDS = """
SELECT external_id FROM documents
WHERE tenant_id = %(tenant_id)s AND source_type = %(source_type)s AND external_id > %(after)s AND NOT is_deleted
    AND updated_at <= %(unchanged_since)s
ORDER BY external_id LIMIT %(limit)s
"""


async def document_ids(
    scope: TenantScope, source_type: str, *, after: str, unchanged_since: datetime, limit: int
) -> list[str]:
    """External ids of the type's documents in order; "" is before all."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "source_type": source_type,
        "after": after,
        "unchanged_since": unchanged_since,
        "limit": limit,
    }
    cursor = await scope.connection.execute(SELECT_IDS, parameters)
    return [row[0] for row in await cursor.fetchall()]


# Locked in the order in which upserts write, so that neither waits for the other in a circle.
DELETE_DOCUMENTS = """
WITH gone AS MATERIALIZED (
    SELECT tenant_id, id FROM documents
    WHERE tenant_id = %(tenant_id)s AND source_type = %(source_type)s AND external_id = ANY(%(external_ids)s)
        AND NOT is_deleted AND updated_at <= %(unchanged_since)s
    ORDER BY source_type, external_id FOR UPDATE
)
UPDATE documents d SET is_deleted = true FROM gone g WHERE d.tenant_id = g.tenant_id AND d.id = g.id
RETURNING d.external_id
"""


async def delete_documents(
    scope: TenantScope, source_type: str, external_ids: Sequence[str], *, unchanged_since: datetime
) -> list[str]:
    """Deletes those that nobody has changed meanwhile; returns the external ids of these."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "source_type": source_type,
        "external_ids": list(external_ids),
        "unchanged_since": unchanged_since,
    }
    cursor = await scope.connection.execute(DELETE_DOCUMENTS, parameters)
    return [row[0] for row in await cursor.fetchall()]


# A document that was changed or deleted by others is not what its row made of it.
SELECT_UNCHANGED = """
SELECT d.external_id
FROM unnest(%(external_ids)s::text[], %(fingerprints)s::bigint[]) AS r (external_id, fingerprint)
JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.source_type = %(source_type)s
    AND d.external_id = r.external_id AND NOT d.is_deleted
JOIN document_fingerprints f ON f.tenant_id = d.tenant_id AND f.document_id = d.id
    AND f.fingerprint = r.fingerprint AND f.content_hash = d.content_hash
"""


async def unchanged(scope: TenantScope, source_type: str, fingerprints: Mapping[str, int]) -> set[str]:
    """Of these rows, by external id, those whose document was made of a row with this fingerprint."""
    cursor = await scope.connection.execute(SELECT_UNCHANGED, _of_rows(scope, source_type, fingerprints))
    return {row[0] for row in await cursor.fetchall()}


REMEMBER = """
INSERT INTO document_fingerprints AS f (tenant_id, document_id, fingerprint, content_hash)
SELECT d.tenant_id, d.id, r.fingerprint, d.content_hash
FROM unnest(%(external_ids)s::text[], %(fingerprints)s::bigint[]) AS r (external_id, fingerprint)
JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.source_type = %(source_type)s
    AND d.external_id = r.external_id AND d.content_hash IS NOT NULL
ON CONFLICT (tenant_id, document_id) DO UPDATE
    SET fingerprint = excluded.fingerprint, content_hash = excluded.content_hash
    WHERE (f.fingerprint, f.content_hash) IS DISTINCT FROM (excluded.fingerprint, excluded.content_hash)
"""


async def remember(scope: TenantScope, source_type: str, fingerprints: Mapping[str, int]) -> None:
    """To be called in the transaction that stored the documents of these rows."""
    await scope.connection.execute(REMEMBER, _of_rows(scope, source_type, fingerprints))


def _of_rows(scope: TenantScope, source_type: str, fingerprints: Mapping[str, int]) -> dict[str, Any]:
    return {
        "tenant_id": scope.tenant_id,
        "source_type": source_type,
        "external_ids": list(fingerprints.keys()),
        "fingerprints": list(fingerprints.values()),
    }


SELECT_EVERYWHERE = """
SELECT s.tenant_id, s.name FROM sources s JOIN tenants t ON t.id = s.tenant_id
WHERE t.deleted_at IS NULL ORDER BY s.tenant_id, s.name
"""


async def everywhere(operator: AsyncConnection) -> list[tuple[UUID, str]]:
    """Tenant and name of every source whose tenant is not deleted."""
    cursor = await operator.execute(SELECT_EVERYWHERE)
    return [(row[0], row[1]) for row in await cursor.fetchall()]


# Free again when the connection ends, however it ends; the first number is arbitrary.
LOCK = "SELECT pg_try_advisory_lock(6172637, hashtext(%(tenant_id)s::text || ' ' || %(name)s))"


async def lock_scan(owner: AsyncConnection, tenant_id: UUID, name: str) -> bool:
    """Whether this connection alone may now read the whole source; False when another one does."""
    cursor = await owner.execute(LOCK, {"tenant_id": tenant_id, "name": name})
    return only(await cursor.fetchone())[0]


async def _first(
    scope: TenantScope, statement: LiteralString, parameters: Mapping[str, Any]
) -> DeclaredSource | None:
    async with scope.connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, parameters)
        row = await cursor.fetchone()
        return _declared(row) if row else None


def _declared(row: DictRow) -> DeclaredSource:
    of_source = {name: row[name] for name in Source.__dataclass_fields__}
    return DeclaredSource(
        source=Source(**of_source),
        version=row["version"],
        last_sync_at=row["last_sync_at"],
        last_error=row["last_error"],
        created_at=row["created_at"],
    )
