"""Who may reach what in Postgres: as declared, however the database came to be, and no more than that."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from retrieval_service import errors
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.services.operations import doctor_access
from retrieval_service.stores.access import access_repair, declared_access, logins, securing
from retrieval_service.stores.access.declared_access import Table
from retrieval_service.stores.database import open_database
from retrieval_service.stores.schema import schema
from tests.conftest import administer, temporary_database
from tests.kits.indexing_kit import until
from tests.kits.postgres import start_server

# Several servers and processes on a machine that also does something else.
pytestmark = pytest.mark.timeout(600)

REVISIONS = schema.revisions()
SERVICE = "kladez_service_postgres"
OWNER = "kladez_owner_postgres"


@pytest.fixture(scope="module")
def own_server() -> Iterator[Embedded]:
    """A server whose roles no other test needs."""
    with start_server() as server:
        yield server


@pytest.fixture
def own_dsn(own_server: Embedded) -> Iterator[str]:
    with temporary_database(own_server, template="template1") as dsn:
        yield dsn


@pytest.fixture
def later_scripts(tmp_path: Path) -> Path:
    """The migrations of a program that has one more."""
    scripts = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, scripts)
    later = f'revision = "9001"\ndown_revision = "{REVISIONS[-1]}"\n'
    (scripts / "versions" / "9001_later.py").write_text(later)
    return scripts


@asynccontextmanager
async def superuser(dsn: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield connection


async def problems(dsn: str) -> list[str]:
    return [str(one) for one in (await securing.compared(dsn)).differences]


async def test_what_migrations_make_is_declared_and_nothing_else(own_dsn: str, later_scripts: Path) -> None:
    """A migration that gives a role more needs its line in `declared_access`, or a restored database lacks it.

    To a program that knows a later revision this one is not the newest, so nothing is mended here.
    """
    await schema.upgrade(own_dsn, REVISIONS[-1], scripts=later_scripts)
    async with superuser(own_dsn) as connection:
        found = await access_repair.catalogue(connection)
    tables = [table.declared for table in found.tables if access_repair.is_ours(table)]
    made = {(one.table, one.name) for one in found.policies}
    assert made == {(one.table, one.name) for one in declared_access.policies(tables)}
    given = {(one.table, one.role, one.privilege, one.column) for one in found.grants}
    assert given == {
        (one.table, one.role, one.privilege, one.column) for one in declared_access.grants(tables)
    }
    assert {table.name for table in found.tables if not access_repair.is_ours(table)} == set()
    assert access_repair.differences(found, owner="postgres") == []


# What the operator may read of tables with a tenant, where the type could hold a customer's or an owner's words.
NAMES_AND_STATES = {
    "api_keys": {"display_name", "scopes"},
    "chat_logs": {"status"},
    "document_files": {"attributes_digest", "content_digest", "file_id", "role", "store_id"},
    "document_sync_jobs": {"action", "last_error", "status", "target", "worker"},
    "index_job_changes": {"ids", "source"},
    "index_jobs": {"error", "mode", "row_error", "state"},
    "sources": {"name"},
    "tenant_spaces": {"error", "state"},
    "vector_stores": {"store_id"},
}

READABLE = """
SELECT c.table_name, c.column_name FROM information_schema.columns c
JOIN information_schema.columns t USING (table_schema, table_name)
WHERE table_schema = 'public' AND t.column_name = 'tenant_id' AND c.data_type IN ('text', 'jsonb', 'json', 'ARRAY')
    AND has_column_privilege('kladez_operator', quote_ident(table_name)::text, c.column_name, 'SELECT')
"""


async def test_operator_reads_no_words_of_tenants(database_dsn: str) -> None:
    """A new column, or a grant on a whole table, needs its line here; what somebody wrote never gets one."""
    readable: dict[str, set[str]] = {}
    async with superuser(database_dsn) as connection:
        for table, column in await (await connection.execute(READABLE)).fetchall():
            readable.setdefault(table, set()).add(column)
    assert readable == NAMES_AND_STATES


async def test_migrated_database_is_as_declared(database_dsn: str) -> None:
    assert await problems(database_dsn) == []


def test_condition_is_known_again_in_the_words_of_the_server() -> None:
    stored = "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"
    assert declared_access.is_same(declared_access.OWN_ROWS, stored)
    assert not declared_access.is_same(declared_access.OWN_ROWS, stored.replace("=", "<>"))
    assert not declared_access.is_same(declared_access.OWN_ROWS, "true")
    assert not declared_access.is_same(None, "true")


def test_new_table_with_a_tenant_is_closed_by_rule() -> None:
    table = Table(name="coupons", columns=frozenset({"tenant_id", "code"}))
    [policy] = declared_access.policies([table])
    assert (policy.role, policy.using, policy.check) == (
        declared_access.TENANT,
        declared_access.OWN_ROWS,
        declared_access.OWN_ROWS,
    )
    assert {grant.privilege for grant in declared_access.grants([table])} == set(
        declared_access.ALL_PRIVILEGES
    )
    assert declared_access.is_closed(table)


SABOTAGE: dict[str, LiteralString] = {
    "no policy": "DROP POLICY own_rows ON documents",
    "no policy of the operator": "DROP POLICY every_row ON tenants",
    "policy lets everybody in": "ALTER POLICY own_rows ON chunks USING (true)",
    "policy lets everything be written": "ALTER POLICY own_rows ON chunks WITH CHECK (true)",
    "policy is for everybody": "ALTER POLICY own_rows ON chat_logs TO PUBLIC",
    "security is off": "ALTER TABLE documents DISABLE ROW LEVEL SECURITY",
    "owner is free": "ALTER TABLE chat_sessions NO FORCE ROW LEVEL SECURITY",
    "no rights": "REVOKE ALL ON documents FROM kladez_tenant",
    "no right to a column": "REVOKE SELECT (status) ON chat_logs FROM kladez_operator",
    "everybody reads": "GRANT SELECT ON documents TO PUBLIC",
    "everybody reads a column": "GRANT SELECT (secret_hash) ON api_keys TO PUBLIC",
    "another owner": "ALTER TABLE documents OWNER TO postgres",
    "another owner of a function": "ALTER FUNCTION documents_stamp() OWNER TO postgres",
    "everybody calls": "GRANT EXECUTE ON FUNCTION match_documents(vector, double precision, integer) TO PUBLIC",
    "words leak": "ALTER FUNCTION arrayoverlap(anyarray, anyarray) NOT LEAKPROOF",
    "schema is closed": "REVOKE USAGE ON SCHEMA public FROM PUBLIC, kladez_tenant",
    "door's role logs in": "ALTER ROLE kladez_tenant LOGIN",
    "door's role is mighty": "ALTER ROLE kladez_operator BYPASSRLS",
    "service is mighty": f"ALTER ROLE {SERVICE} SUPERUSER",
    "service inherits": f"ALTER ROLE {SERVICE} INHERIT",
    "service may not enter": f"REVOKE kladez_tenant FROM {SERVICE}",
    "service may not log in": f"ALTER ROLE {SERVICE} NOLOGIN",
    "owner makes roles": f"ALTER ROLE {OWNER} CREATEROLE",
    "a door within the other": "GRANT kladez_operator TO kladez_tenant",
    "tenants read everything": "GRANT pg_read_all_data TO kladez_tenant",
    "service is the owner": f"GRANT {OWNER} TO {SERVICE}",
    "service reads everything": f"GRANT pg_read_all_data TO {SERVICE} WITH ADMIN OPTION",
    "service runs programs": f"GRANT pg_execute_server_program TO {SERVICE}",
    "service needs no door": f"GRANT kladez_operator TO {SERVICE} WITH INHERIT TRUE",
    "service watches": f"GRANT pg_monitor TO {SERVICE}",
    "tenants make functions": "GRANT CREATE ON SCHEMA public TO kladez_tenant",
    "search has its owner's rights": (
        "ALTER FUNCTION match_documents(vector, double precision, integer) SECURITY DEFINER"
    ),
    "no triggers": "ALTER TABLE documents DISABLE TRIGGER ALL",
    "no trigger but of replicas": "ALTER TABLE documents ENABLE REPLICA TRIGGER documents_stamp",
    "owner makes no tables": f"REVOKE CREATE ON SCHEMA public FROM {OWNER}",
}


@pytest.fixture(scope="module")
def sabotaged_dsn(own_server: Embedded) -> Iterator[str]:
    with temporary_database(own_server, template="template1") as dsn:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(schema.upgrade(dsn))
        yield dsn


@pytest.mark.parametrize("name", SABOTAGE)
async def test_whatever_is_missing_is_seen_and_mended_at_the_next_start(
    sabotaged_dsn: str, name: str
) -> None:
    assert await problems(sabotaged_dsn) == []
    async with superuser(sabotaged_dsn) as connection:
        await connection.execute(SABOTAGE[name])
    assert await problems(sabotaged_dsn) != []
    await schema.prepare(sabotaged_dsn, migrates=False)
    assert await problems(sabotaged_dsn) == []
    await require_open_doors(sabotaged_dsn)


async def test_service_does_not_start_where_nobody_may_take_a_membership_back(sabotaged_dsn: str) -> None:
    owner = (await logins.doors(sabotaged_dsn)).owner
    async with superuser(sabotaged_dsn) as connection:
        await connection.execute("GRANT kladez_operator TO kladez_tenant")
        with pytest.raises(errors.Misconfigured, match="kladez_tenant: is a member of kladez_operator"):
            await schema.prepare(owner, migrates=False)
        async with open_database(owner) as database:
            found = [one async for one in doctor_access.examine(database, owner)]
        [told] = [one for one in found if one.name == "policies and grants"]
        assert (told.ok, told.blocks) == (False, True)
        assert "kladez_tenant: is a member of kladez_operator" in told.detail
        await connection.execute("REVOKE kladez_operator FROM kladez_tenant")
    await schema.prepare(owner, migrates=False)


@pytest.mark.parametrize("whose", ["DATABASE {}", "ROLE ALL"])
async def test_setting_of_the_database_that_hides_the_tables_is_named_and_nothing_is_made_elsewhere(
    own_dsn: str, whose: LiteralString
) -> None:
    await schema.upgrade(own_dsn)
    async with superuser(own_dsn) as connection:
        name = sql.Identifier(connection.info.dbname)
        setting = sql.SQL("ALTER " + whose + " SET search_path = pg_temp").format(name)
        reset = sql.SQL("ALTER " + whose + " RESET search_path").format(name)
        await connection.execute(setting)
        try:
            for migrates in (False, True):
                with pytest.raises(errors.Misconfigured, match="search_path") as raised:
                    await schema.prepare(own_dsn, migrates=migrates)
                assert reset.as_string().replace("search_path", '"search_path"') in str(raised.value)
        finally:
            await connection.execute(reset)
    await schema.prepare(own_dsn, migrates=False)


async def test_search_path_of_the_database_that_shows_the_tables_is_nobodys_business(own_dsn: str) -> None:
    await schema.upgrade(own_dsn)
    async with superuser(own_dsn) as connection:
        name = sql.Identifier(connection.info.dbname)
        await connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = public, pg_temp").format(name))
    await schema.prepare(own_dsn, migrates=False)
    assert await problems(own_dsn) == []


# What a session of the login can do to itself.
BY_ITSELF: dict[str, LiteralString] = {
    "another password": "ALTER ROLE CURRENT_USER PASSWORD 'x'",
    "no password": "ALTER ROLE CURRENT_USER PASSWORD NULL",
    "reads only": "ALTER ROLE CURRENT_USER SET default_transaction_read_only = on",
    "reads only here": "ALTER ROLE {role} IN DATABASE {database} SET default_transaction_read_only = on",
    "looks elsewhere": "ALTER ROLE CURRENT_USER SET search_path = nowhere",
    "without row security": "ALTER ROLE CURRENT_USER SET row_security = off",
    "no patience": "ALTER ROLE CURRENT_USER SET statement_timeout = 1",
    "no library": "ALTER ROLE CURRENT_USER SET local_preload_libraries = 'nothing'",
    "all at once": (
        "ALTER ROLE CURRENT_USER SET search_path = nowhere; ALTER ROLE CURRENT_USER PASSWORD 'x';"
        "ALTER ROLE {role} IN DATABASE {database} SET local_preload_libraries = 'nothing'"
    ),
}
# What only an administrator can, by mistake.
BY_ANOTHER: dict[str, LiteralString] = {
    "ended": "ALTER ROLE {role} VALID UNTIL '2020-01-01'",
    "ends soon": "ALTER ROLE {role} VALID UNTIL '2100-01-01'",
    "no connection": "ALTER ROLE {role} CONNECTION LIMIT 0",
    "few connections": "ALTER ROLE {role} CONNECTION LIMIT 1",
    "a tenant": "ALTER ROLE {role} SET app.tenant_id = '00000000-0000-0000-0000-000000000001'",
    "another role": "ALTER ROLE {role} SET role = kladez_operator",
    "another remark and settings": "COMMENT ON ROLE {role} IS 'x'; ALTER ROLE {role} SET search_path = nowhere",
}


async def spoil(dsn: str, role: str, statement: LiteralString) -> None:
    async with superuser(dsn) as connection:
        names = {"role": sql.Identifier(role), "database": sql.Identifier(connection.info.dbname)}
        await connection.execute(sql.SQL(statement).format(**names))


async def require_open_doors(dsn: str) -> None:
    """More connections than one, each of which reads and writes."""
    async with open_database(dsn) as database:
        async with database.operator() as connection, database.tenant(uuid4()) as scope:
            await connection.execute("UPDATE tenants SET name = name")
            await scope.connection.execute("UPDATE documents SET title = title")
        async with database.owner() as owner:
            await owner.execute("CREATE TABLE tried (id int); DROP TABLE tried")


@pytest.mark.parametrize("name", BY_ITSELF)
@pytest.mark.parametrize("role", [SERVICE, OWNER])
async def test_login_that_spoiled_itself_works_after_the_next_start(
    sabotaged_dsn: str, name: str, role: str
) -> None:
    doors = await logins.doors(sabotaged_dsn)
    await spoil({SERVICE: doors.service, OWNER: doors.owner}[role], role, BY_ITSELF[name])
    assert [one for one in await problems(sabotaged_dsn) if one.startswith(role)]
    await securing.ensure(sabotaged_dsn)
    assert await problems(sabotaged_dsn) == []
    await require_open_doors(sabotaged_dsn)


@pytest.mark.parametrize("name", BY_ANOTHER)
@pytest.mark.parametrize("role", [SERVICE, OWNER])
async def test_login_that_an_administrator_spoiled_works_after_the_next_start(
    sabotaged_dsn: str, name: str, role: str
) -> None:
    await spoil(sabotaged_dsn, role, BY_ANOTHER[name])
    assert [one for one in await problems(sabotaged_dsn) if one.startswith(role)]
    await securing.ensure(sabotaged_dsn)
    assert await problems(sabotaged_dsn) == []
    await require_open_doors(sabotaged_dsn)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE CURRENT_USER PASSWORD 'x'",
        "ALTER ROLE CURRENT_USER SET search_path = nowhere",
        "ALTER ROLE CURRENT_USER SET default_transaction_read_only = on",
        "ALTER ROLE CURRENT_USER SET local_preload_libraries = 'nothing'",
    ],
)
async def test_spoiled_login_is_named_where_nobody_may_mend_it(
    sabotaged_dsn: str, statement: LiteralString
) -> None:
    doors = await logins.doors(sabotaged_dsn)
    await spoil(doors.service, SERVICE, statement)
    with pytest.raises(errors.Misconfigured, match=SERVICE):
        await securing.ensure(doors.owner)
    await securing.ensure(sabotaged_dsn)
    await securing.ensure(doors.owner)
    await require_open_doors(doors.owner)


async def test_setting_that_does_no_harm_stops_no_start(sabotaged_dsn: str) -> None:
    doors = await logins.doors(sabotaged_dsn)
    await spoil(doors.service, SERVICE, "ALTER ROLE CURRENT_USER SET work_mem = '8MB'")
    found = await securing.ensure(doors.owner)
    assert [str(one) for one in found.logins] == [f"{SERVICE}: has settings of its own: work_mem"]
    await securing.ensure(sabotaged_dsn)
    assert await problems(sabotaged_dsn) == []


async def test_full_server_says_nothing_against_a_login(sabotaged_dsn: str) -> None:
    async with superuser(sabotaged_dsn) as connection:
        database = sql.Identifier(connection.info.dbname)
        limit = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}")
        await connection.execute(limit.format(database, sql.Literal(0)))
        try:
            assert (await securing.ensure(sabotaged_dsn)).differences == []
        finally:
            await connection.execute(limit.format(database, sql.Literal(-1)))
    await require_open_doors(sabotaged_dsn)


async def test_trying_the_logins_waits_for_nobody_who_changes_the_schema(sabotaged_dsn: str) -> None:
    async with superuser(sabotaged_dsn) as holder, asyncio.timeout(30):
        await holder.execute(securing.TRY_LOCK, {"lock": securing.CHANGE_LOCK})
        assert (await securing.ensure(sabotaged_dsn)).differences == []


async def test_policy_of_somebody_elses_making_is_told_and_left(own_dsn: str) -> None:
    await schema.upgrade(own_dsn)
    async with superuser(own_dsn) as connection:
        await connection.execute("CREATE POLICY spy ON documents TO kladez_tenant USING (true)")
    await schema.prepare(own_dsn, migrates=False)
    assert await problems(own_dsn) == ["documents: the policy spy is not ours"]


async def test_right_that_nobody_declared_is_told_and_left(own_dsn: str) -> None:
    await schema.upgrade(own_dsn)
    async with superuser(own_dsn) as connection:
        await connection.execute("GRANT TRUNCATE ON documents TO kladez_tenant")
    await schema.prepare(own_dsn, migrates=False)
    assert await problems(own_dsn) == ["documents: kladez_tenant holds TRUNCATE, which is not declared"]


async def test_table_of_another_program_is_left_alone(own_dsn: str) -> None:
    await schema.upgrade(own_dsn)
    async with superuser(own_dsn) as connection:
        await connection.execute("CREATE TABLE invoices (id int); GRANT SELECT ON invoices TO PUBLIC")
        await schema.prepare(own_dsn, migrates=True)
        cursor = await connection.execute(
            "SELECT has_table_privilege('public', oid, 'SELECT'), relrowsecurity FROM pg_class"
            " WHERE relname = 'invoices'"
        )
        assert await cursor.fetchone() == (True, False)


# What somebody tries who can make the service run SQL of his own.
ESCAPES: dict[str, LiteralString] = {
    "become the owner": f"SET ROLE {OWNER}",
    "become the superuser": "SET ROLE postgres",
    "log in as another": "SET SESSION AUTHORIZATION postgres",
    "make a role": "CREATE ROLE thief SUPERUSER",
    "raise oneself": f"ALTER ROLE {SERVICE} BYPASSRLS",
    "switch security off": "ALTER TABLE documents NO FORCE ROW LEVEL SECURITY",
    "drop a policy": "DROP POLICY own_rows ON documents",
    "read a file": "SELECT pg_read_file('/etc/passwd')",
    "list files": "SELECT pg_ls_dir('/')",
    "import a file": "SELECT lo_import('/etc/passwd')",
    "export a file": "SELECT lo_export(1, '/tmp/thief')",
    "run a program": "COPY (SELECT 1) TO PROGRAM 'cat'",
    "write a file": "COPY (SELECT 1) TO '/tmp/thief'",
    "read a file into a table": "CREATE TEMP TABLE loot (line text); COPY loot FROM '/etc/passwd'",
    "read passwords": "SELECT * FROM pg_authid",
    "make a table": "CREATE TABLE loot (id int)",
    "make a function of the owner's": "CREATE FUNCTION loot() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "load a library": "LOAD '/tmp/thief.so'",
    "change the server": "SET log_statement = 'all'",
    "skip security": "SET session_replication_role = 'replica'",
    "end others' sessions": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
}


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("door", ["tenant", "operator", "neither"])
async def test_session_of_the_service_reaches_nothing_beyond_its_doors(
    database_dsn: str, name: str, door: str
) -> None:
    async with open_database(database_dsn) as database, database.operator() as connection:
        role = {
            "tenant": "SET ROLE kladez_tenant",
            "operator": "SET ROLE kladez_operator",
            "neither": "RESET ROLE",
        }
        await connection.execute(role[door].encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with connection.transaction():
                await connection.execute(ESCAPES[name])


async def test_service_that_gives_up_its_role_reads_no_row_of_any_table(database_dsn: str) -> None:
    async with open_database(database_dsn) as database, database.operator() as connection:
        await connection.execute("RESET ROLE")
        cursor = await connection.execute("SELECT session_user::text, current_user::text")
        assert await cursor.fetchone() == (SERVICE, SERVICE)
        for table in await table_names(connection):
            for column in ("count(*)", "1"):
                statement = sql.SQL("SELECT {} FROM {}").format(sql.SQL(column), sql.Identifier(table))
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    async with connection.transaction():
                        await connection.execute(statement)


async def table_names(connection: AsyncConnection) -> list[str]:
    cursor = await connection.execute(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    return [name for (name,) in await cursor.fetchall()]


async def test_owners_door_is_no_superusers(database_dsn: str) -> None:
    async with open_database(database_dsn) as database, database.owner() as connection:
        own = await logins.powers(connection)
        assert (own.role, own.is_superuser, own.makes_roles, own.sees_every_row) == (
            OWNER,
            False,
            False,
            False,
        )
        for statement in (
            "SET ROLE postgres",
            "SELECT pg_read_file('/etc/passwd')",
            "SET ROLE kladez_tenant",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(statement.encode())


async def test_passwords_of_the_logins_are_neither_each_others_nor_in_the_catalogue(
    database_dsn: str,
) -> None:
    doors = await logins.doors(database_dsn)
    passwords = [conninfo_to_dict(dsn)["password"] for dsn in (database_dsn, doors.owner, doors.service)]
    assert len(set(passwords)) == 3
    async with superuser(database_dsn) as connection:
        cursor = await connection.execute(
            "SELECT rolpassword, shobj_description(oid, 'pg_authid') FROM pg_authid WHERE rolname LIKE 'kladez%'"
        )
        kept = repr(await cursor.fetchall())
    assert not [password for password in passwords if str(password) in kept]
    assert "SCRAM-SHA-256" in kept


async def test_changed_password_makes_new_logins_and_ends_the_old_ones(
    own_server: Embedded, own_dsn: str
) -> None:
    await schema.upgrade(own_dsn)
    before = await logins.doors(own_dsn)
    administer(own_server, sql.SQL("CREATE ROLE chief SUPERUSER LOGIN PASSWORD 'first'").format())
    first = make_conninfo(own_dsn, user="chief", password="first")
    await schema.prepare(first, migrates=False)
    old = await logins.doors(first)
    administer(own_server, sql.SQL("ALTER ROLE chief PASSWORD 'second'").format())
    second = make_conninfo(own_dsn, user="chief", password="second")
    await schema.prepare(second, migrates=False)
    new = await logins.doors(second)
    assert len({before.service, old.service, new.service}) == 3
    with pytest.raises(psycopg.OperationalError):
        await AsyncConnection.connect(old.service)
    async with open_database(second) as database, database.operator() as connection:
        await connection.execute("SELECT count(*) FROM tenants")


class TestManagedServer:
    """A server that gives out no superuser."""

    async def test_role_that_may_make_roles_gets_a_login_for_the_service(
        self, own_server: Embedded, own_dsn: str
    ) -> None:
        dsn = await managed(own_server, own_dsn, "landlord", sql.SQL("CREATEROLE"))
        await schema.upgrade(dsn)
        async with open_database(dsn) as database, database.operator() as connection:
            cursor = await connection.execute("SELECT session_user::text, (SELECT count(*) FROM tenants)")
            assert await cursor.fetchone() == ("kladez_service_landlord", 0)
        assert await problems(dsn) in ([], ["arrayoverlap: is not known to be leakproof"])

    @pytest.mark.parametrize("name", BY_ITSELF)
    async def test_spoiled_login_is_mended_by_who_made_it(
        self, own_server: Embedded, own_dsn: str, name: str
    ) -> None:
        maker = f"maker{list(BY_ITSELF).index(name)}"
        dsn = await managed(own_server, own_dsn, maker, sql.SQL("CREATEROLE"))
        await schema.upgrade(dsn)
        service = f"kladez_service_{maker}"
        await spoil((await logins.doors(dsn)).service, service, BY_ITSELF[name])
        assert [one for one in await problems(dsn) if one.startswith(service)]
        await securing.ensure(dsn)
        await require_open_doors(dsn)

    async def test_administrator_mends_the_logins_that_he_made(self, own_dsn: str) -> None:
        dsn = make_conninfo(own_dsn, user="tenant_of_admin", password="for the service")
        await schema.upgrade(dsn, admin_dsn=own_dsn)
        for login in ((await logins.doors(dsn)).service, dsn):
            await spoil(login, "", "ALTER ROLE CURRENT_USER PASSWORD 'x'")
        await securing.ensure(dsn, admin_dsn=own_dsn)
        await require_open_doors(dsn)

    async def test_login_that_a_proxy_refuses_is_taken_back(self, own_server: Embedded, own_dsn: str) -> None:
        dsn = await managed(own_server, own_dsn, "proxied", sql.SQL("CREATEROLE"))
        async with superuser(own_dsn) as connection, refusing(connection, "kladez_service_proxied"):
            await schema.upgrade(dsn)
            async with open_database(dsn) as database, database.operator() as operator:
                assert operator.info.user == "proxied"
        await securing.ensure(dsn)
        async with open_database(dsn) as database, database.operator() as operator:
            assert operator.info.user == "kladez_service_proxied"

    async def test_only_role_there_is_serves_by_itself(self, own_server: Embedded, own_dsn: str) -> None:
        dsn = await managed(own_server, own_dsn, "lodger", sql.SQL("NOCREATEROLE"))
        await schema.upgrade(dsn)
        async with open_database(dsn) as database, database.operator() as connection:
            cursor = await connection.execute("SELECT session_user::text, (SELECT count(*) FROM tenants)")
            assert await cursor.fetchone() == ("lodger", 0)

    async def test_administrator_makes_the_login_that_the_service_is_given(self, own_dsn: str) -> None:
        dsn = make_conninfo(own_dsn, user="kladez", password="for the service")
        await schema.upgrade(dsn, admin_dsn=own_dsn)
        async with open_database(dsn) as database:
            async with database.operator() as connection:
                cursor = await connection.execute("SELECT session_user::text")
                assert await cursor.fetchone() == ("kladez_service_kladez",)
            async with database.owner() as owner:
                assert (await logins.powers(owner)).role == "kladez"
        await schema.prepare(dsn, migrates=False)
        assert await problems(dsn) == []

    async def test_roles_that_are_missing_and_cannot_be_made_are_named(self, own_dsn: str) -> None:
        await schema.upgrade(own_dsn)
        async with superuser(own_dsn) as connection:
            await connection.execute(
                "CREATE ROLE stranger LOGIN PASSWORD 'x'; GRANT SELECT ON schema_version TO stranger;"
                "DROP POLICY own_rows ON documents"
            )
        with pytest.raises(errors.Misconfigured, match="documents: the policy own_rows is missing"):
            await schema.prepare(make_conninfo(own_dsn, user="stranger", password="x"), migrates=False)


@asynccontextmanager
async def refusing(connection: AsyncConnection, role: str) -> AsyncIterator[None]:
    """The server lets the role in as little as a proxy does that does not know it."""
    [(path,)] = await (await connection.execute("SHOW hba_file")).fetchall()
    [(before,)] = await (await connection.execute("SELECT pg_read_file(%s)", [path])).fetchall()
    await set_rules(connection, path, f"host all {role} all reject\n{before}")
    try:
        yield
    finally:
        await set_rules(connection, path, before)


async def set_rules(connection: AsyncConnection, path: str, rules: str) -> None:
    """By way of the server, which alone knows its folder; it reads them before it tells its sessions to."""
    [(loaded,)] = await (await connection.execute("SELECT pg_conf_load_time()")).fetchall()
    statement = sql.SQL("COPY (SELECT unnest({}::text[])) TO {}")
    await connection.execute(statement.format(sql.Literal(rules.splitlines()), sql.Literal(path)))
    await connection.execute("SELECT pg_reload_conf()")

    async def has_loaded() -> bool:
        [(now,)] = await (await connection.execute("SELECT pg_conf_load_time()")).fetchall()
        return now != loaded

    await until(has_loaded)


async def managed(server: Embedded, dsn: str, role: str, attribute: sql.SQL) -> str:
    """The DSN of a role that owns the database and is no superuser; the extension and the doors' roles are there."""
    async with superuser(dsn) as connection:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        statement = sql.SQL("CREATE ROLE {role} LOGIN PASSWORD 'x' {attribute}")
        await connection.execute(statement.format(role=sql.Identifier(role), attribute=attribute))
        for group in ("kladez_tenant", "kladez_operator"):
            name = sql.Identifier(group)
            await connection.execute(
                sql.SQL(
                    "DO $$ BEGIN IF to_regrole({quoted}) IS NULL THEN CREATE ROLE {name}; END IF; END $$;"
                    "GRANT {name} TO {role} WITH ADMIN OPTION"
                ).format(quoted=sql.Literal(group), name=name, role=sql.Identifier(role))
            )
        database = sql.Identifier(connection.info.dbname)
        await connection.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(role))
        )
    return make_conninfo(dsn, user=role, password="x")


HOLD = "LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE"


async def test_start_with_nothing_to_change_waits_for_no_lock(database_dsn: str) -> None:
    """The lock of whoever builds an index, on every table: it stops all that changes one, and no reading or writing."""
    async with await AsyncConnection.connect(database_dsn) as holder, asyncio.timeout(30):
        for table in await table_names(holder):
            await holder.execute(sql.SQL(HOLD).format(table=sql.Identifier(table)))
        await schema.prepare(database_dsn, migrates=False)
        await schema.prepare(database_dsn, migrates=True)
