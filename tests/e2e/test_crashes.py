"""Real processes that die in the middle of an import: nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as search_pb

from retrieval_service import client as service_client
from retrieval_service.cli.up.ports import any_free
from retrieval_service.client import CallFailed, Client
from retrieval_service.domain.indexing.chunking import OPENAI_POLICY
from retrieval_service.domain.indexing.spaces import Space
from retrieval_service.services.indexing.plans import Target, plan
from retrieval_service.stores.index.chunks import Source
from tests.e2e.crash_kit import (
    BATCH,
    DIMENSIONS,
    READY_SECONDS,
    Installation,
    Postgres,
    Process,
    command,
    embedded_documents,
    environment,
    installation,
)
from tests.fakes.openai.fake import FakeOpenAI

DOCUMENTS = 2_000
CHUNK = 25
KILLS = 2
END_SECONDS = 90.0
BROKEN = {"UNAVAILABLE", "CANCELLED"}

SPACE = Space(provider="any", model="any", revision="1", dimensions=DIMENSIONS, max_tokens=8_191)

STATES = "SELECT status, count(*) FROM document_sync_jobs WHERE tenant_id = %s GROUP BY 1"
DOCUMENT_STATES = (
    "SELECT sync_status, count(*), count(DISTINCT external_id) FROM documents WHERE tenant_id = %s GROUP BY 1"
)
CHUNKS = """
SELECT d.external_id, c.chunk_index, c.chunk_hash FROM chunks c JOIN documents d USING (tenant_id)
WHERE d.id = c.document_id AND tenant_id = %s
"""
ROWS = "SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM chunk_terms), (SELECT count(*) FROM {vectors})"
VECTOR_TABLE = "SELECT format('chunk_vectors_%s', id) FROM embedding_spaces"


def document(number: int) -> documents_pb.Document:
    return documents_pb.Document(
        source_type="article",
        external_id=str(number),
        title=f"Tea {number}",
        content=f"Tea number {number} is brewed for {number % 7 + 1} minutes and costs {number} roubles.",
        language="en",
    )


@dataclass(kw_only=True)
class Import:
    """An import that goes on after every break; `stored` is the last acknowledgement."""

    installation: Installation
    import_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    stored: int = 0
    breaks: int = 0
    summary: documents_pb.ImportSummary | None = None

    async def run(self) -> documents_pb.ImportSummary:
        while self.summary is None:
            try:
                async with self.installation.client() as connected:
                    await self._connection(connected)
            except CallFailed as error:
                if error.code not in BROKEN:
                    raise
                self.breaks += 1
                await asyncio.sleep(0.1)
        return self.summary

    async def _connection(self, connected: Client) -> None:
        first: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        async for event in connected.import_documents(self._requests(first)):
            if event.HasField("summary"):
                self.summary = event.summary
            if event.HasField("ack"):
                assert event.ack.next_sequence >= self.stored, "an acknowledged document was lost"
                self.stored = event.ack.next_sequence
                if not first.done():
                    first.set_result(self.stored)

    async def _requests(
        self, first: asyncio.Future[int]
    ) -> AsyncIterator[documents_pb.ImportDocumentsRequest]:
        config = documents_pb.ImportConfig(import_id=self.import_id)
        yield documents_pb.ImportDocumentsRequest(config=config)
        for start in range(await first, DOCUMENTS, CHUNK):
            documents = [document(number) for number in range(start, min(start + CHUNK, DOCUMENTS))]
            chunk = documents_pb.ImportChunk(first_sequence=start, documents=documents)
            yield documents_pb.ImportDocumentsRequest(chunk=chunk)
            await asyncio.sleep(0.01)


async def kill_at_random(importing: Import, kill: Callable[[], Awaitable[None]]) -> None:
    """First in the middle of the import, then whenever documents have begun to be indexed again."""
    chance = random.Random(20)  # noqa: S311 - not a secret
    while not 100 <= importing.stored < DOCUMENTS - 200:  # noqa: ASYNC110 - so soon that an event comes late
        await asyncio.sleep(0.002)
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.05, 0.6))
        before = (await importing.installation.status()).synced_count
        await kill()
        await until_more_than(importing.installation, before)


async def until_more_than(running: Installation, synced: int) -> None:
    async with asyncio.timeout(END_SECONDS):
        while True:
            count = (await running.status()).synced_count
            if count > synced or count == DOCUMENTS:
                return
            await asyncio.sleep(0.1)


def death_of(running: Installation, kind: str) -> Callable[[], Awaitable[None]]:
    victims: dict[str, Process | Postgres] = {
        "service": running.service,
        "postgres": running.postgres,
        "worker": running.worker,
    }

    async def kill() -> None:
        await victims[kind].kill()
        await victims[kind].start()

    return kill


async def until_idle(running: Installation) -> None:
    async with asyncio.timeout(END_SECONDS):
        while (status := await running.status()).pending_count + status.processing_count:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("kind", ["service", "postgres", "worker"])
async def test_import_survives_the_death_of(kind: str, tmp_path: Path) -> None:
    async with installation(tmp_path, separate_worker=kind == "worker") as running:
        importing = Import(installation=running)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(importing.run())
            group.create_task(kill_at_random(importing, death_of(running, kind)))
        await until_idle(running)
        assert run.result().created_count == DOCUMENTS
        assert run.result().updated_count + run.result().unchanged_count + run.result().failed_count == 0
        assert (importing.breaks > 0) == (kind != "worker")
        await assert_whole(running)
        assert_hardly_embedded_twice(running.fake)


async def assert_whole(running: Installation) -> None:
    """The state of the tables is that of an import which nothing disturbed."""
    tenant_id = UUID(running.tenant_id)
    async with await psycopg.AsyncConnection.connect(running.postgres.dsn) as connection:
        assert {state for state, _ in await rows(connection, STATES, tenant_id)} == {"done"}
        assert await rows(connection, DOCUMENT_STATES, tenant_id) == [("synced", DOCUMENTS, DOCUMENTS)]
        assert sorted(await rows(connection, CHUNKS, tenant_id)) == sorted(undisturbed())
        [(table,)] = await rows(connection, VECTOR_TABLE)
        [counts] = await rows(connection, ROWS.replace("{vectors}", table))
        assert counts == (DOCUMENTS, DOCUMENTS, DOCUMENTS)


async def rows(
    connection: psycopg.AsyncConnection, statement: str, *parameters: object
) -> Sequence[tuple[Any, ...]]:
    cursor = await connection.execute(statement.encode(), parameters or None)
    return await cursor.fetchall()


def undisturbed() -> list[tuple[str, int, bytes]]:
    """External id, place and hash of every chunk that there should be."""
    expected: list[tuple[str, int, bytes]] = []
    for number in range(DOCUMENTS):
        given = document(number)
        source = Source(
            id=UUID(int=number),
            version=1,
            title=given.title,
            content=given.content,
            content_type="text/plain",
            language=given.language,
            is_deleted=False,
        )
        added = plan(source, [], OPENAI_POLICY, [Target(space_id=1, space=SPACE)]).change.added
        expected += [(given.external_id, chunk.place.index, chunk.chunk_hash) for chunk in added]
    return expected


def assert_hardly_embedded_twice(fake: FakeOpenAI) -> None:
    """Each death costs at most the batch in flight and the requests that were repeated for it."""
    texts = embedded_documents(fake.journal.exchanges)
    assert len(set(texts)) == DOCUMENTS
    assert len(texts) <= DOCUMENTS + KILLS * 2 * BATCH


async def test_stopping_server_breaks_no_call_of_its_clients(tmp_path: Path) -> None:
    async with installation(tmp_path, separate_worker=False) as running:
        async with running.client() as connected:
            requests = [documents_pb.UpsertDocumentRequest(document=document(number)) for number in range(30)]
            for request in requests:
                await connected.upsert_document(request)
        await until_idle(running)
        port = any_free("127.0.0.1")
        other = Process(command("serve", tmp_path, environment(running.postgres.dsn, running.fake, port, 1)))
        await other.start()
        both = f"ipv4:///{running.address},127.0.0.1:{port}"
        async with service_client.connect(f"127.0.0.1:{port}", running.key) as connected:
            await connected.wait_until_ready(READY_SECONDS)
        async with service_client.connect(both, running.key, tenant_id=running.tenant_id) as connected:
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                calling = [group.create_task(call_until(connected, stop)) for _ in range(6)]
                await asyncio.sleep(1)
                assert await other.stop() == 0
                await asyncio.sleep(0.5)
                stop.set()
        assert sum(task.result() for task in calling) > 20


async def call_until(connected: Client, stop: asyncio.Event) -> int:
    """Searches and asks in turn; returns how often. A failed call fails the test."""
    calls = 0
    while not stop.is_set():
        question = f"How long is tea number {calls % 30} brewed?"
        assert (await connected.search(search_pb.SearchRequest(query=question))).hits
        kinds = [
            event.WhichOneof("event")
            async for event in connected.stream_answer(answers_pb.StreamAnswerRequest(question=question))
        ]
        assert kinds[-1] == "completed"
        calls += 1
    return calls
