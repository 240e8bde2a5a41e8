"""Whatever a model does, an answer ends in a defined event and a stored state, by both endpoints."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest
from kladez.v1 import answer_service_pb2 as pb

from retrieval_service.client import CallFailed
from retrieval_service.composition.services import MOST_CHARACTERS_OF_A_TOKEN
from retrieval_service.domain.answering.phrases import no_answer_text
from tests.fakes.openai import Drop, FakeOpenAI, Fault, Interruption, Outcome, Script
from tests.kits.answers_kit import (
    CONTACT,
    QUESTION,
    WAIT_SECONDS,
    Heard,
    ask,
    assert_well_formed,
    ended_answer,
)
from tests.kits.service_kit import Running, Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

# How long the service of this module waits for a model that says nothing.
SILENCE_SECONDS = 1.5
PATHS = {"responses": "/responses", "chat": "/chat/completions"}
WORDS = "Thirty days or more. [1]"
BEGUN = "Thirty days"
EVERY_TIME = 99
# A paragraph is quoted whole.
QUOTED = "A lamp may be returned within thirty days. [1] Bulbs are excluded from returns. [1]"


@dataclass(frozen=True, kw_only=True)
class Writing:
    """A service with a model behind one of the endpoints."""

    running: Running
    model: FakeOpenAI
    path: str


@pytest.fixture(scope="module", params=list(PATHS))
def service_settings(request: pytest.FixtureRequest, shared_fake: FakeOpenAI) -> dict[str, Any]:
    return {
        "answerer": request.param,
        "openai_base_url": shared_fake.base_url,
        "openai_timeout_seconds": SILENCE_SECONDS,
    }


@pytest.fixture
def writing(running: Running, fake: FakeOpenAI, service_settings: dict[str, Any]) -> Writing:
    return Writing(running=running, model=fake, path=PATHS[service_settings["answerer"]])


async def test_model_that_knows_no_end_is_cut_off(writing: Writing, lamps: Shop) -> None:
    """Also one that says everything at once, whatever it was told of a limit."""
    most = writing.running.service.settings.answer_max_tokens * MOST_CHARACTERS_OF_A_TOKEN
    writing.model.script = Script(text="Thirty days. [1] " * most)
    heard = await ask(lamps)
    assert_well_formed(heard)
    assert heard.completed.finish_reason == pb.FINISH_REASON_LENGTH
    assert len(heard.text) <= most
    assert (await ended_answer(lamps, heard.started.answer_id)).status == pb.ANSWER_STATUS_COMPLETED


async def heard_until_failure(shop: Shop, request_id: str) -> tuple[Heard, str]:
    """What came, and the status that ended it; "OK" for a whole stream."""
    events: list[pb.StreamAnswerResponse] = []
    request = pb.StreamAnswerRequest(question=QUESTION, request_id=request_id)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            async for event in shop.client.stream_answer(request):
                events += [event]
    except CallFailed as failure:
        return Heard(events=events), failure.code
    return Heard(events=events), "OK"


def assert_quoted(heard: Heard) -> None:
    """The documents answer in the model's place, and it is said so."""
    assert_well_formed(heard)
    assert heard.text.endswith(QUOTED)
    assert heard.citations
    assert not heard.unsupported
    completed = heard.completed
    assert completed.finish_reason == pb.FINISH_REASON_STOP
    assert (completed.degraded, completed.model_away) == (True, True)
    assert completed.degraded_reason == "the model is not available"
    answer = completed.answer
    assert (answer.answerer, answer.status) == ("extractive", pb.ANSWER_STATUS_COMPLETED)
    assert (answer.degraded_reason, answer.model_away) == (completed.degraded_reason, True)


REFUSED_CALLS = {
    "429": Fault(path="", status=429),
    "429_long_wait": Fault(path="", status=429, headers={"retry-after": "7"}),
    "429_without_quota": Fault(
        path="", status=429, code="insufficient_quota", headers={"retry-after-ms": "1"}
    ),
    "500": Fault(path="", status=500),
    "503": Fault(path="", status=503),
    "wrong_key": Fault(path="", status=401, code="invalid_api_key"),
    "forbidden": Fault(path="", status=403),
    "no_such_model": Fault(path="", status=404, code="model_not_found"),
    "too_long_a_prompt": Fault(path="", status=400, code="context_length_exceeded"),
    "hang": Fault(path="", hangs=True),
    "hang_up": Fault(path="", drop=Drop.BEFORE_EFFECT),
}


@pytest.mark.parametrize("fault", REFUSED_CALLS.values(), ids=REFUSED_CALLS)
async def test_model_that_says_nothing_is_replaced_by_quotations(
    writing: Writing, lamps: Shop, fault: Fault
) -> None:
    writing.model.fail(replace(fault, path=writing.path, times=EVERY_TIME))
    heard = await ask(lamps)
    assert_quoted(heard)
    assert await ended_answer(lamps, heard.started.answer_id) == heard.completed.answer


async def test_trial_is_quoted_too(writing: Writing, lamps: Shop) -> None:
    writing.model.fail(Fault(path=writing.path, status=401, times=EVERY_TIME))
    assert_quoted(await ask(lamps, trial=True))


INTERRUPTIONS = {
    "disconnect": (Script(interruption=Interruption.DISCONNECT), "UNAVAILABLE"),
    "end_without_a_word": (Script(interruption=Interruption.SILENT_END), "UNAVAILABLE"),
    "hang": (Script(interruption=Interruption.HANG), "UNAVAILABLE"),
    "429": (Script(interruption=Interruption.FAILED, error_code="rate_limit_exceeded"), "UNAVAILABLE"),
    "500": (Script(interruption=Interruption.ERROR_EVENT, error_code="server_error"), "UNAVAILABLE"),
    "garbage": (Script(interruption=Interruption.GARBAGE), "FAILED_PRECONDITION"),
}


@pytest.mark.parametrize(("script", "code"), INTERRUPTIONS.values(), ids=INTERRUPTIONS)
async def test_model_that_breaks_off_ends_the_answer_with_a_status_and_its_words_are_kept(
    writing: Writing, lamps: Shop, script: Script, code: str
) -> None:
    writing.model.script = replace(script, text=WORDS, interrupted_after=2)
    request_id = str(uuid.uuid4())
    heard, ended = await heard_until_failure(lamps, request_id)
    assert ended == code
    assert {*heard.kinds} == {"started", "delta"}
    answer = await ended_answer(lamps, heard.started.answer_id)
    assert answer.status == pb.ANSWER_STATUS_INTERRUPTED
    assert answer.text == heard.text == BEGUN
    writing.model.script = Script()
    again = await ask(lamps, request_id=request_id)
    assert_well_formed(again)
    assert again.started.answer_id == heard.started.answer_id


@pytest.mark.parametrize(("script", "code"), INTERRUPTIONS.values(), ids=INTERRUPTIONS)
@pytest.mark.parametrize("said", [0, 1], ids=["nothing", "no_word"])
async def test_model_that_breaks_off_before_a_word_is_replaced_by_quotations(
    writing: Writing, lamps: Shop, script: Script, code: str, said: int
) -> None:
    """A marker or a hidden character is no word: nothing is doubled, nothing is taken back."""
    writing.model.script = replace(script, text="[1]\u200b " + WORDS, interrupted_after=said)
    heard = await ask(lamps)
    assert_quoted(heard)
    writing.model.script = Script()


OFFERED = (
    "Perhaps this helps:\nReturns:\n"
    "A lamp may be returned within thirty days. [1] Bulbs are excluded from returns. [1]\n\n"
    f"If this is not it, the team will help you: {CONTACT}"
)
OUTCOMES = {
    "empty": (Script(text=""), pb.FINISH_REASON_NOT_SURE, OFFERED),
    "nothing_but_a_marker": (Script(text="[1]"), pb.FINISH_REASON_NOT_SURE, OFFERED),
    "nothing_but_a_foreign_link": (Script(text="https://evil.example"), pb.FINISH_REASON_NOT_SURE, OFFERED),
    "refusal": (
        Script(text="I will not.", outcome=Outcome.REFUSAL),
        pb.FINISH_REASON_POLICY,
        no_answer_text("en", CONTACT),
    ),
    "filtered": (Script(text=BEGUN, outcome=Outcome.CONTENT_FILTER), pb.FINISH_REASON_POLICY, BEGUN),
    "over_long": (Script(text=BEGUN, outcome=Outcome.MAX_OUTPUT_TOKENS), pb.FINISH_REASON_LENGTH, BEGUN),
    "endless_bracket": (
        Script(text="[" * 3_000, outcome=Outcome.MAX_OUTPUT_TOKENS),
        pb.FINISH_REASON_LENGTH,
        "[" * 3_000,
    ),
    "hidden_characters": (Script(text="Thirty\x00\ud800 days\u202e"), pb.FINISH_REASON_STOP, BEGUN),
}


@pytest.mark.parametrize(("script", "reason", "text"), OUTCOMES.values(), ids=OUTCOMES)
async def test_model_that_ends_early_or_empty_completes_the_answer_and_says_why(
    writing: Writing, lamps: Shop, script: Script, reason: int, text: str
) -> None:
    writing.model.script = script
    heard = await ask(lamps)
    assert_well_formed(heard)
    assert (heard.completed.finish_reason, heard.text) == (reason, text)
    answer = await ended_answer(lamps, heard.started.answer_id)
    assert answer.status == pb.ANSWER_STATUS_COMPLETED
    assert answer == heard.completed.answer
