"""An answer under way, and the others beside it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from retrieval_service.domain.answering.answers import AnswerEvent, Question
from retrieval_service.domain.answering.citations import Delta
from retrieval_service.services.answering.jobs import AnswerJob

EVENTS = 1_000
LEAST_TURNS = 25
DELTAS: list[AnswerEvent] = [Delta(text=str(number)) for number in range(EVENTS)]


async def burst(job: AnswerJob) -> None:
    for event in DELTAS:
        await job.tell(event)


async def test_others_have_their_turn_while_many_events_are_told() -> None:
    job = AnswerJob(uuid4(), Question(text="?"))
    telling = asyncio.ensure_future(job.run(burst, 10))
    turns = 0
    while not telling.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= LEAST_TURNS
    assert [event async for event in job.told.listen()] == DELTAS
