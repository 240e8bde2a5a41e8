"""A database that is full, crowded, read-only or in others' hands is said to be so, and not to be lost."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from retrieval_service import errors
from retrieval_service.api.status import code_of
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.stores.database import Database, PoolSize, open_database
from retrieval_service.stores.failures import KINDS
from tests.kits.postgres import start_server

RAISE = "DO $$ BEGIN RAISE EXCEPTION 'as the server would' USING ERRCODE = {code}; END $$"
ONE = PoolSize(minimum=1, maximum=1)

SAID = {
    "53100": (errors.DatabaseFull, "disk is full"),
    "53200": (errors.DatabaseOutOfMemory, "ran out of memory"),
    "53300": (errors.DatabaseCrowded, "no connection to spare"),
    "25006": (errors.DatabaseReadOnly, "takes no writes"),
    "58030": (errors.DatabaseFaulty, "cannot read or write its files"),
    "55P03": (errors.DatabaseBusy, "Others hold"),
    "40P01": (errors.DatabaseBusy, "Others hold"),
    "57P01": (errors.Unavailable, "restarting"),
    "57P03": (errors.Unavailable, "restarting"),
    "08006": (errors.Unavailable, "lost"),
    "53000": (errors.Unavailable, "lost"),
}


@pytest.mark.parametrize("code", SAID)
@pytest.mark.parametrize("door", ["tenant", "operator", "owner"])
async def test_every_failure_of_the_server_is_told_apart_at_every_door(
    database_dsn: str, door: str, code: str
) -> None:
    statement, (kind, words) = sql.SQL(RAISE).format(code=sql.Literal(code)), SAID[code]
    async with open_database(database_dsn, ONE) as database:
        with pytest.raises(kind, match=words) as failure:
            await run_behind(database, door, statement)
    assert type(failure.value) is kind
    assert code_of(failure.value).name == "UNAVAILABLE"


async def run_behind(database: Database, door: str, statement: sql.Composed) -> None:
    if door == "tenant":
        async with database.tenant(uuid.uuid4()) as scope:
            await scope.connection.execute(statement)
    elif door == "operator":
        async with database.operator() as connection:
            await connection.execute(statement)
    else:
        async with database.owner() as connection:
            await connection.execute(statement)


async def test_mistake_in_sql_and_time_that_is_over_stay_what_they_are(database_dsn: str) -> None:
    async with open_database(database_dsn, ONE) as database:
        with pytest.raises(psycopg.errors.SyntaxError):
            async with database.operator() as connection:
                await connection.execute("SELEKT")
        with pytest.raises(psycopg.errors.QueryCanceled):
            async with database.operator() as connection:
                await connection.execute("SET LOCAL statement_timeout = 10; SELECT pg_sleep(5)")


async def test_standby_says_that_it_takes_no_writes(database_dsn: str) -> None:
    async with open_database(database_dsn, ONE) as database:
        with pytest.raises(errors.DatabaseReadOnly):
            async with database.operator() as connection:
                await connection.execute("SET TRANSACTION READ ONLY; INSERT INTO tenants (name) VALUES ('x')")


def test_no_two_kinds_are_said_alike() -> None:
    kinds = {ours for _, ours in KINDS}
    assert len({str(ours()) for ours in kinds}) == len({ours.reason for ours in kinds}) == len(kinds)


@pytest.fixture
def own_server() -> Iterator[Embedded]:
    """It is used up by its test."""
    with start_server() as server:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        yield server


async def test_server_without_a_connection_to_spare_says_so_at_every_door(own_server: Embedded) -> None:
    """Of a connection that is refused the pool by itself only says that none came."""
    with ExitStack() as others:
        size = PoolSize(minimum=1, maximum=4, wait_seconds=2.0)
        async with open_database(own_server.dsn, size) as database, await superuser(own_server) as connection:
            await connection.execute("CREATE ROLE kladez_operator")
            await asyncio.to_thread(crowd, others, own_server.dsn)
            with pytest.raises(errors.DatabaseCrowded):
                async with database.owner():
                    pass
            async with database.operator():  # the one connection that the pool has
                with pytest.raises(errors.DatabaseCrowded):
                    async with database.operator():
                        pass
            with pytest.raises(errors.DatabaseCrowded):
                async with open_database(own_server.dsn):
                    pass


async def superuser(server: Embedded) -> AsyncConnection:
    return await AsyncConnection.connect(server.dsn, autocommit=True)


def crowd(stack: ExitStack, dsn: str) -> None:
    """Takes every connection that is left."""
    with suppress(psycopg.OperationalError):
        while True:
            stack.enter_context(psycopg.connect(dsn))
