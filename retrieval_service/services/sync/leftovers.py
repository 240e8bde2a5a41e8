"""Removes files that must go from the retrieval provider and could not be removed at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.stores.database import Database
from retrieval_service.stores.sync import document_files, sync_log
from retrieval_service.stores.sync.document_files import DocumentFile
from retrieval_service.stores.sync.sync_log import Entry

TENANTS_AT_A_TIME = 100
FILES_AT_A_TIME = 100


class Sweeper:
    """Of several at once each does the whole work: to remove what is gone does no harm."""

    def __init__(
        self, database: Database, backend: RetrievalBackend, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._backend = backend
        self._clock = clock

    async def sweep(self) -> None:
        async with self._database.operator() as operator:
            tenants = await document_files.tenants_with_leftovers(operator, limit=TENANTS_AT_A_TIME)
        for tenant_id in tenants:
            async with self._database.tenant(tenant_id) as scope:
                leftovers = await document_files.leftovers(scope, FILES_AT_A_TIME)
            for file in leftovers:
                await self._remove(tenant_id, file)

    async def _remove(self, tenant_id: UUID, file: DocumentFile) -> None:
        began = self._clock()
        request_id = await self._backend.remove(file.store_id, file.file_id)
        entry = Entry(
            actor="worker",
            action="remove",
            outcome="done",
            store_id=file.store_id,
            document_ids=[file.document_id],
            file_ids=[file.file_id],
            duration_ms=round((self._clock() - began) * 1000),
            request_id=request_id,
        )
        async with self._database.tenant(tenant_id) as scope:
            await document_files.forget(scope, [file.file_id])
            await sync_log.record(scope, entry)
