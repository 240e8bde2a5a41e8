"""The revision that made parents real, over rows that were written before it."""

from __future__ import annotations

import psycopg

from retrieval_service.stores.schema import schema
from tests.integration.database.test_migrations import execute, rows

ROWS = """
WITH shops AS (INSERT INTO tenants (name) VALUES ('one'), ('two') RETURNING id, name),
     one AS (SELECT id FROM shops WHERE name = 'one'),
     two AS (SELECT id FROM shops WHERE name = 'two')
INSERT INTO documents (tenant_id, id, source_type, external_id, content, parent_id)
SELECT id, '00000000-0000-0000-0000-000000000001'::uuid, 'faq', 'root', 'x', NULL::uuid FROM one
UNION ALL SELECT id, gen_random_uuid(), 'faq', 'child', 'x', '00000000-0000-0000-0000-000000000001' FROM one
UNION ALL SELECT id, gen_random_uuid(), 'faq', 'lost', 'x', gen_random_uuid() FROM one
UNION ALL SELECT id, gen_random_uuid(), 'faq', 'foreign', 'x', '00000000-0000-0000-0000-000000000001' FROM two
UNION ALL SELECT id, '00000000-0000-0000-0000-000000000002', 'faq', 'itself', 'x',
    '00000000-0000-0000-0000-000000000002' FROM one
UNION ALL SELECT id, '00000000-0000-0000-0000-000000000003', 'faq', 'here', 'x',
    '00000000-0000-0000-0000-000000000004' FROM one
UNION ALL SELECT id, '00000000-0000-0000-0000-000000000004', 'faq', 'there', 'x',
    '00000000-0000-0000-0000-000000000003' FROM one
"""
CHILDREN = "SELECT external_id FROM documents WHERE parent_id IS NOT NULL ORDER BY 1"
CONTENTS = "SELECT external_id, content, version FROM documents ORDER BY 1"


async def test_only_true_parents_survive_and_no_document_is_lost(empty_database_dsn: str) -> None:
    await schema.upgrade(empty_database_dsn, "0003")
    await execute(empty_database_dsn, ROWS)
    before = await rows(empty_database_dsn, CONTENTS)
    await schema.upgrade(empty_database_dsn, "0004")
    assert await rows(empty_database_dsn, CHILDREN) == [("child",)]
    assert await rows(empty_database_dsn, CONTENTS) == before
    await schema.downgrade(empty_database_dsn, "0003")
    assert await rows(empty_database_dsn, CHILDREN) == [("child",)]
    assert await rows(empty_database_dsn, CONTENTS) == before
    await schema.upgrade(empty_database_dsn, "0004")
    assert await rows(empty_database_dsn, CHILDREN) == [("child",)]


async def test_no_chunk_can_be_without_a_hash(database_dsn: str) -> None:
    """So there is nothing to fill in afterwards."""
    async with await psycopg.AsyncConnection.connect(database_dsn) as connection:
        cursor = await connection.execute(
            "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'chunks'::regclass AND attname = 'chunk_hash'"
        )
        assert await cursor.fetchall() == [(True,)]
