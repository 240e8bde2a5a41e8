"""Files that the provider is slow to process, or never does: they keep nobody waiting, and are sent once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import pytest

from retrieval_service.postgres.embedded import Embedded
from retrieval_service.services.sync.syncer import Syncer
from retrieval_service.stores.queue import document_jobs
from tests.fakes.openai import Fate
from tests.kits.indexing_kit import Bench, emptied, shared_database, until, value, working
from tests.kits.openai_stores_kit import PATIENT
from tests.kits.remote_sync_kit import (
    assert_in_step,
    insert_documents,
    mirrored_tenant,
    open_remote_bench,
    standing_of,
    synced,
)

SETTINGS = replace(PATIENT, patience_seconds=0.2, ingest_seconds=60.0)
BATCH, DOCUMENTS = 4, 13
STUCK = Fate(is_stuck=True)
SYNCED = "SELECT count(*) FROM documents WHERE remote_status = 'synced'"
JOB = "SELECT status FROM document_sync_jobs WHERE target = 'openai' AND document_id = %s"
ERROR = "SELECT last_error FROM document_sync_jobs WHERE target = 'openai' AND document_id = %s"
END_LEASES = "UPDATE document_sync_jobs SET lease_until = now() - interval '1 s' WHERE status = 'processing'"


@pytest.fixture(scope="module")
def dsn(postgres_server: Embedded, migrated_template: str) -> Iterator[str]:
    with shared_database(postgres_server, migrated_template) as shared:
        yield shared


@pytest.fixture
async def bench(dsn: str) -> AsyncIterator[Bench]:
    """Works on one batch at a time, so that whoever waits is seen."""
    async with open_remote_bench(emptied(dsn), SETTINGS, sync_batch=BATCH, sync_concurrency=1) as opened:
        yield opened


def sent(bench: Bench, ending: str) -> int:
    exchanges = bench.fake.journal.exchanges
    return sum(one.method == "POST" and one.path.endswith(ending) for one in exchanges)


def get_well(bench: Bench) -> None:
    bench.fake.storage.fates = {}
    for entry in bench.fake.storage.entries.values():
        entry.fate = Fate()


async def with_one_stuck(bench: Bench) -> tuple[UUID, list[UUID]]:
    tenant_id = await mirrored_tenant(bench)
    ids = await insert_documents(bench, tenant_id, DOCUMENTS)
    bench.fake.storage.fates = {str(ids[0]): STUCK}
    return tenant_id, ids


async def others_are_synced(bench: Bench) -> None:
    async def is_so() -> bool:
        return await value(bench.sql, SYNCED) == DOCUMENTS - 1

    await until(is_so, 20.0)


async def test_stuck_file_keeps_neither_its_batch_nor_the_next_ones_waiting(bench: Bench) -> None:
    tenant_id, ids = await with_one_stuck(bench)
    async with working(bench.service):
        await others_are_synced(bench)
        assert await value(bench.sql, JOB, ids[0]) == "processing"
        get_well(bench)
        await synced(bench)
    await assert_in_step(bench, tenant_id, ids)
    assert sent(bench, "/v1/files") == DOCUMENTS


async def test_stuck_file_ends_in_an_honest_error_at_its_deadline(dsn: str) -> None:
    settings = replace(SETTINGS, ingest_seconds=1.5)
    async with open_remote_bench(emptied(dsn), settings, sync_batch=BATCH, sync_concurrency=1) as bench:
        _, ids = await with_one_stuck(bench)
        async with working(bench.service):
            await others_are_synced(bench)

            async def is_told() -> bool:
                return "did not finish" in (await value(bench.sql, ERROR, ids[0]) or "")

            await until(is_told, 20.0)
        assert (await standing_of(bench, ids[0])).file_id == ""


async def test_next_worker_polls_the_file_that_a_dead_one_attached(bench: Bench) -> None:
    tenant_id, ids = await with_one_stuck(bench)
    assert bench.service.backend

    async def work(name: str) -> None:
        syncer = Syncer(bench.service.database, bench.service.backend, worker=name, max_attempts=5)
        async with bench.service.database.operator() as operator:
            claimed = await document_jobs.claim(
                operator,
                document_jobs.Ask(target=document_jobs.OPENAI, limit=DOCUMENTS, tenants=DOCUMENTS),
                worker=name,
                lease_seconds=60,
            )
        await syncer.sync(claimed)

    first = asyncio.create_task(work("first"))
    await others_are_synced(bench)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    await bench.sql.execute(END_LEASES)
    async with bench.service.database.operator() as operator:
        await document_jobs.recover(operator)
    second = asyncio.create_task(work("second"))
    await asyncio.sleep(0.5)
    assert not second.done()
    get_well(bench)
    await second
    await assert_in_step(bench, tenant_id, ids)
    assert (sent(bench, "/v1/files"), sent(bench, "/file_batches")) == (DOCUMENTS, 1)
