"""Documents in OpenAI's vector stores, against a server that loses answers, refuses, stalls and forgets slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.sync.remote_files import FileState, Replacement
from retrieval_service.providers.openai.files.attributes import revision_of
from retrieval_service.providers.openai.files.vector_stores import VectorStores
from retrieval_service.providers.ports import RetrievalBackend
from tests.fakes.openai import Drop, FakeOpenAI, Fate, Fault
from tests.kits.openai_stores_kit import (
    HASTY,
    METADATA,
    PATIENT,
    SECRET,
    STORE_NAME,
    Syncing,
    changed,
    document,
    remote,
    stores_at,
)

STORES, FILES, STORE_FILE = "/v1/vector_stores", "/v1/files", r"/vector_stores/[^/]+/files/[^/]+"
BATCHES, BATCH, BATCH_FILES = "/file_batches", "/file_batches/[^/]+", "/file_batches/[^/]+/files"
LOST = [
    {"drop": Drop.BEFORE_EFFECT},
    {"drop": Drop.AFTER_EFFECT},
    {"status": 500},
    {"status": 429, "headers": {"retry-after-ms": "20"}},
    {"status": 503, "code": "server_is_overloaded"},
]


@pytest.fixture
async def stores(fake: FakeOpenAI) -> AsyncIterator[VectorStores]:
    async with stores_at(fake) as opened:
        yield opened


@pytest.fixture
async def store_id(stores: VectorStores) -> str:
    return await stores.ensure_store(STORE_NAME, METADATA)


def bad_weather() -> Iterator[Fault]:
    """Every kind of failure on every kind of request, spread over the work."""
    requests = [
        ("POST", FILES, 19),
        ("DELETE", f"{FILES}/[^/]+", 13),
        ("POST", BATCHES, 0),
        ("GET", BATCH, 0),
        ("GET", BATCH_FILES, 0),
        ("DELETE", STORE_FILE, 17),
    ]
    for method, path, skips in requests:
        for kind in LOST:
            yield Fault(method=method, path=path, skips=skips, message=f"{SECRET} said", **kind)
        yield Fault(method=method, path=path, hangs=True)
    yield Fault(method="POST", path=STORES, drop=Drop.AFTER_EFFECT)
    # So that looking for a lost upload's effect fails as well, and the attempt is given up.
    yield Fault(method="GET", path=FILES, times=12, status=500)


async def test_backend_is_what_the_services_ask_for(stores: VectorStores) -> None:
    backend: RetrievalBackend = stores
    assert await backend.list_uploads() == ()


async def test_hundred_documents_end_as_exactly_the_right_set_in_any_weather(fake: FakeOpenAI) -> None:
    settings = replace(PATIENT, files_per_batch=9)
    for fault in bad_weather():
        fake.fail(fault)
    fake.storage.fates = {str(document(number).document_id): Fate(seconds=0.1) for number in range(0, 100, 7)}
    async with stores_at(fake, settings, timeout_seconds=0.5) as stores:
        syncing = Syncing(stores, await stores.ensure_store(STORE_NAME, METADATA))
        documents = [document(number) for number in range(100)]
        assert await syncing.put(documents) > 1
        assert remote(fake).files == remote(fake).entries == held(documents)
        newer = [changed(one) if number % 2 else one for number, one in enumerate(documents)]
        await syncing.put(newer[1::2])
        assert remote(fake).files == remote(fake).entries == held(newer)
        for one in newer[:60]:
            await syncing.delete(one.document_id)
        assert remote(fake).files == remote(fake).entries == held(newer[60:])
        for one in newer[60:]:
            await syncing.delete(one.document_id)
    assert (remote(fake).files, remote(fake).entries) == ([], [])
    assert len(fake.storage.stores) == 1
    assert fake.faults.are_spent


def held(documents: list) -> list[tuple[str, str]]:
    return sorted((str(one.document_id), revision_of(one)) for one in documents)


async def test_batch_whose_answer_is_lost_is_watched_and_not_sent_again(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    fake.storage.fate = Fate(seconds=0.1)
    fake.fail(Fault(path=BATCHES, drop=Drop.AFTER_EFFECT))
    ended = await stores.replace(store_id, [Replacement(document=document(n)) for n in range(3)])
    assert {one.outcome.state for one in ended} == {FileState.COMPLETED}
    assert len(fake.journal.to(BATCHES)) == 1


async def test_upload_whose_answer_is_lost_is_found_and_not_sent_again(
    fake: FakeOpenAI, stores: VectorStores
) -> None:
    fake.fail(Fault(method="POST", path=FILES, drop=Drop.AFTER_EFFECT))
    assert [await stores.upload(document(1))] == list(fake.storage.files)


@pytest.mark.parametrize("kind", LOST)
async def test_store_is_created_once_whatever_happens_to_the_answer(fake: FakeOpenAI, kind: dict) -> None:
    fake.fail(Fault(method="POST", path=STORES, **kind))
    async with stores_at(fake) as stores:
        ids = await asyncio.gather(*[stores.ensure_store(STORE_NAME, METADATA) for _ in range(5)])
    assert set(ids) == set(fake.storage.stores)
    assert len(fake.storage.stores) == 1


async def test_store_of_another_tenant_or_an_expired_one_is_not_taken(
    fake: FakeOpenAI, stores: VectorStores
) -> None:
    ours = await stores.ensure_store(STORE_NAME, METADATA)
    others = await stores.ensure_store(STORE_NAME, {"tenant_id": "another"})
    fake.storage.stores[ours].is_expired = True
    assert len({ours, others, await stores.ensure_store(STORE_NAME, METADATA)}) == 3


async def test_store_is_found_beyond_the_first_page(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    for number in range(150):
        fake.storage.stores[f"vs_{number}"] = replace(
            fake.storage.stores[store_id], store_id=f"vs_{number}", name="x", created_at=fake.storage.now()
        )
    assert await stores.ensure_store(STORE_NAME, METADATA) == store_id


async def test_file_says_what_it_is_and_is_cut_as_asked(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    one = document(7)
    [ended] = await stores.replace(store_id, [Replacement(document=one)])
    [entry] = fake.storage.entries.values()
    assert entry.file_name == f"{one.document_id}@{revision_of(one)}.md"
    assert entry.chunking == {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 80}
    assert entry.attributes["tag_1"] == "red"
    assert ended.outcome.state is FileState.COMPLETED
    [listed] = await stores.list_files(store_id)
    assert (listed.file_id, listed.document_id, listed.revision) == (
        ended.file_id,
        one.document_id,
        revision_of(one),
    )


async def test_files_go_into_the_store_by_batches(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    documents = [document(number) for number in range(230)]
    await stores.replace(store_id, [Replacement(document=one) for one in documents])
    assert [len(one.body["files"]) for one in fake.journal.to(BATCHES)] == [100, 100, 30]
    assert len(await stores.list_files(store_id)) == len(await stores.list_uploads()) == 230


async def test_old_version_serves_until_the_new_one_is_ready(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    one = document(1)
    [first] = await stores.replace(store_id, [Replacement(document=one)])
    fake.storage.fate = Fate(seconds=0.3)
    changing = asyncio.create_task(
        stores.replace(store_id, [Replacement(document=changed(one), old_file_id=first.file_id)])
    )
    await fake.journal.arrived(BATCHES, count=2)
    during = await stores.search(store_id, "lamp", Conditions(), limit=5)
    [second] = await changing
    after = await stores.search(store_id, "lamp", Conditions(), limit=5)
    assert [hit.file_id for hit in during.hits] == [first.file_id]
    assert [hit.file_id for hit in after.hits] == [second.file_id] != [first.file_id]


@pytest.mark.parametrize(
    ("fate", "code", "is_retryable"),
    [
        (Fate(error_code="server_error"), "server_error", True),
        (Fate(error_code="unsupported_file"), "unsupported_file", False),
        (Fate(error_code="invalid_file"), "invalid_file", False),
        (Fate(error_code=f"odd {SECRET}"), "unknown", False),
        (Fate(is_stuck=True), "unfinished", True),
    ],
)
async def test_file_that_fails_or_stalls_leaves_the_old_one_and_says_why(
    fake: FakeOpenAI, fate: Fate, code: str, is_retryable: bool
) -> None:
    good, bad = document(1), document(2)
    async with stores_at(fake, replace(PATIENT, ingest_seconds=0.3)) as stores:
        store_id = await stores.ensure_store(STORE_NAME, METADATA)
        [first] = await stores.replace(store_id, [Replacement(document=bad)])
        fake.storage.fates = {str(bad.document_id): fate}
        fine, failed = await stores.replace(
            store_id,
            [Replacement(document=good), Replacement(document=changed(bad), old_file_id=first.file_id)],
        )
    assert fine.outcome.state is FileState.COMPLETED
    assert (failed.file_id, failed.leftovers) == (first.file_id, ())
    assert (failed.outcome.code, failed.outcome.is_retryable) == (code, is_retryable)
    assert failed.outcome.message
    assert SECRET not in repr(failed)
    assert "lamp" not in failed.outcome.message
    assert remote(fake).files == remote(fake).entries == held([good, bad])


async def test_one_stuck_file_does_not_hide_that_others_are_done(fake: FakeOpenAI) -> None:
    documents = [document(number) for number in range(3)]
    fake.storage.fates = {str(documents[0].document_id): Fate(is_stuck=True)}
    async with stores_at(fake, replace(PATIENT, ingest_seconds=0.2, files_per_batch=1)) as stores:
        store_id = await stores.ensure_store(STORE_NAME, METADATA)
        ended = await stores.replace(store_id, [Replacement(document=one) for one in documents])
    assert [one.outcome.state for one in ended] == [
        FileState.IN_PROGRESS,
        FileState.COMPLETED,
        FileState.COMPLETED,
    ]


async def test_pause_between_looks_is_the_servers(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    fake.storage.fate, fake.storage.poll_after_ms = Fate(seconds=0.2), 90
    await stores.replace(store_id, [Replacement(document=document(1))])
    looks = [one for one in fake.journal.exchanges if one.method == "GET" and "/vsfb_" in one.path]
    assert 3 <= len(looks) <= 5


async def test_removal_is_complete_and_can_be_repeated(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    [one] = await stores.replace(store_id, [Replacement(document=document(1))])
    for _ in range(2):
        await stores.remove(store_id, one.file_id)
    assert (remote(fake).files, remote(fake).entries) == ([], [])
    for _ in range(2):
        await stores.delete_store(store_id)
    assert fake.storage.stores == {}


async def test_attempt_that_was_given_up_leaves_nothing_once_it_is_repeated(fake: FakeOpenAI) -> None:
    one = document(1)
    async with stores_at(fake, HASTY) as stores:
        store_id = await stores.ensure_store(STORE_NAME, METADATA)
        fake.fail(Fault(method="POST", path=FILES, drop=Drop.AFTER_EFFECT))
        fake.fail(Fault(method="GET", path=FILES, times=2, status=500))
        [lost] = await stores.replace(store_id, [Replacement(document=one)])
        assert (lost.outcome.state, lost.outcome.is_retryable) == (FileState.FAILED, True)
        assert len(fake.storage.files) == 1
        [ended] = await stores.replace(store_id, [Replacement(document=changed(one), is_repeated=True)])
    assert ended.outcome.state is FileState.COMPLETED
    assert remote(fake).files == remote(fake).entries == held([changed(one)])


async def test_file_that_is_doomed_is_not_taken_for_the_document_again(fake: FakeOpenAI) -> None:
    one = document(1)
    async with stores_at(fake, HASTY) as stores:
        store_id = await stores.ensure_store(STORE_NAME, METADATA)
        doomed = await stores.upload(one)
        again = Replacement(document=one, is_repeated=True, doomed=frozenset({doomed}))
        [ended] = await stores.replace(store_id, [again])
    assert ended.file_id not in ("", doomed)
    assert remote(fake).files == remote(fake).entries == held([one])


async def test_leftovers_are_named_when_they_cannot_be_removed(fake: FakeOpenAI) -> None:
    async with stores_at(fake, HASTY) as stores:
        store_id = await stores.ensure_store(STORE_NAME, METADATA)
        [first] = await stores.replace(store_id, [Replacement(document=document(1))])
        fake.fail(Fault(method="DELETE", path=STORE_FILE, times=9, status=500))
        newer = Replacement(document=changed(document(1)), old_file_id=first.file_id)
        [second] = await stores.replace(store_id, [newer])
    assert second.outcome.state is FileState.COMPLETED
    assert second.leftovers == (first.file_id,)


async def test_attributes_change_without_another_upload(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    [one] = await stores.replace(store_id, [Replacement(document=document(1))])
    await stores.update_attributes(store_id, one.file_id, replace(document(1), section="sale"))
    [listed] = await stores.list_files(store_id)
    assert listed.attributes["section"] == "sale"
    assert len([exchange for exchange in fake.journal.to(FILES) if exchange.method == "POST"]) == 1


async def test_search_obeys_conditions_limit_and_threshold(stores: VectorStores, store_id: str) -> None:
    documents = [document(number) for number in range(6)]
    await stores.replace(store_id, [Replacement(document=one) for one in documents])
    cheap = Conditions(tags=["red"], metadata=[{"key": "price", "upper": 2}])
    found = await stores.search(store_id, "lamp number2", cheap, limit=2)
    exact = await stores.search(
        store_id, "# Lamp 3 The lamp number3 is red.", Conditions(), limit=9, threshold=0.99
    )
    assert found.hits[0].document_id == documents[2].document_id
    assert {hit.document_id for hit in found.hits} < {one.document_id for one in documents[:3]}
    assert [hit.document_id for hit in exact.hits] == [documents[3].document_id]
    assert "number3" in exact.hits[0].text


async def test_search_says_what_it_could_not_ask(stores: VectorStores, store_id: str) -> None:
    found = await stores.search(store_id, "lamp", Conditions(sections=[""]), limit=5)
    assert found.unspoken == ("sections",)


async def test_ghost_is_found_with_the_id_that_gives_it_away(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    [one] = await stores.replace(store_id, [Replacement(document=document(1))])
    fake.storage.delete_lag_seconds = 600
    await stores.remove(store_id, one.file_id)
    found = await stores.search(store_id, "lamp", Conditions(), limit=5)
    assert [(hit.file_id, hit.document_id) for hit in found.hits] == [(one.file_id, document(1).document_id)]
    assert await stores.list_files(store_id) == ()


async def test_files_of_strangers_are_listed_but_never_found(
    fake: FakeOpenAI, stores: VectorStores, store_id: str
) -> None:
    [one] = await stores.replace(store_id, [Replacement(document=document(1))])
    fake.storage.entries[store_id, one.file_id].attributes = {}
    fake.storage.entries[store_id, one.file_id].file_name = "notes.md"
    fake.storage.files[one.file_id].name = "notes.md"
    [listed] = await stores.list_files(store_id)
    assert (listed.document_id, listed.revision) == (None, "")
    assert (await stores.search(store_id, "lamp", Conditions(), limit=5)).hits == ()
    assert await stores.list_uploads() == ()


async def test_upload_and_attachment_can_be_made_apart(stores: VectorStores, store_id: str) -> None:
    file_id = await stores.upload(document(1))
    assert await stores.list_files(store_id) == ()
    [outcome] = await stores.attach(store_id, {file_id: document(1)})
    assert (outcome.file_id, outcome.state) == (file_id, FileState.COMPLETED)
