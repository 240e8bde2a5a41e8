"""Claims the jobs of one target tenant by tenant, and runs a few batches at a time."""

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
from retrieval_service.worker.wake_up import Wakeup

log = structlog.get_logger("kladez.worker")

MOST_WAITING = 16
# A claim takes milliseconds. When it takes this much longer than the poll, the claim or the loop hangs.
STALLED_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Lane:
    """The jobs of a target that are done together, with their limits. `work` ends every job of a batch.

    A tenant has `concurrency` batches at a time. `spare` more batches are for other tenants, so that they do not wait
    for the first one. A batch is of at most `tenants` tenants, `batch` jobs and `max_bytes` of content. `work` is
    given a function that it calls while it only waits for others; the next batch then begins beside it. `on_idle` is
    called when a batch has ended and no job is left.
    """

    target: str
    concurrency: int
    batch: int
    work: Callable[[Sequence[Job], Callable[[], None]], Awaitable[None]]
    spare: int = 0
    tenants: int = 1
    max_bytes: int = 2**31 - 1
    is_large: bool = False
    on_idle: Callable[[], None] = lambda: None


class Claiming:
    """Claims until `stop()`. After the lease, other workers may claim a dead worker's jobs."""

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
        """`ended` is called after each batch, because jobs in another lane may wait for its documents."""
        self._database = database
        self._lane = lane
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._ended = ended
        self._wakeup = Wakeup()
        self._busy: dict[object, Sequence[Job]] = {}
        self._waiting: dict[object, Sequence[Job]] = {}
        self._served_last = uuid4()  # each worker begins at a random tenant
        self._has_ended_some = False
        self._stopping = False
        self._turned_at: float | None = None
        self._refused = ""

    @property
    def target(self) -> str:
        return self._lane.target

    @property
    def fault(self) -> str:
        """Why it cannot claim now, in words; "" when it can."""
        if self._turned_at is None:
            return "is not running"
        silent_seconds = time.monotonic() - self._turned_at
        if silent_seconds > self._poll_seconds + STALLED_SECONDS:
            return f"stands still since {silent_seconds:.0f} s"
        return f"fails: {self._refused}" if self._refused else ""

    def wake(self) -> None:
        self._wakeup.set()

    def stop(self) -> None:
        self._stopping = True
        self._wakeup.set()

    async def run(self, scheduler: aiojobs.Scheduler) -> None:
        """Claims until stopped. The batches run in the scheduler and may outlast this call."""
        try:
            await self._claim_until_stopped(scheduler)
        finally:
            self._turned_at = None

    async def _claim_until_stopped(self, scheduler: aiojobs.Scheduler) -> None:
        while not self._stopping:
            self._turned_at = time.monotonic()
            self._wakeup.clear()
            claimed = await self._claim() if self._has_room() else []
            if claimed:
                batch = object()
                self._busy[batch] = claimed
                await scheduler.spawn(self._process(batch, claimed))
            else:
                self._notify_when_idle()
                await self._wakeup.wait(self._poll_seconds)

    def _notify_when_idle(self) -> None:
        if self._has_ended_some and not self._busy:
            self._has_ended_some = False
            self._lane.on_idle()

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
        """Whether an orphan is in hand.

        Of two at a time, the one that kills its workers would make both be given up.
        """
        held = [*self._busy.values(), *self._waiting.values()]
        return any(len(batch) == 1 and batch[0].is_orphan for batch in held)

    def _mark_waiting(self, batch: object) -> None:
        """Lets the next batch begin.

        Beyond `MOST_WAITING` a waiting batch keeps its slot, because leases and polling have a cost.
        """
        if batch in self._busy and len(self._waiting) < MOST_WAITING:
            self._waiting[batch] = self._busy.pop(batch)
            self._wakeup.set()

    async def _process(self, batch: object, claimed: Sequence[Job]) -> None:
        try:
            async with self._kept(claimed):
                await self._lane.work(claimed, lambda: self._mark_waiting(batch))
        except errors.Unavailable as error:
            log.warning("batch_left", jobs=len(claimed), error=str(error))  # the leases expire
        except Exception:
            log.exception("batch_failed", jobs=len(claimed))
        finally:
            self._has_ended_some = True
            self._busy.pop(batch, None)  # the scheduler drops a job only after the wake-up
            self._waiting.pop(batch, None)
            self._wakeup.set()
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
