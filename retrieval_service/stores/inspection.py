"""What `doctor` asks of the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.stores.database import only


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
    """Jobs of all tenants."""

    pending: int
    processing: int
    failed: int
    oldest: datetime | None


SELECT_BACKLOG = """
SELECT count(*) FILTER (WHERE status = 'pending') AS pending,
    count(*) FILTER (WHERE status = 'processing') AS processing,
    count(*) FILTER (WHERE status = 'error') AS failed,
    min(created_at) FILTER (WHERE status = 'pending') AS oldest
FROM document_sync_jobs
"""


async def backlog(operator: AsyncConnection) -> Backlog:
    async with operator.cursor(row_factory=class_row(Backlog)) as cursor:
        await cursor.execute(SELECT_BACKLOG)
        return only(await cursor.fetchone())
