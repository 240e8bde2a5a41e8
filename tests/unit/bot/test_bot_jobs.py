"""Answers run beside the handlers, each in its asker's context, bounded, and none is forgotten at the end."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator

import pytest

from bot.answering import Answering, Interruption, Question
from bot.jobs import Admission, AnswerJobs
from bot.places import Place

ASKER = contextvars.ContextVar("ASKER", default="nobody")


class Waiting(Answering):
    """An answer that ends when it is told or interrupted, and remembers in whose context it ran."""

    def __init__(self, chat_id: int) -> None:
        self.question = Question(text="?", place=Place(chat_id=chat_id), asker_id=1, request_id="")
        self.may_end = asyncio.Event()
        self.asker = ""
        self.reason: Interruption | None = None

    async def run(self) -> None:
        self.asker = ASKER.get()
        await self.may_end.wait()

    def interrupt(self, interruption: Interruption) -> None:
        self.reason = interruption
        self.may_end.set()


class Crashing(Waiting):
    async def run(self) -> None:
        raise ZeroDivisionError


@pytest.fixture
async def jobs() -> AsyncIterator[AnswerJobs]:
    jobs = AnswerJobs(running_limit=1, pending_limit=2)
    yield jobs
    await jobs.wait_and_close(grace_seconds=0.01)


async def test_a_place_has_one_answer_at_a_time(jobs: AnswerJobs) -> None:
    assert await jobs.start(Waiting(1)) is Admission.STARTED
    assert await jobs.start(Waiting(1)) is Admission.STILL_ANSWERING


async def test_a_full_queue_refuses_instead_of_waiting(jobs: AnswerJobs) -> None:
    admissions = [await jobs.start(Waiting(chat_id)) for chat_id in range(4)]
    assert admissions == [Admission.STARTED] * 3 + [Admission.FULL]


async def test_a_queued_answer_runs_in_the_context_of_its_own_asker(jobs: AnswerJobs) -> None:
    answers = [Waiting(chat_id) for chat_id in range(3)]
    for asker, answering in zip("ABC", answers, strict=True):
        token = ASKER.set(asker)
        await jobs.start(answering)
        ASKER.reset(token)
    for answering in answers:
        answering.may_end.set()
    await jobs.wait_and_close(grace_seconds=5)
    assert [answering.asker for answering in answers] == ["A", "B", "C"]


async def test_closing_interrupts_running_and_queued_answers_alike(jobs: AnswerJobs) -> None:
    answers = [Waiting(chat_id) for chat_id in range(3)]
    for answering in answers:
        await jobs.start(answering)
    await jobs.wait_and_close(grace_seconds=0.01)
    assert [answering.reason for answering in answers] == [Interruption.RESTART] * 3
    assert all(answering.asker for answering in answers)


async def test_an_answer_that_crashes_frees_its_place(jobs: AnswerJobs) -> None:
    await jobs.start(Crashing(1))
    for _ in range(5):
        await asyncio.sleep(0)
    assert jobs.running(Place(chat_id=1)) is None
    assert await jobs.start(Waiting(1)) is Admission.STARTED
