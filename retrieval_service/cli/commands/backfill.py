"""`kladez backfill`: brings everything into step and shows how far it is, for one tenant or for all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from kladez.v1 import sync_service_pb2 as pb

from retrieval_service.cli import output
from retrieval_service.cli.commands.tenants import all_tenants
from retrieval_service.cli.connection import operator_client, tenant_client
from retrieval_service.cli.options import Options, options_of
from retrieval_service.cli.waiting import left_running
from retrieval_service.client import Client

POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far the tenants together are, in the index and at the provider."""

    queued_count: int
    statuses: Sequence[pb.GetSyncStatusResponse]

    @property
    def waiting_count(self) -> int:
        return sum(
            one.pending_count + one.processing_count + one.mirror.pending_count for one in self.statuses
        )

    @property
    def synced_count(self) -> int:
        return sum(one.synced_count + one.mirror.synced_count for one in self.statuses)

    @property
    def failed_count(self) -> int:
        return sum(one.error_count + one.mirror.error_count for one in self.statuses)


def register(app: typer.Typer) -> None:
    app.command()(backfill)


def backfill(
    context: typer.Context,
    everybody: Annotated[
        bool, typer.Option("--all", help="All tenants; the key needs operator and tenant:write.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Stay until it is done; Ctrl-C leaves it running.")
    ] = True,
) -> None:
    """Bring the index and the provider's copy into step with all documents; exits with 1 when some failed."""
    options = options_of(context)
    with left_running("kladez sync status"):
        reached = asyncio.run(_backfill(options, everybody=everybody, watch=watch))
    _print(options, reached)
    if reached.failed_count:
        raise typer.Exit(1)


async def _backfill(options: Options, *, everybody: bool, watch: bool) -> Standing:
    if not everybody:
        async with tenant_client(options) as client:
            return await _brought_into_step([client], watch=watch)
    async with operator_client(options) as operator:
        tenants = await all_tenants(operator, show_deleted=False)
        clients = [operator.for_tenant(tenant.tenant_id) for tenant in tenants]
        return await _brought_into_step(clients, watch=watch)


async def _brought_into_step(clients: Sequence[Client], *, watch: bool) -> Standing:
    queued = 0
    for client in clients:
        queued += (await client.sync_now(pb.SyncNowRequest())).queued_count
    reached = await _standing(clients, queued)
    with output.progress() as display:
        task = display.add_task("In step", total=None)
        while watch and reached.waiting_count:
            done = reached.synced_count + reached.failed_count
            display.update(task, completed=done, total=done + reached.waiting_count)
            await asyncio.sleep(POLL_SECONDS)
            reached = await _standing(clients, queued)
    return reached


async def _standing(clients: Sequence[Client], queued: int) -> Standing:
    statuses = [await client.get_sync_status(pb.GetSyncStatusRequest()) for client in clients]
    return Standing(queued_count=queued, statuses=statuses)


def _print(options: Options, reached: Standing) -> None:
    counts = {
        "queued_count": reached.queued_count,
        "synced_count": reached.synced_count,
        "waiting_count": reached.waiting_count,
        "failed_count": reached.failed_count,
    }
    if options.as_json:
        output.json_value(counts)
        return
    headings = ((name.removesuffix("_count"), f"{count:,}") for name, count in counts.items())
    output.table(("copies of documents", ""), list(headings))
