"""A service with a provider of vector stores at the fake server, in a hurry, and what both sides hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from retrieval_service.composition.services import Service
from retrieval_service.domain.sync.remote_documents import content_digest, remote_document
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.providers.openai.files.attributes import REVISION_LENGTH
from retrieval_service.providers.openai.files.store_settings import StoreSettings
from retrieval_service.services.documents.editing import Editor
from retrieval_service.services.sync.purges import RemotePurger
from retrieval_service.stores.sync import remote_documents
from tests.kits.indexing_kit import Bench, open_bench, until, value
from tests.kits.openai_stores_kit import PATIENT, remote, stores_at

# Two cores may be shared with much else.
WAIT_SECONDS = 90.0

MIRROR = "UPDATE tenants SET is_mirrored = true WHERE id = %s"
BUSY = """
SELECT count(*) FROM document_sync_jobs WHERE target = 'openai' AND status IN ('pending', 'processing')
"""
# What waits for another attempt has it now: a test has no minutes.
HURRY = "UPDATE document_sync_jobs SET scheduled_at = now() WHERE target = 'openai' AND status = 'pending'"
LEFTOVERS = "SELECT count(*) FROM document_files WHERE role = 'leftover'"
DOCUMENT = """
SELECT remote_status, remote_error, openai_primary_file_id, remote_synced_at IS NOT NULL
FROM documents WHERE id = %s
"""
INSERT_DOCUMENTS = """
INSERT INTO documents (tenant_id, source_type, external_id, title, content, language)
SELECT %s, 'article', number::text, 'Tea ' || number, 'Чай номер ' || number || ' ferve em água.', 'ru'
FROM generate_series(1, %s) AS number
"""
IDS = "SELECT id FROM documents WHERE tenant_id = %s ORDER BY external_id::int"
FILES = "SELECT file_id FROM document_files WHERE tenant_id = %s ORDER BY file_id"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a document has come at the provider."""

    status: str
    error: str
    file_id: str
    is_synced_once: bool


@asynccontextmanager
async def open_remote_bench(
    dsn: str, settings: StoreSettings = PATIENT, *, timeout_seconds: float = 5.0, **changes: Any
) -> AsyncIterator[Bench]:
    """A bench whose provider waits for nothing longer than a test can."""
    async with (
        open_bench(dsn, **changes) as bench,
        stores_at(bench.fake, settings, timeout_seconds=timeout_seconds) as backend,
    ):
        editor = Editor(bench.service.database, RemotePurger(bench.service.database, backend))
        yield replace(bench, service=replace(bench.service, backend=backend, editor=editor))


async def mirrored_tenant(bench: Bench) -> UUID:
    tenant_id = (await bench.service.manager.create_tenant("Tea shop", TenantSettings())).id
    await bench.sql.execute(MIRROR, (tenant_id,))
    return tenant_id


async def insert_documents(bench: Bench, tenant_id: UUID, count: int) -> list[UUID]:
    await bench.sql.execute(INSERT_DOCUMENTS, (tenant_id, count))
    cursor = await bench.sql.execute(IDS, (tenant_id,))
    return [row[0] for row in await cursor.fetchall()]


async def synced(bench: Bench, seconds: float = WAIT_SECONDS) -> None:
    """Returns once nothing waits for the provider; attempts that failed are repeated without a pause."""
    await until(lambda: _is_synced(bench), seconds)


async def _is_synced(bench: Bench) -> bool:
    await bench.sql.execute(HURRY)
    await bench.sql.execute("SELECT pg_notify('kladez_jobs', '')")
    return await value(bench.sql, BUSY) == 0


async def swept(bench: Bench) -> None:
    """Returns once no file is left that must go."""

    async def is_swept() -> bool:
        return await value(bench.sql, LEFTOVERS) == 0

    await until(is_swept, WAIT_SECONDS)


async def standing_of(bench: Bench, document_id: UUID) -> Standing:
    cursor = await bench.sql.execute(DOCUMENT, (document_id,))
    [row] = await cursor.fetchall()
    return Standing(status=row[0], error=row[1], file_id=row[2], is_synced_once=row[3])


async def held_here(service: Service, tenant_id: UUID, ids: Sequence[UUID]) -> list[tuple[str, str]]:
    """Id and revision of the living documents, as the provider should hold them."""
    async with service.database.tenant(tenant_id) as scope:
        documents = [remote_document(one) for one in await remote_documents.read(scope, ids)]
    return sorted(
        (str(one.document_id), content_digest(one)[:REVISION_LENGTH]) for one in documents if one is not None
    )


async def assert_in_step(bench: Bench, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Files, entries of the store and rows are exactly the living documents, each once at its version."""
    expected = await held_here(bench.service, tenant_id, ids)
    found = remote(bench.fake)
    assert found.files == expected
    assert found.entries == expected
    cursor = await bench.sql.execute(FILES, (tenant_id,))
    assert [row[0] for row in await cursor.fetchall()] == sorted(bench.fake.storage.files)
    assert len(bench.fake.storage.stores) == 1
