"""Documents that are indexed together: written in one transaction, and none of them waits for another's writer."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from retrieval_service.services.indexing import index_writer
from tests.kits.indexing_kit import Bench, claim, indexer, insert, jobs_of, states, until, value, working

BATCH = 10
RENAMINGS = 40
TRANSACTIONS = (
    "SELECT count(DISTINCT xmin::text) FROM document_sync_jobs WHERE tenant_id = %s AND status = 'done'"
)
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
HOLD = "SELECT FROM documents WHERE id = %s FOR UPDATE"
PURGE = "DELETE FROM documents WHERE id = %s"
HANG = "UPDATE documents SET parent_id = %s WHERE tenant_id = %s AND id <> %s"
RENAME = "UPDATE documents SET title = %s WHERE id = %s"
HEADINGS = "SELECT array_agg(DISTINCT heading) FROM chunks WHERE tenant_id = %s AND document_id <> %s"


async def put_batch(bench: Bench, tenant_id: UUID, count: int = BATCH) -> list[UUID]:
    return [await insert(bench.sql, tenant_id, f"{number:02}") for number in range(count)]


async def test_documents_of_a_tenant_are_written_together(bench: Bench, tenant_id: UUID) -> None:
    await put_batch(bench, tenant_id)
    await indexer(bench).index(await claim(bench.service.database))
    assert await states(bench.sql, tenant_id) == ["done"] * BATCH
    assert await value(bench.sql, TRANSACTIONS, tenant_id) == 1


async def test_unchanged_documents_are_done_together_too(bench: Bench, tenant_id: UUID) -> None:
    await put_batch(bench, tenant_id)
    await indexer(bench).index(await claim(bench.service.database))
    await bench.sql.execute("DELETE FROM document_sync_jobs")
    await bench.sql.execute("UPDATE documents SET metadata = '{\"price\": 1}'")
    await indexer(bench).index(await claim(bench.service.database))
    assert await states(bench.sql, tenant_id) == ["done"] * BATCH
    assert await value(bench.sql, TRANSACTIONS, tenant_id) == 1


async def test_transaction_grows_only_so_large(
    bench: Bench, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes a document of a batch waits until all of them are written."""
    monkeypatch.setattr(index_writer, "CHUNKS_IN_A_TRANSACTION", 8)
    long = "\n\n".join(f"## Part {part}\n\n" + "tea " * 500 for part in range(4))
    for number in range(3):
        await insert(bench.sql, tenant_id, str(number), long)
    await indexer(bench).index(await claim(bench.service.database))
    assert await states(bench.sql, tenant_id) == ["done"] * 3
    assert await value(bench.sql, TRANSACTIONS, tenant_id) > 1


async def test_document_that_somebody_changes_keeps_no_other_waiting(
    bench: Bench, clean_dsn: str, tenant_id: UUID
) -> None:
    held, *_ = await put_batch(bench, tenant_id)
    batch = await claim(bench.service.database)
    async with await AsyncConnection.connect(clean_dsn) as writer:
        await writer.execute(HOLD, (held,))
        indexing = asyncio.create_task(indexer(bench).index(batch))
        await until(lambda: all_but_one_done(bench, tenant_id))
        assert [job.document_id for job in await jobs_of(bench.sql, tenant_id) if job.status != "done"] == [
            held
        ]
        await writer.rollback()
        await indexing
    assert await states(bench.sql, tenant_id) == ["done"] * BATCH
    assert await bench.texts(tenant_id, held) == ["Tea."]


async def all_but_one_done(bench: Bench, tenant_id: UUID) -> bool:
    return (await states(bench.sql, tenant_id)).count("done") == BATCH - 1


async def test_document_that_is_gone_does_not_spoil_its_batch(bench: Bench, tenant_id: UUID) -> None:
    gone, *others = await put_batch(bench, tenant_id)
    batch = await claim(bench.service.database)
    await bench.sql.execute(PURGE, (gone,))
    await indexer(bench).index(batch)
    assert "processing" not in await states(bench.sql, tenant_id)
    assert [await bench.texts(tenant_id, one) for one in (gone, *others)] == [[], *[["Tea."]] * len(others)]


async def test_title_changed_above_documents_that_are_being_written_never_deadlocks(
    bench: Bench, tenant_id: UUID
) -> None:
    """A change of a title takes the documents below after the one above, whatever their order elsewhere."""
    await put_batch(bench, tenant_id)
    top = await insert(bench.sql, tenant_id, "zz")
    await bench.sql.execute(HANG, (top, tenant_id, top))
    async with working(bench.service), working(bench.service):
        for number in range(RENAMINGS):
            await bench.sql.execute(RENAME, (f"Title {number}", top))
        await bench.indexed(tenant_id)
    assert await value(bench.sql, HEADINGS, tenant_id, top) == [f"Title {RENAMINGS - 1}"]
    assert await value(bench.sql, DEADLOCKS) == 0
