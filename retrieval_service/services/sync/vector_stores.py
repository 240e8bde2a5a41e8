"""Gives each tenant a store of its own at the retrieval provider, and a new one when that is lost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.stores.database import Database
from retrieval_service.stores.sync import remote_documents, vector_store_ids
from retrieval_service.stores.tenants import tenants

log = structlog.get_logger("kladez.store_keeping")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class StoreKeeper:
    """Any number of these, in any process, make one store for a tenant.

    `given_id` is a store that exists already, for the only tenant of an installation.
    """

    def __init__(self, database: Database, backend: RetrievalBackend, *, given_id: str = "") -> None:
        self._database = database
        self._backend = backend
        self._given_id = given_id

    async def store_id(self, tenant_id: UUID) -> str:
        """The tenant's store, which is made when there is none."""
        return await self._known(tenant_id) or await self._made(tenant_id)

    async def adopt(self, tenant_id: UUID, store_id: str) -> None:
        """Gives the tenant a store that exists already; what is in it stays as it is.

        Raises `Invalid` when it cannot be read, or is somebody else's, or the tenant has another one.
        """
        async with self._database.owner() as owner:
            await vector_store_ids.lock_creation(owner, tenant_id)
            known = await self._known(tenant_id)
            if known == store_id:
                return
            if known:
                raise refused(f"the documents are kept in {known}; have that removed first (remove_files)")
            await self._adopt(tenant_id, store_id)

    async def is_lost(self, tenant_id: UUID, store_id: str) -> bool:
        """Whether the provider has lost the store; then it is forgotten and all of it is queued anew."""
        if await self._backend.has_store(store_id):
            return False
        async with self._database.owner() as owner:
            await vector_store_ids.lock_creation(owner, tenant_id)
            await self._forget(tenant_id, store_id)
        return True

    async def _known(self, tenant_id: UUID) -> str | None:
        async with self._database.tenant(tenant_id) as scope:
            return await vector_store_ids.get(scope)

    async def _made(self, tenant_id: UUID) -> str:
        """The lock is a session's, because no transaction may wait for the provider."""
        async with self._database.owner() as owner:
            await vector_store_ids.lock_creation(owner, tenant_id)
            if known := await self._known(tenant_id):
                return known
            if self._given_id and await self._is_only(tenant_id):
                await self._adopt_given(tenant_id)
                return self._given_id
            store_id = await self._backend.ensure_store(f"kladez {tenant_id}", {"tenant_id": str(tenant_id)})
            async with self._database.tenant(tenant_id) as scope:
                await vector_store_ids.put(scope, store_id)
        log.info("vector_store_made", tenant_id=str(tenant_id), store_id=store_id)
        return store_id

    async def _adopt(self, tenant_id: UUID, store_id: str) -> None:
        await self._check(tenant_id, store_id)
        try:
            async with self._database.tenant(tenant_id) as scope:
                await vector_store_ids.adopt(scope, store_id)
        except errors.AlreadyExists as error:
            raise refused("is another tenant's") from error
        log.info("vector_store_adopted", tenant_id=str(tenant_id), store_id=store_id)

    async def _adopt_given(self, tenant_id: UUID) -> None:
        """For a worker, who cannot be told of a wrong field: the documents wait, and say why."""
        try:
            await self._adopt(tenant_id, self._given_id)
        except errors.Invalid as error:
            reason = error.violations[0].description
            raise errors.ProviderRefused(f"OPENAI_VECTOR_STORE_ID ({self._given_id}) {reason}") from error

    async def _check(self, tenant_id: UUID, store_id: str) -> None:
        """A store with documents of two tenants could show one's to the other."""
        try:
            metadata = await self._backend.store_metadata(store_id)
            files = await self._backend.list_files(store_id) if metadata is not None else ()
        except errors.ProviderRefused as error:
            raise refused(f"cannot be read: {error}") from error
        if metadata is None:
            raise refused("does not exist at the provider, or has expired")
        marks = [metadata, *(file.attributes for file in files if file.document_id and file.revision)]
        if any(is_of_another(one, tenant_id) for one in marks):
            raise refused("holds documents of another tenant")

    async def _is_only(self, tenant_id: UUID) -> bool:
        async with self._database.operator() as operator:
            return await tenants.living(operator) == [tenant_id]

    async def _forget(self, tenant_id: UUID, store_id: str) -> None:
        """Once for a store, however many workers miss it."""
        async with self._database.tenant(tenant_id) as scope:
            if await vector_store_ids.get(scope) != store_id:
                return
            await vector_store_ids.remove(scope)
            await remote_documents.reset(scope)
            queued = await remote_documents.enqueue_all(scope)
        log.warning("vector_store_lost", tenant_id=str(tenant_id), store_id=store_id, queued=queued)


def refused(reason: str) -> errors.Invalid:
    return errors.Invalid([errors.Violation("vector_store_id", reason)])


def is_of_another(marks: Mapping[str, object], tenant_id: UUID) -> bool:
    """By the mark that we give to stores and files; what other systems write under the name is no id of a tenant."""
    told = str(marks.get("tenant_id", ""))
    return _UUID.fullmatch(told) is not None and told != str(tenant_id)
