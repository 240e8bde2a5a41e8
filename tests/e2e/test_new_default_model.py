"""An installation that began with one local model is moved to the default one, whatever happens on the way."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import space_service_pb2 as pb
from kladez.v1 import sync_service_pb2 as sync_pb

from retrieval_service import client as service_client
from retrieval_service.cli.up.parts import listens_within
from retrieval_service.cli.up.ports import any_free
from retrieval_service.client import Client
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.providers.local import composite, minilm
from retrieval_service.services.tenants.first_key import mint_key
from tests.e2e.crash_kit import SCOPES, Process, command, new_tenant

pytestmark = pytest.mark.timeout(420)

PATIENCE_SECONDS = 110.0
DOCUMENTS = 240
# No word of it stands in the documents.
QUESTION = "Where does my car get new tyres?"
RIGHT = "Wheels of vehicles are changed in hall {number}, by appointment, before the winter begins."
OTHER = "Rooms on floor {number} look on the sea and have a balcony, a desk and two beds."


@dataclass(frozen=True, kw_only=True)
class Installed:
    """Started with MiniLM or with what is the default now; one tenant, and an operator's key."""

    old: Process
    new: Process
    port: int
    key: str
    tenant_id: str

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """For the tenant, as soon as the service answers; a new connection, for old ones pause longer and longer."""
        assert await listens_within("127.0.0.1", self.port, PATIENCE_SECONDS)
        async with service_client.connect(
            f"127.0.0.1:{self.port}", self.key, tenant_id=self.tenant_id
        ) as connected:
            await connected.wait_until_ready(PATIENCE_SECONDS)
            yield connected


@dataclass(kw_only=True)
class Seen:
    """What searches met: replies, and those among them that no model had a part in."""

    replies: int = 0
    by_words_alone: list[str] = field(default_factory=list)


@asynccontextmanager
async def installed(dsn: str, folder: Path) -> AsyncIterator[Installed]:
    port = any_free("127.0.0.1")
    variables = {
        "DATABASE_URL": dsn,
        "KLADEZ_PORT": str(port),
        "KLADEZ_SCHEDULE_REBUILD": "",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    old = Process(command("serve", folder, {**variables, "KLADEZ_LOCAL_MODEL": "minilm"}))
    new = Process(command("serve", folder, {**variables, "KLADEZ_LOCAL_MODEL": "auto"}))
    key = await mint_key(dsn, scopes=SCOPES, display_name="tests")
    await old.start()
    assert await listens_within("127.0.0.1", port, PATIENCE_SECONDS)
    tenant_id = await new_tenant(f"127.0.0.1:{port}", key)
    yield Installed(old=old, new=new, port=port, key=key, tenant_id=tenant_id)


async def filled(client: Client) -> None:
    documents = [
        documents_pb.Document(
            source_type="article",
            external_id=str(number),
            content=(OTHER if number % 8 else RIGHT).format(number=number),
            language="en",
        )
        for number in range(DOCUMENTS)
    ]
    await client.batch_upsert_documents(documents_pb.BatchUpsertDocumentsRequest(documents=documents))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            status = await client.get_sync_status(sync_pb.GetSyncStatusRequest())
            if not status.pending_count + status.processing_count:
                return
            await asyncio.sleep(0.1)


async def spaces_of(client: Client) -> dict[str, pb.Space]:
    """By key."""
    response = await client.list_spaces(pb.ListSpacesRequest())
    return {space.key: space for space in response.spaces}


async def search(client: Client, seen: Seen) -> None:
    response = await client.search(search_pb.SearchRequest(query=QUESTION, page_size=3))
    seen.replies += 1
    is_right = bool(response.hits) and all(int(hit.external_id) % 8 == 0 for hit in response.hits)
    if response.degraded_reason or not is_right:
        seen.by_words_alone.append(response.degraded_reason or str(response.hits))


async def search_until(client: Client, seen: Seen, is_there: Callable[[pb.Space], bool]) -> None:
    """Until the space of the default model is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_there((await spaces_of(client))[composite.SPACE.key]):
            await search(client, seen)


async def test_tenants_are_moved_to_the_new_default_by_meaning_all_the_time_and_through_a_kill(
    postgres_server: Embedded, database_dsn: str, tmp_path: Path
) -> None:
    seen = Seen()
    async with installed(database_dsn, tmp_path) as installation:
        old, new = installation.old, installation.new
        async with installation.client() as client:
            await filled(client)
            await search(client, seen)
        await old.stop()
        await new.start()
        async with installation.client() as client:
            await search_until(client, seen, lambda space: 0 < space.filled_count < DOCUMENTS)
        await new.kill()
        await new.start()
        async with installation.client() as client:
            left = (await spaces_of(client))[minilm.SPACE.key]
            assert left.state == pb.SPACE_STATE_ACTIVE, "it was killed too late"
            assert left.is_open
            await search_until(client, seen, lambda space: space.state == pb.SPACE_STATE_ACTIVE)
            await search(client, seen)
            assert (await spaces_of(client))[minilm.SPACE.key].state == pb.SPACE_STATE_KEPT
            estimate = await client.estimate_switch(pb.EstimateSwitchRequest(key=composite.SPACE.key))
            assert estimate.chunk_count == 0
        await new.stop()
        await new.start()
        async with installation.client() as client:
            assert not (await spaces_of(client))[minilm.SPACE.key].is_open, "nobody is searched there"
        await new.stop()
    assert seen.by_words_alone == []
