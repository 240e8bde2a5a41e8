"""Large documents: a lane of their own, steps that are kept, and nothing that anybody sees before they are whole."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.child_process import Apart
from retrieval_service.client import CallFailed
from retrieval_service.services.indexing.indexer import Indexer
from retrieval_service.services.spaces.filling import PASSAGES_PER_STEP
from retrieval_service.stores.index import vectors
from retrieval_service.worker.staffing import new_indexer, new_step_by_step
from tests.fakes.openai.faults import Fault
from tests.fakes.openai.wire import count_tokens
from tests.kits.indexing_kit import (
    EMBEDDINGS,
    INSERT_MANY,
    Bench,
    claim,
    insert,
    jobs_of,
    open_bench,
    recover,
    states,
    until,
    value,
    working,
)
from tests.kits.service_kit import new_shop, running_service

PASSAGES = 40
LARGE = "\n\n".join(f"Tea {number}. " + "Its leaves are green and dry. " * 80 for number in range(PASSAGES))
STEP = 8
NEXT = 32

STEPS_KEPT = "SELECT count(*) FROM embedding_steps WHERE tenant_id = %s"
END_LEASES = "UPDATE document_sync_jobs SET lease_until = now() - interval '1 s' WHERE status = 'processing'"
DUE = "UPDATE document_sync_jobs SET scheduled_at = now() WHERE status = 'pending'"
PAID = "SELECT embedded_tokens FROM usage_daily WHERE tenant_id = %s"
ERROR = "SELECT last_sync_error FROM documents WHERE id = %s"


@pytest.fixture
async def bench(clean_dsn: str) -> AsyncIterator[Bench]:
    """Whose steps are small, and whose small documents fill a request of their own."""
    async with open_bench(clean_dsn, job_step_passages=STEP) as opened:
        yield opened


def step_by_step(bench: Bench, apart: Apart, name: str = "one") -> Indexer:
    return new_indexer(bench.service, name, new_step_by_step(bench.service, apart))


def hang(bench: Bench, *, after_steps: int = 0) -> Fault:
    """The next request, or a later one, is not answered before it is released."""
    fault = Fault(path=EMBEDDINGS, hangs=True, skips=after_steps)
    bench.fake.fail(fault)
    return fault


async def held_at(bench: Bench, request: int) -> None:
    await bench.fake.journal.arrived(EMBEDDINGS, count=request, timeout_seconds=30)


async def test_large_document_is_indexed_whole_in_small_steps(bench: Bench, tenant_id: UUID) -> None:
    document_id = await insert(bench.sql, tenant_id, "1", LARGE)
    async with working(bench.service):
        await bench.indexed(tenant_id)
    texts = await bench.texts(tenant_id, document_id)
    requests = [len(one.body["input"]) for one in bench.fake.journal.exchanges]
    assert len(texts) >= PASSAGES
    assert (sum(requests), max(requests)) == (len(texts), STEP)
    assert await states(bench.sql, tenant_id) == ["done"]
    assert await value(bench.sql, STEPS_KEPT, tenant_id) == 0


async def test_no_small_document_of_any_tenant_waits_for_a_large_one(bench: Bench, tenant_id: UUID) -> None:
    held = hang(bench, after_steps=1)
    large = await insert(bench.sql, tenant_id, "1", LARGE)
    other = await bench.tenant()
    async with working(bench.service):
        await held_at(bench, request=2)
        await insert(bench.sql, other, "1")
        await insert(bench.sql, tenant_id, "2")
        await bench.indexed(other)
        await until(lambda: only_one_waits(bench, tenant_id, large))
        held.released.set()
        await bench.indexed(tenant_id)
    assert set(await states(bench.sql, tenant_id)) == {"done"}


async def only_one_waits(bench: Bench, tenant_id: UUID, document_id: UUID) -> bool:
    waiting = [job.document_id for job in await jobs_of(bench.sql, tenant_id) if job.status != "done"]
    return waiting == [document_id]


async def test_large_document_of_another_tenant_begins_beside_it(bench: Bench, tenant_id: UUID) -> None:
    held = hang(bench)
    await insert(bench.sql, tenant_id, "1", LARGE)
    await insert(bench.sql, tenant_id, "2", LARGE)
    other = await bench.tenant()
    async with working(bench.service):
        await held_at(bench, request=1)
        await insert(bench.sql, other, "1", LARGE)
        await bench.indexed(other)
        assert sorted(await states(bench.sql, tenant_id)) == ["pending", "processing"]
        held.released.set()
        await bench.indexed(tenant_id)


def large_about(subject: str) -> str:
    return LARGE.replace("Tea", subject)


async def test_large_documents_of_many_tenants_take_turns(clean_dsn: str) -> None:
    subjects = ("Oolong", "Mocha", "Rooibos", "Cocoa")
    async with open_bench(clean_dsn, job_step_passages=STEP, job_turn_seconds=0) as bench:
        tenants = [await bench.tenant() for _ in subjects]
        for tenant, subject in zip(tenants, subjects, strict=True):
            await insert(bench.sql, tenant, "1", large_about(subject))
        async with working(bench.service):
            for tenant in tenants:
                await bench.indexed(tenant)
        asked = [exchange.body["input"] for exchange in bench.fake.journal.exchanges]
        spoken_of = [next(one for one in subjects if one in texts[0]) for texts in asked]
        begins = [spoken_of.index(one) for one in subjects]
        ends = [len(spoken_of) - 1 - spoken_of[::-1].index(one) for one in subjects]
        assert max(begins) < min(ends)
        assert len({text for texts in asked for text in texts}) == sum(map(len, asked))
        for tenant in tenants:
            assert await states(bench.sql, tenant) == ["done"]
            assert await value(bench.sql, STEPS_KEPT, tenant) == 0


async def test_large_document_of_a_deleted_tenant_waits_until_it_is_restored(
    bench: Bench, tenant_id: UUID
) -> None:
    held = hang(bench, after_steps=1)
    await insert(bench.sql, tenant_id, "1", LARGE)
    async with working(bench.service):
        await held_at(bench, request=2)
        await bench.sql.execute("UPDATE tenants SET deleted_at = now() WHERE id = %s", (tenant_id,))
        held.released.set()
        await until(lambda: is_pending(bench, tenant_id))
        assert len(bench.fake.journal.exchanges) == 2
        await bench.sql.execute("UPDATE tenants SET deleted_at = NULL WHERE id = %s", (tenant_id,))
        await bench.sql.execute(DUE)
        await insert(bench.sql, tenant_id, "2")  # wakes the worker
        await bench.indexed(tenant_id)
    assert set(await states(bench.sql, tenant_id)) == {"done"}


async def is_pending(bench: Bench, tenant_id: UUID) -> bool:
    return await states(bench.sql, tenant_id) == ["pending"]


async def test_batch_of_small_documents_keeps_no_other_tenant_waiting(bench: Bench, tenant_id: UUID) -> None:
    held = hang(bench)
    await bench.sql.execute(INSERT_MANY, (tenant_id, 200))
    others = [await bench.tenant() for _ in range(5)]
    async with working(bench.service):
        await held_at(bench, request=1)
        for other in others:
            await insert(bench.sql, other, "1")
            await bench.indexed(other)
        assert (await states(bench.sql, tenant_id)).count("processing") == 32
        held.released.set()
        await bench.indexed(tenant_id)


async def test_nothing_of_a_large_document_is_found_before_all_of_it(bench: Bench, tenant_id: UUID) -> None:
    document_id = await bench.put(tenant_id, "1", "Coffee is brown.")
    async with working(bench.service):
        await bench.indexed(tenant_id)
        held = hang(bench, after_steps=2)
        await bench.put(tenant_id, "1", LARGE)
        await held_at(bench, request=4)
        assert await value(bench.sql, STEPS_KEPT, tenant_id) == 2 * STEP
        assert await bench.texts(tenant_id, document_id) == ["Coffee is brown."]
        found = await bench.found(tenant_id, "Are the leaves of tea green and dry?")
        assert {hit.text for hit in found.hits} <= {"Coffee is brown."}
        held.released.set()
        await bench.indexed(tenant_id)
    assert "Coffee is brown." not in await bench.texts(tenant_id, document_id)


async def test_what_a_dead_worker_embedded_is_not_embedded_again(bench: Bench, tenant_id: UUID) -> None:
    document_id = await insert(bench.sql, tenant_id, "1", LARGE)
    apart = Apart()
    for life in range(3):
        name = f"life {life}"
        hang(bench, after_steps=1)
        [job] = await claim(bench.service.database, name, is_large=True)
        before = len(bench.fake.journal.exchanges)
        dying = asyncio.create_task(step_by_step(bench, apart, name).index([job]))
        await held_at(bench, request=before + 2)
        dying.cancel()
        await asyncio.wait([dying])
        await bench.sql.execute(END_LEASES)
        await recover(bench.service.database)
    [job] = await claim(bench.service.database, "last", is_large=True)
    await step_by_step(bench, apart, "last").index([job])
    await apart.close()
    texts = await bench.texts(tenant_id, document_id)
    times = Counter(bench.embedded_texts())
    assert len(times) == len(texts)
    assert sum(times.values()) == len(texts) + 3 * STEP
    assert await value(bench.sql, STEPS_KEPT, tenant_id) == 0
    assert await states(bench.sql, tenant_id) == ["done"]


async def test_all_attempts_are_paid_for_once(bench: Bench, tenant_id: UUID) -> None:
    await insert(bench.sql, tenant_id, "1", LARGE)
    apart = Apart()
    bench.fake.fail(Fault(path=EMBEDDINGS, skips=2, times=3, status=500, headers={"retry-after-ms": "1"}))
    for _ in range(2):
        [job] = await claim(bench.service.database, is_large=True)
        await step_by_step(bench, apart).index([job])
        await bench.sql.execute(DUE)
    await apart.close()
    assert await states(bench.sql, tenant_id) == ["done"]
    assert await value(bench.sql, PAID, tenant_id) == sum(map(count_tokens, set(bench.embedded_texts())))


async def test_large_document_that_is_deleted_meanwhile_ends_at_its_next_step(
    bench: Bench, tenant_id: UUID
) -> None:
    held = hang(bench)
    document_id = await insert(bench.sql, tenant_id, "1", LARGE)
    async with working(bench.service):
        await held_at(bench, request=1)
        await bench.sql.execute("UPDATE documents SET is_deleted = true")
        held.released.set()
        await bench.indexed(tenant_id)
    assert len(bench.fake.journal.exchanges) == 1
    assert await bench.texts(tenant_id, document_id) == []
    assert await value(bench.sql, STEPS_KEPT, tenant_id) == 0
    assert set(await states(bench.sql, tenant_id)) == {"done"}


async def test_large_document_that_is_purged_meanwhile_leaves_nothing(bench: Bench, tenant_id: UUID) -> None:
    held = hang(bench, after_steps=1)
    await insert(bench.sql, tenant_id, "1", LARGE)
    async with working(bench.service):
        await held_at(bench, request=2)
        await bench.sql.execute("DELETE FROM documents")
        held.released.set()
        await bench.indexed(tenant_id)
    assert len(bench.fake.journal.exchanges) == 2
    assert await value(bench.sql, STEPS_KEPT, tenant_id) == 0
    assert await value(bench.sql, "SELECT count(*) FROM chunks") == 0


async def test_newer_version_takes_over_what_it_shares_with_the_older_one(
    bench: Bench, tenant_id: UUID
) -> None:
    held = hang(bench, after_steps=2)
    document_id = await insert(bench.sql, tenant_id, "1", LARGE)
    async with working(bench.service):
        await held_at(bench, request=3)
        await bench.sql.execute("UPDATE documents SET content = content || ' The end.'")
        held.released.set()
        await bench.indexed(tenant_id)
    texts = await bench.texts(tenant_id, document_id)
    times = Counter(bench.embedded_texts())
    assert texts[-1].endswith("The end.")
    assert sum(times.values()) <= len(texts) + STEP
    assert await value(bench.sql, STEPS_KEPT, tenant_id) == 0


async def test_last_version_of_a_large_document_wins_with_two_workers(bench: Bench, tenant_id: UUID) -> None:
    async with working(bench.service), working(bench.service):
        for number in range(12):
            size = LARGE if number % 2 else LARGE[:500]
            document_id = await bench.put(tenant_id, "1", f"{size} Version {number}.")
            await bench.put(tenant_id, "2", f"Small {number}.")
            await asyncio.sleep(0.05)
        await bench.indexed(tenant_id)
    assert (await bench.texts(tenant_id, document_id))[-1].endswith("Version 11.")
    assert set(await states(bench.sql, tenant_id)) == {"done"}


async def test_sql_that_writes_too_much_is_told_in_the_documents_row(clean_dsn: str) -> None:
    async with (
        open_bench(clean_dsn, document_bytes=50_000, document_passages=20) as bench,
        working(bench.service),
    ):
        tenant_id = await bench.tenant()
        too_long = await insert(bench.sql, tenant_id, "1", "tea " * 20_000)
        too_many = await insert(bench.sql, tenant_id, "2", LARGE[:49_000] + "x " * 400)
        shrunk = await insert(bench.sql, tenant_id, "3", "tea " * 20_000)
        await bench.indexed(tenant_id)
        assert await value(bench.sql, ERROR, too_long) == (
            "content: must be at most 50,000 bytes of UTF-8, is 80,000"
        )
        assert (await value(bench.sql, ERROR, too_many)).startswith(
            "content: must be cut into at most 20 passages, is cut into 2"
        )
        assert await states(bench.sql, tenant_id) == ["error"] * 3
        assert {job.attempts for job in await jobs_of(bench.sql, tenant_id)} == {1}
        await bench.sql.execute("UPDATE documents SET content = 'Tea.' WHERE id = %s", (shrunk,))
        await bench.indexed(tenant_id)
        assert await bench.texts(tenant_id, shrunk) == ["Tea."]


async def test_door_refuses_what_is_too_long_by_its_name(database_dsn: str) -> None:
    async with running_service(database_dsn, document_bytes=50_000, workers=0) as running:
        shop = await new_shop(running)
        given = documents_pb.Document(source_type="article", external_id="1", content="ж" * 25_001)
        fitting = documents_pb.Document(source_type="article", external_id="2", content="ж" * 25_000)
        with pytest.raises(CallFailed, match=r"document\.content: .*50,000 bytes of UTF-8, is 50,002"):
            await shop.client.upsert_document(documents_pb.UpsertDocumentRequest(document=given))
        await shop.client.upsert_document(documents_pb.UpsertDocumentRequest(document=fitting))
        given.external_id = "2"
        changed = documents_pb.UpdateDocumentRequest(document=given, update_mask={"paths": ["content"]})
        with pytest.raises(CallFailed, match=r"document\.content: .*is 50,002"):
            await shop.client.update_document(changed)


async def test_move_of_a_large_document_to_another_model_goes_in_steps_that_keep_no_tenant_waiting(
    clean_dsn: str,
) -> None:
    async with open_bench(clean_dsn, next_embedder="openai", next_embedding_dimensions=NEXT) as bench:
        large, small = await bench.tenant(), await bench.tenant()
        await bench.put(large, "1", LARGE * 8)
        await bench.put(small, "1", "Coffee is brown.")
        async with working(bench.service):
            await bench.indexed(large)
            await bench.indexed(small)
        [next_id] = set(bench.service.embedders.ids) - {bench.service.space_id}
        for tenant_id in (large, small):
            await bench.service.switcher.begin(tenant_id, next_id, is_automatic=False)
        bench.fake.journal.exchanges.clear()
        steps = 0
        while due := await bench.service.filler.due(limit=16):
            before = len(bench.embedded_texts())
            await bench.service.filler.advance(due)
            assert len(bench.embedded_texts()) - before <= PASSAGES_PER_STEP + 1
            steps += 1
            assert await is_complete(bench, small, next_id)
        assert steps > PASSAGES * 8 // PASSAGES_PER_STEP
        assert await is_complete(bench, large, next_id)
        assert len(bench.embedded_texts()) == await value(bench.sql, "SELECT count(*) FROM chunks")


async def is_complete(bench: Bench, tenant_id: UUID, space_id: int) -> bool:
    async with bench.service.database.tenant(tenant_id) as scope:
        return (await vectors.missing(scope, space_id)).chunk_count == 0


async def test_passage_that_the_next_model_refuses_does_not_keep_a_walk_at_its_document(
    clean_dsn: str,
) -> None:
    async with open_bench(clean_dsn, next_embedder="openai", next_embedding_dimensions=NEXT) as bench:
        tenant_id = await bench.tenant()
        await bench.put(tenant_id, "1", LARGE * 8)
        async with working(bench.service):
            await bench.indexed(tenant_id)
        [next_id] = set(bench.service.embedders.ids) - {bench.service.space_id}
        await bench.service.switcher.begin(tenant_id, next_id, is_automatic=False)
        # The request of the first step, and its first two passages when each goes alone.
        bench.fake.fail(Fault(path=EMBEDDINGS, times=4, status=400))
        while due := await bench.service.filler.due(limit=16):
            await bench.service.filler.advance(due)
        async with bench.service.database.tenant(tenant_id) as scope:
            missing = (await vectors.missing(scope, next_id)).chunk_count
        assert 0 < missing <= 4
