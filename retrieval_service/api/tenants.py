"""TenantService on the wire."""

from __future__ import annotations

from typing import Any

from kladez.v1 import tenant_service_pb2 as pb
from kladez.v1 import tenant_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, fields, pages
from retrieval_service.api.messages import tenant_messages
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.api.update_masks import masked
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.services.tenants.tenants import Manager

SETTINGS_FIELDS = tuple(field.name for field in pb.TenantSettings.DESCRIPTOR.fields)
MASK_PATHS = ("name", "settings", *(f"settings.{name}" for name in SETTINGS_FIELDS))
NO_TENANT = ""
PAGE = {"default": 50, "largest": 500}


class TenantServicer(pb_grpc.TenantServiceServicer):
    """One service call per method."""

    def __init__(self, manager: Manager, page_tokens: PageTokens) -> None:
        self._manager = manager
        self._page_tokens = page_tokens

    async def CreateTenant(self, request: pb.CreateTenantRequest, context: Any) -> pb.CreateTenantResponse:
        settings = TenantSettings.from_json(tenant_messages.settings_json(request.tenant.settings))
        row = await self._manager.create_tenant(request.tenant.name, settings)
        return pb.CreateTenantResponse(tenant=tenant_messages.tenant(row))

    async def GetTenant(self, request: pb.GetTenantRequest, context: Any) -> pb.GetTenantResponse:
        row = await self._manager.get_tenant(fields.uuid("tenant_id", request.tenant_id))
        return pb.GetTenantResponse(tenant=tenant_messages.tenant(row))

    async def ListTenants(self, request: pb.ListTenantsRequest, context: Any) -> pb.ListTenantsResponse:
        size = page_size(request.page_size, **PAGE)
        read = self._page_tokens.read(request.page_token, request, NO_TENANT)
        rows = await self._manager.list_tenants(
            after=fields.position(read, fields.BEGINNING), deleted_too=request.show_deleted, limit=size + 1
        )
        page = pages.cut(rows, size, tenant_messages.tenant)
        place = fields.place(page.last.created_at, page.last.id) if page.last else ()
        return pb.ListTenantsResponse(
            tenants=page.items,
            next_page_token=self._page_tokens.write(place, request, NO_TENANT) if page.last else "",
        )

    async def UpdateTenant(self, request: pb.UpdateTenantRequest, context: Any) -> pb.UpdateTenantResponse:
        paths = mask_paths(request)
        given = tenant_messages.settings_json(request.tenant.settings)
        whole = "settings" in paths
        row = await self._manager.update_tenant(
            fields.uuid("tenant.tenant_id", request.tenant.tenant_id),
            version=fields.version("tenant.etag", request.tenant.etag),
            name=request.tenant.name if "name" in paths else None,
            changes={key: value for key, value in given.items() if whole or f"settings.{key}" in paths},
        )
        return pb.UpdateTenantResponse(tenant=tenant_messages.tenant(row))

    async def DeleteTenant(self, request: pb.DeleteTenantRequest, context: Any) -> pb.DeleteTenantResponse:
        tenant_id = fields.uuid("tenant_id", request.tenant_id)
        version = fields.version("etag", request.etag)
        row = await self._manager.set_deleted(tenant_id, deleted=True, version=version)
        return pb.DeleteTenantResponse(tenant=tenant_messages.tenant(row))

    async def UndeleteTenant(
        self, request: pb.UndeleteTenantRequest, context: Any
    ) -> pb.UndeleteTenantResponse:
        tenant_id = fields.uuid("tenant_id", request.tenant_id)
        row = await self._manager.set_deleted(tenant_id, deleted=False)
        return pb.UndeleteTenantResponse(tenant=tenant_messages.tenant(row))

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Any) -> pb.CreateApiKeyResponse:
        row, secret = await self._manager.create_key(
            tenant_id=fields.optional_uuid("api_key.tenant_id", request.api_key.tenant_id),
            scopes=scopes(request.api_key),
            display_name=fields.text("api_key.display_name", request.api_key.display_name, limit=100),
        )
        return pb.CreateApiKeyResponse(api_key=tenant_messages.api_key(row), secret=secret)

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Any) -> pb.ListApiKeysResponse:
        size = page_size(request.page_size, **PAGE)
        read = self._page_tokens.read(request.page_token, request, NO_TENANT)
        rows = await self._manager.list_keys(
            before=fields.position(read, fields.END),
            tenant_id=fields.optional_uuid("tenant_id", request.tenant_id),
            limit=size + 1,
        )
        page = pages.cut(rows, size, tenant_messages.api_key)
        place = fields.place(page.last.created_at, page.last.id) if page.last else ()
        return pb.ListApiKeysResponse(
            api_keys=page.items,
            next_page_token=self._page_tokens.write(place, request, NO_TENANT) if page.last else "",
        )

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Any) -> pb.RevokeApiKeyResponse:
        row = await self._manager.revoke_key(fields.uuid("api_key_id", request.api_key_id))
        return pb.RevokeApiKeyResponse(api_key=tenant_messages.api_key(row))

    async def RotatePublicKey(
        self, request: pb.RotatePublicKeyRequest, context: Any
    ) -> pb.RotatePublicKeyResponse:
        row = await self._manager.rotate_public_key(fields.uuid("tenant_id", request.tenant_id))
        return pb.RotatePublicKeyResponse(tenant=tenant_messages.tenant(row))

    async def ResolvePublicKey(
        self, request: pb.ResolvePublicKeyRequest, context: Any
    ) -> pb.ResolvePublicKeyResponse:
        public_key = fields.uuid("public_key", request.public_key)
        caller = calls.current().caller
        row = await self._manager.resolve_public_key(public_key, asked_by=caller and caller.tenant_id)
        return tenant_messages.public_tenant(row)


def mask_paths(request: pb.UpdateTenantRequest) -> set[str]:
    """The paths to change; without a mask only those settings that are held, never all of them."""
    held = [field.name for field, _ in request.tenant.ListFields() if field.name != "settings"]
    settings = [f"settings.{field.name}" for field, _ in request.tenant.settings.ListFields()]
    return masked(
        request.update_mask, allowed=MASK_PATHS, populated=[*held, *settings], whole=("name", "settings")
    )


def scopes(key: pb.ApiKey) -> list[str]:
    if not key.scopes:
        raise fields.refuse("api_key.scopes", "is required")
    if any(number not in tenant_messages.SCOPES for number in key.scopes):
        raise fields.refuse("api_key.scopes", "has an unknown scope")
    if key.tenant_id and pb.SCOPE_OPERATOR in key.scopes:
        raise fields.refuse("api_key.scopes", "a tenant's own key cannot be an operator's")
    return sorted({tenant_messages.SCOPES[number] for number in key.scopes})
