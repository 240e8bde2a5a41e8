"""Plain SQL under each role: what row-level security and grants keep closed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.kits.isolation_kit import TABLES, Owned, dump, new_owned, tables_with_tenants
from tests.kits.service_kit import Running, Shop, new_shop, upsert

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owned(running: Running) -> Owned:
    return await new_owned(running)


@pytest_asyncio.fixture(loop_scope="module")
async def intruder(running: Running) -> Shop:
    return await new_shop(running)


# Tables without row-level security, and why they may be.
SHARED_TABLES = {
    "embedding_spaces": "names models, holds nothing of any tenant",
    "schema_version": "Alembic's own, no role may read it",
}


@pytest_asyncio.fixture(loop_scope="module")
async def connection(running: Running) -> AsyncIterator[psycopg.AsyncConnection]:
    """As the owner, in a transaction that is rolled back."""
    async with await psycopg.AsyncConnection.connect(running.dsn) as connected:
        yield connected
        await connected.rollback()


async def become(connection: psycopg.AsyncConnection, tenant_id: str | None) -> None:
    await connection.execute("SET LOCAL ROLE kladez_tenant")
    if tenant_id is not None:
        await connection.execute(
            "SELECT set_config('app.tenant_id', %(tenant_id)s, true)", {"tenant_id": tenant_id}
        )


async def test_every_table_is_closed_by_row_level_security_or_holds_nothing_of_a_tenant(
    connection: psycopg.AsyncConnection, owned: Owned
) -> None:
    rows = await (await connection.execute(TABLES)).fetchall()
    assert {name for name, is_closed, _ in rows if not is_closed} == set(SHARED_TABLES)
    assert not [name for name, is_closed, has_tenant in rows if has_tenant and not is_closed]


@pytest.mark.parametrize("setting", ["the intruder's", "empty", "none"])
async def test_sql_sees_no_row_of_another_tenant(
    connection: psycopg.AsyncConnection, owned: Owned, intruder: Shop, setting: str
) -> None:
    tables = await tables_with_tenants(connection)
    tables.remove("api_keys")  # not granted to this role at all
    tenant_id = {"the intruder's": intruder.tenant_id, "empty": "", "none": None}[setting]
    await become(connection, tenant_id)
    for table in tables:
        statement = sql.SQL(
            "SELECT count(*) FROM {table} WHERE tenant_id::text IS DISTINCT FROM %(own)s"
        ).format(table=sql.Identifier(table))
        assert await (await connection.execute(statement, {"own": tenant_id})).fetchone() == (0,), table
    seen = await (await connection.execute("SELECT count(*) FROM tenants")).fetchone()
    assert seen == (1 if tenant_id else 0,)


async def test_sql_cannot_write_a_row_for_another_tenant(
    running: Running, connection: psycopg.AsyncConnection, owned: Owned, intruder: Shop
) -> None:
    rows = await dump(running, owned.shop.tenant_id)
    for table in await tables_with_tenants(connection):
        statement = sql.SQL(
            "INSERT INTO {table} OVERRIDING SYSTEM VALUE"
            " SELECT * FROM jsonb_populate_record(NULL::{table}, %(row)s)"
        ).format(table=sql.Identifier(table))
        await become(connection, intruder.tenant_id)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement, {"row": Jsonb(rows[table][0][0])})
        await connection.rollback()


async def test_sql_cannot_give_a_row_to_another_tenant(
    connection: psycopg.AsyncConnection, owned: Owned, intruder: Shop
) -> None:
    await upsert(intruder, "gift", "A gift nobody asked for.")
    await become(connection, intruder.tenant_id)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute(
            "UPDATE documents SET tenant_id = %(tenant_id)s", {"tenant_id": owned.shop.tenant_id}
        )


@pytest.mark.parametrize("role", ["kladez_tenant", "kladez_operator"])
async def test_roles_cannot_become_another_role_or_bypass_security(
    connection: psycopg.AsyncConnection, role: str
) -> None:
    cursor = await connection.execute(
        "SELECT rolsuper, rolbypassrls, rolcanlogin, rolcreaterole,"
        " EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)"
        " FROM pg_roles r WHERE rolname = %(role)s",
        {"role": role},
    )
    assert await cursor.fetchone() == (False, False, False, False, False)


CLOSED_TO_OPERATOR = (
    "documents",
    "chunks",
    "chunk_terms",
    "chunk_vectors_1",
    "chat_sessions",
    "import_items",
    "import_problems",
    "imports",
    "document_fingerprints",
    "usage_daily",
)


@pytest.mark.parametrize("table", CLOSED_TO_OPERATOR)
async def test_operators_role_reads_no_document_and_no_chat(
    connection: psycopg.AsyncConnection, owned: Owned, table: str
) -> None:
    await connection.execute("SET LOCAL ROLE kladez_operator")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute(sql.SQL("SELECT 1 FROM {table}").format(table=sql.Identifier(table)))


async def test_operators_role_learns_where_answers_stand_and_nothing_they_say(
    connection: psycopg.AsyncConnection, owned: Owned
) -> None:
    await connection.execute("SET LOCAL ROLE kladez_operator")
    cursor = await connection.execute("SELECT tenant_id::text, id, status FROM chat_logs")
    assert (owned.shop.tenant_id, owned.answer_id, "completed") in await cursor.fetchall()
    finished = await connection.execute(
        "UPDATE chat_logs SET status = 'interrupted' WHERE status = 'completed'"
    )
    assert finished.rowcount == 0
    for column in ("question", "answer", "context", "session_id", "standalone_question"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with connection.transaction():
                await connection.execute(sql.SQL("SELECT {} FROM chat_logs").format(sql.Identifier(column)))


async def test_operators_role_learns_whose_sources_there_are_and_nothing_they_say(
    connection: psycopg.AsyncConnection, owned: Owned
) -> None:
    await connection.execute("SET LOCAL ROLE kladez_operator")
    cursor = await connection.execute("SELECT tenant_id::text, name FROM sources")
    assert (owned.shop.tenant_id, "spices") in await cursor.fetchall()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute("SELECT all_query FROM sources")


async def test_tenants_role_reads_no_runs_of_schedules(
    connection: psycopg.AsyncConnection, owned: Owned
) -> None:
    await become(connection, owned.shop.tenant_id)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute("SELECT 1 FROM schedule_runs")


async def test_tenants_role_reads_no_keys(connection: psycopg.AsyncConnection, owned: Owned) -> None:
    await become(connection, owned.shop.tenant_id)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute("SELECT 1 FROM api_keys")
