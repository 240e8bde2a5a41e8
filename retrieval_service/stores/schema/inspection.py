"""What `doctor` asks of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.stores.database import TenantScope, only


@dataclass(frozen=True, kw_only=True)
class Server:
    """Versions as the server tells them; `vector_version` is None without the extension."""

    version: int
    version_text: str
    vector_version: str | None
    is_leakproof: bool


SELECT_SERVER = """
SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS version_text,
    (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector_version,
    (SELECT bool_and(proleakproof) FROM pg_proc WHERE proname = 'arrayoverlap') AS is_leakproof
"""


async def server(owner: AsyncConnection) -> Server:
    async with owner.cursor(row_factory=class_row(Server)) as cursor:
        await cursor.execute(SELECT_SERVER)
        return only(await cursor.fetchone())


@dataclass(frozen=True, kw_only=True)
class Session:
    """Who the pool of connections logs in as, and what that role may do without taking on another one."""

    role: str
    is_mighty: bool
    owns_tables: bool
    readable: Sequence[str]


# A right that comes with a role which it may only take on does not count: that is what the doors are for.
SELECT_SESSION = """
SELECT r.rolname::text AS role, r.rolsuper OR r.rolbypassrls OR r.rolcreaterole AS is_mighty,
    EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relnamespace = 'public'::regnamespace) AS owns_tables,
    ARRAY(SELECT c.relname::text FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            AND has_any_column_privilege(r.oid, c.oid, 'SELECT') ORDER BY 1) AS readable
FROM pg_roles r WHERE r.rolname = session_user
"""


async def session(connection: AsyncConnection) -> Session:
    async with connection.cursor(row_factory=class_row(Session)) as cursor:
        await cursor.execute(SELECT_SESSION)
        return only(await cursor.fetchone())


# Whoever builds an index, or vacuums, holds such a lock on its table; of the progress other roles see nothing.
SELECT_INVALID_INDEXES = """
SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT i.indisvalid AND NOT EXISTS (
    SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.relation = i.indrelid AND l.granted
        AND l.mode = 'ShareUpdateExclusiveLock')
ORDER BY 1
"""


async def invalid_indexes(owner: AsyncConnection) -> list[str]:
    """Indexes that a crash or a deadlock left half-built, and that nobody is building now."""
    cursor = await owner.execute(SELECT_INVALID_INDEXES)
    return [name for (name,) in await cursor.fetchall()]


SELECT_OPEN_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    AND c.relname NOT IN ('embedding_spaces', 'schema_version')
ORDER BY 1
"""


async def open_tables(owner: AsyncConnection) -> list[str]:
    """Tables that row-level security does not close; the two that hold no tenant's data are left out."""
    cursor = await owner.execute(SELECT_OPEN_TABLES)
    return [name for (name,) in await cursor.fetchall()]


SELECT_SPACE_COUNTS = """
SELECT s.key, count(*) FROM tenants t JOIN embedding_spaces s ON s.id = t.space_id
WHERE t.deleted_at IS NULL GROUP BY s.key ORDER BY s.key
"""


async def space_counts(operator: AsyncConnection) -> dict[str, int]:
    """How many tenants are searched in each embedding space, by its key."""
    cursor = await operator.execute(SELECT_SPACE_COUNTS)
    return dict(await cursor.fetchall())


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Jobs of all living tenants for one target, "pgvector" or "openai"; `failed` ones are not tried again.

    `failed_tenant_ids` are the tenants that have failed ones.
    """

    target: str
    pending: int
    processing: int
    failed: int
    failed_tenant_ids: Sequence[UUID]
    oldest: datetime | None


SELECT_BACKLOGS = """
SELECT j.target, count(*) FILTER (WHERE j.status = 'pending') AS pending,
    count(*) FILTER (WHERE j.status = 'processing') AS processing,
    count(*) FILTER (WHERE j.status = 'error') AS failed,
    coalesce(array_agg(DISTINCT j.tenant_id) FILTER (WHERE j.status = 'error'), '{}') AS failed_tenant_ids,
    min(j.created_at) FILTER (WHERE j.status = 'pending') AS oldest
FROM document_sync_jobs j JOIN tenants t ON t.id = j.tenant_id
WHERE t.deleted_at IS NULL GROUP BY j.target ORDER BY j.target
"""


async def backlogs(operator: AsyncConnection) -> list[Backlog]:
    """Targets that never had a job are missing."""
    async with operator.cursor(row_factory=class_row(Backlog)) as cursor:
        await cursor.execute(SELECT_BACKLOGS)
        return await cursor.fetchall()


@dataclass(frozen=True, kw_only=True)
class Depth:
    """Jobs of all tenants in one state for one target; `oldest_seconds` is the age of the oldest."""

    target: str
    status: str
    count: int
    oldest_seconds: float


# Most of the table is done, and is kept for a day.
SELECT_DEPTHS = """
SELECT target, status, count(*) AS count,
    extract(epoch FROM now() - min(created_at))::float8 AS oldest_seconds
FROM document_sync_jobs WHERE status <> 'done' GROUP BY target, status
"""


async def depths(operator: AsyncConnection) -> list[Depth]:
    """What is not done; a target or a state without jobs is missing."""
    async with operator.cursor(row_factory=class_row(Depth)) as cursor:
        await cursor.execute(SELECT_DEPTHS)
        return await cursor.fetchall()


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """How many tenants have made the same choice of who searches and who keeps."""

    backend: str
    is_mirrored: bool
    tenant_count: int


SELECT_CHOSEN = """
SELECT backend, is_mirrored, count(*) AS tenant_count FROM tenants
WHERE deleted_at IS NULL GROUP BY backend, is_mirrored ORDER BY backend, is_mirrored
"""


async def chosen_backends(operator: AsyncConnection) -> list[Chosen]:
    async with operator.cursor(row_factory=class_row(Chosen)) as cursor:
        await cursor.execute(SELECT_CHOSEN)
        return await cursor.fetchall()


@dataclass(frozen=True, kw_only=True)
class Mirrored:
    """A tenant whose documents are kept at the provider too; `store_id` is None before it has a store."""

    tenant_id: UUID
    store_id: str | None


SELECT_MIRRORED = """
SELECT t.id AS tenant_id, s.store_id FROM tenants t LEFT JOIN vector_stores s ON s.tenant_id = t.id
WHERE t.is_mirrored AND t.deleted_at IS NULL ORDER BY t.id
"""


async def mirrored(operator: AsyncConnection) -> list[Mirrored]:
    async with operator.cursor(row_factory=class_row(Mirrored)) as cursor:
        await cursor.execute(SELECT_MIRRORED)
        return await cursor.fetchall()


COUNT_UNMIRRORED = """
SELECT count(*) FROM documents
WHERE tenant_id = %(tenant_id)s AND NOT is_deleted AND remote_status <> 'synced'
"""


async def unmirrored_count(scope: TenantScope) -> int:
    """Documents that the provider does not hold at their latest version."""
    cursor = await scope.connection.execute(COUNT_UNMIRRORED, {"tenant_id": scope.tenant_id})
    return only(await cursor.fetchone())[0]
