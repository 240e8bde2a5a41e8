"""`kladez status` and `usage`: how far the index is, and what a tenant used."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import sync_service_pb2 as sync_pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import operator_client, tenant_client
from retrieval_service.cli.options import Options, options_of
from retrieval_service.client import CallFailed

# What people look at, by heading; `--json` has every field of the contract.
USAGE_COLUMNS = {
    "searches": "search_count",
    "answers": "answer_count",
    "answered": "answered_share",
    "p50 ms": "latency_p50_ms",
    "p95 ms": "latency_p95_ms",
    "up": "rated_up_count",
    "down": "rated_down_count",
    "people": "user_count",
    "tokens embedded": "embedded_token_count",
    "saved by hash": "hash_saved_token_count",
    "saved by cache": "cache_saved_token_count",
    "read": "input_token_count",
    "written": "output_token_count",
    "embedding $": "embedding_usd",
    "answering $": "answering_usd",
    "searching $": "searching_usd",
    "saved $": "hash_saved_usd",
}


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(usage)


PROCESS_HEADINGS = ("process", "name", "version", "since", "state", "embedding model")
NOTHING = frozenset({"0", "–", "0.000000"})


def status(
    context: typer.Context,
    processes: Annotated[
        bool,
        typer.Option("--processes", help="Instead: which servers and workers run, and where they disagree."),
    ] = False,
) -> None:
    """Tell how far the index is behind the documents, and with an operator's key which processes run."""
    options = options_of(context)
    if processes:
        show_processes(options, asyncio.run(_processes(options)))
        return
    response = asyncio.run(_status(options))
    if options.as_json:
        output.json_message(response)
        return
    output.table(("documents", ""), status_rows(response))
    if output.results.is_terminal:  # a program that reads us wants one table
        show_processes_if_allowed(options)


def show_processes_if_allowed(options: Options) -> None:
    running = asyncio.run(_processes_if_allowed(options))
    if running is not None:
        show_processes(options, running)


def show_processes(options: Options, response: insights_pb.ListProcessesResponse) -> None:
    if options.as_json:
        output.json_message(response)
        return
    output.table(PROCESS_HEADINGS, [process_row(one) for one in response.processes])
    for one in response.disagreements:
        output.note(disagreement_line(one), style="yellow")


def process_row(one: insights_pb.Process) -> tuple[str, ...]:
    return (
        one.kind,
        one.name,
        one.version,
        one.start_time.ToDatetime().isoformat(sep=" ", timespec="seconds"),
        "alive" if one.alive else f"gone since {one.alive_time.ToDatetime():%Y-%m-%d %H:%M:%S}",
        one.settings.get("KLADEZ_EMBEDDER", ""),
    )


def disagreement_line(one: insights_pb.SettingDisagreement) -> str:
    sides = [f"{value or 'nothing'} at {', '.join(who.names)}" for value, who in one.processes.items()]
    return f"{one.setting} should be equal, but is {' and '.join(sorted(sides))}."


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
    rows = [usage_row(day) for day in (*response.days, response.total)]
    output.sheet(("day", *USAGE_COLUMNS), rows, empty=NOTHING)
    if response.total.unpriced_token_count:
        output.note(
            f"{response.total.unpriced_token_count:,} tokens have no known price and are in no sum of dollars; "
            "set KLADEZ_PRICES.",
            style="yellow",
        )


def usage_row(day: insights_pb.DailyUsage) -> list[str]:
    """What nothing was measured of is left open."""
    given = {field.name: value for field, value in day.ListFields()}
    return [day.date or "total", *(cell(name, given.get(name)) for name in USAGE_COLUMNS.values())]


def cell(name: str, value: float | None) -> str:
    """Dollars to the millionth: a day may cost less than a cent."""
    if name.endswith("_usd"):
        return f"{value or 0:.6f}"
    if name.endswith("_count"):
        return f"{value or 0:,}"
    if value is None:
        return "–"
    return f"{value:.0f}" if name.endswith("_ms") else f"{value:.1%}"


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


async def _processes(options: Options) -> insights_pb.ListProcessesResponse:
    async with operator_client(options) as client:
        return await client.list_processes(insights_pb.ListProcessesRequest())


async def _processes_if_allowed(options: Options) -> insights_pb.ListProcessesResponse | None:
    """None for who has no operator's key, or for a service that does not know the call."""
    try:
        return await _processes(options)
    except CallFailed as error:
        if error.code not in {"PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED"}:
            raise
        return None
