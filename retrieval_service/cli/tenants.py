"""`kladez tenant …`: tenants and their keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, TypeVar

import typer
from google.protobuf import field_mask_pb2
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import operator_client
from retrieval_service.cli.options import Options, options_of
from retrieval_service.client import Client

Result = TypeVar("Result")
TenantId = Annotated[str, typer.Argument(help="The tenant's id.")]
PAGE_SIZE = 500

app = typer.Typer(help="Tenants and their keys.", no_args_is_help=True)


class Scope(StrEnum):
    """What a key may do."""

    WRITE = "tenant:write"
    READ = "tenant:read"
    CHANNEL = "channel"
    OPERATOR = "operator"

    @property
    def wire(self) -> tenants_pb.Scope.ValueType:
        return tenants_pb.Scope.Value(f"SCOPE_{self.value.replace(':', '_').upper()}")


class Granularity(StrEnum):
    """What a vector stands for."""

    CHUNK = "chunk"
    DOCUMENT = "document"


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name customers see.")],
    language: Annotated[
        list[str] | None, typer.Option(help="ISO 639-1 code, the default one first; may be repeated.")
    ] = None,
    contact: Annotated[str, typer.Option(help="Where a customer turns when we do not know.")] = "",
    origin: Annotated[
        list[str] | None, typer.Option(help="A page's origin that may open the widget; may be repeated.")
    ] = None,
    granularity: Annotated[Granularity, typer.Option(help="What a vector stands for.")] = Granularity.CHUNK,
    link_domain: Annotated[
        list[str] | None, typer.Option(help="A domain that answers may link to; may be repeated.")
    ] = None,
    trusted_type: Annotated[
        list[str] | None, typer.Option(help="A source type that the business itself writes; may be repeated.")
    ] = None,
    untrusted_type: Annotated[
        list[str] | None,
        typer.Option(help="A source type that strangers write, whose links nobody sees; may be repeated."),
    ] = None,
    keep_chats_days: Annotated[
        int, typer.Option(help="Erase conversations after so many days; 0 keeps them.", min=0)
    ] = 0,
) -> None:
    """Create a tenant."""
    settings = tenants_pb.TenantSettings(
        languages=language or (),
        fallback_contact=contact,
        allowed_origins=origin or (),
        index_granularity=granularity,
        allowed_link_domains=link_domain or (),
        trusted_source_types=trusted_type or (),
        untrusted_source_types=untrusted_type or (),
        chat_retention_days=keep_chats_days,
    )
    request = tenants_pb.CreateTenantRequest(tenant=tenants_pb.Tenant(name=name, settings=settings))
    options = options_of(context)
    _print(options, _call(options, lambda client: client.create_tenant(request)).tenant)


@app.command("list")
def list_tenants(
    context: typer.Context,
    deleted: Annotated[bool, typer.Option("--deleted", help="Also those that are deleted.")] = False,
) -> None:
    """List all tenants, oldest first."""
    options = options_of(context)
    found = _call(options, lambda client: all_tenants(client, show_deleted=deleted))
    if options.as_json:
        output.json_message(tenants_pb.ListTenantsResponse(tenants=found))
        return
    output.table(("id", "name", "public key", "state"), [_row(tenant) for tenant in found])


@app.command()
def get(context: typer.Context, tenant_id: TenantId) -> None:
    """Show one tenant."""
    request = tenants_pb.GetTenantRequest(tenant_id=tenant_id)
    options = options_of(context)
    _print(options, _call(options, lambda client: client.get_tenant(request)).tenant)


@app.command()
def granularity(
    context: typer.Context,
    tenant_id: TenantId,
    wanted: Annotated[Granularity, typer.Argument(help="What a vector stands for.")],
) -> None:
    """Choose passages or whole documents for a tenant's vectors; everything is indexed again."""
    settings = tenants_pb.TenantSettings(index_granularity=wanted)
    request = tenants_pb.UpdateTenantRequest(
        tenant=tenants_pb.Tenant(tenant_id=tenant_id, settings=settings),
        update_mask=field_mask_pb2.FieldMask(paths=["settings.index_granularity"]),
    )
    options = options_of(context)
    _print(options, _call(options, lambda client: client.update_tenant(request)).tenant)


@app.command()
def delete(context: typer.Context, tenant_id: TenantId) -> None:
    """Delete a tenant; its data is kept and `undelete` takes it back."""
    request = tenants_pb.DeleteTenantRequest(tenant_id=tenant_id)
    options = options_of(context)
    _print(options, _call(options, lambda client: client.delete_tenant(request)).tenant)


@app.command()
def undelete(context: typer.Context, tenant_id: TenantId) -> None:
    """Take a delete back."""
    request = tenants_pb.UndeleteTenantRequest(tenant_id=tenant_id)
    options = options_of(context)
    _print(options, _call(options, lambda client: client.undelete_tenant(request)).tenant)


@app.command("rotate-key")
def rotate_key(context: typer.Context, tenant_id: TenantId) -> None:
    """Replace the public key; the old one stops working at once."""
    request = tenants_pb.RotatePublicKeyRequest(tenant_id=tenant_id)
    options = options_of(context)
    _print(options, _call(options, lambda client: client.rotate_public_key(request)).tenant)


@app.command()
def key(
    context: typer.Context,
    tenant_id: Annotated[
        str, typer.Argument(help="The tenant's id; without it the key serves every tenant.")
    ] = "",
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; may be repeated.")] = None,
    name: Annotated[str, typer.Option(help="A name for people.")] = "made by kladez tenant key",
) -> None:
    """Make an API key. Its secret is printed once and never again."""
    scopes = [one.wire for one in scope or (Scope.WRITE, Scope.READ)]
    api_key = tenants_pb.ApiKey(tenant_id=tenant_id, scopes=scopes, display_name=name)
    request = tenants_pb.CreateApiKeyRequest(api_key=api_key)
    options = options_of(context)
    response = _call(options, lambda client: client.create_api_key(request))
    if options.as_json:
        output.json_message(response)
    else:
        output.line(response.secret)
        output.note("Keep it: it is not stored and cannot be shown again.")


def _call(options: Options, method: Callable[[Client], Awaitable[Result]]) -> Result:
    async def connected() -> Result:
        async with operator_client(options) as client:
            return await method(client)

    return asyncio.run(connected())


async def all_tenants(client: Client, *, show_deleted: bool) -> list[tenants_pb.Tenant]:
    request = tenants_pb.ListTenantsRequest(page_size=PAGE_SIZE, show_deleted=show_deleted)
    found: list[tenants_pb.Tenant] = []
    while True:
        page = await client.list_tenants(request)
        found += page.tenants
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def _print(options: Options, tenant: tenants_pb.Tenant) -> None:
    if options.as_json:
        output.json_message(tenant)
        return
    output.table(("id", "name", "public key", "state"), [_row(tenant)])


def _row(tenant: tenants_pb.Tenant) -> tuple[str, str, str, str]:
    state = "deleted" if tenant.HasField("delete_time") else "active"
    return tenant.tenant_id, tenant.name, tenant.public_key, state
