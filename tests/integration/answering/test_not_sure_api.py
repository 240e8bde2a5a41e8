"""The ending between an answer and nothing, and what belongs to an answer's end, over the wire."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import insight_service_pb2 as insights_pb

from retrieval_service.postgres.embedded import Embedded
from tests.kits.answers_kit import CONTACT, Heard, ask, assert_well_formed, new_session, stored
from tests.kits.insights_kit import chat_logs, groups, rate
from tests.kits.service_kit import (
    Running,
    Shop,
    new_shop,
    refused,
    shared_service,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWERED = "How many people does the lift hold?"
NEARBY = (
    "Is the lift decorated?",
    "lift music volume",
    "Which paint colour does the lift manufacturer use?",
    "volume of music beside the lift in winter",
    "Which manufacturer sells music boxes that somebody might play in a lift?",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quoting(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Running]:
    """Without a model."""
    async with shared_service(postgres_server, migrated_template) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def garage(quoting: Running) -> Shop:
    shop = await new_shop(quoting, fallback_contact=CONTACT)
    parking = "Bicycles stand in the yard behind the house. The yard closes at ten in the evening."
    await upsert(shop, "parking", parking, title="Parking", url="https://garage.example/parking")
    await upsert(shop, "lift", "The lift holds six people and is checked every spring.", title="Lift")
    await wait_until_indexed(shop)
    return shop


async def unsure(shop: Shop, **fields: object) -> Heard:
    """The first of the questions, from near to far, that is neither answered nor about nothing."""
    for question in NEARBY:
        heard = await ask(shop, question, **fields)
        if heard.completed.finish_reason == pb.FINISH_REASON_NOT_SURE:
            return heard
    raise AssertionError("no question is between an answer and nothing")


async def test_what_may_help_is_offered_with_its_source_and_the_contact(garage: Shop) -> None:
    heard = await unsure(garage)
    assert_well_formed(heard)
    assert heard.text.startswith("Perhaps this helps:\nLift:\nThe lift ")
    assert heard.text.endswith(f"If this is not it, the team will help you: {CONTACT}")
    [citation] = heard.citations
    assert heard.text[citation.start_offset : citation.end_offset].startswith("The lift ")
    assert not heard.unsupported
    assert heard.completed.answer.answerer == "extractive"
    assert await stored(garage, heard.started.answer_id) == heard.completed.answer


async def test_question_that_was_offered_entries_is_collected_with_a_mark(
    quoting: Running, garage: Shop
) -> None:
    heard = await unsure(garage)
    answer_id = heard.started.answer_id
    group = next(one for one in await groups(quoting, garage) if one.examples[0].answer_id == answer_id)
    assert (group.question_count, group.not_sure_count) == (1, 1)
    assert group.examples[0].finish_reason == pb.FINISH_REASON_NOT_SURE
    await rate(garage, answer_id, pb.RATING_UP)
    left = {example.answer_id for one in await groups(quoting, garage) for example in one.examples}
    assert answer_id not in left


async def test_log_and_usage_count_it_as_unanswered(garage: Shop) -> None:
    await ask(garage, ANSWERED)
    heard = await unsure(garage)
    unanswered = await chat_logs(garage, answered=False)
    assert heard.started.answer_id in {one.answer.answer_id for one in unanswered}
    [log] = await chat_logs(garage, finish_reason=pb.FINISH_REASON_NOT_SURE)
    assert log.answer.answer_id == heard.started.answer_id
    answered = [one.answer for one in await chat_logs(garage, answered=True)]
    assert {one.finish_reason for one in answered} == {pb.FINISH_REASON_STOP}
    [today] = (await garage.client.get_usage(insights_pb.GetUsageRequest())).days
    assert today.answer_count - today.unanswered_count == len(answered)
    assert today.answered_share == pytest.approx(len(answered) / today.answer_count)


async def test_wish_for_a_person_is_kept_and_shown(quoting: Running, garage: Shop) -> None:
    heard = await ask(garage, ANSWERED)
    assert not heard.completed.answer.wants_human
    async with await psycopg.AsyncConnection.connect(quoting.dsn, autocommit=True) as connection:
        statement = "UPDATE chat_logs SET wants_human = true WHERE id = %(id)s"
        await connection.execute(statement, {"id": heard.started.answer_id})
    assert (await stored(garage, heard.started.answer_id)).wants_human
    [log] = await chat_logs(garage)
    assert log.answer.wants_human


async def test_reply_belongs_to_its_conversation(garage: Shop) -> None:
    own, other = await new_session(garage), await new_session(garage)
    first = (await ask(garage, ANSWERED, session_id=own)).started.answer_id
    assert (await ask(garage, ANSWERED, session_id=own, in_reply_to=first)).completed.answer.text
    for session_id, answer_id in ((other, first), (own, str(uuid.uuid4())), (own, "x"), ("", first)):
        with refused("INVALID_ARGUMENT", field="in_reply_to"):
            await ask(garage, ANSWERED, session_id=session_id, in_reply_to=answer_id)
    with refused("NOT_FOUND"):
        await ask(garage, ANSWERED, session_id=str(uuid.uuid4()), in_reply_to=first)
    assert len(await chat_logs(garage)) == 2


async def test_same_request_as_a_reply_to_something_else_is_another_request(garage: Shop) -> None:
    session_id, request_id = await new_session(garage), str(uuid.uuid4())
    first = (await ask(garage, ANSWERED, session_id=session_id)).started.answer_id
    await ask(garage, ANSWERED, session_id=session_id, request_id=request_id)
    with refused("INVALID_ARGUMENT", field="request_id"):
        await ask(garage, ANSWERED, session_id=session_id, request_id=request_id, in_reply_to=first)
