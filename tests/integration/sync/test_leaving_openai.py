"""Tenants that leave OpenAI: nothing of theirs stays there, nothing of others goes, and they may come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from kladez.v1 import sync_service_pb2 as sync_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service import errors
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.services.sync.offboarding import Evacuator
from tests.conftest import temporary_database
from tests.fakes.openai import FakeOpenAI, Fault
from tests.kits.backends_kit import OPENAI, PGVECTOR, choose, found, openai_settings, search
from tests.kits.indexing_kit import working
from tests.kits.openai_stores_kit import Remote, remote, stores_at
from tests.kits.remote_sync_kit import (
    assert_in_step,
    insert_documents,
    mirrored_tenant,
    open_remote_bench,
    standing_of,
    synced,
)
from tests.kits.service_kit import Running, Shop, new_shop, refused, upsert

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAIT_SECONDS = 30.0
COUNT = 5
LEAVE = "UPDATE tenants SET is_mirrored = false, leaves_provider = true"
FORGET_ONE = "DELETE FROM document_files WHERE file_id = (SELECT min(file_id) FROM document_files)"


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    return openai_settings(shared_fake)


@pytest_asyncio.fixture(loop_scope="module")
async def mirrored(running: Running) -> Shop:
    return await mirrored_shop(running)


async def mirrored_shop(running: Running) -> Shop:
    """Its documents have been brought to OpenAI by the worker."""
    shop = await new_shop(running)
    for number in range(COUNT):
        await upsert(shop, f"lamp-{number}", f"Lamp number {number} is made of brass.")
    await choose(running, shop, OPENAI)
    await brought(shop)
    return shop


async def brought(shop: Shop) -> None:
    async def is_brought() -> bool:
        return (await mirror(shop)).synced_count == COUNT

    await until(is_brought)


async def mirror(shop: Shop) -> sync_pb.MirrorStatus:
    return (await shop.client.get_sync_status(sync_pb.GetSyncStatusRequest())).mirror


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not await holds():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.05)


def files_of(fake: FakeOpenAI, shop: Shop) -> int:
    return sum(
        store.metadata.get("tenant_id") == shop.tenant_id for store in fake.storage.stores.values()
    ) + sum(entry.attributes["tenant_id"] == shop.tenant_id for entry in fake.storage.entries.values())


async def gone(running: Running, fake: FakeOpenAI, shop: Shop) -> None:
    async def is_gone() -> bool:
        return not files_of(fake, shop) and not await is_leaving(running, shop)

    await until(is_gone)


async def is_leaving(running: Running, shop: Shop) -> bool:
    response = await running.client.for_tenant(shop.tenant_id).set_backend(sync_pb.SetBackendRequest())
    return response.removing_files


async def test_files_and_store_are_removed_and_those_of_others_stay(
    running: Running, fake: FakeOpenAI, mirrored: Shop
) -> None:
    other = await mirrored_shop(running)
    files = len(fake.storage.files)
    response = await choose(running, mirrored, PGVECTOR, remove_files=True)
    assert (response.mirrored, response.removing_files) == (False, True)
    await gone(running, fake, mirrored)
    assert len(fake.storage.files) == files - COUNT
    assert files_of(fake, other) == COUNT + 1
    assert (await mirror(mirrored)).synced_count == 0
    log = await mirrored.client.list_sync_log(sync_pb.ListSyncLogRequest())
    assert sum(len(entry.file_ids) for entry in log.entries if entry.action == "remove") == COUNT


async def test_a_tenant_comes_back(running: Running, fake: FakeOpenAI, mirrored: Shop) -> None:
    """Asked for at once: the removal ends first."""
    await choose(running, mirrored, PGVECTOR, remove_files=True)
    await choose(running, mirrored, OPENAI)
    await brought(mirrored)
    assert files_of(fake, mirrored) == COUNT + 1
    assert len(found(await search(mirrored, "brass lamp number 3"))) > 0


async def test_a_deleted_tenant_leaves_and_one_that_is_taken_back_returns(
    running: Running, fake: FakeOpenAI, mirrored: Shop
) -> None:
    await running.client.delete_tenant(tenants_pb.DeleteTenantRequest(tenant_id=mirrored.tenant_id))

    async def is_gone() -> bool:
        return not files_of(fake, mirrored)

    await until(is_gone)
    await running.client.undelete_tenant(tenants_pb.UndeleteTenantRequest(tenant_id=mirrored.tenant_id))
    await brought(mirrored)
    assert files_of(fake, mirrored) == COUNT + 1


async def test_files_that_are_needed_are_not_removed(
    running: Running, fake: FakeOpenAI, mirrored: Shop
) -> None:
    """Neither for searches nor for the shadow; nothing of the request is done then."""
    client = running.client.for_tenant(mirrored.tenant_id)
    for request in (
        sync_pb.SetBackendRequest(remove_files=True),
        sync_pb.SetBackendRequest(backend=PGVECTOR, shadow_share=0.1, remove_files=True),
    ):
        with refused("INVALID_ARGUMENT", field="remove_files"):
            await client.set_backend(request)
    assert not await is_leaving(running, mirrored)
    assert files_of(fake, mirrored) == COUNT + 1


async def test_a_removal_that_broke_off_goes_on(postgres_server: Embedded, migrated_template: str) -> None:
    """Files that nobody has written down go too."""
    with temporary_database(postgres_server, template=migrated_template) as dsn:
        async with open_remote_bench(dsn) as bench, stores_at(bench.fake) as backend:
            tenant_id = await mirrored_tenant(bench)
            ids = await insert_documents(bench, tenant_id, COUNT)
            async with working(bench.service):
                await synced(bench)
            await assert_in_step(bench, tenant_id, ids)
            await bench.sql.execute(FORGET_ONE)
            await bench.sql.execute(LEAVE)
            service = bench.service
            evacuator = Evacuator(service.database, backend, service.retrieval.switcher)
            bench.fake.fail(Fault(path=r"/v1/files/[^/]+", method="DELETE", skips=2, status=400))
            with pytest.raises(errors.ProviderRefused):
                await evacuator.evacuate()
            assert remote(bench.fake).files
            await evacuator.evacuate()
            assert remote(bench.fake) == Remote(files=[], entries=[])
            assert not bench.fake.storage.stores
            assert not (await standing_of(bench, ids[0])).file_id


async def test_refusal_for_one_tenant_keeps_no_other_from_leaving(
    postgres_server: Embedded, migrated_template: str
) -> None:
    with temporary_database(postgres_server, template=migrated_template) as dsn:
        async with open_remote_bench(dsn) as bench, stores_at(bench.fake) as backend:
            tenants = [await mirrored_tenant(bench) for _ in range(2)]
            for tenant_id in tenants:
                await bench.put(tenant_id, "1", "Tea.")
            async with working(bench.service):
                await synced(bench)
            await bench.sql.execute(LEAVE)
            service = bench.service
            evacuator = Evacuator(service.database, backend, service.retrieval.switcher)
            bench.fake.fail(Fault(path=r"/v1/files/[^/]+", method="DELETE", status=400))
            with pytest.raises(errors.ProviderRefused):
                await evacuator.evacuate()
            assert len(remote(bench.fake).files) == 1
            assert len(bench.fake.storage.stores) == 1
