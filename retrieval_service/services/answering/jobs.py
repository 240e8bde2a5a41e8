"""Running answers. The server writes each one to its end and sends it to all listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from uuid import UUID, uuid4

import aiojobs
import structlog

from retrieval_service import errors
from retrieval_service.domain.answering.answers import AnswerEvent, AnswerStatus, Question
from retrieval_service.services.answering.broadcast import Broadcast

log = structlog.get_logger("kladez.answer_jobs")

# The time to store the end of an answer; the default of aiojobs is 0.1 s.
CLOSING_SECONDS = 15.0
# A text may release hundreds of events at its end. Other tasks run between batches of them.
EVENTS_IN_A_TURN = 32

Write = Callable[["AnswerJob"], Awaitable[None]]


class AnswerJob:
    """One answer; `status` is how it is stored unless it is completed, `answer_id` known once it is logged."""

    def __init__(self, tenant_id: UUID, question: Question) -> None:
        self.tenant_id = tenant_id
        self.question = question
        self.writer = uuid4()
        self.answer_id: UUID | None = None
        self.status = AnswerStatus.INTERRUPTED
        self.told = Broadcast[AnswerEvent]()
        self._reason: errors.KladezError = errors.DeadlinePassed()
        self._is_stopped = False
        self._patience: asyncio.Timeout | None = None

    def cancel(self) -> None:
        self._stop(AnswerStatus.CANCELLED, errors.AnswerCancelled())

    def interrupt(self, reason: str) -> None:
        if not self._is_stopped:
            self._note_interrupted(reason)
        self._stop(AnswerStatus.INTERRUPTED, errors.AnswerInterrupted())

    def _note_interrupted(self, reason: str) -> None:
        log.warning(
            "answer_interrupted", tenant_id=str(self.tenant_id), answer_id=str(self.answer_id), reason=reason
        )

    def seal(self) -> None:
        """From here on the answer cannot be interrupted: only its end is left to be stored."""
        self._is_stopped = True
        if self._patience and not self._patience.expired():
            self._patience.reschedule(None)

    async def tell(self, event: AnswerEvent) -> None:
        """Sends an event to all listeners, and sometimes lets other tasks run."""
        if self.told.say(event) % EVENTS_IN_A_TURN == 0:
            await asyncio.sleep(0)

    async def run(self, write: Write, seconds: float) -> None:
        """Listeners learn how it ended, in the words of our errors; a mistake of ours has no words."""
        failure: errors.KladezError | None = errors.KladezError()
        try:
            async with asyncio.timeout(0 if self._is_stopped else seconds) as self._patience:
                await write(self)
            failure = None
        except TimeoutError:
            failure = self._reason
        except errors.KladezError as error:
            failure = error
        except asyncio.CancelledError as cancelled:
            self._note_interrupted(f"its task was cancelled: {cancelled}")
            failure = errors.AnswerInterrupted()
            raise
        finally:
            self.told.end(failure)

    def _stop(self, status: AnswerStatus, reason: errors.KladezError) -> None:
        """Stops the answer by moving its deadline to now, the one way of ending that is always handled."""
        if self._is_stopped:
            return
        self._is_stopped, self.status, self._reason = True, status, reason
        if self._patience and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())


class AnswerJobs:
    """The running answers of this server; `seconds` limits each of them."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._jobs: dict[tuple[UUID, UUID], AnswerJob] = {}
        self._scheduler: aiojobs.Scheduler | None = None

    def of_request(self, tenant_id: UUID, request_id: UUID) -> AnswerJob | None:
        return self._jobs.get((tenant_id, request_id))

    def of_answer(self, tenant_id: UUID, answer_id: UUID) -> AnswerJob | None:
        wanted = (tenant_id, answer_id)
        return next((job for job in self._jobs.values() if (job.tenant_id, job.answer_id) == wanted), None)

    async def join(self, tenant_id: UUID, question: Question, write: Write) -> AnswerJob:
        """The job that answers this request already, or a new one.

        Raises `Invalid` for another one, and `NotFound` for who proves the conversation otherwise than its asker.
        """
        key = (tenant_id, question.request_id or uuid4())
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = AnswerJob(tenant_id, question)
            await self.spawn(self._run(key, job, write))
        if question.request_hash != job.question.request_hash:
            raise another_request()
        if question.token_hash not in (None, job.question.token_hash):
            raise errors.NotFound("there is no such session")
        return job

    async def spawn(self, work: Coroutine[Any, Any, None]) -> aiojobs.Job[None]:
        """Runs it beside the answers."""
        if self._scheduler is None:
            self._scheduler = aiojobs.Scheduler(
                limit=None, close_timeout=CLOSING_SECONDS, exception_handler=log_failure
            )
        return await self._scheduler.spawn(work)

    async def wind_down(self, grace_seconds: float) -> None:
        """Waits for answers, then interrupts them, so that each is stored as far as it is written."""
        if self._scheduler is None:
            return
        interrupting = asyncio.get_running_loop().call_later(grace_seconds, self._interrupt_all)
        try:
            await self._scheduler.wait_and_close(timeout=grace_seconds + CLOSING_SECONDS)
        finally:
            interrupting.cancel()

    async def _run(self, key: tuple[UUID, UUID], job: AnswerJob, write: Write) -> None:
        try:
            await job.run(write, self._seconds)
        finally:
            del self._jobs[key]

    def _interrupt_all(self) -> None:
        for job in self._jobs.values():
            job.interrupt("the service ends")


def another_request() -> errors.Invalid:
    """For an id that stands for another question, or one of another conversation, language, channel or filter."""
    return errors.Invalid([errors.Violation("request_id", "was used for another request before")])


def log_failure(_scheduler: aiojobs.Scheduler, failure: dict[str, Any]) -> None:
    """Logs bugs; expected failures do not arrive here."""
    log.error("answer_crashed", exc_info=failure.get("exception"))
