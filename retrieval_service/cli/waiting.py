"""Waits for work that goes on in the service, whether anybody waits or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import typer
from kladez.v1 import sync_service_pb2 as sync_pb

from retrieval_service.cli import output
from retrieval_service.client import Client

_POLL_SECONDS = 0.2
# What shells expect of a program that Ctrl-C ended.
INTERRUPTED = 130


@contextlib.contextmanager
def left_running(look: str) -> Iterator[None]:
    """Ctrl-C ends the watching and not what is watched; `look` is the command that shows how far it is."""
    try:
        yield
    except KeyboardInterrupt:
        output.note(f"It goes on without you; `{look}` tells how far it is.")
        raise typer.Exit(INTERRUPTED) from None


async def until_indexed(client: Client) -> sync_pb.GetSyncStatusResponse:
    """Shows progress on stderr; returns the status at the end, failed documents included."""
    with output.progress() as display:
        task = display.add_task("Indexing", total=None)
        while True:
            status = await client.get_sync_status(sync_pb.GetSyncStatusRequest())
            done, waiting = status.synced_count + status.error_count, behind(status)
            display.update(task, completed=done, total=done + waiting)
            if not waiting:
                return status
            await asyncio.sleep(_POLL_SECONDS)


def behind(status: sync_pb.GetSyncStatusResponse) -> int:
    """How many documents are not in the index yet."""
    return status.pending_count + status.processing_count
