"""Documents kept in step at a retrieval provider: sent, changed, removed, purged, and what the log says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service import errors
from retrieval_service.api.messages import document_messages
from retrieval_service.domain.documents.stored import DocumentKey
from retrieval_service.domain.retrieval.filters import Selection
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.services.documents.editing import Editor
from retrieval_service.services.sync.leftovers import Sweeper
from retrieval_service.services.sync.purges import RemotePurger
from retrieval_service.services.sync.syncer import Syncer
from retrieval_service.services.sync.vector_stores import StoreKeeper
from retrieval_service.stores.queue import document_jobs
from retrieval_service.stores.queue.document_jobs import Job
from retrieval_service.stores.sync import document_files, remote_documents, sync_log, vector_store_ids
from tests.fakes.openai import Fate, Fault
from tests.kits.indexing_kit import (
    Bench,
    emptied,
    insert,
    jobs_of,
    recover,
    shared_database,
    until,
    value,
    working,
)
from tests.kits.openai_stores_kit import stores_at
from tests.kits.remote_sync_kit import (
    assert_in_step,
    insert_documents,
    mirrored_tenant,
    open_remote_bench,
    standing_of,
    swept,
    synced,
)

UPLOADS, BATCHES, STORE_FILE = "/v1/files", "/file_batches", r"/vector_stores/[^/]+/files/[^/]+"
REMOTE_JOBS = "SELECT count(*) FROM document_sync_jobs WHERE target = 'openai' AND status = %s"

END_LEASES = (
    "UPDATE document_sync_jobs SET lease_until = now() - interval '1 second' WHERE status = 'processing'"
)


@pytest.fixture(scope="module")
def dsn(postgres_server: Embedded, migrated_template: str) -> Iterator[str]:
    with shared_database(postgres_server, migrated_template) as shared:
        yield shared


@pytest.fixture
async def bench(dsn: str) -> AsyncIterator[Bench]:
    async with open_remote_bench(emptied(dsn)) as opened:
        yield opened


@pytest.fixture
async def tenant_id(bench: Bench) -> UUID:
    return await mirrored_tenant(bench)


def syncer(bench: Bench, worker: str = "one") -> Syncer:
    assert bench.service.backend
    return Syncer(bench.service.database, bench.service.backend, worker=worker, max_attempts=5)


async def claim(bench: Bench, worker: str = "one", limit: int = 100) -> list[Job]:
    async with bench.service.database.operator() as operator:
        return await document_jobs.claim(
            operator,
            document_jobs.Ask(target=document_jobs.OPENAI, limit=limit, tenants=limit),
            worker=worker,
            lease_seconds=60,
        )


async def sync_once(bench: Bench) -> None:
    await syncer(bench).sync(await claim(bench))


def writes(bench: Bench) -> list[tuple[str, str]]:
    """Requests that change something at the provider."""
    return [
        (one.method, one.path.removeprefix("/v1"))
        for one in bench.fake.journal.exchanges
        if one.method in {"POST", "DELETE"} and "/embeddings" not in one.path
    ]


async def test_document_is_held_changed_and_removed(bench: Bench, tenant_id: UUID) -> None:
    async with working(bench.service):
        document_id = await bench.put(tenant_id, "1", "Зелёный чай", title="Чай", tags=("a",))
        await synced(bench)
        await assert_in_step(bench, tenant_id, [document_id])
        held = await standing_of(bench, document_id)
        assert (held.status, held.error, held.is_synced_once) == ("synced", "", True)
        assert [held.file_id] == list(bench.fake.storage.files)
        await bench.put(tenant_id, "1", "Чёрный чай", title="Чай", tags=("a",))
        await synced(bench)
        await assert_in_step(bench, tenant_id, [document_id])
        assert (await standing_of(bench, document_id)).file_id != held.file_id
        await bench.service.editor.delete(tenant_id, Selection(ids=[document_id]))
        await synced(bench)
    await assert_in_step(bench, tenant_id, [document_id])
    assert (bench.fake.storage.files, await standing_of(bench, document_id)) == (
        {},
        replace(held, status="", file_id=""),
    )


async def test_changed_tags_alone_send_no_file(bench: Bench, tenant_id: UUID) -> None:
    document_id = await bench.put(tenant_id, "1", "Chá verde.", tags=("a",))
    await sync_once(bench)
    held = await standing_of(bench, document_id)
    await bench.put(tenant_id, "1", "Chá verde.", tags=("b",))
    bench.fake.journal.exchanges.clear()
    await sync_once(bench)
    [entry] = bench.fake.storage.entries.values()
    assert entry.attributes["tag_1"] == "b"
    assert [method for method, _ in writes(bench)] == ["POST"]
    assert await standing_of(bench, document_id) == held


async def test_unchanged_document_writes_nothing_at_the_provider(bench: Bench, tenant_id: UUID) -> None:
    document_id = await bench.put(tenant_id, "1", "Tea.")
    await sync_once(bench)
    # What no search at the provider sees or filters by.
    await bench.put(tenant_id, "1", "Tea.", url="https://example.org/tea")
    bench.fake.journal.exchanges.clear()
    await sync_once(bench)
    assert writes(bench) == []
    assert (await standing_of(bench, document_id)).status == "synced"


async def test_file_that_vanished_is_sent_again_when_its_attributes_change(
    bench: Bench, tenant_id: UUID
) -> None:
    document_id = await bench.put(tenant_id, "1", "Tea.", tags=("a",))
    await sync_once(bench)
    bench.fake.storage.delete_file((await standing_of(bench, document_id)).file_id)
    await bench.put(tenant_id, "1", "Tea.", tags=("b",))
    await sync_once(bench)
    await assert_in_step(bench, tenant_id, [document_id])


async def test_document_without_text_is_done_at_once(bench: Bench, tenant_id: UUID) -> None:
    document_id = await insert(bench.sql, tenant_id, "1", " \n")
    await sync_once(bench)
    assert (await standing_of(bench, document_id)).status == "synced"
    assert bench.fake.storage.files == {}
    assert [job.status for job in await jobs_of(bench.sql, tenant_id) if job.status != "pending"] == ["done"]


async def test_titles_above_a_document_stand_in_its_file(bench: Bench, tenant_id: UUID) -> None:
    await bench.put(tenant_id, "up", "Teas.", title="Чаи")
    key = DocumentKey(source_type="article", external_id="up")
    below = await bench.put(tenant_id, "down", "Green.", title="Green", parent_key=key)
    await sync_once(bench)
    await bench.put(tenant_id, "up", "Teas.", title="Chás")
    assert (await standing_of(bench, below)).status == "pending"
    await sync_once(bench)
    texts = [file.content.decode() for file in bench.fake.storage.files.values()]
    assert "# Chás > Green\n\nGreen." in texts


async def test_document_deleted_during_its_upload_ends_with_no_file(bench: Bench, tenant_id: UUID) -> None:
    document_id = await bench.put(tenant_id, "1", "Tea.")
    bench.fake.storage.fate = Fate(seconds=0.3)
    async with working(bench.service):
        await bench.fake.journal.arrived(BATCHES)
        await bench.service.editor.delete(tenant_id, Selection(ids=[document_id]))
        await synced(bench)
    assert bench.fake.storage.files == {}
    assert (await standing_of(bench, document_id)).file_id == ""


async def test_row_deleted_by_plain_sql_takes_its_file_along(bench: Bench, tenant_id: UUID) -> None:
    document_id = await bench.put(tenant_id, "1", "Tea.")
    await sync_once(bench)
    await bench.sql.execute("DELETE FROM documents WHERE id = %s", (document_id,))
    await sync_once(bench)
    assert bench.fake.storage.files == {}
    async with bench.service.database.tenant(tenant_id) as scope:
        assert await document_files.everything(scope) == []


async def test_two_workers_at_once_make_one_store(bench: Bench, tenant_id: UUID) -> None:
    assert bench.service.backend
    bench.fake.fail(Fault(path="/vector_stores", method="POST", delay_seconds=0.2))
    async with stores_at(bench.fake) as others:
        keepers = [StoreKeeper(bench.service.database, one) for one in (bench.service.backend, others)]
        ids = await asyncio.gather(*[keeper.store_id(tenant_id) for keeper in [*keepers, *keepers]])
    assert set(ids) == set(bench.fake.storage.stores)
    assert len(bench.fake.storage.stores) == 1
    [store] = bench.fake.storage.stores.values()
    assert store.metadata == {"tenant_id": str(tenant_id)}


@pytest.mark.parametrize("is_expired", [True, False])
async def test_lost_store_is_made_anew_with_everything_in_it(
    bench: Bench, tenant_id: UUID, is_expired: bool
) -> None:
    ids = await insert_documents(bench, tenant_id, 5)
    await sync_once(bench)
    [lost] = bench.fake.storage.stores.values()
    bench.fake.storage.delete_store(lost.store_id)
    if is_expired:
        bench.fake.storage.stores[lost.store_id] = replace(lost, is_expired=True)
        bench.fake.fail(Fault(path=BATCHES, method="POST", status=400))
    await bench.sql.execute("UPDATE documents SET content = content || '!' WHERE id = %s", (ids[0],))
    async with working(bench.service):
        await synced(bench)
        await swept(bench)
    bench.fake.storage.stores.pop(lost.store_id, None)
    await assert_in_step(bench, tenant_id, ids)


async def test_refused_document_ends_at_once_and_says_why(bench: Bench, tenant_id: UUID) -> None:
    bad, good = await bench.put(tenant_id, "bad", "Tea."), await bench.put(tenant_id, "good", "Tea!")
    bench.fake.storage.fates = {str(bad): Fate(error_code="unsupported_file")}
    await sync_once(bench)
    standing = await standing_of(bench, bad)
    assert (standing.status, standing.error) == ("error", "The provider does not support files of this kind.")
    assert (await standing_of(bench, good)).status == "synced"
    assert await value(bench.sql, REMOTE_JOBS, "error") == 1
    told = {
        one: document_messages.document(await bench.service.reader.document(tenant_id, one))
        for one in (bad, good)
    }
    assert told[bad].provider_sync_status == documents_pb.SYNC_STATUS_ERROR
    assert told[bad].provider_sync_error == standing.error
    assert (told[good].provider_sync_status, told[good].provider_sync_error) == (
        documents_pb.SYNC_STATUS_SYNCED,
        "",
    )
    await assert_in_step(bench, tenant_id, [good])


async def test_busy_provider_is_left_alone_for_as_long_as_it_says(bench: Bench, tenant_id: UUID) -> None:
    await bench.put(tenant_id, "1", "Tea.")
    bench.fake.fail(Fault(path=UPLOADS, method="POST", status=429, headers={"retry-after": "900"}))
    await sync_once(bench)
    [job] = [one for one in await jobs_of(bench.sql, tenant_id) if one.attempts]
    assert (job.status, 890 < job.seconds_until_due <= 900) == ("pending", True)


async def test_backfill_queues_only_what_is_not_held(bench: Bench) -> None:
    tenant_id = await bench.tenant()
    ids = await insert_documents(bench, tenant_id, 6)
    assert await value(bench.sql, REMOTE_JOBS, "pending") == 0
    async with bench.service.database.tenant(tenant_id) as scope:
        assert await remote_documents.enqueue_all(scope) == 6
    await syncer(bench).sync(await claim(bench, limit=4))
    async with bench.service.database.tenant(tenant_id) as scope:
        assert await remote_documents.counts(scope) == {"synced": 4, "pending": 2}
        assert await remote_documents.enqueue_all(scope) == 2
    await sync_once(bench)
    await assert_in_step(bench, tenant_id, ids)
    # Nobody queues the changes of a tenant that is not mirrored; the next backfill sees them.
    await bench.sql.execute("UPDATE documents SET content = 'New.' WHERE id = %s", (ids[0],))
    await bench.sql.execute("UPDATE documents SET is_deleted = true WHERE id = %s", (ids[1],))
    async with bench.service.database.tenant(tenant_id) as scope:
        assert await remote_documents.enqueue_all(scope) == 2
    await sync_once(bench)
    await assert_in_step(bench, tenant_id, ids)


async def test_worker_without_a_provider_leaves_the_jobs_alone(bench: Bench, tenant_id: UUID) -> None:
    await bench.put(tenant_id, "1", "Tea.")
    async with working(replace(bench.service, backend=None)):
        await until(lambda: is_indexed(bench, tenant_id))
    assert await value(bench.sql, REMOTE_JOBS, "pending") == 1


async def test_documents_of_a_dead_worker_come_together_once_and_then_alone(
    bench: Bench, tenant_id: UUID
) -> None:
    await insert_documents(bench, tenant_id, 3)
    sizes = []
    for _ in range(3):
        sizes.append(len(await claim(bench)))
        await bench.sql.execute(END_LEASES)
        await recover(bench.service.database)
    assert sizes == [3, 3, 1]


async def test_stuck_provider_keeps_no_document_from_the_index(bench: Bench, tenant_id: UUID) -> None:
    bench.fake.fail(Fault(path="/vector_stores", hangs=True))
    async with working(bench.service):
        await bench.put(tenant_id, "1", "Tea.")
        stuck = await bench.fake.journal.arrived("/vector_stores")
        await until(lambda: is_indexed(bench, tenant_id))
        assert not stuck.ended.is_set()


async def is_indexed(bench: Bench, tenant_id: UUID) -> bool:
    return await value(
        bench.sql, "SELECT bool_and(sync_status = 'synced') FROM documents WHERE tenant_id = %s", tenant_id
    )


async def test_log_tells_every_act_with_the_providers_request_ids(bench: Bench, tenant_id: UUID) -> None:
    document_id = await bench.put(tenant_id, "1", "Tea.", tags=("a",))
    await sync_once(bench)
    await bench.put(tenant_id, "1", "Tea.", tags=("b",))
    await sync_once(bench)
    bench.fake.fail(Fault(path=f"{UPLOADS}/[^/]+", method="DELETE", status=400))
    await bench.service.editor.delete(tenant_id, Selection(ids=[document_id]))
    await sync_once(bench)
    async with bench.service.database.tenant(tenant_id) as scope:
        entries = await sync_log.page(scope, before_id=1_000_000, document_id=None, outcome="", limit=9)
    assert [(one.actor, one.action, one.outcome) for one in reversed(entries)] == [
        ("worker", "replace", "done"),
        ("worker", "update_attributes", "done"),
        ("worker", "remove", "failed"),
    ]
    assert all(one.request_id.startswith("req_") for one in entries)
    assert {tuple(one.document_ids) for one in entries} == {(document_id,)}
    assert len({tuple(one.file_ids) for one in entries}) == 1
    assert entries[-1].byte_count == len(b"Tea.")
    assert "400" in entries[0].error


async def test_leftover_is_removed_later(bench: Bench, tenant_id: UUID) -> None:
    assert bench.service.backend
    document_id = await bench.put(tenant_id, "1", "Tea.")
    await sync_once(bench)
    await bench.put(tenant_id, "1", "Coffee.")
    bench.fake.fail(Fault(path=STORE_FILE, method="DELETE", status=400))
    await sync_once(bench)
    assert len(bench.fake.storage.files) == 2
    await Sweeper(bench.service.database, bench.service.backend).sweep()
    await assert_in_step(bench, tenant_id, [document_id])


async def test_file_of_a_job_that_was_taken_over_does_not_stay(bench: Bench, tenant_id: UUID) -> None:
    assert bench.service.backend
    document_id = await bench.put(tenant_id, "1", "Tea.")
    claimed = await claim(bench, "slow")
    await bench.sql.execute("DELETE FROM document_sync_jobs WHERE target = 'openai'")
    await bench.sql.execute("DELETE FROM documents WHERE id = %s", (document_id,))
    await syncer(bench, "slow").sync(claimed)
    await bench.sql.execute("DELETE FROM document_sync_jobs WHERE target = 'openai'")
    await Sweeper(bench.service.database, bench.service.backend).sweep()
    assert bench.fake.storage.files == {}


async def test_tenant_keeps_its_store_when_it_has_one(bench: Bench, tenant_id: UUID) -> None:
    async with bench.service.database.tenant(tenant_id) as scope:
        await vector_store_ids.put(scope, "vs_known")
    assert bench.service.backend
    assert await StoreKeeper(bench.service.database, bench.service.backend).store_id(tenant_id) == "vs_known"


async def test_purge_reaches_the_provider_and_looks_again(bench: Bench, tenant_id: UUID) -> None:
    ids = await insert_documents(bench, tenant_id, 4)
    await sync_once(bench)
    purged, receipt = await bench.service.editor.purge(tenant_id, Selection(ids=ids[:3], deleted_too=True))
    lines = {one.name: (one.removed_count, one.remaining_count) for one in receipt}
    assert purged.count == 3
    assert (lines["openai files"], lines["openai vector store files"]) == ((3, 0), (3, 0))
    assert lines["documents"] == (3, 0)
    await assert_in_step(bench, tenant_id, ids)


async def test_purge_without_an_answer_forgets_nothing_and_a_repetition_ends_it(
    bench: Bench, tenant_id: UUID
) -> None:
    [document_id] = await insert_documents(bench, tenant_id, 1)
    await sync_once(bench)
    selection = Selection(ids=[document_id], deleted_too=True)
    bench.fake.fail(Fault(path=f"{UPLOADS}/[^/]+", method="DELETE", times=50, status=500))
    with pytest.raises(errors.Unavailable):
        await bench.service.editor.purge(tenant_id, selection)
    assert await value(bench.sql, "SELECT is_deleted FROM documents WHERE id = %s", document_id)
    assert len(bench.fake.storage.files) == 1
    with pytest.raises(errors.Unavailable):
        await Editor(bench.service.database, RemotePurger(bench.service.database, None)).purge(
            tenant_id, selection
        )
    while not bench.fake.faults.are_spent:
        bench.fake.faults.take(f"{UPLOADS}/x", "DELETE")
    _, receipt = await bench.service.editor.purge(tenant_id, selection)
    assert {one.name: one.remaining_count for one in receipt}["openai files"] == 0
    assert bench.fake.storage.files == {}
    assert await value(bench.sql, "SELECT count(*) FROM documents WHERE id = %s", document_id) == 0


async def test_upload_under_way_is_waited_for_and_never_revives_a_purged_document(
    bench: Bench, tenant_id: UUID
) -> None:
    document_id = await bench.put(tenant_id, "1", "Tea.")
    bench.fake.storage.fate = Fate(seconds=0.5)
    async with working(bench.service):
        await bench.fake.journal.arrived(BATCHES)
        _, receipt = await bench.service.editor.purge(
            tenant_id, Selection(ids=[document_id], deleted_too=True)
        )
        await synced(bench)
    assert {one.name: one.remaining_count for one in receipt}["openai files"] == 0
    assert bench.fake.storage.files == {}
