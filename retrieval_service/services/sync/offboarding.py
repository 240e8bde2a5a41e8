"""Removes all that a retrieval provider holds of tenants that leave it, their stores last."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.sync.remote_files import StoreFile
from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.services.sync.backend_switches import Switcher
from retrieval_service.services.sync.chores import remove_files
from retrieval_service.stores.database import Database
from retrieval_service.stores.sync import document_files, remote_documents, sync_log, vector_store_ids
from retrieval_service.stores.sync.sync_log import Entry
from retrieval_service.stores.tenants import backends

log = structlog.get_logger("kladez.evacuating")

PORTION = 50


class Evacuator:
    """A worker's death loses nothing: what is gone is fine, and what is left is looked for anew."""

    def __init__(
        self,
        database: Database,
        backend: RetrievalBackend,
        switcher: Switcher,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """The switcher has documents sent again when a tenant comes back before it is gone."""
        self._database = database
        self._backend = backend
        self._switcher = switcher
        self._clock = clock

    async def evacuate(self) -> None:
        """A tenant whose documents are being sent at this moment has its turn the next time.

        What the provider refuses to do for one tenant is raised when the others have had their turn.
        """
        async with self._database.operator() as operator:
            leaving = await backends.leaving(operator)
        refusals: list[errors.ProviderRefused] = []
        for tenant_id in leaving:
            try:
                await self._evacuate(tenant_id)
            except errors.ProviderRefused as error:
                refusals.append(error)
        if refusals:
            raise refusals[0]

    async def _evacuate(self, tenant_id: UUID) -> None:
        """The lock keeps others from the same work, and from a store that is to go."""
        async with self._database.owner() as owner:
            await vector_store_ids.lock_creation(owner, tenant_id)
            async with self._database.tenant(tenant_id) as scope:
                if await remote_documents.withdraw(scope):
                    return
                store_id = await vector_store_ids.get(scope) or ""
            await self._remove(tenant_id, store_id)
            if await self._holdings(tenant_id, store_id):
                return
            await self._close(tenant_id, store_id)
        log.info("provider_left", tenant_id=str(tenant_id), store_id=store_id)
        await self._switcher.settle(tenant_id)

    async def _remove(self, tenant_id: UUID, store_id: str) -> None:
        async with self._database.tenant(tenant_id) as scope:
            known = {file.file_id for file in await document_files.everything(scope)}
        doomed = sorted(known | await self._holdings(tenant_id, store_id))
        for start in range(0, len(doomed), PORTION):
            await self._remove_portion(tenant_id, store_id, doomed[start : start + PORTION])

    async def _holdings(self, tenant_id: UUID, store_id: str) -> set[str]:
        """What the provider tells of: the store's files that are ours, and uploads of the tenant's documents."""
        try:
            in_store = await self._backend.list_files(store_id) if store_id else ()
        except errors.ProviderMissing:
            in_store = ()
        uploads = await self._backend.list_uploads()
        async with self._database.tenant(tenant_id) as scope:
            own = await remote_documents.known(scope, [file.document_id for file in uploads])
            is_adopted = await vector_store_ids.is_adopted(scope)
        return {file.file_id for file in in_store if _is_own(file, tenant_id, is_shared=is_adopted)} | {
            file.file_id for file in uploads if file.document_id in own
        }

    async def _remove_portion(self, tenant_id: UUID, store_id: str, file_ids: Sequence[str]) -> None:
        """Forgotten as soon as they are gone, so that a repetition has less to do."""
        began = self._clock()
        await remove_files(self._backend, store_id, file_ids)
        entry = Entry(
            actor="worker",
            action="remove",
            outcome="done",
            store_id=store_id,
            file_ids=file_ids,
            duration_ms=round((self._clock() - began) * 1000),
        )
        async with self._database.tenant(tenant_id) as scope:
            await document_files.forget(scope, file_ids)
            await sync_log.record(scope, entry)

    async def _close(self, tenant_id: UUID, store_id: str) -> None:
        """The store, then our word of it: with a crash between, a store that is gone is deleted once more."""
        async with self._database.tenant(tenant_id) as scope:
            is_adopted = await vector_store_ids.is_adopted(scope)
        if store_id and not is_adopted:
            await self._backend.delete_store(store_id)
        async with self._database.tenant(tenant_id) as scope:
            await vector_store_ids.remove(scope)
            await remote_documents.forget(scope)
        async with self._database.operator() as operator:
            await backends.left(operator, tenant_id)


def _is_own(file: StoreFile, tenant_id: UUID, *, is_shared: bool) -> bool:
    """In a store that holds files of others, only what is marked as the tenant's; others may mark documents, too."""
    if is_shared:
        return file.attributes.get("tenant_id") == str(tenant_id)
    return file.document_id is not None
