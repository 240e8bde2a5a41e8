"""A backfill of the retrieval provider whose worker is killed again and again: it ends with each document once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from tests.e2e.crash_kit import Installation, installation
from tests.fakes.openai.faults import Fault
from tests.kits.openai_stores_kit import remote

DOCUMENTS = 100
KILLS = 3
UPLOADS_BETWEEN_KILLS = 25
END_SECONDS = 240.0
# Every upload takes so long, so that the backfill outlives its workers.
DELAY_SECONDS = 0.02
INSERT = """
INSERT INTO documents (tenant_id, source_type, external_id, content, language)
SELECT %s, 'article', number::text, 'Tea number ' || number, 'en' FROM generate_series(1, %s) AS number
"""
# As a backfill does, for documents that were there before the tenant was mirrored.
BACKFILL = """
WITH mirrored AS (UPDATE tenants SET is_mirrored = true WHERE id = %(tenant_id)s RETURNING id),
marked AS (UPDATE documents SET remote_status = 'pending' WHERE tenant_id = %(tenant_id)s RETURNING tenant_id, id)
INSERT INTO document_sync_jobs (tenant_id, document_id, action, target)
SELECT tenant_id, id, 'upsert', 'openai' FROM marked
"""
SYNCED = "SELECT count(*) FROM documents WHERE tenant_id = %s AND remote_status = 'synced'"
LEFTOVERS = "SELECT count(*) FROM document_files WHERE tenant_id = %s AND role = 'leftover'"
FILES = "SELECT array_agg(file_id ORDER BY file_id) FROM document_files WHERE tenant_id = %s"


@pytest.mark.timeout(2 * END_SECONDS)
async def test_backfill_survives_the_deaths_of_its_worker(tmp_path: Path) -> None:
    async with installation(tmp_path, separate_worker=True) as running, asyncio.timeout(END_SECONDS):
        running.fake.fail(Fault(path="/v1/files", method="POST", times=10_000, delay_seconds=DELAY_SECONDS))
        async with await psycopg.AsyncConnection.connect(running.postgres.dsn, autocommit=True) as connection:
            await connection.execute(INSERT, (running.tenant_id, DOCUMENTS))
            await connection.execute(BACKFILL, {"tenant_id": running.tenant_id})
            for kill in range(1, KILLS + 1):
                await until_uploaded(running, kill * UPLOADS_BETWEEN_KILLS)
                await running.worker.kill()
                await running.worker.start()
            while await value(connection, SYNCED, running) < DOCUMENTS:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.1)
            while await value(connection, LEFTOVERS, running):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.1)
            files = await value(connection, FILES, running)
    found = remote(running.fake)
    assert len({document_id for document_id, _ in found.files}) == DOCUMENTS
    assert found.files == found.entries
    assert files == sorted(running.fake.storage.files)
    assert len(running.fake.storage.stores) == 1


async def until_uploaded(running: Installation, number: int) -> None:
    while sum(one.method == "POST" for one in running.fake.journal.to("/v1/files")) < number:  # noqa: ASYNC110 - a listing has the same path
        await asyncio.sleep(0.01)


async def value(connection: psycopg.AsyncConnection, statement: LiteralString, running: Installation) -> Any:
    cursor = await connection.execute(statement, (running.tenant_id,))
    [row] = await cursor.fetchall()
    return row[0]
