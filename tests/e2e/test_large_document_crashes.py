"""Real workers that are killed in the middle of a large document: it is indexed once, and step by step only once."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import psycopg
import pytest
from kladez.v1 import document_service_pb2 as documents_pb

from tests.e2e.crash_kit import Installation, embedded_documents, installation
from tests.fakes.openai.faults import Fault

EMBEDDINGS = "/embeddings"
PASSAGES = 200
STEP = 64  # the default
KILLS = 2
END_SECONDS = 120.0
TEXT = "\n\n".join(f"Tea {number}. " + "Its leaves are green and dry. " * 80 for number in range(PASSAGES))
JOBS = "SELECT status, count(*) FROM document_sync_jobs GROUP BY 1"
CHUNKS = "SELECT chunk_index, text FROM chunks ORDER BY chunk_index"
STEPS = "SELECT count(*) FROM embedding_steps"


@pytest.mark.timeout(300)
async def test_workers_that_die_in_the_middle_cost_a_step_each(tmp_path: Path) -> None:
    async with installation(tmp_path, separate_worker=True) as running:
        async with running.client() as connected:
            given = documents_pb.Document(source_type="book", external_id="1", content=TEXT, language="en")
            await connected.upsert_document(documents_pb.UpsertDocumentRequest(document=given))
            for _ in range(KILLS):
                await kill_in_the_middle(running)
            small = documents_pb.Document(
                source_type="book", external_id="2", content="Coffee.", language="en"
            )
            await connected.upsert_document(documents_pb.UpsertDocumentRequest(document=small))
        await until_idle(running)
        await assert_indexed_once(running)


async def kill_in_the_middle(running: Installation) -> None:
    """Each life brings one step to its end and dies in the next."""
    before = len(running.fake.journal.to(EMBEDDINGS))
    running.fake.fail(Fault(path=EMBEDDINGS, hangs=True, skips=1))
    await running.fake.journal.arrived(EMBEDDINGS, count=before + 2, timeout_seconds=END_SECONDS)
    await running.worker.kill()
    await running.worker.start()


async def until_idle(running: Installation) -> None:
    async with asyncio.timeout(END_SECONDS):
        while (status := await running.status()).pending_count + status.processing_count:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def assert_indexed_once(running: Installation) -> None:
    async with await psycopg.AsyncConnection.connect(running.postgres.dsn) as connection:
        assert await (await connection.execute(JOBS)).fetchall() == [("done", 2)]
        assert await (await connection.execute(STEPS)).fetchall() == [(0,)]
        chunks = await (await connection.execute(CHUNKS)).fetchall()
    book = [(index, text) for index, text in chunks if text != "Coffee."]
    assert [index for index, _ in book] == list(range(len(book)))
    assert all(f"Tea {number}. " in "\n".join(text for _, text in book) for number in range(PASSAGES))
    times = Counter(embedded_documents(running.fake.journal.to(EMBEDDINGS)))
    assert len(times) == len(chunks)
    assert sum(times.values()) <= len(chunks) + KILLS * STEP
