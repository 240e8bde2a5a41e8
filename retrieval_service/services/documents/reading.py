"""Reads a tenant's documents, the state of their index, and what was used; deletes documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.documents.stored import DocumentKey, StoredDocument
from retrieval_service.domain.usage import DailyUsage
from retrieval_service.stores.database import Database
from retrieval_service.stores.documents import documents
from retrieval_service.stores.index import chunks
from retrieval_service.stores.queue import document_jobs
from retrieval_service.stores.tenants import usage


@dataclass(frozen=True, kw_only=True)
class SyncStatus:
    """Documents by status, chunks in the index, and since when the oldest job waits."""

    documents: Mapping[str, int]
    chunk_count: int
    oldest_pending: datetime | None


class Reader:
    """Documents and figures of one tenant at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def document(self, tenant_id: UUID, selector: UUID | DocumentKey) -> StoredDocument:
        async with self._database.tenant(tenant_id) as scope:
            document = await documents.get(scope, selector)
        if document is None:
            raise errors.NotFound("there is no such document")
        return document

    async def documents(
        self, tenant_id: UUID, *, after: tuple[datetime, UUID], source_type: str, sync_status: str, limit: int
    ) -> list[StoredDocument]:
        async with self._database.tenant(tenant_id) as scope:
            return await documents.page(
                scope, after=after, source_type=source_type, sync_status=sync_status, limit=limit
            )

    async def delete_document(
        self, tenant_id: UUID, selector: UUID | DocumentKey, *, version: int | None = None
    ) -> None:
        """With a version the document must still be at it: raises `Conflict`."""
        async with self._database.tenant(tenant_id) as scope:
            if await documents.delete(scope, selector, version=version):
                return
            if version is not None and await documents.get(scope, selector):
                raise errors.Conflict
        raise errors.NotFound("there is no such document")

    async def sync_status(self, tenant_id: UUID) -> SyncStatus:
        async with self._database.tenant(tenant_id) as scope:
            return SyncStatus(
                documents=await documents.count_by_status(scope),
                chunk_count=await chunks.count(scope),
                oldest_pending=await document_jobs.oldest_pending(scope),
            )

    async def usage(self, tenant_id: UUID, *, days: int) -> list[DailyUsage]:
        async with self._database.tenant(tenant_id) as scope:
            return await usage.recent(scope, days=days)
