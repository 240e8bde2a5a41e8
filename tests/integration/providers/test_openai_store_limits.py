"""What ends work in vector stores early: refusals, deadlines and the pace of writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from retrieval_service import errors
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.sync.remote_files import FileState, Replacement
from retrieval_service.providers.openai.files.vector_stores import VectorStores
from retrieval_service.providers.openai.files.write_pace import PaceLimits
from tests.fakes.openai import FakeOpenAI, Fault
from tests.kits.openai_stores_kit import HASTY, METADATA, PATIENT, SECRET, STORE_NAME, document, stores_at

STORES, FILES, STORE_FILE = "/v1/vector_stores", "/v1/files", r"/vector_stores/[^/]+/files/[^/]+"
BATCHES, BATCH, BATCH_FILES = "/file_batches", "/file_batches/[^/]+", "/file_batches/[^/]+/files"


@pytest.fixture
async def stores(fake: FakeOpenAI) -> AsyncIterator[VectorStores]:
    async with stores_at(fake) as opened:
        yield opened


@pytest.fixture
async def store_id(stores: VectorStores) -> str:
    return await stores.ensure_store(STORE_NAME, METADATA)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path=FILES, status=401, code="invalid_api_key", message=SECRET),
        Fault(path=FILES, status=429, code="insufficient_quota", message=SECRET),
    ],
)
async def test_locked_account_stops_at_once_and_says_why(
    fake: FakeOpenAI, stores: VectorStores, store_id: str, fault: Fault
) -> None:
    fake.fail(replace(fault, times=9))
    with pytest.raises(errors.ProviderLocked, match=fault.code) as raised:
        await stores.replace(store_id, [Replacement(document=document(1))])
    assert SECRET not in str(raised.value)
    assert len(fake.journal.to(FILES)) == 1


@pytest.mark.parametrize("path", [FILES, BATCHES])
async def test_refused_document_is_not_tried_again_and_says_why(
    fake: FakeOpenAI, stores: VectorStores, store_id: str, path: str
) -> None:
    fake.fail(Fault(method="POST", path=path, times=9, status=400, code="invalid_request", message=SECRET))
    [ended] = await stores.replace(store_id, [Replacement(document=document(1))])
    assert (ended.outcome.state, ended.outcome.is_retryable) == (FileState.FAILED, False)
    assert "400 (invalid_request" in ended.outcome.message
    assert len(fake.journal.to(path)) == 1
    assert fake.storage.files == {}


@pytest.mark.parametrize(
    ("path", "state"),
    [
        (FILES, FileState.FAILED),
        (BATCHES, FileState.FAILED),
        (BATCH, FileState.COMPLETED),
        (BATCH_FILES, FileState.IN_PROGRESS),
        (STORE_FILE, FileState.COMPLETED),
    ],
)
async def test_silent_server_cannot_hold_a_replacement_longer_than_its_deadlines(
    fake: FakeOpenAI, path: str, state: FileState
) -> None:
    async with stores_at(fake, HASTY) as stores:
        store_id = await stores.ensure_store(STORE_NAME, METADATA)
        fake.fail(Fault(path=path, times=99, hangs=True))
        async with asyncio.timeout(10):
            [ended] = await stores.replace(
                store_id, [Replacement(document=document(1), old_file_id="file-old")]
            )
    assert ended.outcome.state is state
    assert ended.outcome.is_retryable is (state is not FileState.COMPLETED)
    assert ended.leftovers == (("file-old",) if path == STORE_FILE else ())


async def test_silent_server_cannot_hold_anything_else(fake: FakeOpenAI) -> None:
    async with stores_at(fake, HASTY) as stores:
        fake.fail(Fault(path="", times=999, hangs=True))
        calls = [
            stores.ensure_store(STORE_NAME, METADATA),
            stores.delete_store("vs_1"),
            stores.list_files("vs_1"),
            stores.list_uploads(),
            stores.remove("vs_1", "file-1"),
            stores.search("vs_1", "lamp", Conditions(), limit=5),
            stores.update_attributes("vs_1", "file-1", document(1)),
        ]
        async with asyncio.timeout(10):
            ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in ended] == [errors.ProviderUnavailable] * len(calls)


async def test_wait_that_outlasts_the_deadline_is_passed_on_at_once(fake: FakeOpenAI) -> None:
    async with stores_at(fake) as stores:
        fake.fail(Fault(path=STORES, times=9, status=429, headers={"retry-after": "600"}))
        with pytest.raises(errors.ProviderUnavailable) as raised:
            await stores.ensure_store(STORE_NAME, METADATA)
    assert raised.value.retry_after_seconds == 600
    assert len(fake.journal.to(STORES)) == 1


async def test_our_own_pace_never_meets_the_limit(fake: FakeOpenAI) -> None:
    fake.storage.writes_allowed, fake.storage.write_window_seconds = 4, 0.2
    # Measured where we send: longer than where the server receives, for a busy machine delays some more than others.
    pace = PaceLimits(writes=4, window_seconds=0.6)
    async with stores_at(fake, replace(PATIENT, files_per_batch=1, pace=pace)) as stores:
        store_id = await stores.ensure_store(STORE_NAME, METADATA)
        ended = await stores.replace(store_id, [Replacement(document=document(n)) for n in range(10)])
    assert {one.outcome.state for one in ended} == {FileState.COMPLETED}
    assert len(fake.journal.to(BATCHES)) == 10


async def test_server_that_allows_less_than_our_pace_is_obeyed(fake: FakeOpenAI) -> None:
    fake.storage.writes_allowed, fake.storage.write_window_seconds = 1, 0.9
    async with stores_at(fake, replace(PATIENT, files_per_batch=1)) as stores:
        store_id = await stores.ensure_store(STORE_NAME, METADATA)
        ended = await stores.replace(store_id, [Replacement(document=document(n)) for n in range(2)])
    assert {one.outcome.state for one in ended} == {FileState.COMPLETED}
    assert len(fake.journal.to(BATCHES)) == 3


async def test_pause_that_the_server_wants_is_kept_by_all_writes_to_that_store_only(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    other_id = await stores.ensure_store("another", METADATA)
    fake.fail(Fault(path=BATCHES, status=429, headers={"retry-after": "1"}))
    async with asyncio.TaskGroup() as group:
        group.create_task(stores.replace(store_id, [Replacement(document=document(1))]))
        refused = await fake.journal.arrived(BATCHES)
        await refused.ended.wait()
        await asyncio.sleep(0.1)
        group.create_task(stores.remove(store_id, "file-gone"))
        await stores.remove(other_id, "file-gone")
        held_back = [one for one in fake.journal.exchanges if store_id in one.path and one.method == "DELETE"]
    assert held_back == []
    assert len(fake.journal.to(f"{store_id}/files/file-gone")) == 1
    assert len(fake.journal.to(BATCHES)) == 2
