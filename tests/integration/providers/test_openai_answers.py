"""Both answerers against the loopback server: the same words, endings and errors from two endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from retrieval_service import errors
from retrieval_service.domain.fragments import (
    AnswerPart,
    Ending,
    FinishReason,
    Fragment,
    Judged,
    Prompt,
    TextPart,
    Turn,
)
from retrieval_service.domain.verdicts import Judgement
from retrieval_service.providers.openai.chat.chat_completions import ChatCompletionsAnswerer
from retrieval_service.providers.openai.chat.responses import ResponsesAnswerer
from retrieval_service.providers.openai.chat.streaming import AnswerSettings, Patience
from retrieval_service.providers.openai.client import OpenAISettings, open_client
from retrieval_service.providers.ports import Answerer
from tests.fakes.openai import Drop, FakeOpenAI, Fault, Interruption, Outcome, Script

SECRET = "sk-live-Abc123"
PATHS = {ResponsesAnswerer: "/responses", ChatCompletionsAnswerer: "/chat/completions"}
FRAGMENT = Fragment(
    number=1,
    document_id="d1",
    chunk_id="c1",
    title="Возврат",
    url="https://shop.example/returns",
    text="Лампу можно вернуть за 30 дней. Лампочку нельзя.",
    language="ru",
    score=0.9,
)
PROMPT = Prompt(
    question="Как вернуть посылку 42?",
    language="ru",
    shop_name="Lumen",
    fallback_contact="help@shop.example",
    instructions="Обращайся на «вы».",
    fragments=(FRAGMENT,),
    history=(Turn(question="Привет", titles=("Здравствуйте",)),),
)
QUOTATION = "Лампу можно вернуть за 30 дней. [1]"
LONG = Script(text="word " * 500, delta_delay_seconds=0.01)

OpenAIAnswerer = ResponsesAnswerer | ChatCompletionsAnswerer
Kind = type[ResponsesAnswerer] | type[ChatCompletionsAnswerer]


@pytest.fixture(params=list(PATHS), ids=["responses", "chat"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@asynccontextmanager
async def answerer_at(
    fake: FakeOpenAI, kind: Kind, *, silence_seconds: float = 5.0, total_seconds: float = 600.0
) -> AsyncIterator[OpenAIAnswerer]:
    patience = Patience(silence_seconds=silence_seconds, total_seconds=total_seconds)
    access = OpenAISettings(api_key=SECRET, base_url=fake.base_url, max_retries=0)
    answerer = kind(open_client(access), AnswerSettings(model="m", max_output_tokens=77, patience=patience))
    try:
        yield answerer
    finally:
        await answerer.close()


async def parts_of(answerer: OpenAIAnswerer) -> list[AnswerPart]:
    async with aclosing(answerer.stream(PROMPT)) as stream:
        return [part async for part in stream]


async def collect(answerer: OpenAIAnswerer, received: list[AnswerPart]) -> None:
    """Keeps what came before an error."""
    async with aclosing(answerer.stream(PROMPT)) as stream:
        async for part in stream:
            received += [part]


def text_of(parts: list[AnswerPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


async def test_answer_comes_word_by_word_with_one_ending_last(fake: FakeOpenAI, kind: Kind) -> None:
    async with answerer_at(fake, kind) as answerer:
        parts = await parts_of(answerer)
    assert text_of(parts) == QUOTATION
    assert len(parts) > 5
    endings = [part for part in parts if isinstance(part, Ending)]
    assert endings == [parts[-1]]
    assert endings[0].finish_reason is FinishReason.STOP
    assert endings[0].input_tokens > endings[0].output_tokens > 5


async def test_first_word_does_not_wait_for_the_last(fake: FakeOpenAI, kind: Kind) -> None:
    fake.script = Script(text="one two three four", interruption=Interruption.HANG)
    async with answerer_at(fake, kind) as answerer, aclosing(answerer.stream(PROMPT)) as stream:
        assert await anext(stream) == Judged(judgement=Judgement.ANSWERED)
        assert await anext(stream) == TextPart(text="one")


async def test_names_tell_provider_and_model(fake: FakeOpenAI) -> None:
    async with (
        answerer_at(fake, ResponsesAnswerer) as ours,
        answerer_at(fake, ChatCompletionsAnswerer) as other,
    ):
        answerers: list[Answerer] = [ours, other]
        assert tuple(answerer.name for answerer in answerers) == ("openai/m", "openai-compatible/m")


async def test_responses_are_not_stored_and_get_the_whole_prompt(fake: FakeOpenAI) -> None:
    async with answerer_at(fake, ResponsesAnswerer) as answerer:
        await parts_of(answerer)
    body = fake.journal.to("/responses")[0].body
    assert (body["store"], body["stream"], body["max_output_tokens"]) == (False, True, 77)
    assert "Обращайся на «вы»." in body["instructions"]
    assert [message["role"] for message in body["input"]] == ["user"]
    assert "Customer asked: Привет" in body["input"][0]["content"]
    assert FRAGMENT.text in body["input"][-1]["content"]
    assert "reasoning" not in body


async def test_reasoning_effort_is_sent_when_set(fake: FakeOpenAI) -> None:
    client = open_client(OpenAISettings(api_key=SECRET, base_url=fake.base_url))
    answerer = ResponsesAnswerer(client, AnswerSettings(model="m", reasoning_effort="low"))
    await parts_of(answerer)
    await answerer.close()
    assert fake.journal.to("/responses")[0].body["reasoning"] == {"effort": "low"}


async def test_chat_gets_the_instructions_as_its_system_message(fake: FakeOpenAI) -> None:
    async with answerer_at(fake, ChatCompletionsAnswerer) as answerer:
        await parts_of(answerer)
    body = fake.journal.to("/chat/completions")[0].body
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["stream_options"] == {"include_usage": True}
    assert body["max_tokens"] == 77


async def test_server_that_sends_no_usage_is_no_error(fake: FakeOpenAI) -> None:
    fake.script = Script(sends_usage=False)
    async with answerer_at(fake, ChatCompletionsAnswerer) as answerer:
        parts = await parts_of(answerer)
    assert parts[-1] == Ending(finish_reason=FinishReason.STOP)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.MAX_OUTPUT_TOKENS, FinishReason.LENGTH),
        (Outcome.CONTENT_FILTER, FinishReason.POLICY),
        (Outcome.REFUSAL, FinishReason.POLICY),
    ],
)
async def test_early_ending_says_why(
    fake: FakeOpenAI, kind: Kind, outcome: Outcome, reason: FinishReason
) -> None:
    fake.script = Script(text="I will not.", outcome=outcome)
    async with answerer_at(fake, kind) as answerer:
        parts = await parts_of(answerer)
    ending = parts[-1]
    assert isinstance(ending, Ending)
    assert ending.finish_reason is reason
    assert ending.output_tokens > 0
    assert text_of(parts) == ("" if outcome is Outcome.REFUSAL else "I will not.")


@pytest.mark.parametrize(
    ("interruption", "code", "error"),
    [
        (Interruption.DISCONNECT, None, errors.ProviderUnavailable),
        (Interruption.SILENT_END, None, errors.ProviderUnavailable),
        (Interruption.HANG, None, errors.ProviderUnavailable),
        (Interruption.GARBAGE, None, errors.ProviderRefused),
        (Interruption.ERROR_EVENT, "server_error", errors.ProviderUnavailable),
        (Interruption.ERROR_EVENT, "invalid_prompt", errors.ProviderRefused),
        (Interruption.FAILED, "rate_limit_exceeded", errors.ProviderUnavailable),
        (Interruption.FAILED, "invalid_prompt", errors.ProviderRefused),
    ],
)
async def test_interrupted_answer_is_an_error_after_the_words_that_came(
    fake: FakeOpenAI, kind: Kind, interruption: Interruption, code: str | None, error: type[Exception]
) -> None:
    fake.script = Script(interruption=interruption, interrupted_after=2, error_code=code)
    received: list[AnswerPart] = []
    async with answerer_at(fake, kind, silence_seconds=0.3) as answerer:
        with pytest.raises(error):
            await collect(answerer, received)
    assert text_of(received) == "Лампу можно"
    assert not any(isinstance(part, Ending) for part in received)


async def test_status_as_a_stream_error_code_is_read_as_a_status(fake: FakeOpenAI) -> None:
    fake.script = Script(interruption=Interruption.ERROR_EVENT, error_code=400)
    async with answerer_at(fake, ChatCompletionsAnswerer) as answerer:
        with pytest.raises(errors.ProviderRefused, match="400"):
            await parts_of(answerer)


FAULTS = [
    (Fault(path="", status=429, headers={"retry-after": "9"}), errors.ProviderUnavailable),
    (Fault(path="", status=429, code="insufficient_quota"), errors.ProviderRefused),
    (Fault(path="", status=500), errors.ProviderUnavailable),
    (Fault(path="", status=401, code="invalid_api_key"), errors.ProviderRefused),
    (Fault(path="", status=400, code="context_length_exceeded"), errors.ProviderRefused),
    (Fault(path="", hangs=True), errors.ProviderUnavailable),
    (Fault(path="", drop=Drop.BEFORE_EFFECT), errors.ProviderUnavailable),
]


@pytest.mark.parametrize(("fault", "error"), FAULTS)
async def test_answer_that_never_begins_is_an_error(
    fake: FakeOpenAI, kind: Kind, fault: Fault, error: type[errors.KladezError]
) -> None:
    fake.fail(replace(fault, path=PATHS[kind], message=f"{SECRET} asked {PROMPT.question}"))
    async with answerer_at(fake, kind, silence_seconds=0.3 if fault.hangs else 5.0) as answerer:
        with pytest.raises(error) as raised:
            await parts_of(answerer)
    assert SECRET not in str(raised.value)
    assert PROMPT.question not in str(raised.value)
    if isinstance(raised.value, errors.ProviderUnavailable):
        assert raised.value.retry_after_seconds == (9.0 if fault.headers else None)


async def test_answer_that_drips_forever_is_ended(fake: FakeOpenAI, kind: Kind) -> None:
    fake.script = LONG
    async with answerer_at(fake, kind, total_seconds=0.3) as answerer:
        with pytest.raises(errors.ProviderUnavailable):
            await parts_of(answerer)
    assert fake.journal.to(PATHS[kind])[0].deltas_sent < 500


async def test_reader_that_leaves_stops_the_model(fake: FakeOpenAI, kind: Kind) -> None:
    fake.script = LONG
    async with answerer_at(fake, kind) as answerer:
        stream = answerer.stream(PROMPT)
        await anext(stream)
        await stream.aclose()
        await stopped(fake, kind)


async def test_cancelled_reader_stops_the_model(fake: FakeOpenAI, kind: Kind) -> None:
    fake.script = Script(interruption=Interruption.HANG)
    async with answerer_at(fake, kind) as answerer:
        reading = asyncio.create_task(parts_of(answerer))
        await fake.journal.arrived(PATHS[kind])
        await asyncio.sleep(0.05)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await stopped(fake, kind)


async def stopped(fake: FakeOpenAI, kind: Kind) -> None:
    """While the client is still open: it is the stream that was closed, not the pool."""
    exchange = fake.journal.to(PATHS[kind])[0]
    async with asyncio.timeout(5):
        await exchange.ended.wait()
    assert exchange.is_disconnected
    assert exchange.deltas_sent < 500


async def test_finished_answer_gives_its_connection_back(fake: FakeOpenAI, kind: Kind) -> None:
    fake.script = Script(end_delay_seconds=0.02)
    async with answerer_at(fake, kind) as answerer:
        for _ in range(3):
            await parts_of(answerer)
    assert len({exchange.client_port for exchange in fake.journal.exchanges}) == 1


async def test_fifty_answers_at_once_are_all_complete(fake: FakeOpenAI, kind: Kind) -> None:
    async with answerer_at(fake, kind) as answerer, asyncio.TaskGroup() as group:
        tasks = [group.create_task(parts_of(answerer)) for _ in range(50)]
    assert {text_of(task.result()) for task in tasks} == {QUOTATION}
