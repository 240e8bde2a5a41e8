"""`kladez sync now`, `jobs`, `retry`, `log`, `status`, `repair`: the queue and the provider's copy, seen and mended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, TypeVar

import typer
from kladez.v1 import sync_service_pb2 as pb

from retrieval_service.cli import output
from retrieval_service.cli.commands.status import status_rows
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.options import Options, options_of
from retrieval_service.client import Client

Response = TypeVar("Response")

JOB_HEADINGS = ("id", "document", "action", "target", "status", "attempts", "due", "last error")
LOG_HEADINGS = ("when", "actor", "action", "outcome", "documents", "files", "bytes", "seconds", "error")
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many at most, newest first.")]


class Status(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    DONE = "done"
    ERROR = "error"


class Target(StrEnum):
    """Where a document is to be found."""

    PGVECTOR = "pgvector"
    OPENAI = "openai"


def register(app: typer.Typer) -> None:
    for command in (now, jobs, retry, log, status, repair):
        app.command()(command)


def now(
    context: typer.Context,
    document: Annotated[str, typer.Option(metavar="ID", help="Only this document.")] = "",
) -> None:
    """Make everything that waits or failed due at once, and queue what is not in step."""
    options = options_of(context)
    response = _call(options, lambda client: client.sync_now(pb.SyncNowRequest(document_id=document)))
    if options.as_json:
        output.json_message(response)
        return
    output.line(f"Jobs that are due now: {response.queued_count:,}.")


def jobs(
    context: typer.Context,
    status: Annotated[Status | None, typer.Option(help="Only jobs that stand so.")] = None,
    target: Annotated[Target | None, typer.Option(help="Only jobs for this target.")] = None,
    limit: Limit = 50,
) -> None:
    """List the queue's jobs, newest first."""
    request = pb.ListSyncJobsRequest(page_size=limit)
    if status:
        request.status = pb.SyncJobStatus.Value(f"SYNC_JOB_STATUS_{status.upper()}")
    if target:
        request.target = pb.SyncTarget.Value(f"SYNC_TARGET_{target.upper()}")
    options = options_of(context)
    response = _call(options, lambda client: client.list_sync_jobs(request))
    if options.as_json:
        output.json_message(response)
        return
    output.table(JOB_HEADINGS, [job_row(job) for job in response.sync_jobs])
    _say_more(response.next_page_token)


def retry(
    context: typer.Context,
    ids: Annotated[
        list[int] | None, typer.Argument(help="Ids of jobs; without any, all that failed.")
    ] = None,
) -> None:
    """Queue jobs anew whose every attempt failed; exits with 1 when there are none."""
    request = pb.RetrySyncJobsRequest(sync_job_ids=ids or ())
    options = options_of(context)
    response = _call(options, lambda client: client.retry_sync_jobs(request))
    if options.as_json:
        output.json_message(response)
    else:
        output.line(f"Jobs that were queued anew: {response.retried_count:,}.")
    if not response.retried_count:
        raise typer.Exit(1)


def log(
    context: typer.Context,
    document: Annotated[str, typer.Option(metavar="ID", help="Only what concerned this document.")] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only what failed.")] = False,
    limit: Limit = 50,
) -> None:
    """List what was done at the retrieval provider, newest first."""
    outcome = pb.SYNC_OUTCOME_FAILED if failed else pb.SYNC_OUTCOME_UNSPECIFIED
    request = pb.ListSyncLogRequest(document_id=document, outcome=outcome, page_size=limit)
    options = options_of(context)
    response = _call(options, lambda client: client.list_sync_log(request))
    if options.as_json:
        output.json_message(response)
        return
    output.table(LOG_HEADINGS, [log_row(entry) for entry in response.entries])
    _say_more(response.next_page_token)


def status(context: typer.Context) -> None:
    """Tell how far the index and the provider's copy are behind; exits with 1 when documents failed."""
    options = options_of(context)
    response = _call(options, lambda client: client.get_sync_status(pb.GetSyncStatusRequest()))
    if options.as_json:
        output.json_message(response)
    else:
        output.table(("documents", ""), [*status_rows(response), *mirror_rows(response)])
    if response.error_count or response.mirror.error_count:
        raise typer.Exit(1)


def repair(
    context: typer.Context,
    apply: Annotated[bool, typer.Option("--apply", help="Mend it; without this it is only told.")] = False,
) -> None:
    """Compare what the provider holds with the documents; exits with 1 when they differ and nothing is mended."""
    options = options_of(context)
    response = _call(options, lambda client: client.repair_drift(pb.RepairDriftRequest(apply=apply)))
    if options.as_json:
        output.json_message(response)
    else:
        _print_drift(response, applied=apply)
    if response.drifts and not apply:
        raise typer.Exit(1)


def job_row(job: pb.SyncJob) -> tuple[str, ...]:
    """What a table shows of a job; a document that has been purged has only its id."""
    return (
        str(job.sync_job_id),
        f"{job.source_type}/{job.external_id}" if job.source_type else job.document_id,
        _word(pb.SyncAction.Name(job.action), "SYNC_ACTION_"),
        _word(pb.SyncTarget.Name(job.target), "SYNC_TARGET_"),
        _word(pb.SyncJobStatus.Name(job.status), "SYNC_JOB_STATUS_"),
        f"{job.attempt_count:,}",
        job.schedule_time.ToDatetime().isoformat(sep=" ", timespec="seconds"),
        job.last_error,
    )


def log_row(entry: pb.SyncLogEntry) -> tuple[str, ...]:
    return (
        entry.happen_time.ToDatetime().isoformat(sep=" ", timespec="seconds"),
        entry.actor,
        entry.action,
        _word(pb.SyncOutcome.Name(entry.outcome), "SYNC_OUTCOME_"),
        f"{len(entry.document_ids):,}",
        f"{len(entry.file_ids):,}",
        f"{entry.byte_count:,}",
        f"{entry.duration.ToTimedelta().total_seconds():,.1f}",
        entry.error,
    )


def mirror_rows(response: pb.GetSyncStatusResponse) -> list[tuple[str, str]]:
    """Nothing for a tenant without a copy at a provider."""
    if not response.HasField("mirror"):
        return []
    mirror = response.mirror
    given = " (given, holds files of others)" if mirror.store_adopted else ""
    rows = [
        ("vector store", f"{mirror.vector_store_id}{given}" or "none yet"),
        ("at the provider", f"{mirror.synced_count:,}"),
        ("on their way there", f"{mirror.pending_count:,}"),
        ("failed there", f"{mirror.error_count:,}"),
    ]
    if mirror.HasField("oldest_pending_age"):
        seconds = mirror.oldest_pending_age.ToTimedelta().total_seconds()
        rows.append(("longest wait there", f"{seconds:,.1f} s"))
    return rows


def drift_rows(response: pb.RepairDriftResponse) -> list[tuple[str, str, str]]:
    return [
        (
            _word(pb.DriftKind.Name(one.kind), "DRIFT_KIND_").replace("_", " "),
            f"{one.count:,}",
            ", ".join(one.sample_document_ids or one.sample_file_ids),
        )
        for one in response.drifts
    ]


def _print_drift(response: pb.RepairDriftResponse, *, applied: bool) -> None:
    if not response.drifts:
        output.line("The provider holds exactly what it should.")
        return
    output.table(("difference", "count", "for example"), drift_rows(response))
    if applied:
        output.note(
            f"Documents queued: {response.queued_count:,}; files taken out: {response.removed_count:,}."
        )
    else:
        output.note("Nothing was changed; --apply mends it.")


def _say_more(next_page_token: str) -> None:
    if next_page_token:
        output.note("There are more; raise --limit.")


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def _call(options: Options, method: Callable[[Client], Awaitable[Response]]) -> Response:
    async def connected() -> Response:
        async with tenant_client(options) as client:
            return await method(client)

    return asyncio.run(connected())
