"""The schema, brought forward and back on a real Postgres with rows in its tables."""

from __future__ import annotations

import asyncio
import re
from typing import LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from retrieval_service import errors
from retrieval_service.stores.schema import schema

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, column_name
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 2"
POLICIES = "SELECT tablename, policyname, roles, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2"
SECURITY = """
SELECT relname, relrowsecurity, relforcerowsecurity, relacl::text
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname
"""
FUNCTIONS = """
SELECT proname, md5(prosrc) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
ORDER BY proname
"""
TRIGGERS = """
SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2
"""
STRUCTURE = (COLUMNS, CONSTRAINTS, INDEXES, POLICIES, SECURITY, FUNCTIONS, TRIGGERS)

TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v')
ORDER BY relname
"""
VERSIONS = "SELECT version_num FROM schema_version"

ROWS = """
WITH tenant AS (INSERT INTO tenants (name) VALUES ('Кофейня') RETURNING id),
     document AS (
         INSERT INTO documents (tenant_id, source_type, external_id, content)
         SELECT id, 'faq', '1', 'Доставка бесплатна.' FROM tenant RETURNING tenant_id, id
     ),
     chunk AS (
         INSERT INTO chunks (tenant_id, id, document_id, chunk_index, text, start_offset, end_offset, chunk_hash)
         SELECT tenant_id, gen_random_uuid(), id, 0, 'Доставка бесплатна.', 0, 19, '\\x00' FROM document
         RETURNING tenant_id
     )
INSERT INTO chat_sessions (tenant_id, channel) SELECT tenant_id, 'widget' FROM chunk
"""
KEPT = """
SELECT to_jsonb(t), to_jsonb(d), to_jsonb(c), to_jsonb(j) FROM tenants t
JOIN documents d ON d.tenant_id = t.id JOIN chunks c ON c.tenant_id = t.id
JOIN document_sync_jobs j ON j.tenant_id = t.id
"""
QUEUED = "SELECT action, status FROM document_sync_jobs"

REVISIONS = sorted((schema.MIGRATIONS / "versions").glob("[0-9]*.py"))
HEAD = schema.head()


async def test_schema_version_is_the_newest_revision(database_dsn: str) -> None:
    assert await schema.current(database_dsn) == HEAD != ""
    assert await rows(database_dsn, VERSIONS) == [(HEAD,)]


async def test_empty_database_has_no_version(empty_database_dsn: str) -> None:
    assert await schema.current(empty_database_dsn) == ""


async def test_second_upgrade_changes_nothing(database_dsn: str) -> None:
    before = await structure(database_dsn)
    await schema.upgrade(database_dsn)
    assert await structure(database_dsn) == before


async def test_upgrades_at_the_same_time_wait_for_each_other(empty_database_dsn: str) -> None:
    async with asyncio.timeout(60), asyncio.TaskGroup() as services:
        for _ in range(3):
            services.create_task(schema.upgrade(empty_database_dsn))
    assert await schema.current(empty_database_dsn) == HEAD


async def test_down_to_nothing_and_up_again_gives_the_same_schema(database_dsn: str) -> None:
    before = await structure(database_dsn)
    await execute(database_dsn, ROWS)
    await schema.downgrade(database_dsn, "base")
    assert await rows(database_dsn, TABLES) == [("schema_version",)]
    await schema.upgrade(database_dsn)
    assert await structure(database_dsn) == before


async def test_downgrade_removes_the_rows(database_dsn: str) -> None:
    await execute(database_dsn, ROWS)
    assert await rows(database_dsn, QUEUED) == [("upsert", "pending")]
    await schema.downgrade(database_dsn, "base")
    await schema.upgrade(database_dsn)
    assert await rows(database_dsn, "SELECT name FROM tenants") == []


async def test_downgrade_leaves_another_database_of_the_server_working(
    database_dsn: str, empty_database_dsn: str
) -> None:
    """The roles belong to both."""
    await schema.upgrade(empty_database_dsn)
    await schema.downgrade(empty_database_dsn, "base")
    async with await psycopg.AsyncConnection.connect(database_dsn) as connection:
        await connection.execute("SET LOCAL ROLE kladez_tenant")
        await connection.execute("SELECT count(*) FROM documents")


@pytest.mark.timeout(300)
async def test_every_revision_can_go_back_one_step(empty_database_dsn: str) -> None:
    for _ in REVISIONS:
        await schema.upgrade(empty_database_dsn, "+1")
        before = await structure(empty_database_dsn)
        await schema.downgrade(empty_database_dsn, "-1")
        await schema.upgrade(empty_database_dsn, "+1")
        assert await structure(empty_database_dsn) == before
    assert await schema.current(empty_database_dsn) == HEAD


async def test_index_jobs_come_and_go_and_leave_older_rows_alone(empty_database_dsn: str) -> None:
    await schema.upgrade(empty_database_dsn, "0001")
    await execute(empty_database_dsn, ROWS)
    before = await rows(empty_database_dsn, KEPT)
    await schema.upgrade(empty_database_dsn, "0002")
    await execute(
        empty_database_dsn, "INSERT INTO index_jobs (tenant_id, mode) SELECT id, 'all' FROM tenants"
    )
    assert await rows(empty_database_dsn, KEPT) == before != []
    await schema.downgrade(empty_database_dsn, "0001")
    assert await rows(empty_database_dsn, KEPT) == before
    await schema.upgrade(empty_database_dsn, "0002")
    assert await rows(empty_database_dsn, "SELECT state FROM index_jobs") == []


SOURCE = """
INSERT INTO sources (tenant_id, name, dsn_variable, source_type, ids_query, all_query, id_column, text_template)
SELECT id, 'orders', 'KLADEZ_SOURCE_SHOP', 'order', 'SELECT 1', 'SELECT 1', 'id', 'x' FROM tenants
"""


async def test_sources_come_and_go_and_leave_older_rows_alone(empty_database_dsn: str) -> None:
    await schema.upgrade(empty_database_dsn, "0002")
    await execute(empty_database_dsn, ROWS)
    before = await rows(empty_database_dsn, KEPT)
    await schema.upgrade(empty_database_dsn, "0003")
    await execute(empty_database_dsn, SOURCE)
    assert await rows(empty_database_dsn, KEPT) == before != []
    await schema.downgrade(empty_database_dsn, "0002")
    assert await rows(empty_database_dsn, KEPT) == before
    await schema.upgrade(empty_database_dsn, "0003")
    assert await rows(empty_database_dsn, "SELECT name FROM sources") == []


OLD_ROWS = """
INSERT INTO embedding_spaces
    (key, provider, model, revision, dimensions, max_tokens, languages, scripts, query_prefix, passage_prefix)
VALUES ('a:b', 'a', 'b', '', 2, 9, '{}', '{}', '', '');
WITH tenant AS (
    INSERT INTO tenants (name, space_id, deleted_at) SELECT 'Кофейня', id, now() FROM embedding_spaces RETURNING id
), session AS (
    INSERT INTO chat_sessions (tenant_id, channel) SELECT id, 'widget' FROM tenant RETURNING tenant_id, id
), store AS (
    INSERT INTO vector_stores (tenant_id, store_id) SELECT id, 'vs_1' FROM tenant
)
INSERT INTO chat_logs (tenant_id, id, session_id, question, finish_reason)
SELECT tenant_id, gen_random_uuid(), id, 'Почём?', 'no_relevant_content' FROM session
"""
MOVED_ROWS = """
SELECT t.leaves_provider, l.channel, s.state, g.arrivals FROM tenants t JOIN chat_logs l ON l.tenant_id = t.id
JOIN tenant_spaces s ON s.tenant_id = t.id JOIN gap_inbox g ON g.tenant_id = t.id
"""
REMOTE_JOBS = """
INSERT INTO document_sync_jobs (tenant_id, document_id, action, target)
SELECT id, gen_random_uuid(), 'upsert', 'openai' FROM tenants;
INSERT INTO index_jobs (tenant_id, mode) SELECT id, 'changed' FROM tenants
"""
LODGER = """
DO $$ BEGIN IF to_regrole('old_owner') IS NULL THEN CREATE ROLE old_owner LOGIN PASSWORD 'x'; END IF; END $$;
CREATE EXTENSION IF NOT EXISTS vector;
GRANT kladez_tenant, kladez_operator TO old_owner WITH ADMIN OPTION
"""


@pytest.mark.parametrize("role", ["postgres", "old_owner"])
async def test_rows_of_older_revisions_are_moved_also_by_an_owner_who_is_no_superuser(
    migrated_template: str, empty_database_dsn: str, role: str
) -> None:
    """Row-level security closes a table to its owner too; a migration that saw no rows would silently move none."""
    await execute(empty_database_dsn, LODGER)
    await execute(empty_database_dsn, "GRANT ALL ON SCHEMA public TO old_owner")
    own = empty_database_dsn
    if role == "old_owner":
        own = make_conninfo(empty_database_dsn, user=role, password="x")
    await schema.upgrade(own, "0005")
    await execute(empty_database_dsn, OLD_ROWS)
    await schema.upgrade(own, "head")
    assert await rows(empty_database_dsn, MOVED_ROWS) == [(True, "widget", "active", 1)]
    await execute(empty_database_dsn, REMOTE_JOBS)
    await schema.downgrade(own, "0004")
    assert (
        await rows(empty_database_dsn, "SELECT target FROM document_sync_jobs WHERE target = 'openai'") == []
    )
    assert await rows(empty_database_dsn, "SELECT mode FROM index_jobs WHERE mode = 'changed'") == []
    await schema.upgrade(own)


# Made before indexes of big tables were built beside the work that goes on.
BUILT_UNDER_LOCKS = "0023"
PLAIN_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)\w+\s+ON (\w+)")


def plain_indexes(migration: str) -> set[str]:
    """The tables that it indexes and did not make itself."""
    return set(PLAIN_INDEX.findall(migration)) - set(re.findall(r"CREATE TABLE (\w+)", migration))


def test_index_of_a_table_that_may_be_big_is_built_without_stopping_its_writers() -> None:
    """`migrations/indexes.py` does so."""
    assert plain_indexes("CREATE TABLE a (b int); CREATE INDEX c ON a (b)") == set()
    assert plain_indexes("CREATE INDEX\n c ON a (b)".replace("\n", "")) == {"a"}
    later = [one for one in REVISIONS if one.stem.split("_", 1)[0] > BUILT_UNDER_LOCKS]
    assert [one.name for one in later if plain_indexes(one.read_text(encoding="utf-8"))] == []


async def test_unreachable_database_is_reported_without_its_password() -> None:
    with pytest.raises(errors.Unavailable) as failure:
        await schema.upgrade("postgresql://kladez:hidden@127.0.0.1:1/kladez")
    assert "hidden" not in str(failure.value)


async def structure(dsn: str) -> list[list[TupleRow]]:
    """All that a migration may create, in a form that can be compared."""
    return [await rows(dsn, query) for query in STRUCTURE]


async def rows(dsn: str, query: LiteralString) -> list[TupleRow]:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        return await (await connection.execute(query)).fetchall()


async def execute(dsn: str, statement: LiteralString) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute(statement)
