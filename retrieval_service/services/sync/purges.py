"""Removes what a retrieval provider holds of documents that are purged, and looks again whether it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from retrieval_service import errors
from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.services.sync.chores import remove_files
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.sync import document_files, remote_documents, sync_log, vector_store_ids
from retrieval_service.stores.sync.sync_log import Entry

PORTION = 50
LONGEST_WAIT_SECONDS = 10.0
LOOK_SECONDS = 0.2
BUSY = "A worker is still sending these documents to the retrieval provider; repeat the purge."


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """The ids of files at the provider, and of those in the tenant's store."""

    files: frozenset[str] = frozenset()
    store_files: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class RemotelyPurged:
    """What the provider held before, and what it still tells of."""

    before: Holdings
    after: Holdings


class RemotePurger:
    """Of deleted documents: a worker that is sending one is waited for, and no other begins to."""

    def __init__(self, database: Database, backend: RetrievalBackend | None) -> None:
        self._database = database
        self._backend = backend

    async def is_concerned(self, scope: TenantScope, document_ids: Sequence[UUID]) -> bool:
        """Whether the provider may hold something of the documents."""
        has_store = await vector_store_ids.get(scope) is not None
        return has_store or bool(await document_files.of_documents(scope, document_ids))

    async def purge(self, tenant_id: UUID, document_ids: Sequence[UUID]) -> RemotelyPurged:
        """Raises `errors.Unavailable` when not all could be removed: a repetition goes on from there."""
        if self._backend is None:
            raise errors.Unavailable(
                "These documents are kept at a retrieval provider that is not configured."
            )
        await self._wait_for_uploads(tenant_id, document_ids)
        with refusals_as_unavailable():
            async with self._database.tenant(tenant_id) as scope:
                store_id = await vector_store_ids.get(scope) or ""
                known = await document_files.of_documents(scope, document_ids)
            before = await self._holdings(self._backend, store_id, document_ids)
            doomed = sorted(before.files | before.store_files | {file.file_id for file in known})
            for start in range(0, len(doomed), PORTION):
                await self._remove(self._backend, tenant_id, store_id, doomed[start : start + PORTION])
            await self._record(tenant_id, store_id, document_ids, doomed)
            return RemotelyPurged(
                before=before, after=await self._holdings(self._backend, store_id, document_ids)
            )

    async def check(self, scope: TenantScope, document_ids: Sequence[UUID]) -> None:
        """With the documents locked: raises `errors.Unavailable` when one was taken back and sent meanwhile."""
        sent = await document_files.of_documents(scope, document_ids)
        if sent or await remote_documents.count_uploading(scope, document_ids):
            raise errors.Unavailable(BUSY)

    async def _wait_for_uploads(self, tenant_id: UUID, document_ids: Sequence[UUID]) -> None:
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                while await self._count_uploading(tenant_id, document_ids):  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError as error:
            raise errors.Unavailable(BUSY) from error

    async def _count_uploading(self, tenant_id: UUID, document_ids: Sequence[UUID]) -> int:
        async with self._database.tenant(tenant_id) as scope:
            return await remote_documents.count_uploading(scope, document_ids)

    async def _holdings(
        self, backend: RetrievalBackend, store_id: str, document_ids: Collection[UUID]
    ) -> Holdings:
        wanted = frozenset(document_ids)
        uploads = await backend.list_uploads()
        try:
            store_files = await backend.list_files(store_id) if store_id else ()
        except errors.ProviderMissing:
            # With a store that is lost all that was in it has gone.
            store_files = ()
        return Holdings(
            files=frozenset(file.file_id for file in uploads if file.document_id in wanted),
            store_files=frozenset(file.file_id for file in store_files if file.document_id in wanted),
        )

    async def _remove(
        self, backend: RetrievalBackend, tenant_id: UUID, store_id: str, file_ids: Sequence[str]
    ) -> None:
        """Forgotten as soon as they are gone, so that a repetition has less to do."""
        await remove_files(backend, store_id, file_ids)
        async with self._database.tenant(tenant_id) as scope:
            await document_files.forget(scope, file_ids)

    async def _record(
        self, tenant_id: UUID, store_id: str, document_ids: Sequence[UUID], file_ids: Sequence[str]
    ) -> None:
        entry = Entry(
            actor="manual",
            action="purge",
            outcome="done",
            store_id=store_id,
            document_ids=document_ids,
            file_ids=file_ids,
        )
        async with self._database.tenant(tenant_id) as scope:
            await sync_log.record(scope, entry)


@contextmanager
def refusals_as_unavailable() -> Iterator[None]:
    """Nothing is wrong with the request for a purge, whatever the provider says to ours."""
    try:
        yield
    except errors.ProviderRefused as error:
        raise errors.Unavailable(str(error)) from error
