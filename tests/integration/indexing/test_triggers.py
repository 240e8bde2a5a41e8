"""The triggers: every change of a document, whoever makes it, is queued once."""

from __future__ import annotations

from uuid import UUID

import pytest
from psycopg import AsyncConnection

from retrieval_service.domain.documents.documents import Draft
from retrieval_service.services.documents.importing import Outcome
from retrieval_service.stores.database import Database
from tests.kits.indexing_kit import Bench, claim, fail, finish, insert, jobs_of, states, value

ACTIONS_BEFORE_TRIGGERS = """
SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint c
WHERE c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd') AND EXISTS (
    SELECT FROM pg_trigger t
    WHERE t.tgrelid = c.conrelid AND NOT t.tgisinternal
        AND t.tgtype & (CASE c.confdeltype WHEN 'c' THEN 8 ELSE 16 END) <> 0)
"""
# Its trigger asks for another reason or rating, which a forgotten gap changes in nothing.
HARMLESS = {("chat_logs", "chat_logs_tenant_id_gap_id_fkey")}


async def test_document_written_by_plain_sql_is_queued(sql: AsyncConnection, tenant_id: UUID) -> None:
    document_id = await insert(sql, tenant_id, "1")
    [job] = await jobs_of(sql, tenant_id)
    assert (job.document_id, job.action, job.status) == (document_id, "upsert", "pending")


@pytest.mark.parametrize(
    "change",
    [
        "content = 'Coffee.'",
        "title = 'Menu'",
        """metadata = '{"price": 5}'""",
        "tags = '{hot}'",
        "language = 'en'",
        "url = '/tea'",
    ],
)
async def test_change_by_plain_sql_is_queued_with_a_new_version(
    sql: AsyncConnection, database: Database, tenant_id: UUID, change: str
) -> None:
    await insert(sql, tenant_id, "1")
    [job] = await claim(database)
    await finish(database, job)
    await sql.execute(f"UPDATE documents SET {change}".encode())  # noqa: S608 - from the list above
    assert await states(sql, tenant_id) == ["done", "pending"]
    assert await value(sql, "SELECT version FROM documents") == 2


async def test_update_that_changes_nothing_is_not_queued(
    sql: AsyncConnection, database: Database, tenant_id: UUID
) -> None:
    await insert(sql, tenant_id, "1")
    [job] = await claim(database)
    await finish(database, job)
    await sql.execute("UPDATE documents SET content = content, title = title")
    assert await states(sql, tenant_id) == ["done"]


async def test_workers_own_notes_on_a_document_are_not_queued(
    sql: AsyncConnection, database: Database, tenant_id: UUID
) -> None:
    await insert(sql, tenant_id, "1")
    [job] = await claim(database)
    await finish(database, job)
    await sql.execute("UPDATE documents SET sync_status = 'synced', last_sync_at = now()")
    assert await states(sql, tenant_id) == ["done"]
    assert await value(sql, "SELECT version FROM documents") == 1


async def test_unchanged_upsert_is_not_queued(bench: Bench, tenant_id: UUID) -> None:
    await bench.put(tenant_id, "1", "Tea.", metadata={"price": 5})
    [job] = await claim(bench.service.database)
    await finish(bench.service.database, job)
    await bench.put(tenant_id, "1", "Tea.", metadata={"price": 5.0})
    assert await states(bench.sql, tenant_id) == ["done"]


async def test_upsert_repairs_what_plain_sql_changed(bench: Bench, tenant_id: UUID) -> None:
    draft = Draft(source_type="article", external_id="1", content="Tea.")
    await bench.service.importer.upsert(tenant_id, draft)
    await bench.sql.execute("UPDATE documents SET content = 'Coffee.'")
    document, outcome = await bench.service.importer.upsert(tenant_id, draft)
    assert (document.content, outcome) == ("Tea.", Outcome.UPDATED)


async def test_row_deleted_by_plain_sql_is_queued_as_a_deletion(
    sql: AsyncConnection, tenant_id: UUID
) -> None:
    await insert(sql, tenant_id, "1")
    await sql.execute("DELETE FROM documents")
    assert [(job.action, job.status) for job in await jobs_of(sql, tenant_id)] == [("delete", "pending")]


async def test_children_of_a_row_deleted_by_plain_sql_are_roots_and_queued(
    sql: AsyncConnection, database: Database, tenant_id: UUID
) -> None:
    parent, child, grandchild = [await insert(sql, tenant_id, name) for name in "abc"]
    await sql.execute("UPDATE documents SET parent_id = %s WHERE id = %s", (parent, child))
    await sql.execute("UPDATE documents SET parent_id = %s WHERE id = %s", (child, grandchild))
    for job in await claim(database, limit=3):
        await finish(database, job)
    await sql.execute("DELETE FROM documents WHERE id = %s", (parent,))
    assert await value(sql, "SELECT count(*) FROM documents WHERE parent_id IS NULL") == 1
    queued = {
        (job.document_id, job.action) for job in await jobs_of(sql, tenant_id) if job.status == "pending"
    }
    assert queued == {(parent, "delete"), (child, "upsert"), (grandchild, "upsert")}


async def test_parent_and_children_go_in_one_statement(sql: AsyncConnection, tenant_id: UUID) -> None:
    parent, child = [await insert(sql, tenant_id, name) for name in "ab"]
    await sql.execute("UPDATE documents SET parent_id = %s WHERE id = %s", (parent, child))
    await sql.execute("DELETE FROM documents")
    assert await value(sql, "SELECT count(*) FROM documents") == 0


async def test_no_foreign_key_acts_on_a_table_whose_triggers_write(sql: AsyncConnection) -> None:
    """Its action and what that sets off run as the owner, who may write no rows."""
    cursor = await sql.execute(ACTIONS_BEFORE_TRIGGERS)
    assert set(await cursor.fetchall()) == HARMLESS


async def test_many_changes_are_one_pending_job(sql: AsyncConnection, tenant_id: UUID) -> None:
    await insert(sql, tenant_id, "1")
    for number in range(20):
        await sql.execute("UPDATE documents SET content = %s", (f"Tea {number}.",))
    assert await states(sql, tenant_id) == ["pending"]


async def test_changes_during_processing_leave_one_pending_job_beside_it(
    sql: AsyncConnection, database: Database, tenant_id: UUID
) -> None:
    await insert(sql, tenant_id, "1")
    await claim(database)
    await sql.execute("UPDATE documents SET content = 'Coffee.'")
    await sql.execute("UPDATE documents SET content = 'Cocoa.'")
    assert await states(sql, tenant_id) == ["pending", "processing"]


async def test_change_gives_a_job_that_failed_before_all_its_attempts_at_once(
    sql: AsyncConnection, database: Database, tenant_id: UUID
) -> None:
    await insert(sql, tenant_id, "1")
    [job] = await claim(database)
    await fail(database, job)
    await sql.execute("UPDATE documents SET content = 'Coffee.'")
    [waiting] = await jobs_of(sql, tenant_id)
    assert waiting.attempts == 0
    assert waiting.seconds_until_due <= 0
