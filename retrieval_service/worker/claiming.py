"""Claims the jobs of one target and has them done, a few batches at a time, tenant by tenant."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

import aiojobs
import structlog

from retrieval_service import errors
from retrieval_service.stores.database import Database
from retrieval_service.stores.queue import document_jobs
from retrieval_service.stores.queue.document_jobs import Ask, Job
from retrieval_service.worker.wake_up import Bell

log = structlog.get_logger("kladez.worker")

MOST_WAITING = 16
# A claim takes milliseconds; after so long beyond the poll it hangs, or the loop does.
STALLED_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Lane:
    """What of the target's jobs is done beside what; `work` ends every job of a batch.

    A tenant has `concurrency` batches at a time, and `spare` ones more are for others, so that whoever comes does
    not wait for what a tenant has begun. A batch is of `tenants` tenants, and of `batch` jobs and `max_bytes` of
    content at most. `work` is given a function to call while it only waits for others: then the next batch begins
    beside it. `ran_dry` is called when a batch has ended and no job is left.
    """

    target: str
    concurrency: int
    batch: int
    work: Callable[[Sequence[Job], Callable[[], None]], Awaitable[None]]
    spare: int = 0
    tenants: int = 1
    max_bytes: int = 2**31 - 1
    is_large: bool = False
    ran_dry: Callable[[], None] = lambda: None


class Claiming:
    """Goes on until `stop()`; a dead worker's jobs are free after the lease."""

    def __init__(
        self,
        database: Database,
        lane: Lane,
        *,
        worker: str,
        lease_seconds: float,
        poll_seconds: float,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """`ended` is called after each batch: jobs that waited for its documents may stand in another lane."""
        self._database = database
        self._lane = lane
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._ended = ended
        self._bell = Bell()
        self._busy: dict[object, Sequence[Job]] = {}
        self._waiting: dict[object, Sequence[Job]] = {}
        self._served_last = uuid4()  # workers begin at different tenants
        self._has_ended_some = False
        self._stopping = False
        self._turned_at: float | None = None
        self._refused = ""

    @property
    def target(self) -> str:
        return self._lane.target

    @property
    def fault(self) -> str:
        """Why it claims nothing now, in words; "" while it does, or would if there were a job."""
        if self._turned_at is None:
            return "is not running"
        silent_seconds = time.monotonic() - self._turned_at
        if silent_seconds > self._poll_seconds + STALLED_SECONDS:
            return f"stands still since {silent_seconds:.0f} s"
        return f"fails: {self._refused}" if self._refused else ""

    def wake(self) -> None:
        self._bell.ring()

    def stop(self) -> None:
        self._stopping = True
        self._bell.ring()

    async def run(self, scheduler: aiojobs.Scheduler) -> None:
        """The batches themselves run in the scheduler and may outlast this."""
        try:
            await self._claim_until_stopped(scheduler)
        finally:
            self._turned_at = None

    async def _claim_until_stopped(self, scheduler: aiojobs.Scheduler) -> None:
        while not self._stopping:
            self._turned_at = time.monotonic()
            self._bell.listen()
            claimed = await self._claim() if self._has_room() else []
            if claimed:
                batch = object()
                self._busy[batch] = claimed
                await scheduler.spawn(self._process(batch, claimed))
            else:
                self._tell_when_dry()
                await self._bell.sleep(self._poll_seconds)

    def _tell_when_dry(self) -> None:
        if self._has_ended_some and not self._busy:
            self._has_ended_some = False
            self._lane.ran_dry()

    def _has_room(self) -> bool:
        return len(self._busy) < self._lane.concurrency + self._lane.spare

    async def _claim(self) -> list[Job]:
        try:
            async with self._database.operator() as operator:
                claimed = await document_jobs.claim(
                    operator, self._ask(), worker=self._worker, lease_seconds=self._lease_seconds
                )
        except errors.Unavailable as error:
            log.warning("claim_failed", target=self._lane.target, error=str(error))
            self._refused = str(error)
            return []
        self._refused = ""
        self._served_last = max(
            (job.tenant_id for job in claimed),
            key=lambda tenant_id: (tenant_id <= self._served_last, tenant_id),
            default=self._served_last,
        )
        return claimed

    def _ask(self) -> Ask:
        lane = self._lane
        batches = Counter(
            tenant_id for held in self._busy.values() for tenant_id in {j.tenant_id for j in held}
        )
        return Ask(
            target=lane.target,
            is_large=lane.is_large,
            limit=lane.batch,
            max_bytes=lane.max_bytes,
            tenants=lane.tenants,
            after=self._served_last,
            busy=[tenant_id for tenant_id, count in batches.items() if count >= lane.concurrency],
            takes_orphans=not self._has_orphan(),
        )

    def _has_orphan(self) -> bool:
        """Of two at a time, the one that kills its workers would take the other along until that is given up."""
        held = [*self._busy.values(), *self._waiting.values()]
        return any(len(batch) == 1 and batch[0].is_orphan for batch in held)

    def _let_go(self, batch: object) -> None:
        """Too many that wait keep the place of the next: their leases and their polling cost something too."""
        if batch in self._busy and len(self._waiting) < MOST_WAITING:
            self._waiting[batch] = self._busy.pop(batch)
            self._bell.ring()

    async def _process(self, batch: object, claimed: Sequence[Job]) -> None:
        try:
            async with self._kept(claimed):
                await self._lane.work(claimed, lambda: self._let_go(batch))
        except errors.Unavailable as error:
            log.warning("batch_left", jobs=len(claimed), error=str(error))  # the lease ends it
        except Exception:
            log.exception("batch_failed", jobs=len(claimed))
        finally:
            self._has_ended_some = True
            self._busy.pop(batch, None)  # here: the scheduler drops a job only after the waking
            self._waiting.pop(batch, None)
            self._bell.ring()
            self._ended()

    @contextlib.asynccontextmanager
    async def _kept(self, claimed: Sequence[Job]) -> AsyncIterator[None]:
        """Extends the leases for as long as the block runs."""
        heartbeat = asyncio.create_task(self._extend([job.id for job in claimed]))
        try:
            yield
        finally:
            heartbeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heartbeat

    async def _extend(self, ids: Sequence[int]) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            with contextlib.suppress(errors.Unavailable):
                async with self._database.operator() as operator:
                    await document_jobs.extend(
                        operator, ids, worker=self._worker, lease_seconds=self._lease_seconds
                    )
