"""Hundreds of documents at a provider that fails in every way, workers that die, and the right set in the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.providers.openai.files.write_pace import PaceLimits
from retrieval_service.services.sync import chores
from retrieval_service.services.sync.syncer import Syncer
from retrieval_service.stores.queue import document_jobs
from retrieval_service.worker.staffing import new_worker
from tests.fakes.openai import Drop, Fate, Fault
from tests.kits.indexing_kit import Bench, emptied, running, shared_database, until, value
from tests.kits.openai_stores_kit import PATIENT
from tests.kits.remote_sync_kit import (
    WAIT_SECONDS,
    assert_in_step,
    insert_documents,
    mirrored_tenant,
    open_remote_bench,
    swept,
    synced,
)

# Enough for several batches of each worker.
DOCUMENTS = 500
CHANGED, RENAMED, DELETED = 200, 100, 250
STUCK_SECONDS = 2.0
SETTINGS = replace(PATIENT, ingest_seconds=STUCK_SECONDS, pace=PaceLimits(writes=100_000))
UPLOADS, STORES, BATCHES = "/v1/files", "/v1/vector_stores", "/file_batches"
STORE_FILE, UPLOAD = r"/vector_stores/[^/]+/files/[^/]+", f"{UPLOADS}/[^/]+"
REQUESTS = [
    ("POST", UPLOADS, 40),
    ("POST", BATCHES, 1),
    ("GET", f"{BATCHES}/[^/]+", 2),
    ("GET", f"{BATCHES}/[^/]+/files", 1),
    ("POST", STORE_FILE, 5),
    ("DELETE", STORE_FILE, 20),
    ("DELETE", UPLOAD, 20),
]
WEATHER = [
    {"drop": Drop.BEFORE_EFFECT},
    {"drop": Drop.AFTER_EFFECT},
    {"status": 500, "times": 4},
    {"status": 429, "headers": {"retry-after-ms": "30"}},
    {"status": 429, "headers": {"retry-after": "1"}},
    {"status": 503, "code": "server_is_overloaded"},
    {"delay_seconds": 0.2},
    {"hangs": True},
]
CHANGE = "UPDATE documents SET content = content || ' Novo.' WHERE id = ANY(%s)"
RENAME = "UPDATE documents SET tags = ARRAY['novo'] WHERE id = ANY(%s)"
DELETE = "UPDATE documents SET is_deleted = true WHERE id = ANY(%s)"
GIVEN_UP = "SELECT count(*) FROM document_sync_jobs WHERE target = 'openai' AND status = 'error'"
STATUSES = """
SELECT count(*) FROM documents WHERE NOT is_deleted AND remote_status <> 'synced'
"""
END_LEASES = (
    "UPDATE document_sync_jobs SET lease_until = now() - interval '1 second' WHERE status = 'processing'"
)


@pytest.fixture(scope="module")
def dsn(postgres_server: Embedded, migrated_template: str) -> Iterator[str]:
    with shared_database(postgres_server, migrated_template) as shared:
        yield shared


@pytest.fixture
async def bench(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(chores, "PAUSE_AFTER_FAILURE_SECONDS", 0.0)
    async with open_remote_bench(emptied(dsn), SETTINGS, timeout_seconds=1.0) as opened:
        yield opened


@contextlib.asynccontextmanager
async def two_workers(bench: Bench) -> AsyncIterator[None]:
    async with running(new_worker(bench.service)), running(new_worker(bench.service)):
        yield


def let_it_storm(bench: Bench) -> None:
    """Every kind of failure on every kind of request, one after another."""
    for method, path, skips in REQUESTS:
        for kind in WEATHER:
            bench.fake.fail(Fault(method=method, path=path, skips=skips, **kind))


def clear_up(bench: Bench) -> None:
    """What has not happened yet does not happen any more."""
    for method, path, _ in REQUESTS:
        concrete = path.replace("[^/]+", "x")
        for _ in range(200):
            bench.fake.faults.take(concrete if concrete.startswith("/v1") else f"/v1{concrete}", method)


@pytest.mark.timeout(5 * WAIT_SECONDS)
async def test_five_hundred_documents_end_as_exactly_the_right_set_in_any_weather(bench: Bench) -> None:
    tenant_id = await mirrored_tenant(bench)
    slow, failing, stuck = Fate(seconds=0.3), Fate(error_code="server_error"), Fate(is_stuck=True)
    bench.fake.storage.delete_lag_seconds = 1.0
    let_it_storm(bench)
    ids = await insert_documents(bench, tenant_id, DOCUMENTS)
    unlucky = {str(ids[7]): slow, str(ids[8]): failing, str(ids[9]): stuck}
    bench.fake.storage.fates = dict(unlucky)
    async with two_workers(bench):
        await until(lambda: were_tried(bench, set(unlucky)), WAIT_SECONDS)
        bench.fake.storage.fates = {}
        await settled(bench, tenant_id, ids)
        let_it_storm(bench)
        await bench.sql.execute(CHANGE, (ids[:CHANGED],))
        await bench.sql.execute(RENAME, (ids[CHANGED : CHANGED + RENAMED],))
        await settled(bench, tenant_id, ids)
        let_it_storm(bench)
        await bench.sql.execute(DELETE, (ids[:DELETED],))
        await synced(bench)
        await assert_ghosts_are_dead(bench, ids[:DELETED])
        await settled(bench, tenant_id, ids)
    assert await value(bench.sql, GIVEN_UP) == 0
    assert len(bench.fake.storage.files) == DOCUMENTS - DELETED


async def were_tried(bench: Bench, names: set[str]) -> bool:
    """Whether the store was given a file of each of these documents."""
    return names <= {entry.file_name.partition("@")[0] for entry in bench.fake.storage.entries.values()}


async def settled(bench: Bench, tenant_id: UUID, ids: list[UUID]) -> None:
    await synced(bench)
    clear_up(bench)
    await swept(bench)
    assert await value(bench.sql, STATUSES) == 0
    await assert_in_step(bench, tenant_id, ids)


async def assert_ghosts_are_dead(bench: Bench, deleted: list[UUID]) -> None:
    """The provider may still find what it was told to forget; the database knows better."""
    assert bench.service.backend
    [store_id] = bench.fake.storage.stores
    found = await bench.service.backend.search(store_id, "ferve em água", Conditions(), limit=50)
    ghosts = {hit.document_id for hit in found.hits} & set(deleted)
    alive = "SELECT count(*) FROM documents WHERE id = ANY(%s) AND NOT is_deleted"
    assert await value(bench.sql, alive, list(ghosts)) == 0


async def test_document_changed_a_hundred_times_under_two_workers_ends_at_the_last_version(
    bench: Bench,
) -> None:
    tenant_id = await mirrored_tenant(bench)
    [document_id] = await insert_documents(bench, tenant_id, 1)
    async with two_workers(bench):
        for number in range(100):
            await bench.sql.execute(
                "UPDATE documents SET content = %s WHERE id = %s", (f"Versão {number}", document_id)
            )
            await asyncio.sleep(0.01)
        await synced(bench)
        await swept(bench)
    await assert_in_step(bench, tenant_id, [document_id])
    [file] = bench.fake.storage.files.values()
    assert file.content.decode().endswith("Versão 99")


@pytest.mark.parametrize(
    ("method", "path", "count"), [("POST", UPLOADS, 7), ("POST", BATCHES, 1), ("DELETE", "", 3)]
)
async def test_worker_that_dies_leaves_no_file_behind(
    bench: Bench, method: str, path: str, count: int
) -> None:
    tenant_id = await mirrored_tenant(bench)
    ids = await insert_documents(bench, tenant_id, 20)
    if method == "DELETE":
        async with two_workers(bench):
            await synced(bench)
        await bench.sql.execute(CHANGE, (ids,))
    await die_after(bench, method, path, count)
    await bench.sql.execute(END_LEASES)
    # The dead worker's document changes before anybody has looked for what it left.
    await bench.sql.execute(CHANGE, (ids[:10],))
    async with two_workers(bench):
        await synced(bench)
        await swept(bench)
    await assert_in_step(bench, tenant_id, ids)


async def die_after(bench: Bench, method: str, path: str, count: int) -> None:
    """A worker that is cut off in the middle of its work, without a word to the queue."""
    assert bench.service.backend
    async with bench.service.database.operator() as operator:
        claimed = await document_jobs.claim(
            operator,
            document_jobs.Ask(target=document_jobs.OPENAI, limit=50, tenants=50),
            worker="dead",
            lease_seconds=60,
        )
    before = len(bench.fake.journal.exchanges)
    syncer = Syncer(bench.service.database, bench.service.backend, worker="dead", max_attempts=5)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(syncer.sync(claimed))
        await until(lambda: were_asked(bench, before, method, path, count))
        task.cancel()


async def were_asked(bench: Bench, before: int, method: str, path: str, count: int) -> bool:
    asked = bench.fake.journal.exchanges[before:]
    return sum(one.method == method and one.path.endswith(path) for one in asked) >= count
