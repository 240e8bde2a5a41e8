"""What `kladez search --summary` and `kladez search --snapshot` do and print."""

from __future__ import annotations

import asyncio

from kladez.v1 import search_service_pb2 as search_pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.options import Options
from retrieval_service.text.html.reader import html_to_text


def summarize(options: Options, request: search_pb.SummarizeSearchRequest) -> None:
    """The summary as text with its sources below it, or the response as JSON with the HTML."""
    response = asyncio.run(_summarize(options, request))
    if options.as_json:
        output.json_message(response)
        return
    if response.degraded:
        output.note(f"Degraded: {response.degraded_reason}", style="yellow")
    output.line(html_to_text(response.html))
    if response.references:
        output.line()
    for one in response.references:
        place = one.url or f"{one.source_type}/{one.external_id}"
        output.line(f"[{one.number}] {one.title or one.external_id}  {place}", style="dim")


def keep(options: Options, request: search_pb.CreateSnapshotRequest, *, gateway: str) -> None:
    """The link to the snapshot's page, or its token alone when no gateway is named."""
    response = asyncio.run(_keep(options, request))
    if options.as_json:
        output.json_message(response)
        return
    output.line(f"{gateway.rstrip('/')}/s/{response.token}" if gateway else response.token)
    snapshot = response.snapshot
    output.note(
        f"{len(snapshot.hits)} sources, until {snapshot.expire_time.ToDatetime():%Y-%m-%d %H:%M} UTC."
    )


async def _summarize(
    options: Options, request: search_pb.SummarizeSearchRequest
) -> search_pb.SummarizeSearchResponse:
    async with tenant_client(options) as client:
        return await client.summarize_search(request)


async def _keep(
    options: Options, request: search_pb.CreateSnapshotRequest
) -> search_pb.CreateSnapshotResponse:
    async with tenant_client(options) as client:
        return await client.create_snapshot(request)
