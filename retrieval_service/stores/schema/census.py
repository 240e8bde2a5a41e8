"""A whole database seen at one moment, for a backup and for whoever compares it; and emptying one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import LiteralString

from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from retrieval_service import errors
from retrieval_service.domain.operations.backups import Standing
from retrieval_service.stores.access import access_repair, logins, roles
from retrieval_service.stores.access.declared_access import ALEMBIC
from retrieval_service.stores.access.logins import Powers
from retrieval_service.stores.failures import unavailable_when_lost
from retrieval_service.stores.lock_waits import SHORT_WAITS

ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
SELECT_SCHEMAS = """
SELECT nspname::text FROM pg_namespace WHERE nspname NOT IN ('public', 'information_schema') AND nspname !~ '^pg_'
"""
EXPORT_SNAPSHOT = "SELECT pg_export_snapshot()"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One moment of a database: whoever is told `snapshot` sees the same one, as long as the block lasts.

    `strangers` are tables of other programs beside ours.
    """

    snapshot: str
    standing: Standing
    strangers: list[str]
    other_schemas: list[str]


@dataclass(frozen=True, kw_only=True)
class Address:
    """A DSN in two parts: what may be seen by everybody on the machine, and what may not."""

    conninfo: str
    password: str
    sslmode: str


def address(dsn: str) -> Address:
    told = conninfo_to_dict(dsn)
    password = str(told.pop("password", None) or "")
    return Address(
        conninfo=make_conninfo("", **told), password=password, sslmode=str(told.get("sslmode") or "")
    )


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[AsyncConnection]:
    with unavailable_when_lost():
        async with await AsyncConnection.connect(dsn, autocommit=True, options=SHORT_WAITS) as connection:
            yield connection


@asynccontextmanager
async def one_moment(connection: AsyncConnection) -> AsyncIterator[Moment]:
    """Raises `errors.Misconfigured` for a role that row-level security keeps from rows."""
    require_every_row(await logins.powers(connection))
    async with connection.transaction():
        await connection.execute(ONE_MOMENT)
        [(snapshot,)] = await (await connection.execute(EXPORT_SNAPSHOT)).fetchall()
        found = await access_repair.catalogue(connection)
        strangers = [table.name for table in found.tables if not access_repair.is_ours(table)]
        schemas = await (await connection.execute(SELECT_SCHEMAS)).fetchall()
        yield Moment(
            snapshot=snapshot,
            standing=await standing(connection),
            strangers=strangers,
            other_schemas=[name for (name,) in schemas],
        )


def require_every_row(own: Powers) -> None:
    if not own.sees_every_row:
        raise errors.Misconfigured(
            f"{own.role} is kept from rows by row-level security, and a backup has to hold them all: set "
            "KLADEZ_ADMIN_DATABASE_URL to a superuser or to a role with BYPASSRLS."
        )


REVISION = "SELECT version_num FROM schema_version"
VECTOR_VERSION = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
COUNT = "SELECT count(*) FROM {table}"


async def standing(connection: AsyncConnection) -> Standing:
    """Reads every table once."""
    found = await access_repair.catalogue(connection)
    ours = [table for table in found.tables if access_repair.is_ours(table)]
    rows = {}
    for table in ours:
        statement = sql.SQL(COUNT).format(table=sql.Identifier("public", table.name))
        [(rows[table.name],)] = await (await connection.execute(statement)).fetchall()
    known = await roles.stored(connection, roles.GROUPS)
    return Standing(
        revision=await _text(connection, REVISION) if ALEMBIC in rows else "",
        server_version=connection.info.server_version,
        vector_version=await _text(connection, VECTOR_VERSION),
        roles=sorted(known),
        policy_count=len(found.policies),
        grant_count=sum(one.role in roles.GROUPS for one in found.grants),
        closed_tables=[table.name for table in ours if table.is_closed],
        functions=[function.signature for function in found.functions],
        is_leakproof=await roles.is_leakproof(connection),
        rows=rows,
    )


async def _text(connection: AsyncConnection, statement: LiteralString) -> str:
    row = await (await connection.execute(statement)).fetchone()
    return str(row[0]) if row else ""


# Their own queries run nowhere else, and must not see half of a database.
SELECT_SESSIONS = """
SELECT DISTINCT usename::text FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL
    AND coalesce(backend_type, 'client backend') = 'client backend' ORDER BY 1
"""
ANALYZE = "ANALYZE {table}"
MAKE_EXTENSION = "CREATE EXTENSION IF NOT EXISTS vector"


async def sessions(connection: AsyncConnection) -> list[str]:
    """The roles of the others that are connected to the database."""
    return [name for (name,) in await (await connection.execute(SELECT_SESSIONS)).fetchall()]


async def make_extension(connection: AsyncConnection) -> None:
    await connection.execute(MAKE_EXTENSION)


async def analyze(connection: AsyncConnection, tables: list[str]) -> None:
    """So that the first searches are planned as the later ones."""
    for table in tables:
        await connection.execute(sql.SQL(ANALYZE).format(table=sql.Identifier("public", table)))


DROP_TABLE = "DROP TABLE IF EXISTS {table} CASCADE"
DROP_FUNCTION = "DROP FUNCTION IF EXISTS {function} CASCADE"


async def present(connection: AsyncConnection, wanted: list[str]) -> list[str]:
    """The tables of ours that there are, and those that are called like `wanted` ones."""
    found = await access_repair.catalogue(connection)
    return [table.name for table in found.tables if access_repair.is_ours(table) or table.name in wanted]


async def empty(connection: AsyncConnection, tables: list[str], functions: list[str]) -> None:
    """Removes the tables with all their rows, and the functions that are there; all of it or nothing."""
    found = await access_repair.catalogue(connection)
    async with connection.transaction():
        for table in tables:
            await connection.execute(sql.SQL(DROP_TABLE).format(table=sql.Identifier("public", table)))
        for function in found.functions:
            if function.signature in functions:
                name = access_repair.signature(function)
                await connection.execute(sql.SQL(DROP_FUNCTION).format(function=name))
