"""Runs answers outside the handlers: one for each conversation, and a limited number in total."""

from __future__ import annotations

import asyncio
import contextvars
import enum
from typing import Any

import aiojobs
import structlog

from bot import metrics
from bot.answering import Answering, Interruption
from bot.places import Place

RUNNING_LIMIT = 32
PENDING_LIMIT = 64
# The time for the last message of a cancelled answer; the default of aiojobs is 0.1 s.
CLOSE_TIMEOUT_SECONDS = 10.0

logger = structlog.get_logger()


class Admission(enum.Enum):
    """The result of a request to answer."""

    STARTED = enum.auto()
    STILL_ANSWERING = enum.auto()
    FULL = enum.auto()


class AnswerJobs:
    """Must be created in the running loop, which owns the scheduler."""

    def __init__(self, *, running_limit: int = RUNNING_LIMIT, pending_limit: int = PENDING_LIMIT) -> None:
        self._answers: dict[Place, Answering] = {}
        self._scheduler = aiojobs.Scheduler(
            limit=running_limit,
            pending_limit=pending_limit,
            close_timeout=CLOSE_TIMEOUT_SECONDS,
            exception_handler=log_failure,
        )

    async def start(self, answering: Answering) -> Admission:
        """Queues the answer, or says why not. Never waits: a full aiojobs queue would block the handler."""
        place = answering.question.place
        if place in self._answers:
            return Admission.STILL_ANSWERING
        if self._scheduler.pending_count >= self._scheduler.pending_limit:
            return Admission.FULL
        self._answers[place] = answering
        await self._scheduler.spawn(self._run(answering, contextvars.copy_context()))
        return Admission.STARTED

    def running(self, place: Place) -> Answering | None:
        return self._answers.get(place)

    async def wait_and_close(self, grace_seconds: float) -> None:
        """Lets answers finish, then interrupts them so that each says why it ends."""
        interrupting = asyncio.get_running_loop().call_later(grace_seconds, self._interrupt_all)
        try:
            await self._scheduler.wait_and_close(timeout=grace_seconds + CLOSE_TIMEOUT_SECONDS)
        finally:
            interrupting.cancel()
        if self._answers:
            logger.error("answers_lost", count=len(self._answers))

    async def _run(self, answering: Answering, context: contextvars.Context) -> None:
        """Runs in the asker's context. aiojobs would use the context of the job that ended before."""
        try:
            with metrics.ANSWERS_RUNNING.track_inprogress():
                await asyncio.create_task(answering.run(), context=context)
        finally:
            del self._answers[answering.question.place]

    def _interrupt_all(self) -> None:
        for answering in self._answers.values():
            answering.interrupt(Interruption.RESTART)


def log_failure(_scheduler: aiojobs.Scheduler, failure: dict[str, Any]) -> None:
    """Logs bugs. Expected failures have become notes in the chat."""
    logger.error("answer_crashed", exc_info=failure.get("exception"))
