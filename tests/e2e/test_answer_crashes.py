"""A service that dies or is stopped in the middle of an answer: what was written is kept, and nothing stays running."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing
from pathlib import Path

import pytest
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import sync_service_pb2 as sync_pb

from retrieval_service.client import CallFailed, Client
from tests.e2e.crash_kit import READY_SECONDS, Installation, installation
from tests.fakes.openai import Script

QUESTION = "Within how many days may a lamp be returned?"
# The lease of an answer, and time for a loaded machine.
MARKED_SECONDS = 30.0
ENDLESS = Script(text="word " * 20_000, delta_delay_seconds=0.01)


async def documents_indexed(connected: Client) -> None:
    document = documents_pb.Document(
        source_type="article",
        external_id="returns",
        title="Returns",
        content="A lamp may be returned within thirty days.",
        language="en",
    )
    await connected.upsert_document(documents_pb.UpsertDocumentRequest(document=document))
    async with asyncio.timeout(READY_SECONDS):
        while True:
            status = await connected.get_sync_status(sync_pb.GetSyncStatusRequest())
            if not status.pending_count + status.processing_count:
                return
            await asyncio.sleep(0.05)


async def left_half_written(connected: Client, request_id: str) -> str:
    """The id of an answer nobody listens to, once some of it is stored."""
    request = pb.StreamAnswerRequest(question=QUESTION, request_id=request_id)
    async with aclosing(connected.stream_answer(request)) as events:
        answer_id = (await anext(events)).started.answer_id
    async with asyncio.timeout(READY_SECONDS):
        while True:
            answer = (await connected.get_answer(pb.GetAnswerRequest(answer_id=answer_id))).answer
            assert answer.status == pb.ANSWER_STATUS_RUNNING
            if answer.text:
                return answer_id
            await asyncio.sleep(0.05)


async def ended(running: Installation, answer_id: str) -> pb.Answer:
    async with asyncio.timeout(MARKED_SECONDS), running.client() as connected:
        while True:
            answer = (await connected.get_answer(pb.GetAnswerRequest(answer_id=answer_id))).answer
            if answer.status != pb.ANSWER_STATUS_RUNNING:
                return answer
            await asyncio.sleep(0.1)


async def asked_again(running: Installation, request_id: str) -> pb.Answer:
    request = pb.StreamAnswerRequest(question=QUESTION, request_id=request_id)
    async with running.client() as connected:
        return [event async for event in connected.stream_answer(request)][-1].completed.answer


@pytest.mark.parametrize("death", ["killed", "stopped"])
async def test_answer_of_a_service_that_goes_is_interrupted_and_can_be_asked_for_again(
    tmp_path: Path, death: str
) -> None:
    async with installation(tmp_path, separate_worker=False, answerer="responses") as running:
        request_id = str(uuid.uuid4())
        async with running.client() as connected:
            await documents_indexed(connected)
            running.fake.script = ENDLESS
            answer_id = await left_half_written(connected, request_id)
        await (running.service.kill() if death == "killed" else running.service.stop())
        await running.service.start()
        await running.status()
        answer = await ended(running, answer_id)
        assert answer.status == pb.ANSWER_STATUS_INTERRUPTED
        assert answer.text.startswith("word")
        assert answer.references
        running.fake.script = Script()
        again = await asked_again(running, request_id)
        assert (again.answer_id, again.status) == (answer_id, pb.ANSWER_STATUS_COMPLETED)


async def test_service_that_is_stopped_lets_answers_finish_without_their_readers(tmp_path: Path) -> None:
    async with installation(tmp_path, separate_worker=False, answerer="responses") as running:
        async with running.client() as connected:
            await documents_indexed(connected)
            running.fake.script = Script(text="word " * 100, delta_delay_seconds=0.02)
            request = pb.StreamAnswerRequest(question=QUESTION)
            async with aclosing(connected.stream_answer(request)) as events:
                answer_id = (await anext(events)).started.answer_id
        assert await running.service.stop() == 0
        await running.service.start()
        await running.status()
        answer = await ended(running, answer_id)
        assert answer.status == pb.ANSWER_STATUS_COMPLETED
        assert answer.text.split() == ["word"] * 100


async def test_reader_of_a_service_that_is_stopped_is_told(tmp_path: Path) -> None:
    async with installation(tmp_path, separate_worker=False, answerer="responses") as running:
        async with running.client() as connected:
            await documents_indexed(connected)
            running.fake.script = ENDLESS
            events = connected.stream_answer(pb.StreamAnswerRequest(question=QUESTION))
            assert (await anext(events)).HasField("started")
            stopping = asyncio.create_task(running.service.stop())
            with pytest.raises(CallFailed) as caught:
                _ = [event async for event in events]
            assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "ANSWER_INTERRUPTED")
            assert await stopping == 0
        await running.service.start()
