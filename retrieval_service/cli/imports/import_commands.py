"""`kladez import shop` and `kladez import documents`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import sync_service_pb2 as sync_pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.imports import shop_parts
from retrieval_service.cli.imports.files import Folder, Problem, Source, open_source
from retrieval_service.cli.imports.sending import Report, import_source
from retrieval_service.cli.options import Options, options_of
from retrieval_service.cli.waiting import until_indexed
from retrieval_service.client import Client

Wait = Annotated[bool, typer.Option("--wait", help="Return only when all of it is in the index.")]

app = typer.Typer(help="Bring knowledge in.", no_args_is_help=True)


@app.command()
def shop(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help='JSON {"products": [], "faq": [], "policies": []}.')],
    language: Annotated[
        str, typer.Option(help="ISO 639-1 code of the texts. Default: found out row by row.")
    ] = "",
    wait: Wait = False,
) -> None:
    """Import a shop's products, FAQ and policies; bad rows are reported, good rows are kept."""
    options = options_of(context)
    response, status = asyncio.run(_import_shop(options, _read(file), language, wait=wait))
    problems = [_problem(error) for error in response.errors]
    _print(options, response.summary, problems, status, report=None)


@app.command()
def documents(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(help="A .jsonl file with one Document a line, or a folder of .md and .txt.")
    ],
    wait: Wait = False,
) -> None:
    """Import any number of documents; started again after a break, it goes on where it stood."""
    options = options_of(context)
    opened = open_source(source)
    report, status = asyncio.run(_import_documents(options, opened, wait=wait))
    if isinstance(opened, Folder):
        output.note_left_out(opened.hidden())
    _print(options, report.summary, report.problems, status, report=report)


async def _import_shop(
    options: Options, shop_json: bytes, language: str, *, wait: bool
) -> tuple[documents_pb.ImportShopResponse, sync_pb.GetSyncStatusResponse | None]:
    parts, errors = await asyncio.to_thread(shop_parts.split, shop_json)
    whole = documents_pb.ImportShopResponse(errors=errors)
    whole.summary.failed_count = len(errors)
    async with tenant_client(options) as client:
        with output.progress() as display:
            for part in display.track(parts, description="Importing"):
                request = documents_pb.ImportShopRequest(shop_json=part.shop_json, language=language)
                add(whole, part, await client.import_shop(request))
        return whole, await until_indexed(client) if wait else None


def add(
    whole: documents_pb.ImportShopResponse, part: shop_parts.Part, response: documents_pb.ImportShopResponse
) -> None:
    """Counts a part's response in."""
    for name in documents_pb.ImportSummary.DESCRIPTOR.fields_by_name:
        setattr(whole.summary, name, getattr(whole.summary, name) + getattr(response.summary, name))
    whole.errors.extend(part.original(error) for error in response.errors)


async def _import_documents(
    options: Options, source: Source, *, wait: bool
) -> tuple[Report, sync_pb.GetSyncStatusResponse | None]:
    async with tenant_client(options) as client:
        report = await import_with_progress(client, source)
        return report, await until_indexed(client) if wait else None


async def import_with_progress(client: Client, source: Source) -> Report:
    with output.progress() as display:
        task = display.add_task("Importing", total=None)
        return await import_source(client, source, lambda stored: display.update(task, completed=stored))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error


def _problem(error: documents_pb.ShopRowError) -> Problem:
    name = f"{error.list}.{error.field}".strip(".")
    row = f", row {error.index + 1}" if error.list else ""
    return Problem(place=f"line {error.line}{row}", field=name, description=error.description)


def _print(
    options: Options,
    summary: documents_pb.ImportSummary,
    problems: Sequence[Problem],
    status: sync_pb.GetSyncStatusResponse | None,
    *,
    report: Report | None,
) -> None:
    """Exits with 1 when a row failed, here or in the index. Without a `report` there is nothing to undo."""
    if options.as_json:
        _print_json(summary, problems, status, report)
    else:
        _print_text(summary, problems, report.title if report else "")
    if status and status.error_count:
        output.note(f"{status.error_count} documents of this tenant could not be indexed.", style="red")
    if summary.failed_count or (status and status.error_count):
        raise typer.Exit(1)


def _print_text(summary: documents_pb.ImportSummary, problems: Sequence[Problem], title: str) -> None:
    if title:
        output.note(title, style="dim")
    counts = {name: getattr(summary, name) for name in documents_pb.ImportSummary.DESCRIPTOR.fields_by_name}
    output.line(", ".join(f"{count:,} {name.removesuffix('_count')}" for name, count in counts.items()))
    if problems:
        rows = [(one.place, one.field, one.description) for one in problems]
        output.table(("where", "field", "problem"), rows)


def _print_json(
    summary: documents_pb.ImportSummary,
    problems: Sequence[Problem],
    status: sync_pb.GetSyncStatusResponse | None,
    report: Report | None,
) -> None:
    output.json_value(
        {
            "import_id": report.import_id if report else "",
            "earlier_import_id": report.earlier_id if report else "",
            "summary": json.loads(output.message_json(summary)),
            "problems": [
                {"where": one.place, "field": one.field, "description": one.description} for one in problems
            ],
            "status": json.loads(output.message_json(status)) if status else None,
        }
    )
