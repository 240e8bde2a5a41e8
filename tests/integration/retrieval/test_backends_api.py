"""Searches by OpenAI over the wire: who serves, what is never shown, and what happens when it fails."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import struct_pb2
from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import sync_service_pb2 as sync_pb

from retrieval_service import errors
from retrieval_service.client import Client
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.stores.sync import document_files
from tests.conftest import temporary_database
from tests.fakes.openai import FakeOpenAI, Fate, Fault
from tests.kits.backends_kit import (
    DEFAULT,
    OPENAI,
    PGVECTOR,
    SEARCH,
    choose,
    document_file,
    fees,
    found,
    hold,
    openai_settings,
    own_documents,
    remote_document,
    search,
)
from tests.kits.service_kit import (
    WAIT_SECONDS,
    Running,
    Shop,
    bearer,
    failure_of,
    in_one_task,
    new_shop,
    refused,
    running_service,
    shared_service,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = {
    "en": "A brass lamp may be returned within thirty days.",
    "ru": "Латунную лампу можно вернуть в течение тридцати дней.",
    "pt": "Uma luminária de latão pode ser devolvida em trinta dias.",
}
QUESTIONS = {
    "en": "return a brass lamp",
    "ru": "вернуть латунную лампу",
    "pt": "luminária de latão devolvida",
}
PAUSE_SECONDS = 0.4


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    shared_fake.storage.delete_lag_seconds = 600.0
    return openai_settings(
        shared_fake,
        openai_breaker_failures=2,
        openai_breaker_pause_seconds=PAUSE_SECONDS,
        openai_search_seconds=2.0,
    )


@pytest_asyncio.fixture(loop_scope="module")
async def searched_there(running: Running, fake: FakeOpenAI) -> Shop:
    """Searched by OpenAI; one document in each language."""
    shop = await new_shop(running)
    for language, text in TEXTS.items():
        await upsert(shop, language, text, title=f"Lamp {language}", language=language)
    await hold(running, shop, fake)
    await choose(running, shop, OPENAI)
    fake.journal.exchanges.clear()
    return shop


@pytest.mark.parametrize("language", sorted(TEXTS))
async def test_openai_answers_with_our_own_chunks(
    searched_there: Shop, fake: FakeOpenAI, language: str
) -> None:
    response = await search(searched_there, QUESTIONS[language])
    assert response.backend == OPENAI
    assert not response.degraded
    assert len(fake.journal.to(SEARCH)) == 1
    best = response.hits[0]
    assert (best.external_id, best.language) == (language, language)
    assert (best.text, best.start_offset, best.end_offset) == (TEXTS[language], 0, len(TEXTS[language]))
    assert uuid.UUID(best.chunk_id)
    assert 0 < best.score <= 1
    assert not best.HasField("similarity")


async def test_what_openai_takes_for_a_search_is_in_the_ledger(
    running: Running, searched_there: Shop, fake: FakeOpenAI
) -> None:
    """Not for one that failed, or that stayed here."""
    await search(searched_there, QUESTIONS["en"])
    fake.fail(Fault(path=SEARCH, times=1, status=400))
    assert (await search(searched_there, QUESTIONS["ru"])).degraded
    await search(searched_there, QUESTIONS["en"], mode=search_pb.SEARCH_MODE_FULL_TEXT)
    assert await fees(running, searched_there) == (1, pytest.approx(0.0025))


async def test_full_text_stays_here(searched_there: Shop, fake: FakeOpenAI) -> None:
    response = await search(searched_there, QUESTIONS["en"], mode=search_pb.SEARCH_MODE_FULL_TEXT)
    assert (response.backend, found(response)[0]) == (PGVECTOR, "en")
    assert not fake.journal.to(SEARCH)


async def test_tenant_chooses_for_itself_alone(
    running: Running, searched_there: Shop, fake: FakeOpenAI
) -> None:
    other = await new_shop(running)
    await upsert(other, "mine", TEXTS["en"], language="en")
    await wait_until_indexed(other)
    assert (await search(other, QUESTIONS["en"])).backend == PGVECTOR
    assert (await search(searched_there, QUESTIONS["en"])).backend == OPENAI
    back = await choose(running, searched_there, PGVECTOR)
    assert (back.previous_backend, back.backend, back.effective_backend) == (OPENAI, PGVECTOR, PGVECTOR)
    assert not back.mirrored
    response = await search(searched_there, QUESTIONS["en"])
    assert (response.backend, response.degraded) == (PGVECTOR, False)


async def test_default_is_the_installations_choice(running: Running, searched_there: Shop) -> None:
    switched = await choose(running, searched_there, DEFAULT)
    assert (switched.backend, switched.effective_backend) == (DEFAULT, PGVECTOR)
    assert (await search(searched_there, QUESTIONS["en"])).backend == PGVECTOR


async def test_postgres_answers_until_openai_holds_the_documents(running: Running, fake: FakeOpenAI) -> None:
    shop = await new_shop(running)
    await upsert(shop, "en", TEXTS["en"], language="en")
    await wait_until_indexed(shop)
    fake.storage.fate = Fate(seconds=0.5)
    switched = await choose(running, shop, OPENAI)
    assert (switched.effective_backend, switched.mirrored) == (OPENAI, True)
    assert switched.queued_count == 1
    response = await search(shop, QUESTIONS["en"])
    assert (response.backend, response.degraded, found(response)) == (PGVECTOR, True, ["en"])
    assert "OpenAI" in response.degraded_reason
    fake.storage.fate = Fate()
    assert found(await served_by_openai(shop)) == ["en"]


async def test_deleted_document_is_never_found_again(searched_there: Shop, fake: FakeOpenAI) -> None:
    key = documents_pb.DocumentKey(source_type="article", external_id="en")
    await searched_there.client.delete_document(documents_pb.DeleteDocumentRequest(key=key))
    response = await search(searched_there, QUESTIONS["en"])
    assert response.backend == OPENAI
    assert "en" not in found(response)
    assert "ru" in found(response)


async def test_file_that_was_replaced_is_never_found(
    running: Running, searched_there: Shop, fake: FakeOpenAI
) -> None:
    [document] = [one for one in await own_documents(searched_there) if one.external_id == "en"]
    newer = document_file(
        remote_document(searched_there, document), "vs_elsewhere", f"file-newer-{searched_there.tenant_id}", 2
    )
    async with running.service.database.tenant(uuid.UUID(searched_there.tenant_id)) as scope:
        await document_files.set_primary(scope, newer)
    response = await search(searched_there, QUESTIONS["en"])
    assert response.backend == OPENAI
    assert "en" not in found(response)


async def test_other_tenants_file_in_our_store_is_never_found(
    running: Running, searched_there: Shop, fake: FakeOpenAI
) -> None:
    victim = await new_shop(running)
    await upsert(victim, "secret", "A brass lamp secret: return a brass lamp.", language="en")
    await hold(running, victim, fake)
    [entry] = [
        one for one in fake.storage.entries.values() if one.attributes["tenant_id"] == victim.tenant_id
    ]
    store_id = next(
        one.store_id
        for one in fake.storage.entries.values()
        if one.attributes["tenant_id"] == searched_there.tenant_id
    )
    fake.storage.attach(
        store_id,
        entry.file_id,
        entry.attributes,
        {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 80},
    )
    response = await search(searched_there, QUESTIONS["en"])
    assert response.backend == OPENAI
    assert "secret" not in found(response)
    assert victim.tenant_id not in str(response)


async def test_fifth_tag_and_seventeenth_attribute_filter_exactly(running: Running, fake: FakeOpenAI) -> None:
    shop = await new_shop(running)
    tags = [f"tag{number}" for number in range(6)]
    metadata = {f"key{number:02}": number for number in range(20)}
    await upsert(shop, "has", "A lamp of brass.", tags=tags, metadata=metadata, language="en")
    await upsert(shop, "lacks", "A lamp of brass.", tags=tags[:5], language="en")
    less = {**metadata, "key19": 7}
    await upsert(shop, "differs", "A lamp of brass.", tags=[*tags[:5], "x"], metadata=less, language="en")
    await hold(running, shop, fake)
    await choose(running, shop, OPENAI)
    by_tag = await search(shop, "lamp of brass", filter=common_pb2.Filter(tags=["tag5"]))
    assert (by_tag.backend, found(by_tag)) == (OPENAI, ["has"])
    values = common_pb2.MetadataValues(values=[struct_pb2.Value(number_value=19)])
    condition = common_pb2.MetadataCondition(key="key19", any_of=values)
    by_value = await search(shop, "lamp of brass", filter=common_pb2.Filter(metadata=[condition]))
    assert (by_value.backend, found(by_value)) == (OPENAI, ["has"])


async def test_condition_that_openai_has_no_words_for_holds_all_the_same(
    running: Running, fake: FakeOpenAI
) -> None:
    shop = await new_shop(running)
    await upsert(shop, "without", "A lamp of brass.", language="en")
    await upsert(shop, "within", "A lamp of brass.", section="lamps", language="en")
    await hold(running, shop, fake)
    await choose(running, shop, OPENAI)
    response = await search(shop, "lamp of brass", filter=common_pb2.Filter(sections=[""]))
    assert (response.backend, found(response)) == (OPENAI, ["without"])


async def test_chunk_that_holds_the_found_text_is_shown_and_only_once(
    running: Running, fake: FakeOpenAI
) -> None:
    shop = await new_shop(running)
    parts = [
        f"# Part {number}\n\n" + " ".join(f"part{number}word{place}" for place in range(60))
        for number in range(4)
    ]
    await upsert(shop, "book", "\n\n".join(parts), title="Book", content_type="text/markdown", language="en")
    store_id = await hold(running, shop, fake)
    [entry] = fake.storage.entries_of(store_id)
    small = {"max_chunk_size_tokens": 30, "chunk_overlap_tokens": 10}
    fake.storage.attach(store_id, entry.file_id, entry.attributes, small)
    await choose(running, shop, OPENAI)
    response = await search(shop, "part2word30 part2word31 part2word32 part2word33")
    assert response.backend == OPENAI
    assert "part2word3" in response.hits[0].text
    ids = [hit.chunk_id for hit in response.hits]
    assert len(ids) == len(set(ids))
    assert [hit.score for hit in response.hits] == sorted((hit.score for hit in response.hits), reverse=True)


async def test_pages_do_not_overlap_and_end(searched_there: Shop) -> None:
    request = search_pb.SearchRequest(query=QUESTIONS["en"], page_size=1)
    seen: list[str] = []
    while True:
        response = await searched_there.client.search(request)
        assert response.backend == OPENAI
        seen += found(response)
        request.page_token = response.next_page_token
        if not request.page_token:
            break
    assert sorted(seen) == sorted(TEXTS)


async def test_lower_scores_than_wanted_are_left_out(searched_there: Shop) -> None:
    whole = await search(searched_there, QUESTIONS["en"])
    some = await search(searched_there, QUESTIONS["en"], min_score=whole.hits[0].score)
    assert found(some) == found(whole)[:1]


async def test_outage_is_answered_from_postgres_and_ends_by_itself(
    searched_there: Shop, fake: FakeOpenAI
) -> None:
    fake.fail(Fault(path=SEARCH, times=1_000, status=500))
    try:
        for _ in range(2):
            response = await search(searched_there, QUESTIONS["en"])
            assert (response.backend, response.degraded) == (PGVECTOR, True)
            assert response.degraded_reason
            assert found(response)[0] == "en"
        asked = len(fake.journal.to(SEARCH))
        assert (await search(searched_there, QUESTIONS["ru"])).degraded
        assert len(fake.journal.to(SEARCH)) == asked
    finally:
        fake.faults.clear()
    await served_by_openai(searched_there)
    assert len(fake.journal.to(SEARCH)) == asked + 1


async def test_slow_openai_is_not_waited_for(
    postgres_server: Embedded, migrated_template: str, fake: FakeOpenAI
) -> None:
    hasty = shared_service(
        postgres_server, migrated_template, **openai_settings(fake, openai_search_seconds=0.2)
    )
    async with in_one_task(hasty) as running:
        shop = await new_shop(running)
        await upsert(shop, "en", TEXTS["en"], language="en")
        await hold(running, shop, fake)
        await choose(running, shop, OPENAI)
        fake.fail(Fault(path=SEARCH, hangs=True))
        response = await search(shop, QUESTIONS["en"])
        assert (response.backend, response.degraded_reason) == (
            PGVECTOR,
            "OpenAI did not answer in time.",
        )
        assert (await search(shop, QUESTIONS["en"])).backend == OPENAI


async def test_flag_of_the_installation_serves_everybody_who_has_not_chosen(
    postgres_server: Embedded, migrated_template: str, fake: FakeOpenAI
) -> None:
    flagged = shared_service(
        postgres_server, migrated_template, **openai_settings(fake, use_openai_retrieval=True)
    )
    async with in_one_task(flagged) as running:
        shop = await new_shop(running)
        await upsert(shop, "en", TEXTS["en"], language="en")
        shown = await choose(running, shop, 0)
        assert (shown.backend, shown.effective_backend, shown.mirrored) == (DEFAULT, OPENAI, True)
        assert found(await served_by_openai(shop)) == ["en"]
        assert (await choose(running, shop, PGVECTOR)).effective_backend == PGVECTOR
        assert (await search(shop, QUESTIONS["en"])).backend == PGVECTOR


async def test_flag_that_changes_between_starts_moves_the_documents_of_those_before(
    postgres_server: Embedded, migrated_template: str, fake: FakeOpenAI
) -> None:
    access = {"openai_base_url": fake.base_url}
    with temporary_database(postgres_server, template=migrated_template) as dsn:
        async with in_one_task(running_service(dsn)) as before:
            shop = await new_shop(before)
            await upsert(shop, "en", TEXTS["en"], language="en")
            await wait_until_indexed(shop)
        async with in_one_task(running_service(dsn, use_openai_retrieval=True, **access)) as flagged:
            served = await served_by_openai(replace(shop, client=client_of(flagged, shop)))
            assert found(served) == ["en"]
        async with in_one_task(running_service(dsn, **access)) as after:
            own = replace(shop, client=client_of(after, shop))
            assert (await search(own, QUESTIONS["en"])).backend == PGVECTOR
            assert not (await choose(after, own, 0)).mirrored


async def test_flag_without_access_to_openai_names_what_is_missing(
    postgres_server: Embedded, migrated_template: str
) -> None:
    flagged = shared_service(postgres_server, migrated_template, use_openai_retrieval=True)
    with pytest.raises(errors.Misconfigured, match=r"USE_OPENAI_RETRIEVAL.*OPENAI_API_KEY"):
        async with flagged:
            pytest.fail("it started")


async def test_openai_cannot_be_chosen_without_access_to_it(
    postgres_server: Embedded, migrated_template: str
) -> None:
    async with in_one_task(shared_service(postgres_server, migrated_template)) as running:
        shop = await new_shop(running)
        failure = await failure_of(choose(running, shop, OPENAI))
        assert (failure.code, failure.reason) == ("FAILED_PRECONDITION", "BACKEND_MISSING")
        assert "OPENAI_API_KEY" in str(failure)
        with refused("FAILED_PRECONDITION"):
            await choose(running, shop, PGVECTOR, shadow_share=0.5)
        assert (await choose(running, shop, PGVECTOR)).backend == PGVECTOR


def client_of(running: Running, shop: Shop) -> Client:
    return Client(running.channel, bearer(shop.key))


async def served_by_openai(shop: Shop) -> search_pb.SearchResponse:
    """The first reply from there; until then Postgres finds the same document."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            response = await search(shop, QUESTIONS["en"])
            if response.backend == OPENAI:
                return response
            assert response.degraded
            await asyncio.sleep(0.05)


async def test_tenants_own_key_cannot_choose(searched_there: Shop) -> None:
    with refused("PERMISSION_DENIED"):
        await searched_there.client.set_backend(sync_pb.SetBackendRequest(backend=PGVECTOR))


async def test_share_and_days_out_of_range_are_refused(running: Running, searched_there: Shop) -> None:
    with refused("INVALID_ARGUMENT", field="shadow_share"):
        await choose(running, searched_there, OPENAI, shadow_share=1.5)
    with refused("INVALID_ARGUMENT", field="days"):
        await searched_there.client.get_backend_comparison(sync_pb.GetBackendComparisonRequest(days=31))
