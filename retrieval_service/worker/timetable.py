"""Runs what is scheduled once, by hand, directly on the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval_service.composition.opening import open_service
from retrieval_service.composition.services import Service, new_scheduler, reindex_options, source_addresses
from retrieval_service.config import Settings
from retrieval_service.domain.operations.processes import Kind
from retrieval_service.domain.operations.schedules import Run
from retrieval_service.services.indexing.index_jobs import Reindexer
from retrieval_service.services.operations.schedules import Standing
from retrieval_service.services.sources.scans import Sourcing
from retrieval_service.services.sync.drift_repair import Mender
from retrieval_service.stores.database import PoolSize, open_database
from retrieval_service.stores.queue import document_jobs
from retrieval_service.stores.schema import schema
from retrieval_service.worker.staffing import new_worker

SMALL_POOL = PoolSize(minimum=1, maximum=2)
LOOK_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Drained:
    """The runs that were due; `failed_count` documents could not be indexed or sent to the provider."""

    runs: Sequence[Run]
    failed_count: int

    @property
    def ok(self) -> bool:
        return not self.failed_count and not any(run.error for run in self.runs)


async def standings(settings: Settings, dsn: str) -> list[Standing]:
    await schema.prepare(dsn, migrates=settings.migrate)
    async with open_database(dsn, SMALL_POOL) as database:
        sourcing = Sourcing(database, source_addresses(settings))
        reindexer = Reindexer(database, reindex_options(settings))
        scheduler = new_scheduler(settings, database, sourcing, reindexer, Mender(database, None))
        return await scheduler.standings()


async def drain(settings: Settings, dsn: str) -> Drained:
    """Runs the due schedules, then works until no document waits; failed documents are left for later.

    Raises `SettingsDiffer`, with nothing done, when other processes have different settings.
    """
    async with open_service(settings, dsn, kind=Kind.ONCE) as service, asyncio.TaskGroup() as group:
        beside = [group.create_task(service.presence.run())] if service.presence else []
        runs = await service.scheduler.run_due()
        drained = Drained(runs=runs, failed_count=await _work_all(service))
        for one in beside:
            one.cancel()
    return drained


async def _work_all(service: Service) -> int:
    worker = new_worker(service)
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        try:
            while (standing := await _standing(service)).due_count:  # noqa: ASYNC110 - the database gives no event
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            worker.stop()
    return standing.failed_count


async def _standing(service: Service) -> document_jobs.Standing:
    """The counts of the index and, where there is one, of the retrieval provider."""
    targets = [document_jobs.PGVECTOR, *([document_jobs.OPENAI] if service.backend else [])]
    async with service.database.operator() as operator:
        found = [await document_jobs.standing(operator, target=target) for target in targets]
    return document_jobs.Standing(
        due_count=sum(one.due_count for one in found), failed_count=sum(one.failed_count for one in found)
    )
