"""A tenant moves to another embedding model while it is searched and written to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import space_service_pb2 as pb

from retrieval_service.services.indexing.own_indexes import Promoter
from retrieval_service.services.operations.doctor_checks import Finding, examine
from retrieval_service.stores.tenants import spaces
from retrieval_service.worker.space_filling import FillRunner
from tests.fakes.openai.fake import FakeOpenAI
from tests.fakes.openai.faults import Fault
from tests.fakes.openai.server import running_openai
from tests.kits.indexing_kit import EMBEDDINGS, as_list, emptied
from tests.kits.service_kit import (
    Running,
    Shop,
    failure_of,
    new_shop,
    refused,
    running_service,
    settings_for_tests,
    upsert,
    wait_until_indexed,
)
from tests.kits.spaces_kit import (
    NEXT,
    OLD,
    next_alone,
    old_alone,
    operator_of,
    put,
    space_of,
    spaces_told,
    steadily_searching,
    text_of,
    until_filled,
    with_next,
)

DOCUMENTS = 300
QUESTION = "Which tea comes from garden7?"


@pytest.fixture
def dsn(module_dsn: str) -> str:
    return emptied(module_dsn)


@pytest.fixture
async def embeddings() -> AsyncIterator[FakeOpenAI]:
    async with running_openai() as server:
        yield server


@pytest.fixture
async def two_models(dsn: str, embeddings: FakeOpenAI) -> AsyncIterator[Running]:
    """With both models, and a worker."""
    async with running_service(dsn, **with_next(embeddings)) as service:
        yield service


@pytest.fixture
async def moving(two_models: Running) -> Shop:
    return await new_shop(two_models)


async def switched(running: Running, shop: Shop) -> None:
    """All the way, as an operator goes it."""
    operator = operator_of(running, shop)
    await operator.start_switch(pb.StartSwitchRequest())
    await until_filled(operator, NEXT)
    await operator.verify_switch(pb.VerifySwitchRequest())
    await operator.flip_space(pb.FlipSpaceRequest())


async def told(shop: Shop, question: str = QUESTION) -> set[int]:
    """The spaces that a search's similarities fit to; it must not be degraded."""
    response = await shop.client.search(search_pb.SearchRequest(query=question))
    assert response.hits
    assert response.degraded_reason == ""
    return spaces_told(question, response)


def embedded_in(fake: FakeOpenAI, dimensions: int) -> list[str]:
    """Passages that were embedded with vectors of this length, repetitions included."""
    exchanges = fake.journal.to(EMBEDDINGS)
    bodies = [one.body for one in exchanges if one.body.get("dimensions") == dimensions]
    return [text for body in bodies for text in as_list(body["input"]) if text.startswith("Tea number")]


class TestUnderLoad:
    async def test_no_search_fails_degrades_or_mixes_spaces_during_switch_and_way_back(
        self, two_models: Running, moving: Shop
    ) -> None:
        await put(moving, 0, DOCUMENTS)
        await wait_until_indexed(moving)
        operator = operator_of(two_models, moving)
        old = await space_of(operator, OLD)
        async with steadily_searching(moving) as seen:
            await asyncio.sleep(0.5)
            await switched(two_models, moving)
            await asyncio.sleep(0.5)
            await operator.flip_space(pb.FlipSpaceRequest(key=old.key))
            await asyncio.sleep(0.5)
        assert (seen.degraded, seen.empty) == ([], 0)
        assert all(seen.spaces), "a reply mixed vectors of two models"
        order = [next(iter(one)) for one in seen.spaces if len(one) == 1]
        assert Counter(order)[OLD] >= 10
        assert Counter(order)[NEXT] >= 5
        assert order[0] == order[-1] == OLD

    async def test_documents_that_change_while_it_is_filled_are_right_afterwards(
        self, two_models: Running, moving: Shop, embeddings: FakeOpenAI
    ) -> None:
        await put(moving, 0, DOCUMENTS)
        await wait_until_indexed(moving)
        embeddings.fail(Fault(path=EMBEDDINGS, times=40, delay_seconds=0.02))
        operator = operator_of(two_models, moving)
        await operator.start_switch(pb.StartSwitchRequest())
        for number in range(0, DOCUMENTS, 10):
            await upsert(moving, str(number), f"Coffee replaces it, brewed in garden{number}.", language="en")
        key = documents_pb.DocumentKey(source_type="article", external_id="1")
        await moving.client.delete_document(documents_pb.DeleteDocumentRequest(key=key))
        await put(moving, DOCUMENTS, 20)
        await wait_until_indexed(moving)
        await until_filled(operator, NEXT)
        await operator.flip_space(pb.FlipSpaceRequest(force=True))
        for number in (0, 10, 290):
            await assert_best(moving, f"Coffee replaces it, brewed in garden{number}.", str(number))
        for number in (5, 77, DOCUMENTS + 19):
            await assert_best(moving, text_of(number), str(number))
        estimate = await operator.estimate_switch(
            pb.EstimateSwitchRequest(key=(await space_of(operator, NEXT)).key)
        )
        assert estimate.chunk_count == 0
        response = await moving.client.search(search_pb.SearchRequest(query=text_of(1), page_size=50))
        assert "1" not in [hit.external_id for hit in response.hits]


async def assert_best(shop: Shop, question: str, external_id: str) -> None:
    request = search_pb.SearchRequest(query=question, mode=search_pb.SEARCH_MODE_SEMANTIC)
    response = await shop.client.search(request)
    assert response.hits[0].external_id == external_id
    assert spaces_told(question, response) == {NEXT}


class TestFilling:
    async def test_crash_costs_no_more_than_the_batch_in_hand(self, dsn: str, embeddings: FakeOpenAI) -> None:
        async with running_service(dsn, **with_next(embeddings)) as running:
            shop = await new_shop(running)
            await put(shop, 0, DOCUMENTS)
            await wait_until_indexed(shop)
        async with running_service(dsn, workers=0, **with_next(embeddings)) as running:
            operator = operator_of(running, shop)
            await operator.start_switch(pb.StartSwitchRequest())
            embeddings.fail(Fault(path=EMBEDDINGS, skips=5, hangs=True))
            before = len(embeddings.journal.to(EMBEDDINGS))
            filling = asyncio.create_task(FillRunner(running.service.filler).run())
            await embeddings.journal.arrived(EMBEDDINGS, count=before + 6)
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)
            halfway = await space_of(operator, NEXT)
            assert 0 < halfway.filled_count < halfway.total_count == DOCUMENTS
        async with running_service(dsn, **with_next(embeddings)) as running:
            assert (await until_filled(operator_of(running, shop), NEXT)).state == pb.SPACE_STATE_READY
        times = Counter(embedded_in(embeddings, NEXT))
        assert len(times) == DOCUMENTS
        assert sum(times.values()) - DOCUMENTS <= 16
        assert max(times.values()) <= 2

    async def test_outage_of_the_next_model_delays_neither_imports_nor_searches(
        self, two_models: Running, moving: Shop, embeddings: FakeOpenAI
    ) -> None:
        await put(moving, 0, 20)
        await wait_until_indexed(moving)
        await switched(two_models, moving)
        operator = operator_of(two_models, moving)
        await operator.flip_space(pb.FlipSpaceRequest(key=(await space_of(operator, OLD)).key))
        embeddings.fail(Fault(path=EMBEDDINGS, times=1, skips=1, status=400, kind="invalid_request_error"))
        await put(moving, 20, 1)
        await wait_until_indexed(moving)
        assert await told(moving, text_of(20)) == {OLD}
        async with asyncio.timeout(20):
            while (await space_of(operator, NEXT)).is_stale:  # noqa: ASYNC110 - the database gives no event
                await asyncio.sleep(0.05)
        await operator.flip_space(pb.FlipSpaceRequest(key=(await space_of(operator, NEXT)).key))
        await assert_best(moving, text_of(20), "20")


class TestOperator:
    async def test_flip_waits_for_filling_and_verification(self, two_models: Running, moving: Shop) -> None:
        await put(moving, 0, 30)
        await wait_until_indexed(moving)
        operator = operator_of(two_models, moving)
        with refused("FAILED_PRECONDITION"):
            await operator.flip_space(pb.FlipSpaceRequest())
        with refused("FAILED_PRECONDITION"):
            await operator.verify_switch(pb.VerifySwitchRequest())
        estimate = await operator.estimate_switch(pb.EstimateSwitchRequest())
        assert estimate.chunk_count == 30
        assert estimate.token_count > 30
        assert estimate.dollars == pytest.approx(estimate.token_count * 0.02 / 1_000_000)
        await operator.start_switch(pb.StartSwitchRequest())
        await until_filled(operator, NEXT)
        failure = await failure_of(operator.flip_space(pb.FlipSpaceRequest()))
        assert "not verified" in str(failure)
        space = (await operator.verify_switch(pb.VerifySwitchRequest())).space
        assert space.recall >= 0.95
        assert 0 < space.agreement <= 1
        assert space.sample_count == 30
        assert (await operator.flip_space(pb.FlipSpaceRequest())).space.state == pb.SPACE_STATE_ACTIVE
        assert (await space_of(operator, OLD)).HasField("keep_until_time")
        assert await told(moving) == {NEXT}

    async def test_dropped_space_is_gone_and_can_be_filled_anew(
        self, two_models: Running, moving: Shop
    ) -> None:
        await put(moving, 0, 10)
        await wait_until_indexed(moving)
        await switched(two_models, moving)
        operator = operator_of(two_models, moving)
        with refused("FAILED_PRECONDITION"):
            await operator.drop_space(pb.DropSpaceRequest(key=(await space_of(operator, NEXT)).key))
        old = await space_of(operator, OLD)
        await operator.drop_space(pb.DropSpaceRequest(key=old.key))
        assert (await space_of(operator, OLD)).state == pb.SPACE_STATE_UNSPECIFIED
        assert (await operator.estimate_switch(pb.EstimateSwitchRequest())).chunk_count == 10
        assert await told(moving) == {NEXT}
        await operator.start_switch(pb.StartSwitchRequest())
        assert (await until_filled(operator, OLD)).state == pb.SPACE_STATE_READY

    async def test_big_tenant_has_its_index_in_the_new_space_before_the_flip(
        self, two_models: Running, moving: Shop
    ) -> None:
        await put(moving, 0, 50)
        await wait_until_indexed(moving)
        operator = operator_of(two_models, moving)
        await operator.start_switch(pb.StartSwitchRequest())
        await until_filled(operator, NEXT)
        await Promoter(two_models.service.database, own_index_chunks=40).promote_and_demote()
        assert await indexed_spaces(two_models) == two_models.service.embedders.ids
        await operator.drop_space(pb.DropSpaceRequest(key=(await space_of(operator, NEXT)).key))
        await Promoter(two_models.service.database, own_index_chunks=40).promote_and_demote()
        assert await indexed_spaces(two_models) == [two_models.service.space_id]


async def indexed_spaces(running: Running) -> Sequence[int]:
    """The spaces in which any tenant has an index of its own."""
    async with running.service.database.owner() as owner:
        known = await spaces.known(owner)
        return [space.id for space in known if await spaces.tenant_indexes(owner, space.id)]


class TestConfiguration:
    async def test_tenants_move_by_themselves_when_the_old_model_is_gone(
        self, dsn: str, embeddings: FakeOpenAI
    ) -> None:
        async with running_service(dsn, **old_alone(embeddings)) as running:
            shop = await new_shop(running)
            await put(shop, 0, 40)
            await wait_until_indexed(shop)
        async with running_service(dsn, workers=0, **next_alone(embeddings)) as running:
            again = Shop(tenant=shop.tenant, client=operator_of(running, shop), key=shop.key)
            response = await again.client.search(search_pb.SearchRequest(query=QUESTION))
            assert response.hits
            assert response.degraded_reason
            assert (await space_of(again.client, NEXT)).is_automatic
        async with running_service(dsn, **next_alone(embeddings)) as running:
            again = Shop(tenant=shop.tenant, client=operator_of(running, shop), key=shop.key)
            async with asyncio.timeout(20):
                while (await space_of(again.client, NEXT)).state != pb.SPACE_STATE_ACTIVE:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert await told(again) == {NEXT}
        assert Counter(embedded_in(embeddings, NEXT)).most_common(1)[0][1] == 1

    async def test_second_model_that_becomes_the_only_one_moves_nobody(
        self, dsn: str, embeddings: FakeOpenAI
    ) -> None:
        async with running_service(dsn, **with_next(embeddings)) as running:
            shop = await new_shop(running)
            await put(shop, 0, 10)
            await wait_until_indexed(shop)
            await switched(running, shop)
        paid = len(embedded_in(embeddings, NEXT))
        async with running_service(dsn, **next_alone(embeddings)) as running:
            again = Shop(tenant=shop.tenant, client=operator_of(running, shop), key=shop.key)
            assert await told(again) == {NEXT}
            assert (await space_of(again.client, NEXT)).state == pb.SPACE_STATE_ACTIVE
        assert len(embedded_in(embeddings, NEXT)) == paid


class TestDoctor:
    async def test_tenants_whose_model_is_gone_are_named_with_what_to_do(
        self, dsn: str, embeddings: FakeOpenAI
    ) -> None:
        async with running_service(dsn, **old_alone(embeddings)) as running:
            await new_shop(running)
            assert (await spaces_line(old_alone(embeddings), dsn)).ok
        finding = await spaces_line(next_alone(embeddings), dsn)
        assert not finding.ok
        assert "tenants there: 1" in finding.detail
        assert "KLADEZ_EMBEDDING_MODEL in this shell" in finding.remedy
        assert (await spaces_line(with_next(embeddings), dsn)).ok


async def spaces_line(settings: dict[str, Any], dsn: str) -> Finding:
    findings = await examine(await asyncio.to_thread(settings_for_tests, **settings), dsn)
    return next(finding for finding in findings if finding.name == "embedding spaces")
