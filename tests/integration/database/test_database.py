"""The doors to the database, against callers that give up at the worst moment."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from retrieval_service.domain.answering.session_proofs import SessionProof
from retrieval_service.stores.chats import chats
from retrieval_service.stores.database import Database, PoolSize, TenantScope, only, open_database

FLUSHING = "SHOW synchronous_commit"


async def hold(database: Database) -> None:
    async with database.operator():
        await asyncio.Event().wait()


@pytest.mark.parametrize("ticks", range(12))
async def test_caller_cancelled_while_its_connection_arrives_stays_cancelled(
    database_dsn: str, ticks: int
) -> None:
    async with open_database(database_dsn, PoolSize(minimum=1, maximum=1)) as database:
        async with database.operator():
            waiting = asyncio.create_task(hold(database))
            await asyncio.sleep(0.02)
        for _ in range(ticks):
            await asyncio.sleep(0)
        waiting.cancel()
        done, _ = await asyncio.wait([waiting], timeout=5.0)
        assert done
        assert waiting.cancelled()
        async with database.operator() as operator:  # the connection came back
            await operator.execute("SELECT 1")


async def test_changes_that_do_not_wait_for_the_disk_are_seen_and_later_ones_wait_again(
    database_dsn: str,
) -> None:
    async with open_database(database_dsn, PoolSize(minimum=1, maximum=1)) as database:
        async with database.operator() as operator:
            await operator.execute("SET synchronous_commit = on")
            made = await operator.execute("INSERT INTO tenants (name) VALUES ('Lumen') RETURNING id")
            [tenant_id] = only(await made.fetchone())
        async with database.at_once(tenant_id, waits_for_disk=False) as scope:
            inside = await scope.connection.execute(FLUSHING)
            proof = SessionProof(session_id=await open_session(scope))
        async with database.at_once(tenant_id) as scope:
            outside = await scope.connection.execute(FLUSHING)
            is_there = await chats.session_exists(scope, proof)
    assert await inside.fetchone() == ("off",)
    assert await outside.fetchone() == ("on",)
    assert is_there


async def open_session(scope: TenantScope) -> UUID:
    return await chats.open_session(scope, channel="", user_key="", language="", token_hash=b"")


async def test_owners_locks_end_with_its_block(database_dsn: str) -> None:
    """Many times: a server that is only told to end a session takes a moment for it."""
    async with open_database(database_dsn, PoolSize(minimum=1, maximum=1)) as database:
        for _ in range(30):
            async with database.owner() as owner:
                cursor = await owner.execute("SELECT pg_try_advisory_lock(7, 7)")
                assert await cursor.fetchone() == (True,)
