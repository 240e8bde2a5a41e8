"""Index jobs: what each mode looks at, true counts, and that nothing is lost or embedded twice on the way."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from retrieval_service import errors
from retrieval_service.domain.indexing.index_jobs import IndexJob, IndexMode
from retrieval_service.stores.queue.index_jobs import Due
from tests.fakes.openai.faults import Fault
from tests.kits.indexing_kit import (
    EMBEDDINGS,
    Bench,
    claim,
    indexer,
    insert,
    open_bench,
    states,
    until,
    value,
    working,
)

FORGET_VECTORS = """
DELETE FROM chunk_vectors_1 WHERE chunk_id IN (SELECT id FROM chunks WHERE tenant_id = %s AND document_id = %s)
"""
DELETE_UNSEEN = "UPDATE documents SET is_deleted = true WHERE tenant_id = %s AND id = %s"
EXPIRE = "UPDATE document_sync_jobs SET lease_until = now() WHERE status = 'processing'"
LOSE_JOBS = "DELETE FROM document_sync_jobs WHERE tenant_id = %s AND status = 'pending'"
CHUNKS = "SELECT count(*) FROM chunks WHERE tenant_id = %s"


async def filled(bench: Bench, tenant_id: UUID, count: int) -> list[UUID]:
    """Documents that nobody has indexed yet."""
    return [await bench.put(tenant_id, str(number), f"Tea number {number}.") for number in range(count)]


async def begun(bench: Bench, tenant_id: UUID, mode: IndexMode) -> IndexJob:
    job, joined = await bench.service.reindexer.start(tenant_id, mode)
    assert not joined
    return job


async def ended(bench: Bench, job: IndexJob) -> IndexJob:
    """The job at its end; on the way its progress never goes back."""
    seen = [job]

    async def has_ended() -> bool:
        seen.append(await bench.service.reindexer.get(job.tenant_id, job.id))
        return seen[-1].is_final

    await until(has_ended)
    assert_monotone(seen)
    return seen[-1]


async def run(bench: Bench, tenant_id: UUID, mode: IndexMode) -> IndexJob:
    """Hands the documents out before the worker starts, which would index some by itself."""
    job = await begun(bench, tenant_id, mode)
    await bench.service.reindexer.advance(due(job))
    async with working(bench.service):
        return await ended(bench, job)


def assert_monotone(seen: Sequence[IndexJob]) -> None:
    figures = [figures_of(job) for job in seen]
    for before, after in itertools.pairwise(figures):
        assert all(one <= other for one, other in zip(before, after, strict=True)), (before, after)
    assert all(job.processed_count <= job.total_count for job in seen)


def figures_of(job: IndexJob) -> tuple[int, ...]:
    return (job.total_count, job.processed_count, *counts(job), job.embedded_tokens, job.saved_tokens)


def counts(job: IndexJob) -> tuple[int, int, int, int]:
    """Indexed, skipped, failed and removed documents."""
    return (job.indexed_count, job.skipped_count, job.failed_count, job.removed_count)


def due(job: IndexJob) -> Due:
    return Due(tenant_id=job.tenant_id, id=job.id)


async def delete_unseen(bench: Bench, tenant_id: UUID, document_id: UUID) -> None:
    """Past the triggers."""
    async with bench.sql.transaction():
        await bench.sql.execute("SET LOCAL session_replication_role = replica")
        await bench.sql.execute(DELETE_UNSEEN, (tenant_id, document_id))


async def test_missing_indexes_what_is_not_in_the_index(bench: Bench, tenant_id: UUID) -> None:
    await filled(bench, tenant_id, 3)
    await run(bench, tenant_id, IndexMode.MISSING)
    await bench.put(tenant_id, "new", "Coffee.")
    job = await run(bench, tenant_id, IndexMode.MISSING)
    assert (job.state, job.total_count, job.processed_count) == ("completed", 1, 1)
    assert counts(job) == (1, 0, 0, 0)
    assert job.embedded_tokens > 0
    assert job.saved_tokens == 0


@pytest.mark.parametrize("mode", [IndexMode.ALL, IndexMode.REBUILD])
async def test_unchanged_documents_are_looked_at_and_not_embedded_again(
    bench: Bench, tenant_id: UUID, mode: IndexMode
) -> None:
    await filled(bench, tenant_id, 3)
    await run(bench, tenant_id, IndexMode.MISSING)
    before = bench.embedded_texts()
    job = await run(bench, tenant_id, mode)
    assert (job.state, job.total_count, job.processed_count) == ("completed", 3, 3)
    assert counts(job) == (0, 3, 0, 0)
    assert job.embedded_tokens == 0
    assert job.saved_tokens > 0
    assert bench.embedded_texts() == before


async def test_all_mends_a_document_that_lost_its_vectors(bench: Bench, tenant_id: UUID) -> None:
    ids = await filled(bench, tenant_id, 3)
    await run(bench, tenant_id, IndexMode.MISSING)
    await bench.sql.execute(FORGET_VECTORS, (tenant_id, ids[0]))
    assert (await run(bench, tenant_id, IndexMode.MISSING)).total_count == 0
    job = await run(bench, tenant_id, IndexMode.ALL)
    assert counts(job) == (1, 2, 0, 0)
    assert sorted(bench.embedded_texts()).count("Tea number 0.") == 2


async def test_only_rebuild_removes_what_stands_of_deleted_documents(bench: Bench, tenant_id: UUID) -> None:
    ids = await filled(bench, tenant_id, 3)
    await run(bench, tenant_id, IndexMode.MISSING)
    await delete_unseen(bench, tenant_id, ids[0])
    await run(bench, tenant_id, IndexMode.ALL)
    assert await value(bench.sql, CHUNKS, tenant_id) == 3
    job = await run(bench, tenant_id, IndexMode.REBUILD)
    assert (job.total_count, job.processed_count) == (3, 3)
    assert counts(job) == (0, 2, 0, 1)
    assert await value(bench.sql, CHUNKS, tenant_id) == 2


@pytest.mark.parametrize("first", [IndexMode.MISSING, IndexMode.ALL])
async def test_rebuild_asked_for_while_a_smaller_job_runs_is_done_by_that_job(
    bench: Bench, tenant_id: UUID, first: IndexMode
) -> None:
    *_, gone = await filled(bench, tenant_id, 5)
    async with working(bench.service):
        await bench.indexed(tenant_id)
    await delete_unseen(bench, tenant_id, gone)
    job = await begun(bench, tenant_id, first)
    await bench.service.reindexer.advance(due(job))
    joined, has_joined = await bench.service.reindexer.start(tenant_id, IndexMode.REBUILD)
    assert (joined.id, joined.mode, has_joined) == (job.id, IndexMode.REBUILD, True)
    async with working(bench.service):
        end = await ended(bench, joined)
    assert (end.state, counts(end)) == ("completed", (0, 4, 0, 1))
    assert await value(bench.sql, CHUNKS, tenant_id) == 4


async def test_job_that_does_more_is_joined_as_it_is(bench: Bench, tenant_id: UUID) -> None:
    await filled(bench, tenant_id, 2)
    job = await begun(bench, tenant_id, IndexMode.ALL)
    joined, _ = await bench.service.reindexer.start(tenant_id, IndexMode.MISSING)
    assert (joined.id, joined.mode) == (job.id, IndexMode.ALL)


async def test_running_job_does_not_become_a_rebuild_before_the_cooldown_ends(
    bench: Bench, tenant_id: UUID
) -> None:
    await filled(bench, tenant_id, 2)
    await run(bench, tenant_id, IndexMode.REBUILD)
    job = await begun(bench, tenant_id, IndexMode.ALL)
    with pytest.raises(errors.TooMany):
        await bench.service.reindexer.start(tenant_id, IndexMode.REBUILD)
    assert (await bench.service.reindexer.get(tenant_id, job.id)).mode == IndexMode.ALL


async def test_failed_document_is_counted_and_missing_brings_it_back(bench: Bench, tenant_id: UUID) -> None:
    await filled(bench, tenant_id, 1)
    bench.fail_embedding(1, status=400)
    job = await run(bench, tenant_id, IndexMode.ALL)
    assert (job.state, counts(job)) == ("completed", (0, 0, 1, 0))
    job = await run(bench, tenant_id, IndexMode.MISSING)
    assert (job.state, counts(job)) == ("completed", (1, 0, 0, 0))


async def test_document_that_waits_after_an_outage_is_tried_at_once(bench: Bench, tenant_id: UUID) -> None:
    [document_id] = await filled(bench, tenant_id, 1)
    bench.fail_embedding(3)  # the client tries each request three times
    async with working(bench.service):
        await until(lambda: has_error(bench, tenant_id))
    job = await run(bench, tenant_id, IndexMode.MISSING)
    assert counts(job) == (1, 0, 0, 0)
    assert await bench.texts(tenant_id, document_id) == ["Tea number 0."]


async def has_error(bench: Bench, tenant_id: UUID) -> bool:
    waiting = "SELECT count(*) FROM document_sync_jobs WHERE tenant_id = %s AND scheduled_at > now()"
    return await value(bench.sql, waiting, tenant_id) == 1


async def test_cancelled_job_stops_at_its_next_batch(clean_dsn: str) -> None:
    async with open_bench(clean_dsn, index_job_batch=2, index_job_concurrency=1) as bench:
        tenant_id = await bench.tenant()
        await filled(bench, tenant_id, 20)
        async with working(bench.service):
            await bench.indexed(tenant_id)
            bench.fake.fail(Fault(path=EMBEDDINGS, times=100, delay_seconds=0.2))
            await bench.sql.execute("DELETE FROM chunk_vectors_1")
            job = await begun(bench, tenant_id, IndexMode.ALL)
            await until(lambda: is_under_way(bench, job))
            assert (await bench.service.reindexer.cancel(tenant_id, job.id)).state == "cancelling"
            job = await ended(bench, job)
        assert job.state == "cancelled"
        assert 0 < job.processed_count < job.total_count == 20
        assert job.processed_count == sum(counts(job))
        assert (await bench.service.reindexer.cancel(tenant_id, job.id)).state == "cancelled"


async def is_under_way(bench: Bench, job: IndexJob) -> bool:
    return (await bench.service.reindexer.get(job.tenant_id, job.id)).processed_count > 0


async def test_queued_job_is_cancelled_without_touching_a_document(bench: Bench, tenant_id: UUID) -> None:
    job = await begun(bench, tenant_id, IndexMode.ALL)
    await bench.service.reindexer.cancel(tenant_id, job.id)
    await bench.service.reindexer.advance(due(job))
    assert (await bench.service.reindexer.get(tenant_id, job.id)).state == "cancelled"


async def test_job_goes_on_after_the_death_of_its_worker_and_embeds_nothing_twice(clean_dsn: str) -> None:
    async with open_bench(clean_dsn, index_job_batch=4, index_job_concurrency=2) as bench:
        tenant_id = await bench.tenant()
        await filled(bench, tenant_id, 20)
        await bench.sql.execute(LOSE_JOBS, (tenant_id,))
        job = await begun(bench, tenant_id, IndexMode.REBUILD)
        await bench.service.reindexer.advance(due(job))
        done = await claim(bench.service.database, "dead", limit=3)
        await indexer(bench, "dead").index(done)
        assert len(await claim(bench.service.database, "dead", limit=3)) == 3
        await bench.sql.execute(EXPIRE)
        async with working(bench.service):
            job = await ended(bench, job)
        assert (job.state, job.total_count, counts(job)) == ("completed", 20, (20, 0, 0, 0))
        assert len(bench.embedded_texts()) == len(set(bench.embedded_texts())) == 20
        assert await value(bench.sql, CHUNKS, tenant_id) == 20


async def test_at_most_so_many_batches_are_handed_out_at_a_time(clean_dsn: str) -> None:
    async with open_bench(clean_dsn, index_job_batch=4, index_job_concurrency=2) as bench:
        tenant_id = await bench.tenant()
        await filled(bench, tenant_id, 20)
        await bench.sql.execute(LOSE_JOBS, (tenant_id,))
        job = await begun(bench, tenant_id, IndexMode.ALL)
        for _ in range(3):
            await bench.service.reindexer.advance(due(job))
        assert await states(bench.sql, tenant_id) == ["pending"] * 8


async def test_document_whose_queued_job_got_lost_is_queued_again(bench: Bench, tenant_id: UUID) -> None:
    await filled(bench, tenant_id, 3)
    job = await begun(bench, tenant_id, IndexMode.ALL)
    await bench.service.reindexer.advance(due(job))
    await bench.sql.execute(LOSE_JOBS, (tenant_id,))
    async with working(bench.service):
        job = await ended(bench, job)
    assert (job.state, counts(job)) == ("completed", (3, 0, 0, 0))


async def test_document_that_vanishes_while_it_waits_is_counted_as_removed(
    bench: Bench, tenant_id: UUID
) -> None:
    ids = await filled(bench, tenant_id, 3)
    job = await begun(bench, tenant_id, IndexMode.ALL)
    await bench.service.reindexer.advance(due(job))
    await bench.sql.execute("DELETE FROM documents WHERE tenant_id = %s AND id = %s", (tenant_id, ids[1]))
    async with working(bench.service):
        job = await ended(bench, job)
    assert (job.state, counts(job)) == ("completed", (2, 0, 0, 1))


async def test_documents_that_come_meanwhile_and_are_met_raise_the_total(clean_dsn: str) -> None:
    async with open_bench(clean_dsn, index_job_batch=1, index_job_concurrency=1) as bench:
        tenant_id = await bench.tenant()
        job = await begun(bench, tenant_id, IndexMode.ALL)
        first = await insert(bench.sql, tenant_id, "first")
        await bench.service.reindexer.advance(due(job))
        others = [await insert(bench.sql, tenant_id, str(number)) for number in range(9)]
        async with working(bench.service):
            job = await ended(bench, job)
        met = 1 + sum(document_id > first for document_id in others)
        assert (job.state, job.total_count, sum(counts(job))) == ("completed", met, met)


async def test_documents_that_others_brought_up_to_date_count_as_skipped(clean_dsn: str) -> None:
    async with open_bench(clean_dsn, index_job_batch=1, index_job_concurrency=1) as bench:
        tenant_id = await bench.tenant()
        await filled(bench, tenant_id, 5)
        job = await begun(bench, tenant_id, IndexMode.MISSING)
        await bench.service.reindexer.advance(due(job))
        await indexer(bench).index(await claim(bench.service.database))
        async with working(bench.service):
            job = await ended(bench, job)
        assert (job.state, job.total_count, counts(job)) == ("completed", 5, (1, 4, 0, 0))


async def test_last_version_of_a_document_changed_meanwhile_wins(bench: Bench, tenant_id: UUID) -> None:
    ids = await filled(bench, tenant_id, 3)
    job = await begun(bench, tenant_id, IndexMode.REBUILD)
    async with working(bench.service):
        for number in range(20):
            await bench.put(tenant_id, "1", f"Version {number}.")
        job = await ended(bench, job)
        await bench.indexed(tenant_id)
    assert await bench.texts(tenant_id, ids[1]) == ["Version 19."]
    assert job.processed_count == job.total_count == 3


async def test_two_workers_move_one_job_and_count_each_document_once(clean_dsn: str) -> None:
    async with open_bench(clean_dsn, index_job_batch=4, job_batch=4) as bench:
        tenant_id = await bench.tenant()
        await filled(bench, tenant_id, 60)
        job = await begun(bench, tenant_id, IndexMode.REBUILD)
        async with working(bench.service), working(bench.service):
            job = await ended(bench, job)
        assert (job.state, job.total_count) == ("completed", 60)
        assert job.processed_count == sum(counts(job)) == 60
        assert len(bench.embedded_texts()) == len(set(bench.embedded_texts())) == 60


async def test_step_that_cannot_be_done_ends_the_job_with_its_error(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        job = await begun(bench, tenant_id, IndexMode.REBUILD)
        await bench.sql.execute("ALTER TABLE chunks RENAME TO pieces")
        with capture_logs() as logs:
            async with working(bench.service):
                job = await ended(bench, job)
        assert (job.state, job.error) == ("failed", "UndefinedTable")
        assert "index_job_failed" in [entry["event"] for entry in logs]
