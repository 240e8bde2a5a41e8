"""Tenants, keys and public keys."""

from __future__ import annotations

from functools import cached_property

from kladez.v1 import tenant_service_pb2 as tenants_pb
from kladez.v1 import tenant_service_pb2_grpc as tenants_grpc

from retrieval_service.client.calls import Calls


class TenantCalls(Calls):
    """Tenants, keys and public keys."""

    @cached_property
    def _tenants(self) -> tenants_grpc.TenantServiceStub:
        return tenants_grpc.TenantServiceStub(self._channel)

    async def create_tenant(self, request: tenants_pb.CreateTenantRequest) -> tenants_pb.CreateTenantResponse:
        return await self._unary(self._tenants.CreateTenant, request)

    async def get_tenant(self, request: tenants_pb.GetTenantRequest) -> tenants_pb.GetTenantResponse:
        return await self._unary(self._tenants.GetTenant, request)

    async def list_tenants(self, request: tenants_pb.ListTenantsRequest) -> tenants_pb.ListTenantsResponse:
        return await self._unary(self._tenants.ListTenants, request)

    async def update_tenant(self, request: tenants_pb.UpdateTenantRequest) -> tenants_pb.UpdateTenantResponse:
        return await self._unary(self._tenants.UpdateTenant, request)

    async def delete_tenant(self, request: tenants_pb.DeleteTenantRequest) -> tenants_pb.DeleteTenantResponse:
        return await self._unary(self._tenants.DeleteTenant, request)

    async def undelete_tenant(
        self, request: tenants_pb.UndeleteTenantRequest
    ) -> tenants_pb.UndeleteTenantResponse:
        return await self._unary(self._tenants.UndeleteTenant, request)

    async def create_api_key(
        self, request: tenants_pb.CreateApiKeyRequest
    ) -> tenants_pb.CreateApiKeyResponse:
        return await self._unary(self._tenants.CreateApiKey, request)

    async def list_api_keys(self, request: tenants_pb.ListApiKeysRequest) -> tenants_pb.ListApiKeysResponse:
        return await self._unary(self._tenants.ListApiKeys, request)

    async def revoke_api_key(
        self, request: tenants_pb.RevokeApiKeyRequest
    ) -> tenants_pb.RevokeApiKeyResponse:
        return await self._unary(self._tenants.RevokeApiKey, request)

    async def rotate_public_key(
        self, request: tenants_pb.RotatePublicKeyRequest
    ) -> tenants_pb.RotatePublicKeyResponse:
        return await self._unary(self._tenants.RotatePublicKey, request)

    async def resolve_public_key(
        self, request: tenants_pb.ResolvePublicKeyRequest
    ) -> tenants_pb.ResolvePublicKeyResponse:
        return await self._unary(self._tenants.ResolvePublicKey, request)
