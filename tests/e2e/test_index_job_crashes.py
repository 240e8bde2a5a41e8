"""A rebuild whose worker is killed again and again: it ends, with every document in the index exactly once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import index_job_service_pb2 as pb

from tests.e2e.crash_kit import BATCH, Installation, embedded_documents, installation
from tests.fakes.openai.faults import Fault

DOCUMENTS = 1_000
KILLS = 10
END_SECONDS = 300.0
# Every answer of the embeddings server takes so long, so that the rebuild outlives its workers.
DELAY_SECONDS = 0.05
COUNTS = tuple(pb.IndexProgress.DESCRIPTOR.fields_by_name)

DROP_INDEX = "DELETE FROM chunks WHERE tenant_id = %s"
CHUNKS = """
SELECT count(*), count(DISTINCT document_id), count(DISTINCT chunk_hash), sum(chunk_index) FROM chunks
WHERE tenant_id = %s
"""
QUEUE = "SELECT DISTINCT status FROM document_sync_jobs WHERE tenant_id = %s"
WAITING = "SELECT count(*) FROM index_job_documents WHERE tenant_id = %s"


@pytest.mark.timeout(2 * END_SECONDS)
async def test_rebuild_survives_the_deaths_of_its_worker(tmp_path: Path) -> None:
    async with installation(tmp_path, separate_worker=True) as running:
        await fill(running)
        await run_sql(running, DROP_INDEX)
        embedded_before = len(running.fake.journal.exchanges)
        running.fake.fail(Fault(path="/embeddings", times=10_000, delay_seconds=DELAY_SECONDS))
        job = await start(running)
        async with asyncio.timeout(END_SECONDS), asyncio.TaskGroup() as group:
            watching = group.create_task(snapshots(running, job))
            killing = group.create_task(kill_at_random(running, job))
        assert killing.result() == KILLS
        assert_monotone(watching.result())
        last = watching.result()[-1]
        assert last.state == pb.INDEX_JOB_STATE_COMPLETED
        assert last.progress.total_count == last.progress.processed_count == DOCUMENTS
        assert last.progress.failed_count + last.progress.removed_count == 0
        await assert_whole(running)
        assert_hardly_embedded_twice(running, embedded_before)


async def fill(running: Installation) -> None:
    """All documents in the index."""
    async with running.client() as client:
        for start_number in range(0, DOCUMENTS, 100):
            documents = [document(number) for number in range(start_number, start_number + 100)]
            await client.batch_upsert_documents(documents_pb.BatchUpsertDocumentsRequest(documents=documents))
    async with asyncio.timeout(END_SECONDS):
        while (await running.status()).synced_count < DOCUMENTS:  # noqa: ASYNC110 - the service gives no event
            await asyncio.sleep(0.2)


def document(number: int) -> documents_pb.Document:
    content = f"Tea number {number} costs {number} roubles."
    return documents_pb.Document(
        source_type="article", external_id=str(number), content=content, language="en"
    )


async def start(running: Installation) -> pb.IndexJob:
    async with running.client() as client:
        scope = pb.IndexScope(rebuild=pb.IndexRebuild())
        return (await client.create_index_job(pb.CreateIndexJobRequest(scope=scope))).index_job


async def snapshots(running: Installation, job: pb.IndexJob) -> list[pb.IndexJob]:
    request = pb.WatchIndexJobRequest(index_job_id=job.index_job_id)
    async with running.client() as client:
        return [one.index_job async for one in client.watch_index_job(request)]


async def kill_at_random(running: Installation, job: pb.IndexJob) -> int:
    """Each time when some more documents are done; returns how often."""
    chance = random.Random(3)  # noqa: S311 - not a secret
    processed, kills = 0, 0
    for _ in range(KILLS):
        now = await until_more_than(running, job, processed)
        if now.state != pb.INDEX_JOB_STATE_RUNNING:
            break
        processed = now.progress.processed_count
        await asyncio.sleep(chance.uniform(0, 2 * DELAY_SECONDS))
        await running.worker.kill()
        await running.worker.start()
        kills += 1
    return kills


async def until_more_than(running: Installation, job: pb.IndexJob, processed: int) -> pb.IndexJob:
    request = pb.GetIndexJobRequest(index_job_id=job.index_job_id)
    async with running.client() as client:
        while True:
            now = (await client.get_index_job(request)).index_job
            if now.progress.processed_count > processed:
                return now
            await asyncio.sleep(0.02)


def assert_monotone(seen: Sequence[pb.IndexJob]) -> None:
    figures = [tuple(getattr(job.progress, name) for name in COUNTS) for job in seen]
    for before, after in pairwise(figures):
        assert all(one <= other for one, other in zip(before, after, strict=True)), (before, after)


async def assert_whole(running: Installation) -> None:
    """One chunk for each document, and nobody waits for anything."""
    assert await run_sql(running, CHUNKS) == [(DOCUMENTS, DOCUMENTS, DOCUMENTS, 0)]
    assert await run_sql(running, QUEUE) == [("done",)]
    assert await run_sql(running, WAITING) == [(0,)]


def assert_hardly_embedded_twice(running: Installation, embedded_before: int) -> None:
    """Each death costs the batch in flight at most."""
    texts = embedded_documents(running.fake.journal.exchanges[embedded_before:])
    assert len(set(texts)) == DOCUMENTS
    assert len(texts) <= DOCUMENTS + KILLS * BATCH


async def run_sql(running: Installation, statement: str) -> Sequence[tuple[Any, ...]]:
    """For the tenant, past the service; the rows when there are any."""
    async with await psycopg.AsyncConnection.connect(running.postgres.dsn, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode(), (UUID(running.tenant_id),))
        return await cursor.fetchall() if cursor.description else []
