"""The keys that `kladez up` needs: made once, kept in the profile, replaced only when they stop working."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Sequence
from dataclasses import replace

from kladez.v1 import sync_service_pb2 as sync_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.cli.connection import dialled
from retrieval_service.cli.profile import Profile
from retrieval_service.client import CallFailed, Client

OPERATOR_SCOPES = ("operator", "tenant:write", "tenant:read")
TENANT_SCOPES = (tenants_pb.Scope.SCOPE_TENANT_WRITE, tenants_pb.Scope.SCOPE_TENANT_READ)
CHANNEL_SCOPES = (tenants_pb.Scope.SCOPE_CHANNEL,)
_ANY_PUBLIC_KEY = "00000000-0000-4000-8000-000000000000"


def empty_profile(address: str) -> Profile:
    return Profile(
        service_address=address,
        tenant_id="",
        operator_key="",
        tenant_key="",
        channel_key="",
        session_secret=secrets.token_urlsafe(32),
    )


async def mint_operator_key(dsn: str) -> str:
    """The first key of an installation, written past the service, which would ask for a key."""
    from retrieval_service.services.tenants import first_key  # loads the whole database layer

    return await first_key.mint_key(dsn, scopes=OPERATOR_SCOPES, display_name="kladez up: operator")


async def with_operator_key(profile: Profile, dsn: str) -> Profile:
    async with dialled(profile.service_address, profile.operator_key) as client:
        if profile.operator_key and await works(
            client.list_tenants(tenants_pb.ListTenantsRequest(page_size=1))
        ):
            return profile
    return replace(profile, operator_key=await mint_operator_key(dsn))


async def with_other_keys(profile: Profile, operator: Client) -> Profile:
    """The keys of the tenant and of the channels, each of which has its own; the tenant must be known."""
    if not await _tenant_key_works(profile):
        secret = await _issue(operator, "kladez up: demo shop", TENANT_SCOPES, tenant_id=profile.tenant_id)
        profile = replace(profile, tenant_key=secret)
    if not await _channel_key_works(profile.service_address, profile.channel_key):
        profile = replace(profile, channel_key=await _issue(operator, "kladez up: gateway", CHANNEL_SCOPES))
    if not await _channel_key_works(profile.service_address, profile.bot_key):
        profile = replace(profile, bot_key=await _issue(operator, "kladez up: bot", CHANNEL_SCOPES))
    return profile


async def works(call: Awaitable[object]) -> bool:
    """Whether the service knows the key of the call; other failures are raised."""
    try:
        await call
    except CallFailed as error:
        if error.code not in {"UNAUTHENTICATED", "PERMISSION_DENIED"}:
            raise
        return False
    return True


async def _tenant_key_works(profile: Profile) -> bool:
    if not profile.tenant_key:
        return False
    async with dialled(profile.service_address, profile.tenant_key, tenant_id=profile.tenant_id) as client:
        return await works(client.get_sync_status(sync_pb.GetSyncStatusRequest()))


async def _channel_key_works(address: str, key: str) -> bool:
    """Asks for a shop that does not exist: only a good key learns so."""
    if not key:
        return False
    async with dialled(address, key) as client:
        try:
            return await works(
                client.resolve_public_key(tenants_pb.ResolvePublicKeyRequest(public_key=_ANY_PUBLIC_KEY))
            )
        except CallFailed as error:
            if error.code != "NOT_FOUND":
                raise
            return True


async def _issue(
    operator: Client, display_name: str, scopes: Sequence[tenants_pb.Scope.ValueType], *, tenant_id: str = ""
) -> str:
    key = tenants_pb.ApiKey(tenant_id=tenant_id, scopes=scopes, display_name=display_name)
    return (await operator.create_api_key(tenants_pb.CreateApiKeyRequest(api_key=key))).secret
