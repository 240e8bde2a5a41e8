"""`kladez source …`: tables of other databases that documents are made of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from google.protobuf import json_format
from kladez.v1 import source_service_pb2 as pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import declaring_client, tenant_client
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.options import Options, options_of
from retrieval_service.client import Client

Result = TypeVar("Result")
Name = Annotated[str, typer.Argument(help="The source's name.")]
PAGE_SIZE = 500
COUNTS = [field.name for field in pb.SyncSourceResponse.DESCRIPTOR.fields if field.name.endswith("_count")]

app = typer.Typer(help="Tables of other databases.", no_args_is_help=True)


@app.command()
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="JSON: a Source of the contract, or a list of them.")],
) -> None:
    """Declare sources, or replace them; needs an operator's key."""
    options = options_of(context)
    added = asyncio.run(_add(options, read(file)))
    _print(options, added)


@app.command("list")
def list_sources(context: typer.Context) -> None:
    """List the sources, and when each was read last."""
    options = options_of(context)
    _print(options, _call(options, _all))


@app.command()
def test(context: typer.Context, name: Name) -> None:
    """Show what five rows become, and warn of what is missing or slow; exits with 1 when a row fails."""
    options = options_of(context)
    trial = _call(options, lambda client: client.test_source(pb.TestSourceRequest(name=name)))
    if options.as_json:
        output.json_message(trial)
    else:
        _print_trial(trial)
    if any(row.error for row in trial.rows):
        raise typer.Exit(1)


@app.command()
def sync(
    context: typer.Context,
    name: Name,
    ids: Annotated[
        list[str] | None, typer.Option(help="Read only these rows; commas between them, may be repeated.")
    ] = None,
    every_row: Annotated[bool, typer.Option("--every-row", help="Also rows that did not change.")] = False,
) -> None:
    """Read what changed and delete what is gone; exits with 1 when a row fails."""
    options = options_of(context)
    wanted = [one.strip() for part in ids or () for one in part.split(",") if one.strip()]
    if ids and not wanted:
        raise typer.BadParameter("--ids names no row")
    request = pb.SyncSourceRequest(name=name, ids=wanted, every_row=every_row)
    report = _call(options, lambda client: client.sync_source(request))
    if options.as_json:
        output.json_message(report)
    else:
        _print_report(report)
    if report.failed_count:
        raise typer.Exit(1)


@app.command()
def delete(context: typer.Context, name: Name) -> None:
    """Forget a source; its documents stay. Needs an operator's key."""
    asyncio.run(_delete(options_of(context), name))


def read(file: Path) -> list[pb.Source]:
    """Raises `BadInput` for what is no source of the contract."""
    try:
        value = json.loads(file.read_bytes())
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file} is no JSON: {error}") from error
    declared = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in declared):
        raise BadInput(f"{file}: a source must be an object")
    try:
        return [json_format.ParseDict(one, pb.Source()) for one in declared]
    except json_format.ParseError as error:
        raise BadInput(f"{file}: {error}") from error


async def _add(options: Options, declared: Sequence[pb.Source]) -> list[pb.Source]:
    async with declaring_client(options) as client:
        requests = [pb.UpsertSourceRequest(source=source) for source in declared]
        return [(await client.upsert_source(request)).source for request in requests]


async def _delete(options: Options, name: str) -> None:
    async with declaring_client(options) as client:
        await client.delete_source(pb.DeleteSourceRequest(name=name))


def _call(options: Options, method: Callable[[Client], Awaitable[Result]]) -> Result:
    async def connected() -> Result:
        async with tenant_client(options) as client:
            return await method(client)

    return asyncio.run(connected())


async def _all(client: Client) -> list[pb.Source]:
    request = pb.ListSourcesRequest(page_size=PAGE_SIZE)
    found: list[pb.Source] = []
    while True:
        page = await client.list_sources(request)
        found += page.sources
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def _print(options: Options, found: Sequence[pb.Source]) -> None:
    if options.as_json:
        output.json_message(pb.ListSourcesResponse(sources=found))
        return
    output.table(("name", "type", "read up to", "went wrong"), [_row(source) for source in found])


def _row(source: pb.Source) -> tuple[str, str, str, str]:
    read_up_to = source.last_sync_time.ToJsonString() if source.HasField("last_sync_time") else "never"
    return source.name, source.source_type, read_up_to, source.last_error


def _print_trial(trial: pb.TestSourceResponse) -> None:
    for row in trial.rows:
        output.line(f"{row.external_id}: {row.error or row.title}", style="red" if row.error else "bold")
        if row.text:
            output.line(row.text)
    for warning in trial.warnings:
        output.note(warning, style="yellow")


def _print_report(report: pb.SyncSourceResponse) -> None:
    counts = [f"{getattr(report, name):,} {name.removesuffix('_count')}" for name in COUNTS]
    output.line(", ".join(counts))
    if report.errors:
        rows = [(one.external_id, one.field, one.description) for one in report.errors]
        output.table(("row", "field", "problem"), rows)
