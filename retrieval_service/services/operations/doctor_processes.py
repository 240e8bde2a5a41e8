"""The part of the checklist that is about the processes of the installation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from retrieval_service.domain.operations.findings import Finding
from retrieval_service.domain.operations.processes import Process, disagreements
from retrieval_service.services.operations.process_agreement import Presences
from retrieval_service.stores.database import Database


async def examine(database: Database) -> AsyncIterator[Finding]:
    """A line for who runs, and one for each setting that differs though it should not."""
    known = await Presences(database).known()
    yield _living(known)
    found = disagreements(known)
    for one in found:
        remedy = f"give every process the same {one.setting} and restart those that differ"
        yield Finding(name="shared settings", ok=False, detail=str(one), remedy=remedy)
    if not found:
        yield Finding(name="shared settings", ok=True, detail="equal on all processes")


def _living(known: Sequence[Process]) -> Finding:
    living = [f"{one.title} ({one.version})" for one in known if one.is_alive]
    return Finding(name="processes", ok=True, detail=", ".join(living) or "none runs")
