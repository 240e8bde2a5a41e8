"""AnswerService over the wire with a model that a loopback server plays."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import structlog
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import insight_service_pb2 as insights_pb

from tests.fakes.openai import FakeOpenAI, Fault, Interruption, Outcome, Script
from tests.kits.answers_kit import (
    CONTACT,
    QUESTION,
    Heard,
    ask,
    assert_well_formed,
    ended_answer,
    lamp_shop,
    new_session,
    stored,
)
from tests.kits.insights_kit import NOTHING_KNOWN, only_group, resolved
from tests.kits.service_kit import Running, Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "/responses"


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    return {"answerer": "responses", "openai_base_url": shared_fake.base_url}


async def test_models_answer_streams_with_its_name_and_tokens(lamps: Shop) -> None:
    heard = await ask(lamps)
    assert_well_formed(heard)
    answer = heard.completed.answer
    assert heard.kinds.count("delta") > 3
    assert answer.text.startswith("A lamp may be returned within thirty days.")
    assert answer.answerer == "openai-compatible/gpt-5.4-mini"
    assert answer.input_tokens > answer.output_tokens > 0
    assert [list(citation.numbers) for citation in answer.citations] == [[1]]


async def test_citation_of_a_fragment_that_was_not_given_is_left_out(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = Script(text="Thirty days [1]. The moon is far [77].")
    heard = await ask(lamps)
    assert_well_formed(heard)
    assert {number for citation in heard.citations for number in citation.numbers} == {1}


async def test_sentence_without_a_source_is_marked_and_stays_marked(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = Script(text="Hello! Thirty days [1]. Within 90 days [1].\nThe moon is made of cheese.")
    request_id = str(uuid.uuid4())
    heard = await ask(lamps, request_id=request_id)
    assert_well_formed(heard)
    assert heard.flagged(pb.UNSUPPORTED_REASON_FACT_NOT_IN_SOURCE) == ["Within 90 days [1]."]
    assert heard.flagged(pb.UNSUPPORTED_REASON_NOT_CITED) == ["The moon is made of cheese."]
    again = await ask(lamps, request_id=request_id)
    assert_well_formed(again)
    assert again.completed == heard.completed
    assert await stored(lamps, heard.started.answer_id) == heard.completed.answer


async def test_invented_price_in_a_heading_is_marked_and_marks_are_kept_in_order(
    lamps: Shop, fake: FakeOpenAI
) -> None:
    fake.script = Script(text="## A lamp costs $9,999\nThirty days [1].\nThe moon is made of cheese.")
    heard = await ask(lamps)
    assert_well_formed(heard)
    assert heard.flagged(pb.UNSUPPORTED_REASON_FACT_NOT_IN_SOURCE) == ["A lamp costs $9,999"]
    assert heard.flagged(pb.UNSUPPORTED_REASON_NOT_CITED) == ["The moon is made of cheese."]
    offsets = [one.start_offset for one in heard.completed.answer.unsupported]
    assert len(offsets) == 2
    assert offsets == sorted(offsets)


async def test_link_stays_where_the_tenant_or_the_cited_document_has_it(
    running: Running, fake: FakeOpenAI
) -> None:
    shop = await lamp_shop(running, allowed_link_domains=["lumen.example"])
    fake.script = Script(
        text="See https://a.lumen.example/x and https://evil.example/y [1]. "
        "[Returns](/returns) and [pay](https://evil.example/pay) [1]. ![i](https://lumen.example/i.png)"
    )
    heard = await ask(shop)
    assert_well_formed(heard)
    assert heard.text == "See https://a.lumen.example/x and [1]. [Returns](/returns) and pay [1]."
    fake.script = Script()


async def test_model_learns_nothing_of_the_customer_but_a_hash(lamps: Shop, fake: FakeOpenAI) -> None:
    sessions = [await new_session(lamps, user_key=key) for key in ("anna-77", "anna-77", "boris-88")]
    for session_id in sessions:
        await ask(lamps, session_id=session_id)
    bodies = [(await fake.journal.arrived(MODEL, count=count)).body for count in (1, 2, 3)]
    first, again, other = (body["safety_identifier"] for body in bodies)
    assert first == again != other
    assert len(first) == 64
    said = json.dumps(bodies)
    assert not any(secret in said for secret in ("anna-77", "boris-88", lamps.tenant_id, *sessions))


async def test_prompt_holds_the_tenants_instructions_and_no_tenant_id(lamps: Shop, fake: FakeOpenAI) -> None:
    await ask(lamps)
    asked = json.dumps((await fake.journal.arrived(MODEL)).body)
    assert "lighthouse keeper" in asked
    assert lamps.tenant_id not in asked


async def test_repeated_request_replays_the_answer_without_a_second_model_call(
    lamps: Shop, fake: FakeOpenAI
) -> None:
    request_id = str(uuid.uuid4())
    first = await ask(lamps, request_id=request_id)
    again = await ask(lamps, request_id=request_id)
    assert_well_formed(again)
    assert again.completed == first.completed
    assert again.started == first.started
    assert len(fake.journal.to(MODEL)) == 1


async def test_request_id_of_another_question_is_refused(lamps: Shop, fake: FakeOpenAI) -> None:
    request_id = str(uuid.uuid4())
    await ask(lamps, request_id=request_id)
    with refused("INVALID_ARGUMENT", field="request_id"):
        await ask(lamps, "What does shipping cost?", request_id=request_id)
    assert len(fake.journal.to(MODEL)) == 1


@pytest.mark.parametrize(
    "interruption", [Interruption.DISCONNECT, Interruption.FAILED, Interruption.ERROR_EVENT]
)
async def test_model_that_breaks_off_ends_the_stream_and_what_it_wrote_is_kept(
    lamps: Shop, fake: FakeOpenAI, interruption: Interruption
) -> None:
    fake.script = Script(text="Thirty days or more. [1]", interruption=interruption, interrupted_after=2)
    request_id = str(uuid.uuid4())
    events: list[pb.StreamAnswerResponse] = []
    with refused("UNAVAILABLE"):
        async for event in lamps.client.stream_answer(
            pb.StreamAnswerRequest(question=QUESTION, request_id=request_id)
        ):
            events += [event]
    heard = Heard(events=events)
    assert "completed" not in heard.kinds
    answer = await ended_answer(lamps, heard.started.answer_id)
    assert answer.status == pb.ANSWER_STATUS_INTERRUPTED
    assert answer.text == heard.text == "Thirty days"
    fake.script = Script()
    again = await ask(lamps, request_id=request_id)
    assert_well_formed(again)
    assert again.started.answer_id == heard.started.answer_id


async def test_model_that_does_not_answer_is_replaced_without_its_words(
    lamps: Shop, fake: FakeOpenAI
) -> None:
    fake.fail(Fault(path=MODEL, times=3, status=500, message="hunter2"))
    with structlog.testing.capture_logs() as logged:
        heard = await ask(lamps)
    assert_well_formed(heard)
    assert heard.completed.model_away
    assert "hunter2" not in str(heard)
    assert "hunter2" not in str(logged)
    fake.faults.take(MODEL)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.MAX_OUTPUT_TOKENS, pb.FINISH_REASON_LENGTH),
        (Outcome.CONTENT_FILTER, pb.FINISH_REASON_POLICY),
        (Outcome.REFUSAL, pb.FINISH_REASON_POLICY),
    ],
)
async def test_answer_tells_why_it_ended(
    lamps: Shop, fake: FakeOpenAI, outcome: Outcome, reason: int
) -> None:
    fake.script = Script(text="Thirty days", outcome=outcome)
    heard = await ask(lamps)
    assert_well_formed(heard)
    assert heard.completed.finish_reason == reason
    assert heard.text


async def test_nothing_relevant_asks_no_model(lamps: Shop, fake: FakeOpenAI) -> None:
    heard = await ask(lamps, "Who won the chess championship in Reykjavik?")
    assert heard.completed.finish_reason == pb.FINISH_REASON_NO_RELEVANT_CONTENT
    assert not fake.journal.to(MODEL)


@pytest.mark.parametrize("status", ["unknown", "**unknown**", "UNKNOWN."])
async def test_model_that_finds_no_answer_says_so_and_what_was_found_is_offered(
    lamps: Shop, fake: FakeOpenAI, status: str
) -> None:
    fake.script = Script(text="I don't know, ask somebody else.", status=status)
    heard = await ask(lamps)
    assert_well_formed(heard)
    assert heard.text.startswith("Perhaps this helps:\nReturns:\n")
    assert "ask somebody" not in heard.text
    assert [list(one.numbers) for one in heard.citations] == [[1], [1]]
    answer = heard.completed.answer
    assert answer.finish_reason == pb.FINISH_REASON_NOT_SURE
    assert answer.answerer == "openai-compatible/gpt-5.4-mini"
    assert answer.output_tokens > 0


async def test_model_that_answers_a_part_says_only_that(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = Script(status="partly", text="A lamp may be returned within thirty days. [1]")
    heard = await ask(lamps)
    assert_well_formed(heard)
    assert heard.completed.finish_reason == pb.FINISH_REASON_STOP
    first, _, last = heard.text.split("\n")
    assert first == "A lamp may be returned within thirty days. [1]"
    assert last == f"The materials do not answer all of this. The team will help you: {CONTACT}"
    assert not heard.unsupported


async def test_model_that_does_not_say_what_it_found_has_answered_when_it_cites(
    lamps: Shop, fake: FakeOpenAI
) -> None:
    fake.script = Script(status=None)
    heard = await ask(lamps)
    assert heard.completed.finish_reason == pb.FINISH_REASON_STOP
    assert heard.text.startswith("A lamp may be returned within thirty days.")


async def test_model_that_neither_says_nor_cites_has_left_the_question_open(
    lamps: Shop, fake: FakeOpenAI
) -> None:
    fake.script = Script(status=None, text="Об этом в материалах ничего нет.")
    heard = await ask(lamps)
    assert_well_formed(heard)
    assert heard.completed.finish_reason == pb.FINISH_REASON_NOT_SURE
    assert heard.text.startswith("Об этом в материалах ничего нет.\n\nPerhaps this helps:\nReturns:\n")
    citation, _ = heard.citations
    assert heard.text[citation.start_offset : citation.end_offset].startswith("A lamp ")


async def test_words_of_an_answer_come_while_the_model_writes(lamps: Shop, fake: FakeOpenAI) -> None:
    fake.script = Script(text="A lamp may be returned within thirty days. [1]")
    heard = await ask(lamps)
    assert heard.kinds.count("delta") > 5
    assert "STATUS" not in heard.text


async def test_who_a_customer_is_is_not_sent_again_with_later_questions(
    lamps: Shop, fake: FakeOpenAI
) -> None:
    session_id = await new_session(lamps)
    await ask(
        lamps, f"I'm Anna Smith, anna@mail.example, +351 912 345 678. {QUESTION}", session_id=session_id
    )
    await ask(lamps, "And how may it be returned?", session_id=session_id)
    later = fake.journal.to(MODEL)[1:]
    assert len(later) == 2
    for exchange in later:
        sent = json.dumps(exchange.body, ensure_ascii=False)
        assert "Customer asked: Within how many days may a lamp be returned?" in sent
        assert not [one for one in ("Anna", "Smith", "anna@mail", "912") if one in sent]


def reworded_or_uncited(task: str) -> str:
    return QUESTION if "<fragment" not in task else "Lamps are lovely things."


async def test_chat_log_tells_which_sentences_rest_on_nothing_and_what_was_understood(
    lamps: Shop, fake: FakeOpenAI
) -> None:
    session_id = await new_session(lamps)
    await ask(lamps, session_id=session_id)
    fake.script = Script(behaviour=reworded_or_uncited)
    heard = await ask(lamps, "And how may it be returned?", session_id=session_id)
    assert heard.unsupported
    request = insights_pb.ListChatLogsRequest(filter=insights_pb.ChatLogFilter(session_id=session_id))
    logged = (await lamps.client.list_chat_logs(request)).chat_logs[0].answer
    assert list(logged.unsupported) == heard.unsupported
    assert logged.standalone_question == heard.completed.answer.standalone_question == QUESTION


async def test_earlier_turns_of_a_session_reach_the_prompt_in_order(lamps: Shop, fake: FakeOpenAI) -> None:
    session_id = await new_session(lamps)
    fake.script = Script(text="Thirty days of light. [1]")
    first = await ask(lamps, session_id=session_id)
    assert first.started.session_id == first.completed.answer.session_id == session_id
    await ask(lamps, "What does shipping of a parcel cost?", session_id=session_id)
    await ask(lamps, "May a bulb be returned?", session_id=session_id)
    asked = json.dumps((await fake.journal.arrived(MODEL, count=3)).body)
    said = (QUESTION, "Answered from: Returns", "does shipping", "Answered from: Shipping", "May a bulb")
    places = [asked.find(text) for text in said]
    assert places == sorted(places)
    assert -1 not in places
    assert "days of light" not in asked


async def test_question_on_its_own_knows_no_other_turns(lamps: Shop, fake: FakeOpenAI) -> None:
    await ask(lamps, session_id=await new_session(lamps))
    await ask(lamps, "What does shipping of a parcel cost?", session_id=await new_session(lamps))
    await ask(lamps, "What does shipping of a parcel cost?")
    for count in (2, 3):
        body = json.dumps((await fake.journal.arrived(MODEL, count=count)).body)
        assert QUESTION not in body


async def test_check_of_an_entry_costs_what_the_model_takes_and_counts_no_answer(
    running: Running, lamps: Shop, fake: FakeOpenAI
) -> None:
    await ask(lamps, NOTHING_KNOWN)
    group = await only_group(running, lamps)
    fake.script = Script(text="They are sold at the till [1].")
    await resolved(lamps, group.group_id, "Gift cards are sold at the till.")
    [today] = (await lamps.client.get_usage(insights_pb.GetUsageRequest())).days
    assert (today.answer_count, today.unanswered_count) == (1, 1)
    assert min(today.input_token_count, today.output_token_count, today.answering_usd) > 0


async def test_usage_counts_answers_and_tokens(lamps: Shop) -> None:
    answer = (await ask(lamps)).completed.answer
    response = await lamps.client.get_usage(insights_pb.GetUsageRequest())
    [today] = response.days
    assert (today.answer_count, today.unanswered_count) == (1, 0)
    assert today.input_token_count == answer.input_tokens
    assert today.output_token_count == answer.output_tokens
    expected = (answer.input_tokens * 0.75 + answer.output_tokens * 4.5) / 1_000_000
    assert today.answering_usd == pytest.approx(expected)
    assert (response.total.date, response.total.answering_usd) == ("", today.answering_usd)
