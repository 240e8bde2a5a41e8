"""Creates and changes tenants and their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.tenants.settings import TenantSettings, check_name, check_settings
from retrieval_service.domain.tenants.tenants import ApiKey, Tenant
from retrieval_service.services.sync.backend_switches import Switcher
from retrieval_service.services.tenants.authentication import Authenticator, hash_secret, new_secret
from retrieval_service.stores.database import Database
from retrieval_service.stores.documents import documents
from retrieval_service.stores.tenants import keys, tenants


class Manager:
    """What an operator may do; the API has checked that the caller is one.

    `mirrors_new` says that new tenants' documents are kept at the retrieval provider too.
    """

    def __init__(
        self,
        database: Database,
        authenticator: Authenticator,
        switcher: Switcher,
        *,
        space_id: int,
        mirrors_new: bool,
    ) -> None:
        self._database = database
        self._authenticator = authenticator
        self._switcher = switcher
        self._space_id = space_id
        self._mirrors_new = mirrors_new

    async def create_tenant(self, name: str, settings: TenantSettings) -> Tenant:
        refuse_if([*check_name(name), *check_settings(settings)])
        async with self._database.operator() as operator:
            return await tenants.insert(
                operator,
                name=name,
                settings=settings.as_json(),
                space_id=self._space_id,
                is_mirrored=self._mirrors_new,
            )

    async def get_tenant(self, tenant_id: UUID) -> Tenant:
        async with self._database.operator() as operator:
            return found(await tenants.get(operator, tenant_id))

    async def list_tenants(
        self, *, after: tuple[datetime, UUID], deleted_too: bool, limit: int
    ) -> list[Tenant]:
        async with self._database.operator() as operator:
            return await tenants.page(operator, after=after, deleted_too=deleted_too, limit=limit)

    async def update_tenant(
        self, tenant_id: UUID, *, version: int | None, name: str | None, changes: Mapping[str, Any]
    ) -> Tenant:
        """Changes the name when given and the settings named in `changes`; others stay as they are."""
        async with self._database.operator() as operator:
            before = found(await tenants.get(operator, tenant_id))
            if version is not None and version != before.version:
                raise errors.Conflict
            new_name = before.name if name is None else name
            settings = TenantSettings.from_json({**before.settings, **changes})
            refuse_if([*check_name(new_name), *check_settings(settings)])
            after = await tenants.update(
                operator, tenant_id, version=before.version, name=new_name, settings=settings.as_json()
            )
        if after is None:
            raise errors.Conflict
        if settings.index_granularity != TenantSettings.from_json(before.settings).index_granularity:
            async with self._database.tenant(tenant_id) as scope:
                await documents.enqueue_all(scope)
        return after

    async def set_deleted(self, tenant_id: UUID, *, deleted: bool, version: int | None = None) -> Tenant:
        """A retrieval provider is left as well; who is taken back is brought there again.

        With a version the tenant must still be at it: raises `Conflict`.
        """
        async with self._database.operator() as operator:
            tenant = await tenants.set_deleted(operator, tenant_id, deleted=deleted, version=version)
            if tenant is None:
                found(await tenants.get(operator, tenant_id))
                raise errors.Conflict
        self._authenticator.forget()
        await self._switcher.settle(tenant_id)
        return tenant

    async def rotate_public_key(self, tenant_id: UUID) -> Tenant:
        async with self._database.operator() as operator:
            return found(await tenants.rotate_public_key(operator, tenant_id))

    async def resolve_public_key(self, public_key: UUID, *, asked_by: UUID | None) -> Tenant:
        """`asked_by` is the tenant the caller acts for, who is told nothing of others; None is told of all."""
        async with self._database.operator() as operator:
            tenant = await tenants.get_by_public_key(operator, public_key)
        if tenant is None or asked_by not in (None, tenant.id):
            raise errors.NotFound("no shop has this public key")
        return tenant

    async def create_key(
        self, *, tenant_id: UUID | None, scopes: Sequence[str], display_name: str
    ) -> tuple[ApiKey, str]:
        """The key and its secret, which nobody can read again."""
        secret = new_secret()
        async with self._database.operator() as operator:
            if tenant_id is not None:
                found(await tenants.get(operator, tenant_id))
            key = await keys.insert(
                operator,
                tenant_id=tenant_id,
                secret_hash=hash_secret(secret),
                scopes=scopes,
                display_name=display_name,
            )
        self._authenticator.expect_new_key()
        return key, secret

    async def list_keys(
        self, *, before: tuple[datetime, UUID], tenant_id: UUID | None, limit: int
    ) -> list[ApiKey]:
        async with self._database.operator() as operator:
            return await keys.page(operator, before=before, tenant_id=tenant_id, limit=limit)

    async def revoke_key(self, key_id: UUID) -> ApiKey:
        async with self._database.operator() as operator:
            key = await keys.revoke(operator, key_id)
        if key is None:
            raise errors.NotFound("there is no such key")
        self._authenticator.forget()
        return key


def found(tenant: Tenant | None) -> Tenant:
    if tenant is None:
        raise errors.NotFound("there is no such tenant")
    return tenant


def refuse_if(violations: Sequence[errors.Violation]) -> None:
    if violations:
        raise errors.Invalid(violations)
