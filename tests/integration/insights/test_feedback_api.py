"""SubmitFeedback over the wire, and what it does to groups of questions."""

from __future__ import annotations

import uuid
from contextlib import aclosing

import pytest
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.client import Client
from tests.kits.answers_kit import QUESTION, new_session
from tests.kits.insights_kit import asked, chat_logs, groups, only_group, rate
from tests.kits.service_kit import Running, Shop, bearer, new_key, new_shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_rating_and_reason_are_kept_and_a_repeat_replaces_them(lamps: Shop) -> None:
    session_id = await new_session(lamps)
    [answer_id] = await asked(lamps, QUESTION, session_id=session_id)
    await rate(lamps, answer_id, pb.RATING_DOWN, session_id=session_id, reason="Слишком коротко 🙁")
    [log] = await chat_logs(lamps)
    assert (log.rating, log.rating_reason) == (pb.RATING_DOWN, "Слишком коротко 🙁")
    assert log.HasField("rate_time")
    await rate(lamps, answer_id, pb.RATING_UP, session_id=session_id)
    [log] = await chat_logs(lamps)
    assert (log.rating, log.rating_reason) == (pb.RATING_UP, "")


async def test_channels_key_may_rate_in_a_conversation_it_can_prove(running: Running, lamps: Shop) -> None:
    opened = await lamps.client.create_session(pb.CreateSessionRequest(channel="widget"))
    [answer_id] = await asked(lamps, QUESTION, session_id=opened.session_id)
    key = await new_key(running, [tenants_pb.SCOPE_CHANNEL], tenant_id=lamps.tenant_id)
    channel = Client(running.channel, bearer(key))
    await channel.submit_feedback(
        pb.SubmitFeedbackRequest(
            answer_id=answer_id,
            session_id=opened.session_id,
            session_token=opened.session_token,
            rating=pb.RATING_UP,
        )
    )
    [log] = await chat_logs(lamps)
    assert log.rating == pb.RATING_UP


async def test_answer_of_another_conversation_or_tenant_is_not_found(running: Running, lamps: Shop) -> None:
    session_id = await new_session(lamps)
    [answer_id] = await asked(lamps, QUESTION, session_id=session_id)
    for wrong in ("", await new_session(lamps)):
        with refused("NOT_FOUND"):
            await rate(lamps, answer_id, pb.RATING_DOWN, session_id=wrong)
    with refused("NOT_FOUND"):
        await rate(await new_shop(running), answer_id, pb.RATING_DOWN, session_id=session_id)
    with refused("NOT_FOUND"):
        await rate(lamps, str(uuid.uuid4()), pb.RATING_DOWN)
    [log] = await chat_logs(lamps)
    assert log.rating == pb.RATING_UNSPECIFIED


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"answer_id": "mine", "rating": pb.RATING_UP}, "answer_id"),
        ({"answer_id": str(uuid.uuid4())}, "rating"),
        ({"answer_id": str(uuid.uuid4()), "rating": 9}, "rating"),
        ({"answer_id": str(uuid.uuid4()), "rating": pb.RATING_UP, "session_id": "x"}, "session_id"),
        ({"answer_id": str(uuid.uuid4()), "rating": pb.RATING_DOWN, "reason": "ж" * 1_001}, "reason"),
        ({"answer_id": str(uuid.uuid4()), "rating": pb.RATING_DOWN, "reason": "\0"}, "reason"),
    ],
)
async def test_wrong_feedback_is_refused_by_field(lamps: Shop, fields: dict[str, str], wrong: str) -> None:
    with refused("INVALID_ARGUMENT", field=wrong):
        await lamps.client.submit_feedback(pb.SubmitFeedbackRequest(**fields))


async def test_answer_can_be_rated_while_it_is_written_and_keeps_the_rating(lamps: Shop) -> None:
    request = pb.StreamAnswerRequest(question=QUESTION)
    async with aclosing(lamps.client.stream_answer(request)) as events:
        first = await anext(events)
        await rate(lamps, first.started.answer_id, pb.RATING_UP)
        assert [event async for event in events][-1].HasField("completed")
    [log] = await chat_logs(lamps)
    assert (log.rating, log.answer.status) == (pb.RATING_UP, pb.ANSWER_STATUS_COMPLETED)


async def test_thumb_down_collects_the_question_and_a_thumb_up_takes_it_back(
    running: Running, lamps: Shop
) -> None:
    [answer_id] = await asked(lamps, QUESTION)
    assert not await groups(running, lamps)
    await rate(lamps, answer_id, pb.RATING_DOWN, reason="wrong")
    group = await only_group(running, lamps)
    assert (group.question, group.question_count, group.rated_down_count) == (QUESTION, 1, 1)
    [example] = group.examples
    assert (example.answer_id, example.rating, example.rating_reason) == (answer_id, pb.RATING_DOWN, "wrong")
    await rate(lamps, answer_id, pb.RATING_UP)
    assert not await groups(running, lamps)
