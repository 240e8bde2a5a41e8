"""A worker's page says whether it claims jobs, and why not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from psycopg import AsyncConnection

from retrieval_service.composition import observability
from retrieval_service.postgres.embedded import embedded_postgres
from retrieval_service.stores.schema import schema
from retrieval_service.worker import claiming
from retrieval_service.worker.staffing import new_worker
from retrieval_service.worker.worker import Worker
from tests.kits.indexing_kit import open_bench
from tests.kits.service_kit import settings_for_tests

pytestmark = pytest.mark.timeout(120)

PATIENCE_SECONDS = 30.0
QUEUE = "document_sync_jobs"


@contextlib.asynccontextmanager
async def watched(dsn: str) -> AsyncIterator[tuple[Worker, asyncio.Task[None], str]]:
    """A worker that runs as `kladez work` has it, its task, and its page's address."""
    async with open_bench(dsn, job_poll_seconds=0.05, shutdown_seconds=1.0, pool_size=16) as bench:
        worker = new_worker(bench.service)
        settings = await asyncio.to_thread(settings_for_tests, metrics_port=0)
        pages = observability.observed(
            settings, dsn, bench.service.database, "worker", more={"queue": worker.fault}
        )
        async with pages as port:
            running = asyncio.create_task(worker.run())
            try:
                yield worker, running, f"http://127.0.0.1:{port}/readyz"
            finally:
                worker.stop()
                await asyncio.gather(running, return_exceptions=True)


async def missing(address: str) -> dict[str, str]:
    """What the page says is missing; nothing goes with 200 alone."""
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        told = (await answer.json())["missing"]
        assert answer.status == (503 if told else 200)
        return told


async def until(address: str, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not wanted(told := await missing(address)):  # noqa: ASYNC110 - a page gives no event
            await asyncio.sleep(0.05)
    return told


async def test_worker_is_ready_while_it_claims(database_dsn: str) -> None:
    async with watched(database_dsn) as (worker, running, address):
        await until(address, lambda told: not told)
        await asyncio.sleep(0.3)
        assert await missing(address) == {}
        worker.stop()
        await running
        assert (await missing(address))["queue"].startswith("claiming for pgvector is not running")


async def test_worker_that_has_not_begun_is_not_ready(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        assert "is not running" in await new_worker(bench.service).fault()


async def test_worker_whose_claiming_has_died_is_not_ready(database_dsn: str) -> None:
    """A right that is taken away is no lost connection, which would be waited out."""
    async with watched(database_dsn) as (_, running, address):
        await until(address, lambda told: not told)
        async with await AsyncConnection.connect(database_dsn, autocommit=True) as connection:
            await connection.execute(f"REVOKE ALL ON {QUEUE} FROM kladez_operator")
            dead = "claiming for pgvector is not running"
            told = await until(address, lambda told: dead in told.get("queue", ""))
        assert told.keys() == {"queue"}
        with pytest.raises(Exception, match=r"permission denied|unhandled errors"):
            await running


async def test_worker_that_lost_a_task_beside_its_claiming_is_not_ready(database_dsn: str) -> None:
    async with watched(database_dsn) as (_, _, address):
        await until(address, lambda told: not told)
        async with await AsyncConnection.connect(database_dsn, autocommit=True) as connection:
            await connection.execute("REVOKE ALL ON index_jobs FROM kladez_operator")
            told = await until(address, bool)
        assert told == {"queue": "1 of the tasks beside the claiming have ended"}


async def test_worker_whose_claiming_hangs_is_not_ready_until_it_goes_on(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "STALLED_SECONDS", 0.5)
    async with watched(database_dsn) as (_, _, address):
        await until(address, lambda told: not told)
        async with await AsyncConnection.connect(database_dsn) as connection:
            await connection.execute(f"LOCK TABLE {QUEUE} IN ACCESS EXCLUSIVE MODE")
            told = await until(address, lambda told: "stands still" in told.get("queue", ""))
            assert "database" not in told
            await connection.rollback()
        await until(address, lambda told: not told)


async def test_worker_without_its_database_is_not_ready(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path, durable=False) as postgres:
        await schema.upgrade(postgres.dsn)
        async with watched(postgres.dsn) as (_, running, address):
            await until(address, lambda told: not told)
            os.kill(postgres.server.pid, signal.SIGKILL)
            await postgres.server.wait()
            told = await until(address, lambda told: "claiming for pgvector" in told.get("queue", ""))
            assert {"database", "queue"} <= told.keys()
            assert not running.done(), "it waits for the database"
