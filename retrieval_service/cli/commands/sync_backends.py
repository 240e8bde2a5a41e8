"""`kladez sync backend` and `kladez sync compare`: who searches for a tenant, and how the two compare."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf import message
from kladez.v1 import common_pb2
from kladez.v1 import sync_service_pb2 as pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import declaring_client, tenant_client
from retrieval_service.cli.options import Options, options_of


class Choice(StrEnum):
    """Who searches."""

    DEFAULT = "default"
    PGVECTOR = "pgvector"
    OPENAI = "openai"


NUMBERS = {choice: common_pb2.RetrievalBackend.Value(f"RETRIEVAL_BACKEND_{choice.name}") for choice in Choice}
EXAMPLE_HEADINGS = ("overlap", "query", "served by", "pgvector", "openai", "pgvector ms", "openai ms")


def register(app: typer.Typer) -> None:
    app.command()(backend)
    app.command()(compare)


def backend(
    context: typer.Context,
    choice: Annotated[
        Choice | None, typer.Argument(help="Who searches for the tenant; shown only, when not given.")
    ] = None,
    shadow: Annotated[
        float | None, typer.Option(min=0, max=1, help="The share of searches that the other one does too.")
    ] = None,
    remove_files: Annotated[
        bool, typer.Option("--remove-files", help="Have all that OpenAI holds of the tenant removed.")
    ] = False,
    vector_store: Annotated[
        str,
        typer.Option(
            metavar="ID",
            help="A vector store that exists already; what others have in it is never changed or found.",
        ),
    ] = "",
) -> None:
    """Show or choose who searches for a tenant, with an operator's key."""
    options = options_of(context)
    request = pb.SetBackendRequest(
        shadow_share=shadow, remove_files=remove_files, vector_store_id=vector_store
    )
    if choice is not None:
        request.backend = NUMBERS[choice]
    response = asyncio.run(_set_backend(options, request))
    if options.as_json:
        output.json_message(response)
        return
    rows = [
        ("backend", name(response.backend)),
        ("before", name(response.previous_backend)),
        ("searches now", name(response.effective_backend)),
        ("shadow share", f"{response.shadow_share:g}"),
        ("kept at OpenAI", kept(response)),
        ("vector store", store(response)),
        ("queued for OpenAI", f"{response.queued_count:,}"),
    ]
    output.table(("backend", ""), rows)


def compare(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=30, help="How many days back.")] = 7,
) -> None:
    """Compare the backends on the searches that both did."""
    options = options_of(context)
    response = asyncio.run(_compare(options, pb.GetBackendComparisonRequest(days=days)))
    if options.as_json:
        output.json_message(response)
        return
    output.table(("comparison", ""), figures(response))
    output.table(EXAMPLE_HEADINGS, [example(one) for one in response.examples])


async def _set_backend(options: Options, request: pb.SetBackendRequest) -> pb.SetBackendResponse:
    async with declaring_client(options) as client:
        return await client.set_backend(request)


async def _compare(
    options: Options, request: pb.GetBackendComparisonRequest
) -> pb.GetBackendComparisonResponse:
    async with tenant_client(options) as client:
        return await client.get_backend_comparison(request)


def kept(response: pb.SetBackendResponse) -> str:
    if response.removing_files:
        return "no; what is there is being removed"
    return "yes" if response.mirrored else "no"


def store(response: pb.SetBackendResponse) -> str:
    given = " (given, holds files of others)" if response.store_adopted else ""
    return f"{response.vector_store_id}{given}" or "none yet"


def name(number: common_pb2.RetrievalBackend.ValueType) -> str:
    return common_pb2.RetrievalBackend.Name(number).removeprefix("RETRIEVAL_BACKEND_").lower()


def figures(response: pb.GetBackendComparisonResponse) -> list[tuple[str, str]]:
    """What a table shows above the examples; a dash for what nothing is known of."""
    return [
        ("searches on both", f"{response.count:,}"),
        ("failed", f"{response.failed_count:,}"),
        ("overlap@10, mean", figure(response, "overlap_mean", "{:.2f}")),
        ("overlap@10, 10th percentile", figure(response, "overlap_p10", "{:.2f}")),
        ("pgvector ms, p50", figure(response.pgvector, "p50_ms", "{:.1f}")),
        ("pgvector ms, p95", figure(response.pgvector, "p95_ms", "{:.1f}")),
        ("openai ms, p50", figure(response.openai, "p50_ms", "{:.1f}")),
        ("openai ms, p95", figure(response.openai, "p95_ms", "{:.1f}")),
        ("cost, USD", f"{response.cost_usd:.4f}"),
    ]


def figure(figures_of: message.Message, field: str, form: str) -> str:
    return form.format(getattr(figures_of, field)) if figures_of.HasField(field) else "-"


def example(one: pb.ComparedSearch) -> tuple[str, ...]:
    return (
        f"{one.overlap:.2f}",
        one.query,
        name(one.served_by),
        f"{one.pgvector_count}",
        f"{one.openai_count}",
        f"{one.pgvector_ms:.1f}",
        f"{one.openai_ms:.1f}",
    )
