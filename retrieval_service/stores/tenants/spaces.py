"""Embedding spaces and their tables of vectors, one narrow table for each space."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from retrieval_service import errors
from retrieval_service.domain.indexing.calibration import Calibration, KnownSpace, from_json
from retrieval_service.domain.indexing.spaces import Space
from retrieval_service.stores.database import TenantScope, only
from retrieval_service.stores.lock_waits import insisting

SELECT_REGISTERED = """
SELECT id, dimensions FROM embedding_spaces WHERE key = %(key)s AND max_tokens = %(max_tokens)s
"""
REGISTER = """
INSERT INTO embedding_spaces
    (key, provider, model, revision, dimensions, max_tokens, languages, scripts, query_prefix, passage_prefix)
VALUES (%(key)s, %(provider)s, %(model)s, %(revision)s, %(dimensions)s, %(max_tokens)s, %(languages)s,
        %(scripts)s, %(query_prefix)s, %(passage_prefix)s)
ON CONFLICT (key) DO UPDATE SET max_tokens = excluded.max_tokens
RETURNING id, dimensions
"""

# PLAIN keeps vectors inside the row: an exact scan is 2.4 to 4.3 times as fast as through TOAST.
CREATE_VECTORS = """
CREATE TABLE IF NOT EXISTS {vectors} (
    tenant_id uuid NOT NULL,
    chunk_id uuid NOT NULL,
    embedding halfvec({dimensions}) NOT NULL,
    PRIMARY KEY (tenant_id, chunk_id),
    FOREIGN KEY (tenant_id, chunk_id) REFERENCES chunks (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE {vectors} ALTER COLUMN embedding SET STORAGE PLAIN;
ALTER TABLE {vectors} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {vectors} FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS own_rows ON {vectors};
CREATE POLICY own_rows ON {vectors} TO kladez_tenant
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON {vectors} TO kladez_tenant
"""
HAS_VECTORS = "SELECT to_regclass(%(name)s) IS NOT NULL"

# Services that start together must not create one table twice; the first number is arbitrary.
LOCK = "SELECT pg_advisory_xact_lock(6172635, %(space_id)s)"
# Whoever writes chunks waits behind us for the lock that the foreign key takes.
WAIT_SHORTLY = "SET LOCAL lock_timeout = 200"


def vectors_table(space_id: int) -> sql.Identifier:
    """The table that holds the vectors of a space."""
    return sql.Identifier(f"chunk_vectors_{space_id:d}")


async def register(owner: AsyncConnection, space: Space) -> int:
    """The id of the space; makes its row and its table when they are missing, and locks nothing when they are not."""
    space_id, dimensions = await _registered(owner, space)
    if dimensions != space.dimensions:
        raise errors.SpaceMismatch(
            f"{space.key} is stored with {dimensions} dimensions, the model has {space.dimensions}"
        )
    cursor = await owner.execute(HAS_VECTORS, {"name": f"public.chunk_vectors_{space_id:d}"})
    if not only(await cursor.fetchone())[0]:
        await insisting(f"the table of {space.key}", lambda: _create_vectors(owner, space_id, space))
    return space_id


async def _registered(owner: AsyncConnection, space: Space) -> tuple[int, int]:
    """The space's id and the length of its vectors."""
    found = await (await owner.execute(SELECT_REGISTERED, _columns(space))).fetchone()
    return found or only(await (await owner.execute(REGISTER, _columns(space))).fetchone())


async def _create_vectors(owner: AsyncConnection, space_id: int, space: Space) -> None:
    statement = sql.SQL(CREATE_VECTORS).format(
        vectors=vectors_table(space_id), dimensions=sql.Literal(space.dimensions)
    )
    async with owner.transaction():
        await owner.execute(WAIT_SHORTLY)
        await owner.execute(LOCK, {"space_id": space_id})
        await owner.execute(statement)


SELECT_CALIBRATION = "SELECT calibration FROM embedding_spaces WHERE id = %(space_id)s"
CALIBRATE = """
UPDATE embedding_spaces SET calibration = %(calibration)s, calibrated_at = now(), calibration_error = ''
WHERE id = %(space_id)s
"""
NOTE_CALIBRATION_FAILED = """
UPDATE embedding_spaces SET calibration_error = %(error)s WHERE id = %(space_id)s
"""


async def calibration(connection: AsyncConnection, space_id: int) -> Calibration | None:
    """What was measured; None for nothing, and for what was measured by an earlier version."""
    cursor = await connection.execute(SELECT_CALIBRATION, {"space_id": space_id})
    row = await cursor.fetchone()
    return from_json(row[0]) if row and row[0] else None


async def calibrate(owner: AsyncConnection, space_id: int, measured: Calibration) -> None:
    """What was measured before is forgotten."""
    parameters = {"space_id": space_id, "calibration": Jsonb(measured.to_json())}
    await owner.execute(CALIBRATE, parameters)


async def note_calibration_failed(owner: AsyncConnection, space_id: int, error: str) -> None:
    await owner.execute(NOTE_CALIBRATION_FAILED, {"space_id": space_id, "error": error})


# Free again when the connection ends; the first number is arbitrary.
LOCK_CALIBRATION = "SELECT pg_try_advisory_lock(6172640, %(space_id)s)"


async def lock_calibration(owner: AsyncConnection, space_id: int) -> bool:
    """Whether this connection alone may now measure the space; False when another one does."""
    cursor = await owner.execute(LOCK_CALIBRATION, {"space_id": space_id})
    return only(await cursor.fetchone())[0]


SELECT_ALL = """
SELECT id, key, provider, model, dimensions, calibration, calibration_error FROM embedding_spaces ORDER BY id
"""


async def known(connection: AsyncConnection) -> list[KnownSpace]:
    """Every space that ever had an embedder here."""
    async with connection.cursor(row_factory=kwargs_row(_known)) as cursor:
        await cursor.execute(SELECT_ALL)
        return await cursor.fetchall()


def _known(*, calibration: dict[str, Any] | None, **columns: Any) -> KnownSpace:
    return KnownSpace(calibration=from_json(calibration) if calibration else None, **columns)


COUNT = "SELECT count(*) FROM {vectors} WHERE tenant_id = %(tenant_id)s"


async def count_vectors(scope: TenantScope, space_id: int) -> int:
    """How many vectors the tenant has in the space; reads all of them."""
    statement = sql.SQL(COUNT).format(vectors=vectors_table(space_id))
    cursor = await scope.connection.execute(statement, {"tenant_id": scope.tenant_id})
    return only(await cursor.fetchone())[0]


# Free again when the connection ends, however it ends; the first number is arbitrary.
LOCK_INDEXES = "SELECT pg_try_advisory_lock(6172636, %(space_id)s)"


async def lock_indexes(owner: AsyncConnection, space_id: int) -> bool:
    """Whether this connection alone may now build and drop the space's indexes; False when another one does."""
    cursor = await owner.execute(LOCK_INDEXES, {"space_id": space_id})
    return only(await cursor.fetchone())[0]


# An index that a crash left half-built is invalid: it costs writes and serves no search.
SELECT_INDEXES = """
SELECT c.relname, i.indisvalid
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_am a ON a.oid = c.relam
WHERE t.relname = %(table)s AND a.amname = 'hnsw'
"""


async def tenant_indexes(owner: AsyncConnection, space_id: int) -> dict[str, bool]:
    """Names of the tenants' own HNSW indexes, and whether each is usable."""
    cursor = await owner.execute(SELECT_INDEXES, {"table": f"chunk_vectors_{space_id:d}"})
    return dict(await cursor.fetchall())


TENANT_INDEX_PREFIX = "hnsw_"


def tenant_index_name(space_id: int, tenant_id: UUID) -> str:
    return f"{TENANT_INDEX_PREFIX}{space_id:d}_{tenant_id.hex}"


CREATE_INDEX = """
CREATE INDEX CONCURRENTLY {index} ON {vectors}
USING hnsw (embedding halfvec_cosine_ops) WITH (m = 16, ef_construction = 200) WHERE tenant_id = {tenant_id}
"""


async def create_tenant_index(owner: AsyncConnection, space_id: int, tenant_id: UUID) -> None:
    """Builds a big tenant's own HNSW index without stopping its writes; takes seconds to minutes."""
    await owner.execute("SET statement_timeout = 0")
    statement = sql.SQL(CREATE_INDEX).format(
        index=sql.Identifier(tenant_index_name(space_id, tenant_id)),
        vectors=vectors_table(space_id),
        tenant_id=sql.Literal(tenant_id),
    )
    await owner.execute(statement)


async def drop_index(owner: AsyncConnection, name: str) -> None:
    statement = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {index}").format(index=sql.Identifier(name))
    await owner.execute(statement)


REBUILD_INDEX = "REINDEX INDEX CONCURRENTLY {index}"


async def rebuild_index(owner: AsyncConnection, name: str) -> None:
    """Builds an index anew beside itself; takes seconds to minutes."""
    await owner.execute("SET statement_timeout = 0")
    await owner.execute(sql.SQL(REBUILD_INDEX).format(index=sql.Identifier("public", name)))


def _columns(space: Space) -> dict[str, str | int | list[str]]:
    return {
        "key": space.key,
        "provider": space.provider,
        "model": space.model,
        "revision": space.revision,
        "dimensions": space.dimensions,
        "max_tokens": space.max_tokens,
        "languages": sorted(space.languages),
        "scripts": sorted(space.scripts),
        "query_prefix": space.query_prefix,
        "passage_prefix": space.passage_prefix,
    }
