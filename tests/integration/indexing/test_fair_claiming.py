"""Whose turn it is: tenants go round, each gives its oldest jobs, and a backlog makes nobody's claim slower."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection, sql

from retrieval_service.stores.database import Database
from retrieval_service.stores.queue import document_jobs
from retrieval_service.stores.queue.document_jobs import Ask, Job
from tests.kits.indexing_kit import INSERT_MANY, Bench, finish, insert, recover, value

LARGE = 32 * 1024
PUT_JOB = """
INSERT INTO document_sync_jobs (tenant_id, document_id, action, target, content_bytes, scheduled_at)
VALUES (%s, gen_random_uuid(), 'upsert', %s, %s, now() + make_interval(secs => %s)) RETURNING id
"""
SIZES = (
    "SELECT content_bytes, is_large FROM document_sync_jobs WHERE document_id = %s AND target = 'pgvector'"
)
BACKLOG = """
INSERT INTO document_sync_jobs (tenant_id, document_id, action, content_bytes)
SELECT %s, gen_random_uuid(), 'upsert', %s FROM generate_series(1, %s)
"""
EXPIRE = "UPDATE document_sync_jobs SET lease_until = now() - interval '1 second' WHERE status = 'processing'"
# What a claim touches, however fast the machine is: mostly the rows it takes and their places in five indexes.
BLOCKS = ("Shared Hit Blocks", "Shared Read Blocks")
MOST_BLOCKS = 700


@dataclass(frozen=True, kw_only=True)
class Queued:
    """A job as the model sees it; due when `seconds` is not above 0."""

    id: int
    tenant_id: UUID
    target: str
    size: int
    seconds: int


async def claimed(database: Database, ask: Ask, worker: str = "one") -> list[Job]:
    async with database.operator() as operator:
        return await document_jobs.claim(operator, ask, worker=worker, lease_seconds=60)


async def put_jobs(
    connection: AsyncConnection, chance: random.Random, tenants: Sequence[UUID]
) -> list[Queued]:
    queued: list[Queued] = []
    for _ in range(chance.randint(0, 60)):
        tenant_id, target = (
            chance.choice(tenants),
            chance.choice([document_jobs.PGVECTOR, document_jobs.OPENAI]),
        )
        size, seconds = chance.choice([0, 10, 900, LARGE, LARGE + 1, 10**6]), -chance.randint(-3, 3_000)
        job_id = await value(connection, PUT_JOB, tenant_id, target, size, seconds)
        queued.append(Queued(id=job_id, tenant_id=tenant_id, target=target, size=size, seconds=seconds))
    return queued


def expected(queued: Sequence[Queued], ask: Ask) -> set[int]:
    """The rule itself: the next tenant in the ring that has something due, and its oldest jobs."""
    due = [
        one
        for one in queued
        if one.target == ask.target and (one.size > LARGE) == ask.is_large and one.seconds <= 0
    ]
    waiting = {one.tenant_id for one in due} - set(ask.busy)
    ring = sorted(waiting, key=lambda tenant_id: (tenant_id <= ask.after, tenant_id))
    taken: set[int] = set()
    size = 0
    for one in sorted(
        (one for one in due if one.tenant_id in ring[:1]), key=lambda one: (one.seconds, one.id)
    ):
        if len(taken) < ask.limit and size < ask.max_bytes:
            taken.add(one.id)
            size += one.size
    return taken


@pytest.mark.parametrize("seed", range(12))
async def test_any_backlog_is_claimed_round_robin_by_tenant_and_then_by_age(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    tenants = [uuid4() for _ in range(chance.randint(1, 6))]
    queued = await put_jobs(bench.sql, chance, tenants)
    after = chance.choice([document_jobs.NOBODY, *tenants])
    empty = 0
    while empty < 4:
        ask = Ask(
            target=chance.choice([document_jobs.PGVECTOR, document_jobs.OPENAI]),
            is_large=chance.random() < 0.4,
            limit=chance.randint(1, 5),
            max_bytes=chance.choice([1, 1_000, 10**9]),
            after=after,
            busy=chance.sample(tenants, chance.randint(0, len(tenants) // 2)),
        )
        taken = {job.id for job in await claimed(bench.service.database, ask)}
        assert taken == expected(queued, ask)
        after = next((one.tenant_id for one in queued if one.id in taken), after)
        queued = [one for one in queued if one.id not in taken]
        empty = 0 if taken else empty + 1


async def test_every_tenant_is_served_once_before_any_is_served_again(bench: Bench) -> None:
    tenants = [await bench.tenant() for _ in range(5)]
    for tenant_id in tenants:
        await bench.sql.execute(INSERT_MANY, (tenant_id, 9))
    order: list[UUID] = []
    after = tenants[2]
    while batch := await claimed(bench.service.database, Ask(limit=3, after=after)):
        assert len(batch) == 3
        [after] = {job.tenant_id for job in batch}
        order.append(after)
    rounds = [order[start : start + 5] for start in range(0, 15, 5)]
    assert rounds[0][-1] == tenants[2]
    assert [set(one) for one in rounds] == [set(tenants)] * 3


async def test_batch_of_many_tenants_is_shared_fairly(bench: Bench) -> None:
    big, small = await bench.tenant(), await bench.tenant()
    await bench.sql.execute(INSERT_MANY, (big, 100))
    await bench.sql.execute(INSERT_MANY, (small, 3))
    batch = await claimed(bench.service.database, Ask(limit=20, tenants=20))
    owners = [job.tenant_id for job in batch]
    assert (owners.count(small), owners.count(big)) == (3, 10)


async def test_document_that_is_worked_on_hides_neither_its_tenants_others_nor_other_tenants(
    bench: Bench, tenant_id: UUID
) -> None:
    await insert(bench.sql, tenant_id, "1")
    [first] = await claimed(bench.service.database, Ask(limit=1))
    await bench.sql.execute("UPDATE documents SET content = 'Coffee.'")
    other = await bench.tenant()
    await insert(bench.sql, other, "1")
    [second] = await claimed(bench.service.database, Ask(limit=1))
    assert second.tenant_id == other
    assert await claimed(bench.service.database, Ask(limit=1)) == []
    await finish(bench.service.database, first)
    assert [job.tenant_id for job in await claimed(bench.service.database, Ask(limit=1))] == [tenant_id]


async def test_jobs_know_the_size_of_their_documents_whoever_queues_them(
    bench: Bench, tenant_id: UUID
) -> None:
    document_id = await insert(bench.sql, tenant_id, "1", "a" * (LARGE + 1))
    assert await sizes(bench, document_id) == [(LARGE + 1, True)]
    await bench.sql.execute("UPDATE documents SET content = 'ж'")
    assert await sizes(bench, document_id) == [(2, False)]
    await bench.sql.execute("UPDATE documents SET content = repeat('b', %s)", (LARGE + 2,))
    await bench.sql.execute("DELETE FROM document_sync_jobs")
    await bench.sql.execute(
        "INSERT INTO document_sync_jobs (tenant_id, document_id, action) VALUES (%s, %s, 'upsert')",
        (tenant_id, document_id),
    )
    assert await sizes(bench, document_id) == [(LARGE + 2, True)]
    await bench.sql.execute("UPDATE documents SET is_deleted = true")
    assert await sizes(bench, document_id) == [(0, False)]


async def sizes(bench: Bench, document_id: UUID) -> list[tuple[Any, ...]]:
    return await (await bench.sql.execute(SIZES, (document_id,))).fetchall()


async def test_jobs_of_dead_workers_and_failed_ones_keep_their_size(bench: Bench, tenant_id: UUID) -> None:
    document_id = await insert(bench.sql, tenant_id, "1", "a" * (LARGE + 1))
    assert await claimed(bench.service.database, Ask(limit=1)) == []
    [job] = await claimed(bench.service.database, Ask(limit=1, is_large=True))
    await bench.sql.execute(EXPIRE)
    await recover(bench.service.database)
    assert await sizes(bench, document_id) == [(LARGE + 1, True)]
    [job] = await claimed(bench.service.database, Ask(limit=1, is_large=True))
    async with bench.service.database.tenant(tenant_id) as scope:
        await document_jobs.fail(
            scope, job, worker="one", error="no luck", delay_seconds=1, max_attempts=5, final=False
        )
    assert await sizes(bench, document_id) == [(LARGE + 1, True)]


async def test_while_an_orphan_is_tried_others_are_claimed_and_no_second_orphan(bench: Bench) -> None:
    tenants = [await bench.tenant() for _ in range(3)]
    for tenant_id in tenants:
        await insert(bench.sql, tenant_id, "1")
        await claimed(bench.service.database, Ask(limit=1))
    await bench.sql.execute(EXPIRE)
    await recover(bench.service.database)
    [orphan] = await claimed(bench.service.database, Ask(limit=9, tenants=9))
    assert orphan.is_orphan
    assert await claimed(bench.service.database, Ask(limit=9, takes_orphans=False)) == []
    await insert(bench.sql, tenants[0], "2")
    [fresh] = await claimed(bench.service.database, Ask(limit=9, takes_orphans=False))
    assert not fresh.is_orphan


@pytest.mark.parametrize("size", [10, LARGE + 1])
async def test_backlog_of_one_tenant_does_not_make_anothers_claim_touch_more(bench: Bench, size: int) -> None:
    """Statistics of an empty queue are what a burst meets."""
    await bench.sql.execute("ANALYZE document_sync_jobs")
    big, small = await bench.tenant(), await bench.tenant()
    await bench.sql.execute(BACKLOG, (big, size, 20_000))
    for after in (small, big):
        await bench.sql.execute(BACKLOG, (small, 10, 1))
        assert await blocks(bench, Ask(limit=32, max_bytes=10**5, after=after)) < MOST_BLOCKS


TYPES = {
    "target": "text",
    "limit": "integer",
    "is_large": "boolean",
    "tenants": "integer",
    "max_bytes": "bigint",
    "after": "uuid",
    "busy": "uuid[]",
    "takes_orphans": "boolean",
    "worker": "text",
    "lease_seconds": "float8",
}


async def blocks(bench: Bench, ask: Ask) -> int:
    """How many blocks the claim looks at, by the plan that serves every claim; the claim is real."""
    numbered = {name: f"${number}" for number, name in enumerate(TYPES, start=1)}
    await bench.sql.execute("SET plan_cache_mode = force_generic_plan")
    await bench.sql.execute("DEALLOCATE ALL")
    await bench.sql.execute(
        f"PREPARE claiming ({', '.join(TYPES.values())}) AS {document_jobs.CLAIM % numbered}".encode()
    )
    given = {**vars(ask), "busy": list(ask.busy), "worker": "one", "lease_seconds": 60.0}
    values = sql.SQL(", ").join(sql.Literal(given[name]) for name in TYPES)
    statement = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE claiming ({})").format(values)
    row = await (await bench.sql.execute(statement)).fetchone()
    assert row
    return sum(row[0][0]["Plan"][name] for name in BLOCKS)
