"""Answers that outlive whoever asked, the server that writes them and the model that breaks off."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import common_pb2

from retrieval_service.client import Client
from retrieval_service.composition import opening
from retrieval_service.postgres.embedded import Embedded
from tests.conftest import temporary_database
from tests.fakes.openai import FakeOpenAI, Fault, Interruption, Script
from tests.kits.answers_kit import (
    QUESTION,
    WAIT_SECONDS,
    Heard,
    ask,
    assert_well_formed,
    ended_answer,
    lamp_shop,
    new_session,
    stored,
)
from tests.kits.service_kit import (
    Running,
    Shop,
    bearer,
    channel_to,
    failure_of,
    in_one_task,
    refused,
    running_service,
    serving,
    settings_for_tests,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "/responses"
SLOW = Script(text="word " * 200, delta_delay_seconds=0.01)
ENDLESS = Script(text="word " * 20_000, delta_delay_seconds=0.01)


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    return {"answerer": "responses", "openai_base_url": shared_fake.base_url}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def second_port(running: Running, service_settings: dict[str, Any]) -> AsyncIterator[int]:
    """Another server of the same database, without a worker."""
    settings = settings_for_tests(**service_settings, workers=0)
    async with (
        in_one_task(opening.open_service(settings, running.dsn)) as service,
        in_one_task(serving(service)) as port,
    ):
        yield port


@pytest_asyncio.fixture(loop_scope="module")
async def elsewhere(lamps: Shop, second_port: int) -> AsyncIterator[Shop]:
    """The same shop at the other server."""
    async with channel_to(second_port) as channel:
        yield Shop(tenant=lamps.tenant, client=Client(channel, bearer(lamps.key)), key=lamps.key)


async def asked_and_left(shop: Shop, request_id: str = "") -> str:
    """The id of an answer whose asker hung up in the middle of it."""
    request = pb.StreamAnswerRequest(question=QUESTION, request_id=request_id or str(uuid.uuid4()))
    async with aclosing(shop.client.stream_answer(request)) as events:
        answer_id = (await anext(events)).started.answer_id
        assert (await anext(events)).HasField("delta")
    return answer_id


async def text_so_far(shop: Shop, answer_id: str) -> str:
    """Once something is stored of an answer that is being written."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            answer = await stored(shop, answer_id)
            if answer.text:
                break
            await asyncio.sleep(0.05)
    assert answer.status == pb.ANSWER_STATUS_RUNNING
    return answer.text


async def test_what_is_stored_of_a_growing_answer_says_already_what_rests_on_nothing(
    lamps: Shop, fake: FakeOpenAI
) -> None:
    fake.script = Script(text="Lamps are lovely.\n" * 60, delta_delay_seconds=0.02)
    answer_id = await asked_and_left(lamps)
    await text_so_far(lamps, answer_id)
    answer = await stored(lamps, answer_id)
    assert answer.status == pb.ANSWER_STATUS_RUNNING
    flagged = [answer.text[one.start_offset : one.end_offset] for one in answer.unsupported]
    assert flagged
    assert {*flagged} == {"Lamps are lovely."}


async def test_answer_nobody_listens_to_is_finished_and_stored(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = SLOW
    answer = await ended_answer(lamps, await asked_and_left(lamps))
    assert answer.status == pb.ANSWER_STATUS_COMPLETED
    assert answer.text.split() == ["word"] * 200
    assert answer.references
    assert not (await fake.journal.arrived(MODEL)).is_disconnected


async def test_running_answer_tells_its_text_so_far(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = ENDLESS
    answer_id = await asked_and_left(lamps)
    text = await text_so_far(lamps, answer_id)
    assert text.startswith("word word")
    answer = await stored(lamps, answer_id)
    assert answer.references
    assert answer.language == "en"
    await lamps.client.cancel_answer(pb.CancelAnswerRequest(answer_id=answer_id))


async def test_writer_that_was_too_slow_to_say_so_keeps_its_answer(
    running: Running, lamps: Shop, fake: FakeOpenAI
) -> None:
    """A loaded machine may let the lease pass: the writer is taken for dead, and lives."""
    fake.script = Script(text="word " * 300, delta_delay_seconds=0.01)
    answer_id = await asked_and_left(lamps)
    await text_so_far(lamps, answer_id)
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        parameters = {"id": answer_id}
        await connection.execute(
            "UPDATE chat_logs SET lease_until = now() - interval '1 second' WHERE id = %(id)s", parameters
        )
        await running.service.answer_log.run_housekeeping()
        cursor = await connection.execute("SELECT status FROM chat_logs WHERE id = %(id)s", parameters)
        assert await cursor.fetchone() == ("interrupted",)
    async with asyncio.timeout(WAIT_SECONDS):
        while (await stored(lamps, answer_id)).status == pb.ANSWER_STATUS_INTERRUPTED:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.05)
    answer = await ended_answer(lamps, answer_id)
    assert answer.status == pb.ANSWER_STATUS_COMPLETED
    assert answer.text.split() == ["word"] * 300


async def test_repeat_joins_the_running_answer_from_its_beginning(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = SLOW
    request_id = str(uuid.uuid4())
    answer_id = await asked_and_left(lamps, request_id)
    joined = await asyncio.gather(*(ask(lamps, request_id=request_id) for _ in range(3)))
    for heard in joined:
        assert_well_formed(heard)
        assert heard.started.answer_id == answer_id
        assert heard.text.split() == ["word"] * 200
    assert len(fake.journal.to(MODEL)) == 1


async def test_running_request_of_another_question_is_refused(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = SLOW
    request_id = str(uuid.uuid4())
    await asked_and_left(lamps, request_id)
    with refused("INVALID_ARGUMENT", field="request_id"):
        await ask(lamps, "What does shipping cost?", request_id=request_id)


@pytest.mark.parametrize("is_running", [True, False])
async def test_request_of_another_conversation_is_refused(
    lamps: Shop, fake: FakeOpenAI, is_running: bool
) -> None:
    """Its turn would be missing in the conversation that it was asked in."""
    fake.script = SLOW if is_running else Script(text="Thirty days. [1]")
    request_id = str(uuid.uuid4())
    await (asked_and_left(lamps, request_id) if is_running else ask(lamps, request_id=request_id))
    opened = await lamps.client.create_session(pb.CreateSessionRequest(channel="api"))
    with refused("INVALID_ARGUMENT", field="request_id"):
        await ask(lamps, request_id=request_id, session_id=opened.session_id)


OTHER_BODIES = [
    {"language": "ru"},
    {"channel": "telegram"},
    {"filter": common_pb2.Filter(tags=["lamp"])},
    {"filter": common_pb2.Filter(metadata=[common_pb2.MetadataCondition(key="a", range={"lower": 1})])},
]


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("body", OTHER_BODIES)
async def test_request_with_another_body_is_refused(
    lamps: Shop, elsewhere: Shop, fake: FakeOpenAI, body: dict[str, object], is_running: bool
) -> None:
    fake.script = SLOW if is_running else Script(text="Thirty days. [1]")
    request_id = str(uuid.uuid4())
    await (asked_and_left(lamps, request_id) if is_running else ask(lamps, request_id=request_id))
    for server in (lamps, elsewhere):
        with refused("INVALID_ARGUMENT", field="request_id"):
            await ask(server, request_id=request_id, **body)
    await lamps.client.cancel_answer(pb.CancelAnswerRequest(request_id=request_id))


async def test_cut_off_request_with_another_body_is_not_begun_anew(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = ENDLESS
    request_id = str(uuid.uuid4())
    await asked_and_left(lamps, request_id)
    await lamps.client.cancel_answer(pb.CancelAnswerRequest(request_id=request_id))
    with refused("INVALID_ARGUMENT", field="request_id"):
        await ask(lamps, request_id=request_id, language="ru")


async def test_repeat_with_the_whole_body_again_replays_the_answer(lamps: Shop) -> None:
    session_id = await new_session(lamps)
    body = {"session_id": session_id, "language": "en", "channel": "widget", "request_id": str(uuid.uuid4())}
    condition = common_pb2.MetadataCondition(key="price", range={"upper": 5})
    where = common_pb2.Filter(languages=["en"], metadata=[condition])
    first = await ask(lamps, filter=where, **body)
    assert (await ask(lamps, filter=where, **body)).completed == first.completed


FORGET_HASH = "UPDATE chat_logs SET request_hash = NULL WHERE request_id = %(request_id)s"


async def test_answer_from_before_bodies_were_kept_is_known_by_its_question(
    running: Running, lamps: Shop
) -> None:
    request_id = str(uuid.uuid4())
    answered = await ask(lamps, request_id=request_id)
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(FORGET_HASH, {"request_id": request_id})
    assert (await ask(lamps, request_id=request_id, language="ru")).completed == answered.completed
    with refused("INVALID_ARGUMENT", field="request_id"):
        await ask(lamps, "What does shipping cost?", request_id=request_id)


async def test_repeat_at_another_server_waits_for_the_answer_and_calls_no_model(
    lamps: Shop, elsewhere: Shop, fake: FakeOpenAI
) -> None:
    fake.script = SLOW
    request_id = str(uuid.uuid4())
    answer_id = await asked_and_left(lamps, request_id)
    heard = await ask(elsewhere, request_id=request_id)
    assert_well_formed(heard)
    assert heard.completed.answer.answer_id == answer_id
    assert heard.completed.answer.text.split() == ["word"] * 200
    assert len(fake.journal.to(MODEL)) == 1


async def test_same_request_at_two_servers_at_once_is_answered_once(
    lamps: Shop, elsewhere: Shop, fake: FakeOpenAI
) -> None:
    request_id = str(uuid.uuid4())
    one, other = await asyncio.gather(
        ask(lamps, request_id=request_id), ask(elsewhere, request_id=request_id)
    )
    assert one.completed == other.completed
    assert len(fake.journal.to(MODEL)) == 1


@pytest.mark.parametrize("by", ["answer_id", "request_id"])
@pytest.mark.parametrize("server", ["here", "elsewhere"])
async def test_cancelling_stops_the_model_wherever_it_is_asked_for(
    lamps: Shop, elsewhere: Shop, fake: FakeOpenAI, by: str, server: str
) -> None:
    fake.script = ENDLESS
    request_id = str(uuid.uuid4())
    answer_id = await asked_and_left(lamps, request_id)
    request = pb.CancelAnswerRequest(**{by: {"answer_id": answer_id, "request_id": request_id}[by]})
    asker = lamps if server == "here" else elsewhere
    cancelled = (await asker.client.cancel_answer(request)).answer
    assert cancelled.status == pb.ANSWER_STATUS_CANCELLED
    assert cancelled.text.startswith("word")
    assert cancelled.finish_reason == pb.FINISH_REASON_UNSPECIFIED
    exchange = await fake.journal.arrived(MODEL)
    async with asyncio.timeout(WAIT_SECONDS):
        await exchange.ended.wait()
    assert exchange.is_disconnected
    assert await stored(lamps, answer_id) == cancelled


async def test_listener_of_a_cancelled_answer_is_told(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = ENDLESS
    request_id = str(uuid.uuid4())
    await asked_and_left(lamps, request_id)
    listening = asyncio.create_task(failure_of(ask(lamps, request_id=request_id)))
    await asyncio.sleep(0)
    await lamps.client.cancel_answer(pb.CancelAnswerRequest(request_id=request_id))
    failure = await listening
    assert (failure.code, failure.reason) == ("ABORTED", "ANSWER_CANCELLED")


async def test_cancelling_what_has_ended_changes_nothing(lamps: Shop) -> None:
    answer = (await ask(lamps)).completed.answer
    request = pb.CancelAnswerRequest(answer_id=answer.answer_id)
    assert (await lamps.client.cancel_answer(request)).answer == answer


async def test_cancelling_names_exactly_one_answer_that_there_is(lamps: Shop) -> None:
    nobody = str(uuid.uuid4())
    for wrong in (pb.CancelAnswerRequest(), pb.CancelAnswerRequest(answer_id=nobody, request_id=nobody)):
        with refused("INVALID_ARGUMENT", field="answer_id"):
            await lamps.client.cancel_answer(wrong)
    for unknown in (pb.CancelAnswerRequest(answer_id=nobody), pb.CancelAnswerRequest(request_id=nobody)):
        with refused("NOT_FOUND"):
            await lamps.client.cancel_answer(unknown)


async def test_cancelled_answer_is_begun_anew_when_it_is_asked_for_again(
    lamps: Shop, fake: FakeOpenAI
) -> None:
    fake.script = ENDLESS
    request_id = str(uuid.uuid4())
    answer_id = await asked_and_left(lamps, request_id)
    await lamps.client.cancel_answer(pb.CancelAnswerRequest(request_id=request_id))
    fake.script = Script()
    heard = await ask(lamps, request_id=request_id)
    assert_well_formed(heard)
    assert heard.completed.answer.answer_id == answer_id


async def test_caller_whose_deadline_passes_finds_the_answer_later(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = SLOW
    request = pb.StreamAnswerRequest(question=QUESTION, request_id=str(uuid.uuid4()))
    events: list[pb.StreamAnswerResponse] = []
    with refused("DEADLINE_EXCEEDED"):
        async for event in lamps.client.stream_answer(request, timeout_seconds=0.5):
            events += [event]
    answer = await ended_answer(lamps, Heard(events=events).started.answer_id)
    assert answer.status == pb.ANSWER_STATUS_COMPLETED


BROKEN_OFF = [Interruption.DISCONNECT, Interruption.ERROR_EVENT]


@pytest.mark.parametrize("interruption", BROKEN_OFF)
async def test_model_that_breaks_off_leaves_an_interrupted_answer_and_an_honest_error(
    lamps: Shop, fake: FakeOpenAI, interruption: Interruption
) -> None:
    fake.script = Script(text="Thirty days or more.", interruption=interruption, interrupted_after=2)
    request_id = str(uuid.uuid4())
    failure = await failure_of(ask(lamps, request_id=request_id))
    assert failure.code == "UNAVAILABLE"
    left = (await lamps.client.cancel_answer(pb.CancelAnswerRequest(request_id=request_id))).answer
    assert left.status == pb.ANSWER_STATUS_INTERRUPTED
    assert left.text == "Thirty days"


@pytest.mark.parametrize("status", [429, 500])
async def test_model_that_says_nothing_leaves_quotations_that_a_repeat_finds(
    lamps: Shop, fake: FakeOpenAI, status: int
) -> None:
    fake.fail(Fault(path=MODEL, times=3, status=status))
    request_id = str(uuid.uuid4())
    heard = await ask(lamps, request_id=request_id)
    fake.faults.clear()
    assert_well_formed(heard)
    assert heard.completed.model_away
    again = await ask(lamps, request_id=request_id)
    assert again.completed.model_away
    assert again.completed.answer == heard.completed.answer


async def test_servers_own_deadline_interrupts_and_keeps_what_was_written(
    postgres_server: Embedded, migrated_template: str, fake: FakeOpenAI
) -> None:
    changes = {"answerer": "responses", "openai_base_url": fake.base_url, "answer_seconds": 2.5}
    with temporary_database(postgres_server, template=migrated_template) as dsn:
        async with running_service(dsn, **changes) as hasty:
            shop = await lamp_shop(hasty)
            fake.script = ENDLESS
            failure = await failure_of(ask(shop, request_id=(request_id := str(uuid.uuid4()))))
            assert (failure.code, failure.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_PASSED")
            left = (await shop.client.cancel_answer(pb.CancelAnswerRequest(request_id=request_id))).answer
            assert left.status == pb.ANSWER_STATUS_INTERRUPTED
            assert left.text.startswith("word")
    fake.script = Script()


async def test_server_that_stops_stores_what_there_is_and_tells_who_listens(
    postgres_server: Embedded, migrated_template: str, fake: FakeOpenAI
) -> None:
    changes = {"answerer": "responses", "openai_base_url": fake.base_url}
    with temporary_database(postgres_server, template=migrated_template) as dsn:
        fake.script = ENDLESS
        async with running_service(dsn, **changes) as leaving:
            shop = await lamp_shop(leaving)
            request_id = str(uuid.uuid4())
            answer_id = await asked_and_left(shop, request_id)
            listening = asyncio.create_task(failure_of(ask(shop, request_id=request_id)))
            await text_so_far(shop, answer_id)
            await leaving.service.answering.wind_down(0.1)
            failure = await listening
            assert (failure.code, failure.reason) == ("UNAVAILABLE", "ANSWER_INTERRUPTED")
            answer = await stored(shop, answer_id)
            assert answer.status == pb.ANSWER_STATUS_INTERRUPTED
            assert answer.text.startswith("word")
    fake.script = Script()


async def test_erased_answer_is_not_written_on(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = ENDLESS
    session_id = await new_session(lamps)
    request = pb.StreamAnswerRequest(question=QUESTION, session_id=session_id)
    async with aclosing(lamps.client.stream_answer(request)) as events:
        answer_id = (await anext(events)).started.answer_id
    await lamps.client.delete_session(pb.DeleteSessionRequest(session_id=session_id))
    exchange = await fake.journal.arrived(MODEL)
    async with asyncio.timeout(WAIT_SECONDS):
        await exchange.ended.wait()
    assert exchange.is_disconnected
    assert (await failure_of(stored(lamps, answer_id))).code == "NOT_FOUND"
