"""`kladez status` and `usage`: how far the index is, and what a tenant used."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import sync_service_pb2 as sync_pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.options import Options, options_of

USAGE_FIELDS = tuple(insights_pb.DailyUsage.DESCRIPTOR.fields_by_name)


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(usage)


def status(context: typer.Context) -> None:
    """Tell how far the index is behind the documents."""
    options = options_of(context)
    response = asyncio.run(_status(options))
    if options.as_json:
        output.json_message(response)
        return
    output.table(("documents", ""), status_rows(response))


def usage(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=92, help="How many days back, today included.")] = 7,
) -> None:
    """Tell what was indexed, searched and answered, and what it cost, day by day."""
    options = options_of(context)
    response = asyncio.run(_usage(options, days))
    if options.as_json:
        output.json_message(response)
        return
    headings = [name.removesuffix("_count").replace("_", " ") for name in USAGE_FIELDS]
    output.table(headings, [*(usage_row(day) for day in response.days), usage_row(response.total)])
    if response.total.unpriced_token_count:
        output.note(
            f"{response.total.unpriced_token_count:,} tokens have no known price and are in no sum of dollars; "
            "set KLADEZ_PRICES.",
            style="yellow",
        )


def usage_row(day: insights_pb.DailyUsage) -> list[str]:
    """Dollars to the millionth: a day may cost less than a cent."""
    values = {name: getattr(day, name) for name in USAGE_FIELDS}
    shown = {name: f"{value:.6f}" for name, value in values.items() if name.endswith("_usd")}
    return [str(value) for value in {**values, **shown, "date": day.date or "total"}.values()]


def status_rows(response: sync_pb.GetSyncStatusResponse) -> list[tuple[str, str]]:
    rows = [
        ("in the index", f"{response.synced_count:,} ({response.chunk_count:,} chunks)"),
        ("waiting", f"{response.pending_count:,}"),
        ("being indexed", f"{response.processing_count:,}"),
        ("failed", f"{response.error_count:,}"),
    ]
    if response.HasField("oldest_pending_age"):
        rows.append(("longest wait", f"{response.oldest_pending_age.ToTimedelta().total_seconds():,.1f} s"))
    return rows


async def _status(options: Options) -> sync_pb.GetSyncStatusResponse:
    async with tenant_client(options) as client:
        return await client.get_sync_status(sync_pb.GetSyncStatusRequest())


async def _usage(options: Options, days: int) -> insights_pb.GetUsageResponse:
    async with tenant_client(options) as client:
        return await client.get_usage(insights_pb.GetUsageRequest(days=days))
