"""The files at the retrieval provider: the one that stands for each document, and those that must go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.stores.database import TenantScope

PRIMARY = "primary"
LEFTOVER = "leftover"


@dataclass(frozen=True, kw_only=True)
class DocumentFile:
    """A file, the version of the document it was made from, and what of it was sent; `role` is primary or leftover."""

    file_id: str
    document_id: UUID
    store_id: str
    role: str
    version: int
    content_digest: str
    attributes_digest: str
    byte_count: int
    created_at: datetime


SELECT_PRIMARY = """
SELECT file_id, document_id, store_id, role, version, content_digest, attributes_digest, byte_count, created_at
FROM document_files
WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(document_ids)s) AND role = 'primary'
"""


async def primary_of(scope: TenantScope, document_ids: Sequence[UUID]) -> dict[UUID, DocumentFile]:
    """The file that stands for each document; documents without one are missing."""
    async with scope.connection.cursor(row_factory=class_row(DocumentFile)) as cursor:
        parameters = {"tenant_id": scope.tenant_id, "document_ids": list(document_ids)}
        await cursor.execute(SELECT_PRIMARY, parameters)
        return {file.document_id: file for file in await cursor.fetchall()}


SELECT_OF_DOCUMENTS = """
SELECT file_id, document_id, store_id, role, version, content_digest, attributes_digest, byte_count, created_at
FROM document_files WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(document_ids)s) ORDER BY file_id
"""


async def of_documents(scope: TenantScope, document_ids: Sequence[UUID]) -> list[DocumentFile]:
    """All files of these documents, leftovers too."""
    async with scope.connection.cursor(row_factory=class_row(DocumentFile)) as cursor:
        parameters = {"tenant_id": scope.tenant_id, "document_ids": list(document_ids)}
        await cursor.execute(SELECT_OF_DOCUMENTS, parameters)
        return await cursor.fetchall()


SELECT_EVERYTHING = """
SELECT file_id, document_id, store_id, role, version, content_digest, attributes_digest, byte_count, created_at
FROM document_files WHERE tenant_id = %(tenant_id)s ORDER BY document_id, file_id
"""


async def everything(scope: TenantScope) -> list[DocumentFile]:
    """All files of the tenant, leftovers too."""
    async with scope.connection.cursor(row_factory=class_row(DocumentFile)) as cursor:
        await cursor.execute(SELECT_EVERYTHING, {"tenant_id": scope.tenant_id})
        return await cursor.fetchall()


# The new row is made from what the update returns, so that there are never two primary files at a time.
SET_PRIMARY = """
WITH demoted AS (
    UPDATE document_files SET role = 'leftover'
    WHERE tenant_id = %(tenant_id)s AND document_id = %(document_id)s AND role = 'primary'
        AND file_id <> %(file_id)s
    RETURNING file_id
)
INSERT INTO document_files (tenant_id, file_id, document_id, store_id, role, version, content_digest,
    attributes_digest, byte_count, created_at)
SELECT %(tenant_id)s, %(file_id)s, %(document_id)s, %(store_id)s, 'primary', %(version)s, %(content_digest)s,
    %(attributes_digest)s, %(byte_count)s, %(created_at)s
FROM (SELECT count(*) FROM demoted) AS once
ON CONFLICT (tenant_id, file_id) DO UPDATE SET store_id = excluded.store_id, role = 'primary',
    version = excluded.version, content_digest = excluded.content_digest,
    attributes_digest = excluded.attributes_digest, byte_count = excluded.byte_count
"""


async def set_primary(scope: TenantScope, file: DocumentFile) -> None:
    """From now on the file stands for its document; another one that did becomes a leftover."""
    await scope.connection.execute(SET_PRIMARY, {**asdict(file), "tenant_id": scope.tenant_id})


ADD_LEFTOVER = """
INSERT INTO document_files (tenant_id, file_id, document_id, store_id, role, version, content_digest,
    attributes_digest, byte_count, created_at)
VALUES (%(tenant_id)s, %(file_id)s, %(document_id)s, %(store_id)s, 'leftover', %(version)s, %(content_digest)s,
    %(attributes_digest)s, %(byte_count)s, %(created_at)s)
ON CONFLICT (tenant_id, file_id) DO NOTHING
"""


async def add_leftovers(scope: TenantScope, files: Sequence[DocumentFile]) -> None:
    """Remembers files that must go, whatever role they claim; what is known already stays as it is."""
    if files:
        async with scope.connection.cursor() as cursor:
            rows = [{**asdict(file), "tenant_id": scope.tenant_id} for file in files]
            await cursor.executemany(ADD_LEFTOVER, rows)


FORGET = "DELETE FROM document_files WHERE tenant_id = %(tenant_id)s AND file_id = ANY(%(file_ids)s)"


async def forget(scope: TenantScope, file_ids: Sequence[str]) -> None:
    """For files that are gone from the provider."""
    await scope.connection.execute(FORGET, {"tenant_id": scope.tenant_id, "file_ids": list(file_ids)})


SELECT_LEFTOVERS = """
SELECT file_id, document_id, store_id, role, version, content_digest, attributes_digest, byte_count, created_at
FROM document_files f WHERE tenant_id = %(tenant_id)s AND role = 'leftover' AND NOT EXISTS (
    SELECT FROM document_sync_jobs j WHERE j.tenant_id = f.tenant_id AND j.document_id = f.document_id
        AND j.target = 'openai' AND j.status = 'processing')
ORDER BY created_at, file_id LIMIT %(limit)s
"""


async def leftovers(scope: TenantScope, limit: int) -> list[DocumentFile]:
    """Oldest first, without those of documents that are being worked on: a worker may be taking one up again."""
    async with scope.connection.cursor(row_factory=class_row(DocumentFile)) as cursor:
        await cursor.execute(SELECT_LEFTOVERS, {"tenant_id": scope.tenant_id, "limit": limit})
        return await cursor.fetchall()


SELECT_TENANTS = "SELECT DISTINCT tenant_id FROM document_files WHERE role = 'leftover' LIMIT %(limit)s"


async def tenants_with_leftovers(operator: AsyncConnection, *, limit: int) -> list[UUID]:
    cursor = await operator.execute(SELECT_TENANTS, {"limit": limit})
    return [row[0] for row in await cursor.fetchall()]
