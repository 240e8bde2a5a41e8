"""Gives each tenant a store of its own at the retrieval provider, and a new one when that is lost."""

from __future__ import annotations

from uuid import UUID

import structlog

from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.stores import remote_documents, vector_stores
from retrieval_service.stores.database import Database

log = structlog.get_logger("kladez.store_keeping")


class StoreKeeper:
    """Any number of these, in any process, make one store for a tenant."""

    def __init__(self, database: Database, backend: RetrievalBackend) -> None:
        self._database = database
        self._backend = backend

    async def store_id(self, tenant_id: UUID) -> str:
        """The tenant's store, which is made when there is none."""
        return await self._known(tenant_id) or await self._made(tenant_id)

    async def is_lost(self, tenant_id: UUID, store_id: str) -> bool:
        """Whether the provider has lost the store; then it is forgotten and all of it is queued anew."""
        if await self._backend.has_store(store_id):
            return False
        async with self._database.owner() as owner:
            await vector_stores.lock_creation(owner, tenant_id)
            await self._forget(tenant_id, store_id)
        return True

    async def _known(self, tenant_id: UUID) -> str | None:
        async with self._database.tenant(tenant_id) as scope:
            return await vector_stores.get(scope)

    async def _made(self, tenant_id: UUID) -> str:
        """The lock is a session's, because no transaction may wait for the provider."""
        async with self._database.owner() as owner:
            await vector_stores.lock_creation(owner, tenant_id)
            if known := await self._known(tenant_id):
                return known
            store_id = await self._backend.ensure_store(f"kladez {tenant_id}", {"tenant_id": str(tenant_id)})
            async with self._database.tenant(tenant_id) as scope:
                await vector_stores.put(scope, store_id)
        log.info("vector_store_made", tenant_id=str(tenant_id), store_id=store_id)
        return store_id

    async def _forget(self, tenant_id: UUID, store_id: str) -> None:
        """Once for a store, however many workers miss it."""
        async with self._database.tenant(tenant_id) as scope:
            if await vector_stores.get(scope) != store_id:
                return
            await vector_stores.remove(scope)
            await remote_documents.reset(scope)
            queued = await remote_documents.enqueue_all(scope)
        log.warning("vector_store_lost", tenant_id=str(tenant_id), store_id=store_id, queued=queued)
