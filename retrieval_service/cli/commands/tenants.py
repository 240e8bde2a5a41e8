"""`kladez tenant …`: tenants and their keys."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from google.protobuf import field_mask_pb2
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.cli import output, private_files
from retrieval_service.cli import profile as profiles
from retrieval_service.cli.commands import tenant_fields
from retrieval_service.cli.commands.tenant_fields import Changes, Field, Shape
from retrieval_service.cli.connection import known_tenant, operator_client
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.options import Options, options_of
from retrieval_service.client import CallFailed, Client, FieldViolation

Result = TypeVar("Result")
TenantId = Annotated[
    str | None,
    typer.Argument(help="The tenant's id. Default: that of --tenant, KLADEZ_TENANT or the profile."),
]
NamedTenantId = Annotated[
    str | None,
    typer.Argument(help="The tenant's id; --tenant may name it instead, but no variable and no profile."),
]
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


def chosen_tenant(options: Options, argument: str | None) -> str:
    """The tenant of the argument, or else the one that every command goes by. Raises `BadInput` without any."""
    tenant_id = named_tenant(options, argument) or known_tenant(options, profiles.load(options.data_dir))
    if not tenant_id:
        raise BadInput("which tenant? Name its id, as argument, by --tenant or by KLADEZ_TENANT")
    return tenant_id


def named_tenant(options: Options, argument: str | None) -> str:
    """The tenant that the command line itself names, "" for none.

    Raises `BadInput` for an empty id, which a script has whose variable is not set, and for two that differ.
    """
    told = [argument] if argument is not None else []
    told += [options.tenant_id] if options.names_tenant else []
    if "" in told:
        raise BadInput("the tenant's id on the command line is empty")
    if len(set(told)) > 1:
        raise BadInput(f"--tenant {options.tenant_id} and the argument {argument} name two tenants; give one")
    return told[0] if told else ""


def settable(function: Callable[..., None], *, is_new: bool) -> Callable[..., None]:
    """The command with an option for each field that can be set; a new tenant's lists need no additions."""
    signature = inspect.signature(function, eval_str=True)
    own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for field in tenant_fields.all_fields()
        if not (is_new and field.dotted == "name")
        for name, annotation in parameters_of(field, is_new=is_new)
    ]
    function.__signature__ = signature.replace(parameters=[*own, *options])  # pyright: ignore[reportFunctionMemberAccess]
    return function


def parameters_of(field: Field, *, is_new: bool) -> Iterator[tuple[str, Any]]:
    """The names and the types of a field's options."""
    if field.shape is Shape.ONE:
        yield field.parameter, Annotated[str | None, typer.Option(f"--{field.option}", help=field.about)]
        return
    about = f"{field.about} May be repeated."
    yield field.parameter, Annotated[list[str] | None, typer.Option(f"--{field.option}", help=about)]
    if field.shape is Shape.LIST and not is_new:
        for verb, what in (("add", "One more"), ("remove", "One less")):
            option = typer.Option(f"--{verb}-{field.option}", help=f"{what} of --{field.option}.")
            yield f"{verb}_{field.parameter}", Annotated[list[str] | None, option]


def changes_of(field: Field, told: Mapping[str, Any]) -> Changes:
    given = told.get(field.parameter)
    texts = [given] if isinstance(given, str) else given
    return Changes(
        given=tenant_fields.texts_of(field, texts) if texts else None,
        added=told.get(f"add_{field.parameter}") or (),
        removed=told.get(f"remove_{field.parameter}") or (),
    )


def all_changes(told: Mapping[str, Any]) -> dict[str, Changes]:
    """By option. Raises `BadInput` for a file that cannot be read."""
    return {field.option: changes_of(field, told) for field in tenant_fields.all_fields()}


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name customers see.")],
    **told: Any,
) -> None:
    """Create a tenant. A text may be @FILE, or @- for standard input; @@ begins one with an @."""
    tenant = tenants_pb.Tenant(name=name)
    for field in tenant_fields.all_fields():
        tenant_fields.apply(tenant, field, changes_of(field, told))
    request = tenants_pb.CreateTenantRequest(tenant=tenant)
    options = options_of(context)
    with refusals_by_option():
        _print(options, _call(options, lambda client: client.create_tenant(request)).tenant)


def update(
    context: typer.Context,
    tenant_id: TenantId = None,
    clear: Annotated[
        list[str] | None, typer.Option(help="Take an option's setting back to its default; may be repeated.")
    ] = None,
    **told: Any,
) -> None:
    """Change settings of a tenant, and show them as they were and as they are.

    A list is replaced by the option of its name, and changed by --add-… and --remove-…. Texts by language are
    replaced for the language that is named, and removed by "ru=". A text may be @FILE, or @- for standard input;
    @@ begins one with an @.
    """
    options = options_of(context)
    changes, cleared = all_changes(told), cleared_fields(clear or ())
    if not cleared and not any(one != Changes() for one in changes.values()):
        raise BadInput("say what to change; `kladez tenant update --help` lists the settings")
    chosen = chosen_tenant(options, tenant_id)
    with refusals_by_option():
        before, after = _call(options, lambda client: _update(client, chosen, cleared, changes))
    if options.as_json:
        output.json_message(after)
        return
    rows = [
        (field.option, field.shown(before), field.shown(after))
        for field in tenant_fields.all_fields()
        if field.value(before) != field.value(after)
    ]
    if rows:
        output.table(("setting", "before", "after"), rows)
    else:
        output.note("Nothing was changed: it is all as you say.")


async def _update(
    client: Client, tenant_id: str, cleared: Sequence[Field], changes: Mapping[str, Changes]
) -> tuple[tenants_pb.Tenant, tenants_pb.Tenant]:
    """The tenant before and after. A change that another makes meanwhile is not written over."""
    before = (await client.get_tenant(tenants_pb.GetTenantRequest(tenant_id=tenant_id))).tenant
    wanted = changed_tenant(before, cleared, changes)
    paths = {one.mask for one in tenant_fields.all_fields() if one.value(before) != one.value(wanted)}
    if not paths:
        return before, before
    request = tenants_pb.UpdateTenantRequest(
        tenant=wanted, update_mask=field_mask_pb2.FieldMask(paths=sorted(paths))
    )
    return before, (await client.update_tenant(request)).tenant


def cleared_fields(names: Sequence[str]) -> list[Field]:
    fields = {field.option: field for field in tenant_fields.all_fields()}
    unknown = [name for name in names if name.removeprefix("--") not in fields]
    if unknown:
        raise BadInput(f"--clear {unknown[0]}: must be one of {', '.join(fields)}")
    return [fields[name.removeprefix("--")] for name in names]


def changed_tenant(
    before: tenants_pb.Tenant, cleared: Sequence[Field], changes: Mapping[str, Changes]
) -> tenants_pb.Tenant:
    wanted = tenants_pb.Tenant()
    wanted.CopyFrom(before)
    for field in cleared:
        tenant_fields.clear(wanted, field)
    for field in tenant_fields.all_fields():
        tenant_fields.apply(wanted, field, changes[field.option])
    return wanted


@contextlib.contextmanager
def refusals_by_option() -> Iterator[None]:
    """What the service says of a field is said of the option that sets it."""
    try:
        yield
    except CallFailed as error:
        if not error.violations:
            raise
        raise BadInput("\n".join(refusal(one) for one in error.violations)) from error


def refusal(violation: FieldViolation) -> str:
    field = tenant_fields.field_of(violation.field)
    named = f"--{field.option} ({violation.field})" if field else violation.field
    return f"{named}: {violation.description}"


app.command()(settable(create, is_new=True))
app.command()(settable(update, is_new=False))


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
def get(context: typer.Context, tenant_id: TenantId = None) -> None:
    """Show one tenant with all its settings."""
    options = options_of(context)
    request = tenants_pb.GetTenantRequest(tenant_id=chosen_tenant(options, tenant_id))
    tenant = _call(options, lambda client: client.get_tenant(request)).tenant
    if options.as_json:
        output.json_message(tenant)
    else:
        output.table(("setting", "value"), sheet(tenant))


def sheet(tenant: tenants_pb.Tenant) -> list[tuple[str, str]]:
    """Everything there is to say of a tenant; what can be set by the names of the options."""
    heads = [("id", tenant.tenant_id), ("public key", tenant.public_key)]
    settings = [(field.option, field.shown(tenant)) for field in tenant_fields.all_fields()]
    moments = {"created": tenant.create_time, "changed": tenant.update_time, "deleted": tenant.delete_time}
    times = [
        (name, moment.ToDatetime().isoformat(sep=" ", timespec="seconds"))
        for name, moment in moments.items()
        if moment.seconds
    ]
    return [*heads, *settings, *times]


@app.command()
def granularity(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[TENANT_ID] chunk|document",
            help="What a vector stands for. Default tenant: that of --tenant, KLADEZ_TENANT or the profile.",
        ),
    ],
) -> None:
    """Choose passages or whole documents for a tenant's vectors; everything is indexed again."""
    options = options_of(context)
    tenant_id, wanted = tenant_and_granularity(words)
    settings = tenants_pb.TenantSettings(index_granularity=wanted)
    request = tenants_pb.UpdateTenantRequest(
        tenant=tenants_pb.Tenant(tenant_id=chosen_tenant(options, tenant_id), settings=settings),
        update_mask=field_mask_pb2.FieldMask(paths=["settings.index_granularity"]),
    )
    _print(options, _call(options, lambda client: client.update_tenant(request)).tenant)


def tenant_and_granularity(words: Sequence[str]) -> tuple[str | None, Granularity]:
    """Of two words the first is the tenant: no parser knows an argument that may be left out before another one."""
    *named, wanted = words
    if len(named) > 1 or wanted not in list(Granularity):
        raise typer.BadParameter(f"say {' or '.join(Granularity)}, and at most the tenant's id before it")
    return (named[0] if named else None), Granularity(wanted)


@app.command()
def delete(context: typer.Context, tenant_id: NamedTenantId = None) -> None:
    """Delete a tenant; its data is kept and `undelete` takes it back.

    The command line itself names the tenant: what a variable or a profile happens to say deletes nothing.
    """
    options = options_of(context)
    named = named_tenant(options, tenant_id)
    if not named:
        raise BadInput(
            "which tenant? To delete one, name its id on the command line, as argument or by --tenant"
        )
    request = tenants_pb.DeleteTenantRequest(tenant_id=named)
    _print(options, _call(options, lambda client: client.delete_tenant(request)).tenant)


@app.command()
def undelete(context: typer.Context, tenant_id: TenantId = None) -> None:
    """Take a delete back."""
    options = options_of(context)
    request = tenants_pb.UndeleteTenantRequest(tenant_id=chosen_tenant(options, tenant_id))
    _print(options, _call(options, lambda client: client.undelete_tenant(request)).tenant)


@app.command("rotate-key")
def rotate_key(context: typer.Context, tenant_id: TenantId = None) -> None:
    """Replace the public key; the old one stops working at once."""
    options = options_of(context)
    request = tenants_pb.RotatePublicKeyRequest(tenant_id=chosen_tenant(options, tenant_id))
    _print(options, _call(options, lambda client: client.rotate_public_key(request)).tenant)


@app.command()
def key(
    context: typer.Context,
    tenant_id: Annotated[
        str | None,
        typer.Argument(
            help="The tenant's id. Default: that of --tenant or KLADEZ_TENANT; without it the key serves every tenant."
        ),
    ] = None,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; may be repeated.")] = None,
    name: Annotated[str, typer.Option(help="A name for people.")] = "made by kladez tenant key",
    to: Annotated[
        Path | None,
        typer.Option(help="Write the key into this file, for its owner alone, and print nothing."),
    ] = None,
) -> None:
    """Make an API key. Its secret is printed once and never again, or written into a file."""
    options = options_of(context)
    scopes = [one.wire for one in scope or (Scope.WRITE, Scope.READ)]
    # Not the profile's: keys of every tenant are made by leaving the tenant out.
    owner = named_tenant(options, tenant_id) or options.tenant_id
    api_key = tenants_pb.ApiKey(tenant_id=owner, scopes=scopes, display_name=name)
    request = tenants_pb.CreateApiKeyRequest(api_key=api_key)
    response = _call(options, lambda client: client.create_api_key(request))
    if to is not None:
        private_files.write_secret(to, response.secret)
        output.note(f"The key is in {to}; `--key-file {to}` uses it.")
    elif options.as_json:
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
