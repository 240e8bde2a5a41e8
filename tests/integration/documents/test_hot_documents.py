"""Documents that change faster than they are indexed, with two workers at once."""

from __future__ import annotations

import asyncio
from uuid import UUID

from retrieval_service.domain.retrieval.filters import Selection
from tests.kits.indexing_kit import Bench, jobs_of, open_bench, working

UPDATES = 100
PURGES = 60
SHOWN = "SELECT text FROM chunks WHERE tenant_id = %s ORDER BY text"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def test_last_of_hundred_versions_wins_with_two_workers(database_dsn: str) -> None:
    """Versions are only ever replaced by later ones, whichever worker is faster, and nobody deadlocks."""
    async with open_bench(database_dsn) as bench:
        tenant_id, seen = await bench.tenant(), list[int]()
        async with working(bench.service), working(bench.service):
            watching = asyncio.create_task(watch(bench, tenant_id, seen))
            for number in range(1, UPDATES + 1):
                document_id = await bench.put(tenant_id, "hot", f"Stock of tea: {number} packs.")
            await bench.indexed(tenant_id)
            watching.cancel()
        assert await bench.texts(tenant_id, document_id) == [f"Stock of tea: {UPDATES} packs."]
        assert seen == sorted(seen)
        assert {job.status for job in await jobs_of(bench.sql, tenant_id)} == {"done"}
        assert await deadlocks(bench) == 0


async def test_many_writers_of_one_document_leave_one_version(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        async with working(bench.service), working(bench.service), asyncio.TaskGroup() as group:
            for number in range(UPDATES):
                group.create_task(bench.put(tenant_id, "hot", f"Price: {number} rubles."))
        async with working(bench.service):
            await bench.indexed(tenant_id)
        cursor = await bench.sql.execute("SELECT content FROM documents WHERE tenant_id = %s", (tenant_id,))
        stored = [row[0] for row in await cursor.fetchall()]
        cursor = await bench.sql.execute(SHOWN, (tenant_id,))
        assert [row[0] for row in await cursor.fetchall()] == stored
        assert len(stored) == 1
        assert await deadlocks(bench) == 0


async def test_purge_waits_for_no_worker_that_waits_for_it(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        async with working(bench.service), working(bench.service):
            for number in range(PURGES):
                ids = [
                    await bench.put(tenant_id, f"short-lived-{place}", f"Tea {number}") for place in range(3)
                ]
                await bench.service.editor.purge(tenant_id, Selection(ids=[ids[number % 3]]))
            await bench.indexed(tenant_id)
        assert await deadlocks(bench) == 0


async def watch(bench: Bench, tenant_id: UUID, seen: list[int]) -> None:
    """Which version can be read in the index, looked at again and again."""
    while True:
        async with bench.service.database.tenant(tenant_id) as scope:
            cursor = await scope.connection.execute(SHOWN, (tenant_id,))
            seen.extend(int(row[0].split()[3]) for row in await cursor.fetchall())
        await asyncio.sleep(0.005)


async def deadlocks(bench: Bench) -> int:
    cursor = await bench.sql.execute(DEADLOCKS)
    row = await cursor.fetchone()
    assert row
    return row[0]
