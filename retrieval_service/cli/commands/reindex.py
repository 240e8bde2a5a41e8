"""`kladez reindex`: starts an index job and watches it, cancels one, lists them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated

import typer
from kladez.v1 import index_job_service_pb2 as pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.options import Options, options_of
from retrieval_service.cli.waiting import left_running
from retrieval_service.client import Client

COUNTS = tuple(pb.IndexProgress.DESCRIPTOR.fields_by_name)
HEADINGS = (
    "id",
    "mode",
    "state",
    "created",
    *(name.removesuffix("_count").replace("_", " ") for name in COUNTS),
)


class Mode(StrEnum):
    """Which documents are looked at."""

    MISSING = "missing"
    ALL = "all"
    REBUILD = "rebuild"


SCOPES = {
    Mode.MISSING: pb.IndexScope(missing=pb.IndexMissing()),
    Mode.ALL: pb.IndexScope(all=pb.IndexAll()),
    Mode.REBUILD: pb.IndexScope(rebuild=pb.IndexRebuild()),
}


def register(app: typer.Typer) -> None:
    app.command()(reindex)


def reindex(
    context: typer.Context,
    mode: Annotated[
        Mode,
        typer.Option(
            help="Documents that are behind or failed, all of them, or all and what is stale removed."
        ),
    ] = Mode.MISSING,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Stay until it ends; Ctrl-C leaves it running.")
    ] = True,
    changed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE[=ID,…]",
            help="Instead: read these rows of a source, or what changed in it, and index that; repeatable.",
        ),
    ] = None,
    cancel: Annotated[str, typer.Option(metavar="ID", help="Ask this job to stop instead.")] = "",
    list_jobs: Annotated[bool, typer.Option("--list", help="List the newest jobs instead.")] = False,
) -> None:
    """Index a tenant's documents again; what has not changed is not embedded again."""
    options = options_of(context)
    if list_jobs:
        _print_list(options, asyncio.run(_list(options)))
        return
    if changed and mode is not Mode.MISSING:
        raise typer.BadParameter("--changed goes without --mode")
    scope = changed_scope(changed) if changed else SCOPES[mode]
    with left_running("kladez reindex --list"):
        job = asyncio.run(_cancel(options, cancel) if cancel else _start(options, scope, watch=watch))
    _print_job(options, job)
    if job.state == pb.INDEX_JOB_STATE_FAILED or job.progress.failed_count:
        raise typer.Exit(1)


def changed_scope(changed: Sequence[str]) -> pb.IndexScope:
    """Of texts such as `orders=1,2,3` and `orders`; ids of the same source add up."""
    scope = pb.IndexScope(changed=pb.IndexChanged())
    for one in changed:
        name, _, ids = one.partition("=")
        wanted = [stripped for part in ids.split(",") if (stripped := part.strip())]
        scope.changed.sources[name.strip()].ids.extend(wanted)
    return scope


async def _start(options: Options, scope: pb.IndexScope, *, watch: bool) -> pb.IndexJob:
    async with tenant_client(options) as client:
        response = await client.create_index_job(pb.CreateIndexJobRequest(scope=scope))
        if response.joined:
            output.note("A job of this tenant runs already; it does what was asked for too.")
        return await _watch(client, response.index_job) if watch else response.index_job


async def _watch(client: Client, job: pb.IndexJob) -> pb.IndexJob:
    """The job at its end."""
    request = pb.WatchIndexJobRequest(index_job_id=job.index_job_id)
    with output.progress() as display:
        task = display.add_task("Indexing", total=None)
        async with aclosing(client.watch_index_job(request)) as snapshots:
            async for snapshot in snapshots:
                job = snapshot.index_job
                progress = job.progress
                display.update(task, completed=progress.processed_count, total=progress.total_count or None)
    return job


async def _cancel(options: Options, index_job_id: str) -> pb.IndexJob:
    async with tenant_client(options) as client:
        return (await client.cancel_index_job(pb.CancelIndexJobRequest(index_job_id=index_job_id))).index_job


async def _list(options: Options) -> pb.ListIndexJobsResponse:
    async with tenant_client(options) as client:
        return await client.list_index_jobs(pb.ListIndexJobsRequest())


def _print_list(options: Options, response: pb.ListIndexJobsResponse) -> None:
    if options.as_json:
        output.json_message(response)
        return
    output.table(HEADINGS, [row(job) for job in response.index_jobs])


def _print_job(options: Options, job: pb.IndexJob) -> None:
    if options.as_json:
        output.json_message(job)
        return
    output.table(("index job", ""), list(zip(HEADINGS, row(job), strict=True)))
    for error in filter(None, (job.error, job.row_error)):
        output.note(error, style="red")


def row(job: pb.IndexJob) -> tuple[str, ...]:
    """What a table shows of a job."""
    state = pb.IndexJobState.Name(job.state).removeprefix("INDEX_JOB_STATE_").lower()
    counts = (f"{getattr(job.progress, name):,}" for name in COUNTS)
    created = job.create_time.ToDatetime().isoformat(sep=" ", timespec="seconds")
    return (job.index_job_id, job.scope.WhichOneof("scope") or "", state, created, *counts)
