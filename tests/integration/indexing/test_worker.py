"""The worker: woken by a commit, never idle beside work, and stopped without harm."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from retrieval_service.stores.queue import document_jobs
from retrieval_service.worker import worker as worker_module
from retrieval_service.worker.claiming import Lane
from retrieval_service.worker.worker import Worker, WorkerOptions
from tests.fakes.openai.faults import Fault
from tests.kits.indexing_kit import (
    EMBEDDINGS,
    INSERT_MANY,
    LISTENERS,
    Bench,
    indexer,
    insert,
    is_listening,
    jobs_of,
    open_bench,
    recover,
    running,
    states,
    until,
    value,
    working,
)

SOON_SECONDS = 10.0  # a third of the bench's poll interval: whoever needs it was woken
LONG_LEASE = 60.0
KILL_LISTENERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE query = 'LISTEN kladez_jobs' AND datname = current_database()
"""
DIE_WITH_IT = """
UPDATE document_sync_jobs SET status = 'processing', worker = 'dead', lease_until = now() WHERE status = 'pending'
"""
KILL_OTHERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


async def test_idle_worker_is_woken_by_a_commit(bench: Bench, tenant_id: UUID) -> None:
    async with working(bench.service):
        await until(lambda: is_listening(bench))
        await insert(bench.sql, tenant_id, "1")
        async with asyncio.timeout(SOON_SECONDS):
            await bench.indexed(tenant_id)
    assert await states(bench.sql, tenant_id) == ["done"]


async def test_batches_follow_each_other_without_waiting_for_the_poll(clean_dsn: str) -> None:
    async with open_bench(clean_dsn, job_batch=4, workers=1) as bench:
        tenant_id = await bench.tenant()
        await bench.sql.execute(INSERT_MANY, (tenant_id, 60))
        async with working(bench.service), asyncio.timeout(SOON_SECONDS):
            await bench.indexed(tenant_id)
        assert await states(bench.sql, tenant_id) == ["done"] * 60


async def test_listener_comes_back_after_its_connection_was_cut(bench: Bench, tenant_id: UUID) -> None:
    async with working(bench.service):
        await until(lambda: is_listening(bench))
        assert await value(bench.sql, KILL_LISTENERS) == 1
        await until(lambda: is_silent(bench))
        await until(lambda: is_listening(bench))
        await insert(bench.sql, tenant_id, "1")
        async with asyncio.timeout(SOON_SECONDS):
            await bench.indexed(tenant_id)


async def test_stopping_worker_finishes_what_it_began(bench: Bench, tenant_id: UUID) -> None:
    bench.fake.fail(Fault(path=EMBEDDINGS, delay_seconds=0.5))
    await insert(bench.sql, tenant_id, "1")
    async with working(bench.service):
        await bench.fake.journal.arrived(EMBEDDINGS)
    assert await states(bench.sql, tenant_id) == ["done"]


async def test_stopping_worker_gives_back_what_it_cannot_finish_as_untried(clean_dsn: str) -> None:
    async with open_bench(clean_dsn, shutdown_seconds=0.2) as bench:
        tenant_id = await bench.tenant()
        bench.fake.fail(Fault(path=EMBEDDINGS, hangs=True))
        await insert(bench.sql, tenant_id, "1")
        async with working(bench.service):
            await bench.fake.journal.arrived(EMBEDDINGS)
        assert [(job.status, job.attempts) for job in await jobs_of(bench.sql, tenant_id)] == [("pending", 0)]


async def test_long_batch_keeps_its_lease(clean_dsn: str) -> None:
    async with open_bench(clean_dsn, job_lease_seconds=2.0) as bench:
        tenant_id = await bench.tenant()
        bench.fake.fail(Fault(path=EMBEDDINGS, delay_seconds=3.5))
        await insert(bench.sql, tenant_id, "1")
        async with working(bench.service):
            await bench.fake.journal.arrived(EMBEDDINGS)
            while not bench.fake.journal.exchanges[0].ended.is_set():
                assert await recover(bench.service.database) == 0
                await asyncio.sleep(0.1)
            await bench.indexed(tenant_id)
        assert [(job.status, job.attempts) for job in await jobs_of(bench.sql, tenant_id)] == [("done", 1)]


async def test_broken_chore_keeps_no_other_from_its_work(
    bench: Bench, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "HOUSEKEEPING_SECONDS", 0.05)
    tried = asyncio.Semaphore(0)

    async def broken() -> None:
        tried.release()
        raise RuntimeError("out of order")

    options = WorkerOptions(lease_seconds=LONG_LEASE, poll_seconds=30, shutdown_seconds=1)
    alive = indexer(bench, "alive")
    lane = Lane(
        target=document_jobs.PGVECTOR, concurrency=1, batch=32, work=lambda batch, _: alive.index(batch)
    )
    worker = Worker(
        bench.service.database,
        [lane],
        name="alive",
        options=options,
        housekeeping=[broken],
    )
    with capture_logs() as logs:
        async with running(worker):
            await tried.acquire()
            async with bench.sql.transaction():
                await insert(bench.sql, tenant_id, "1")
                await bench.sql.execute(DIE_WITH_IT)
            await bench.indexed(tenant_id)
            await tried.acquire()
    assert "housekeeping_failed" in [entry["event"] for entry in logs]
    assert await states(bench.sql, tenant_id) == ["done"]


async def test_worker_outlives_the_loss_of_all_its_connections(clean_dsn: str) -> None:
    async with open_bench(clean_dsn, job_poll_seconds=0.5) as bench, working(bench.service):
        tenant_id = await bench.tenant()
        await until(lambda: is_listening(bench))
        assert await value(bench.sql, KILL_OTHERS) > 1
        await insert(bench.sql, tenant_id, "1")
        await until(lambda: has_done(bench, tenant_id))


async def is_silent(bench: Bench) -> bool:
    return await value(bench.sql, LISTENERS) == 0


async def has_done(bench: Bench, tenant_id: UUID) -> bool:
    return await states(bench.sql, tenant_id) == ["done"]
