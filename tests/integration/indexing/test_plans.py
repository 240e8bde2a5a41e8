"""Plans that Postgres must choose whatever it last counted."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

import psycopg
import pytest

NEW_TENANT = "INSERT INTO tenants (name) VALUES ('shop') RETURNING id"
FILL = """
WITH stored AS (
    INSERT INTO documents (tenant_id, source_type, external_id, content)
    SELECT %(tenant_id)s, 'faq', number::text, 'x' FROM generate_series(1, 2000) AS number RETURNING tenant_id, id
)
INSERT INTO chunks (tenant_id, id, document_id, chunk_index, text, start_offset, end_offset, chunk_hash)
SELECT tenant_id, gen_random_uuid(), id, 0, 'x', 0, 1, '\\x00' FROM stored
"""
BY_ID: dict[str, LiteralString] = {
    "documents": "EXPLAIN SELECT FROM documents WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE",
    "chunks": "EXPLAIN SELECT FROM chunks WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR KEY SHARE",
}


@pytest.mark.parametrize("table", sorted(BY_ID))
async def test_rows_of_a_tenant_that_was_never_analysed_are_found_by_their_key(
    database_dsn: str, table: str
) -> None:
    """Otherwise its first import looks at all its rows for each of them."""
    async with await psycopg.AsyncConnection.connect(database_dsn, autocommit=True) as connection:
        await filled(connection)
        await connection.execute("ANALYZE documents, chunks")
        newest = await filled(connection)
        cursor = await connection.execute(BY_ID[table], {"tenant_id": newest, "id": newest})
        plan = "\n".join(row[0] for row in await cursor.fetchall())
    assert f"{table}_pkey" in plan


async def filled(connection: psycopg.AsyncConnection) -> UUID:
    row = await (await connection.execute(NEW_TENANT)).fetchone()
    assert row
    await connection.execute(FILL, {"tenant_id": row[0]})
    return row[0]
