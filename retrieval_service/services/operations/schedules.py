"""Does what is due by the clock: one worker among many, and once for however many times were missed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.indexing.index_jobs import IndexMode
from retrieval_service.domain.operations import schedules as times
from retrieval_service.domain.operations.schedules import Run
from retrieval_service.services.indexing.index_jobs import Reindexer
from retrieval_service.services.sources.scans import Sourcing
from retrieval_service.services.sync.drift_detection import Sighting
from retrieval_service.services.sync.drift_repair import Mender
from retrieval_service.stores.database import Database
from retrieval_service.stores.queue import schedules
from retrieval_service.stores.sources import sources
from retrieval_service.stores.tenants import tenants

log = structlog.get_logger("kladez.scheduling")

MAX_ERROR = 1_000


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Something that happens by the clock; `run` returns what went wrong, "" when nothing did."""

    name: str
    cron: str
    run: Callable[[], Awaitable[str]]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A schedule for people; times in UTC."""

    name: str
    cron: str
    next_at: datetime | None
    last: Run | None


class Scheduler:
    """Asked often; does nothing until a schedule is due."""

    def __init__(
        self,
        database: Database,
        planned: Sequence[Schedule],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._planned = planned
        self._clock = clock

    async def run_housekeeping(self) -> None:
        """For those whom the runs do not interest."""
        await self.run_due()

    async def run_due(self) -> list[Run]:
        """The runs that were made here; what another worker is running is left to it."""
        made = [await self._run_if_due(schedule) for schedule in self._planned]
        return [run for run in made if run is not None]

    async def standings(self) -> list[Standing]:
        return [await self._standing(schedule) for schedule in self._planned]

    async def _run_if_due(self, schedule: Schedule) -> Run | None:
        if not await self._is_due(schedule):
            return None
        async with self._database.owner() as owner:
            # Asked again as the leader: the one before may have made the run just now.
            if not await schedules.lead(owner, schedule.name) or not await self._is_due(schedule):
                return None
            return await self._run(schedule)

    async def _run(self, schedule: Schedule) -> Run:
        """Recorded at its end: what a dying worker began, the next one does."""
        started_at = self._clock()
        error = await schedule.run()
        run = Run(
            name=schedule.name, started_at=started_at, finished_at=self._clock(), error=error[:MAX_ERROR]
        )
        async with self._database.operator() as operator:
            await schedules.record(operator, run)
        log.info("schedule_ran", schedule=schedule.name, ok=not error)
        return run

    async def _is_due(self, schedule: Schedule) -> bool:
        return times.is_due(schedule.cron, await self._last(schedule), self._clock())

    async def _last(self, schedule: Schedule) -> Run | None:
        async with self._database.operator() as operator:
            return await schedules.last_run(operator, schedule.name)

    async def _standing(self, schedule: Schedule) -> Standing:
        last = await self._last(schedule)
        now = self._clock()
        due = times.is_due(schedule.cron, last, now)
        following = now if due else times.next_run(schedule.cron, now)
        return Standing(name=schedule.name, cron=schedule.cron, next_at=following, last=last)


def reconciling(database: Database, sourcing: Sourcing, cron: str) -> Schedule:
    """Reads every source of every tenant for what changed."""
    return Schedule(name="reconcile", cron=cron, run=lambda: _sync_all(database, sourcing))


def rebuilding(database: Database, reindexer: Reindexer, cron: str) -> Schedule:
    """Starts a rebuild for every tenant; the jobs go on by themselves."""
    return Schedule(name="rebuild", cron=cron, run=lambda: _rebuild_all(database, reindexer))


def drift_watch(mender: Mender, cron: str) -> Schedule:
    """Brings what the retrieval provider holds of every tenant back into step; idle without a provider."""
    return Schedule(name="drift", cron=cron, run=lambda: _repair_all(mender))


async def _repair_all(mender: Mender) -> str:
    """One tenant that fails keeps no other from being mended."""
    if not mender.has_backend:
        return ""
    mirrored = await mender.tenants()
    try:
        seen = await mender.sightings(mirrored)
    except errors.KladezError as error:
        log.warning("drift_not_seen", tenants=len(mirrored), error=str(error))
        return "; ".join(f"tenant {tenant_id}: {error}" for tenant_id in mirrored)
    problems = [await _drift_problem(mender, tenant_id, one) for tenant_id, one in seen.items()]
    return "; ".join(problem for problem in problems if problem)


async def _drift_problem(mender: Mender, tenant_id: UUID, seen: Sighting) -> str:
    try:
        report = await mender.repair(tenant_id, seen=seen)
    except errors.KladezError as error:
        log.warning("drift_not_repaired", tenant_id=str(tenant_id), error=str(error))
        return f"tenant {tenant_id}: {error}"
    log.info(
        "drift_repaired",
        tenant_id=str(tenant_id),
        differences=dict(report.comparison.counts),
        queued=report.queued_count,
        removed=report.removed_count,
    )
    return ""


async def _sync_all(database: Database, sourcing: Sourcing) -> str:
    """One source that fails keeps no other from being read."""
    async with database.operator() as operator:
        everywhere = await sources.everywhere(operator)
    problems = [await _problem(sourcing, tenant_id, name) for tenant_id, name in everywhere]
    return "; ".join(problem for problem in problems if problem)


async def _rebuild_all(database: Database, reindexer: Reindexer) -> str:
    async with database.operator() as operator:
        living = await tenants.living(operator)
    for tenant_id in living:
        try:
            await reindexer.start(tenant_id, IndexMode.REBUILD)
        except errors.TooMany as error:  # somebody had it done a moment ago, or has just stopped it
            log.info("rebuild_left_out", tenant_id=str(tenant_id), reason=str(error))
    return ""


async def _problem(sourcing: Sourcing, tenant_id: UUID, name: str) -> str:
    try:
        report = await sourcing.sync(tenant_id, name)
    except errors.KladezError as error:
        log.warning("source_failed", tenant_id=str(tenant_id), source=name, error=str(error))
        return f"tenant {tenant_id}: {error}"
    return (
        f"tenant {tenant_id}: source {name}: {report.failed_count} rows failed" if report.failed_count else ""
    )
