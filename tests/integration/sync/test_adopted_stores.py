"""A vector store that existed before: ours are added, what others keep there is neither touched nor shown."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import sync_service_pb2 as pb
from openai import AsyncOpenAI

from tests.fakes.openai import FakeOpenAI
from tests.kits.backends_kit import OPENAI, PGVECTOR, SEARCH, found, openai_settings, search
from tests.kits.service_kit import (
    WAIT_SECONDS,
    Running,
    Shop,
    new_shop,
    refused,
    running_service,
    upsert,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOREIGN = "Lamp lamp lamp: the neighbour's secret lamp price list."
OURS = "Lamp number {number} is made of brass."
COUNT = 3


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    return openai_settings(shared_fake)


@pytest_asyncio.fixture(loop_scope="module")
async def store_id(fake: FakeOpenAI) -> str:
    return await foreign_store(fake)


@pytest_asyncio.fixture(loop_scope="module")
async def adopting(running: Running, fake: FakeOpenAI, store_id: str) -> Shop:
    """Its documents are kept in the store."""
    shop = await new_shop(running)
    await fill(shop)
    response = await adopt(running, shop, store_id, backend=OPENAI)
    assert (response.vector_store_id, response.store_adopted) == (store_id, True)
    await until(lambda: is_brought(shop))
    return shop


async def foreign_store(fake: FakeOpenAI) -> str:
    """With files of another system: plain, with marks that look like ours, and with its own idea of a tenant."""
    marks: list[dict[str, str | float | bool]] = [
        {},
        {"document_id": str(uuid.uuid4()), "revision": "abc"},
        {"tenant_id": "acme"},
    ]
    async with AsyncOpenAI(base_url=fake.base_url, api_key="theirs") as client:
        store = await client.vector_stores.create(name="theirs", metadata={"tenant_id": "acme"})
        for number, attributes in enumerate(marks):
            name = f"theirs-{number}.md"
            file = await client.files.create(file=(name, FOREIGN.encode()), purpose="assistants")
            await client.vector_stores.files.create_and_poll(
                file.id, vector_store_id=store.id, attributes=attributes, poll_interval_ms=10
            )
    return store.id


async def fill(shop: Shop) -> None:
    for number in range(COUNT):
        await upsert(shop, f"lamp-{number}", OURS.format(number=number))


async def adopt(running: Running, shop: Shop, store_id: str, **fields: int) -> pb.SetBackendResponse:
    request = pb.SetBackendRequest(vector_store_id=store_id, **fields)
    return await running.client.for_tenant(shop.tenant_id).set_backend(request)


async def is_brought(shop: Shop) -> bool:
    status = await shop.client.get_sync_status(pb.GetSyncStatusRequest())
    return status.mirror.synced_count == COUNT


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(2 * WAIT_SECONDS):
        while not await holds():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.05)


def held(fake: FakeOpenAI, store_id: str) -> tuple[int, int]:
    """Files of others, and of ours, in the store; each one is also at the provider itself."""
    entries = [entry for entry in fake.storage.entries_of(store_id) if entry.file_id in fake.storage.files]
    theirs = sum(entry.file_name.startswith("theirs-") for entry in entries)
    return theirs, len(entries) - theirs


async def test_documents_are_added_beside_the_files_of_others(
    adopting: Shop, fake: FakeOpenAI, store_id: str
) -> None:
    assert held(fake, store_id) == (3, COUNT)
    assert not any(
        store.metadata.get("tenant_id") == adopting.tenant_id for store in fake.storage.stores.values()
    )
    mirror = (await adopting.client.get_sync_status(pb.GetSyncStatusRequest())).mirror
    assert (mirror.vector_store_id, mirror.store_adopted) == (store_id, True)


async def test_search_shows_no_file_of_others(adopting: Shop, fake: FakeOpenAI) -> None:
    response = await search(adopting, "lamp price list")
    assert response.backend == OPENAI
    assert set(found(response)) == {f"lamp-{number}" for number in range(COUNT)}
    assert "secret" not in str(response)
    asked = fake.journal.to(SEARCH)[-1]
    assert adopting.tenant_id in str(asked)


async def test_repair_leaves_the_files_of_others_alone(
    adopting: Shop, fake: FakeOpenAI, store_id: str
) -> None:
    [lost, *_] = [one for one in fake.storage.entries_of(store_id) if not one.file_name.startswith("theirs-")]
    del fake.storage.entries[store_id, lost.file_id]
    looked = await adopting.client.repair_drift(pb.RepairDriftRequest())
    assert {one.kind for one in looked.drifts} <= {pb.DRIFT_KIND_MISSING, pb.DRIFT_KIND_ORPHAN}
    repaired = await adopting.client.repair_drift(pb.RepairDriftRequest(apply=True))
    assert repaired.removed_count == 0
    await until(lambda: has(fake, store_id, (3, COUNT)))


async def has(fake: FakeOpenAI, store_id: str, wanted: tuple[int, int]) -> bool:
    return held(fake, store_id) == wanted


async def test_purge_takes_nothing_of_others(adopting: Shop, fake: FakeOpenAI, store_id: str) -> None:
    listed = await adopting.client.list_documents(documents_pb.ListDocumentsRequest())
    ids = documents_pb.DocumentIds(document_ids=[one.document_id for one in listed.documents])
    await adopting.client.purge_documents(
        documents_pb.PurgeDocumentsRequest(selector=documents_pb.DocumentSelector(ids=ids), confirm=True)
    )
    assert held(fake, store_id) == (3, 0)


async def test_leaving_removes_ours_and_keeps_the_store(
    running: Running, adopting: Shop, fake: FakeOpenAI, store_id: str
) -> None:
    operator = running.client.for_tenant(adopting.tenant_id)
    await operator.set_backend(pb.SetBackendRequest(backend=PGVECTOR, remove_files=True))

    async def has_left() -> bool:
        return not (await operator.set_backend(pb.SetBackendRequest())).removing_files

    await until(has_left)
    assert held(fake, store_id) == (3, 0)
    assert store_id in fake.storage.stores
    assert (await operator.set_backend(pb.SetBackendRequest())).vector_store_id == ""
    heir = await new_shop(running)
    assert (await adopt(running, heir, store_id)).store_adopted


async def test_deleted_tenant_leaves_the_store_as_well(
    running: Running, adopting: Shop, fake: FakeOpenAI, store_id: str
) -> None:
    from kladez.v1 import tenant_service_pb2 as tenants_pb

    await running.client.delete_tenant(tenants_pb.DeleteTenantRequest(tenant_id=adopting.tenant_id))
    await until(lambda: has(fake, store_id, (3, 0)))
    assert store_id in fake.storage.stores


# --- what is refused


async def test_one_store_never_serves_two_tenants(running: Running, adopting: Shop, store_id: str) -> None:
    with refused("INVALID_ARGUMENT", field="vector_store_id"):
        await adopt(running, await new_shop(running), store_id)


async def test_two_tenants_that_ask_at_once_do_not_both_get_it(running: Running, store_id: str) -> None:
    shops = [await new_shop(running) for _ in range(4)]
    answers = await asyncio.gather(*(adopt(running, one, store_id) for one in shops), return_exceptions=True)
    assert sum(isinstance(one, pb.SetBackendResponse) for one in answers) == 1


async def test_store_that_was_made_for_another_tenant_is_refused(running: Running, fake: FakeOpenAI) -> None:
    """Also when nobody knows of it here any more."""
    async with AsyncOpenAI(base_url=fake.base_url, api_key="x") as client:
        store = await client.vector_stores.create(name="lost", metadata={"tenant_id": str(uuid.uuid4())})
    with refused("INVALID_ARGUMENT", field="vector_store_id"):
        await adopt(running, await new_shop(running), store.id)


async def test_store_with_files_of_another_tenant_is_refused(
    running: Running, adopting: Shop, fake: FakeOpenAI, store_id: str
) -> None:
    async with AsyncOpenAI(base_url=fake.base_url, api_key="x") as client:
        store = await client.vector_stores.create(name="copied")
        for entry in list(fake.storage.entries_of(store_id)):
            await client.vector_stores.files.create_and_poll(
                entry.file_id,
                vector_store_id=store.id,
                attributes=dict(entry.attributes),
                poll_interval_ms=10,
            )
    with refused("INVALID_ARGUMENT", field="vector_store_id"):
        await adopt(running, await new_shop(running), store.id)


@pytest.mark.parametrize("wanted", ["vs_nowhere", "vs/../../files", "x" * 129, "vs 1"])
async def test_store_that_cannot_be_read_is_refused_and_nothing_changes(
    running: Running, wanted: str
) -> None:
    shop = await new_shop(running)
    with refused("INVALID_ARGUMENT", field="vector_store_id"):
        await adopt(running, shop, wanted, backend=OPENAI)
    now = await running.client.for_tenant(shop.tenant_id).set_backend(pb.SetBackendRequest())
    assert (now.vector_store_id, now.mirrored) == ("", False)


async def test_expired_store_is_refused(running: Running, fake: FakeOpenAI, store_id: str) -> None:
    fake.storage.stores[store_id].is_expired = True
    with refused("INVALID_ARGUMENT", field="vector_store_id"):
        await adopt(running, await new_shop(running), store_id)


async def test_tenant_keeps_the_store_that_it_has(running: Running, adopting: Shop, fake: FakeOpenAI) -> None:
    other = await foreign_store(fake)
    with refused("INVALID_ARGUMENT", field="vector_store_id"):
        await adopt(running, adopting, other)
    with refused("INVALID_ARGUMENT", field="vector_store_id"):
        await adopt(running, adopting, other, backend=PGVECTOR, remove_files=True)


async def test_same_store_may_be_named_again(running: Running, adopting: Shop, store_id: str) -> None:
    assert (await adopt(running, adopting, store_id)).store_adopted


# --- by setting


async def test_only_tenant_gets_the_store_of_the_settings(
    database_dsn: str, fake: FakeOpenAI, store_id: str
) -> None:
    changes = {
        "openai_base_url": fake.base_url,
        "use_openai_retrieval": True,
        "openai_vector_store_id": store_id,
    }
    async with running_service(database_dsn, **changes) as service:
        shop = await new_shop(service)
        await fill(shop)
        await until(lambda: is_brought(shop))
        assert held(fake, store_id) == (3, COUNT)
        second = await new_shop(service)
        await fill(second)
        await until(lambda: is_brought(second))
        mirror = (await second.client.get_sync_status(pb.GetSyncStatusRequest())).mirror
        assert (mirror.vector_store_id == store_id, mirror.store_adopted) == (False, False)


async def test_store_of_the_settings_that_is_not_there_is_said(database_dsn: str, fake: FakeOpenAI) -> None:
    changes = {
        "openai_base_url": fake.base_url,
        "use_openai_retrieval": True,
        "openai_vector_store_id": "vs_nowhere",
    }
    async with running_service(database_dsn, **changes) as service:
        shop = await new_shop(service)
        await upsert(shop, "lamp", "A lamp.")

        async def is_said() -> bool:
            jobs = await shop.client.list_sync_jobs(pb.ListSyncJobsRequest(target=pb.SYNC_TARGET_OPENAI))
            return any("OPENAI_VECTOR_STORE_ID (vs_nowhere)" in job.last_error for job in jobs.sync_jobs)

        await until(is_said)
