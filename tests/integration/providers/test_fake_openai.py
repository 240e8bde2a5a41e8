"""The fake is held to the SDK's own types: with strict validation a wrong field raises."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import openai
import pytest
from openai import AsyncOpenAI, DefaultAioHttpClient
from openai.types.chat import ChatCompletionUserMessageParam
from openai.types.responses import ResponseStreamEvent

from tests.fakes.openai import Drop, FakeOpenAI, Fault, Outcome, Script, running_openai

TASK = '<fragment number="3" title="Returns">\nLamps may be returned. Bulbs may not.\n</fragment>\n\nLamps?'
QUOTATION = "Lamps may be returned. [3]"


@pytest.fixture
async def strict(fake: FakeOpenAI) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key="sk-test",
        base_url=fake.base_url,
        max_retries=0,
        http_client=DefaultAioHttpClient(),
        _strict_response_validation=True,
    ) as client:
        yield client


async def test_models_are_listed(strict: AsyncOpenAI) -> None:
    assert "gpt-5.4-mini" in [model.id async for model in strict.models.list()]


async def test_embeddings_have_the_models_length_and_the_asked_one(strict: AsyncOpenAI) -> None:
    native = await strict.embeddings.create(
        model="text-embedding-3-large", input="a", encoding_format="float"
    )
    short = await strict.embeddings.create(
        model="text-embedding-3-large", input=["a", "b"], encoding_format="float", dimensions=256
    )
    assert len(native.data[0].embedding) == 3072
    assert [(row.index, len(row.embedding)) for row in short.data] == [(0, 256), (1, 256)]
    assert short.usage.prompt_tokens == 2


async def test_base64_and_floats_are_the_same_vector(fake: FakeOpenAI) -> None:
    # Not strict: the SDK's type knows no base64, which it asks for and unpacks itself all the same.
    async with AsyncOpenAI(api_key="k", base_url=fake.base_url, http_client=DefaultAioHttpClient()) as client:
        packed = await client.embeddings.create(model="m", input="red lamp")
        floats = await client.embeddings.create(model="m", input="red lamp", encoding_format="float")
    assert fake.journal.to("/embeddings")[0].body["encoding_format"] == "base64"
    assert packed.data[0].embedding == floats.data[0].embedding


async def test_texts_with_common_words_are_closer(strict: AsyncOpenAI) -> None:
    texts = ["how to return a lamp", "return of a lamp", "Доставка по Москве"]
    answer = await strict.embeddings.create(model="m", input=texts, encoding_format="float")
    question, near, far = (np.array(row.embedding) for row in answer.data)
    assert question @ near > question @ far


@pytest.mark.parametrize("texts", [[], ["a", ""], ["a " * 9000], ["a " * 8000] * 40, ["a"] * 2049])
async def test_input_that_openai_refuses_is_refused(strict: AsyncOpenAI, texts: list[str]) -> None:
    with pytest.raises(openai.BadRequestError):
        await strict.embeddings.create(model="m", input=texts, encoding_format="float")


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_responses_are_the_same_whole_and_streamed(
    fake: FakeOpenAI, strict: AsyncOpenAI, outcome: Outcome
) -> None:
    fake.script = Script(outcome=outcome)
    whole = await strict.responses.create(model="m", input=TASK, store=False)
    events = [event async for event in await strict.responses.create(model="m", input=TASK, stream=True)]
    ending = events[-1]
    assert ending.type == "response.completed" or ending.type == "response.incomplete"
    assert whole.output_text == ending.response.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(map(spoken, events)) == QUOTATION


def spoken(event: ResponseStreamEvent) -> str:
    if event.type == "response.output_text.delta" or event.type == "response.refusal.delta":
        return event.delta
    return ""


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_completions_are_the_same_whole_and_streamed(
    fake: FakeOpenAI, strict: AsyncOpenAI, outcome: Outcome
) -> None:
    fake.script = Script(outcome=outcome)
    messages = [ChatCompletionUserMessageParam(role="user", content=TASK)]
    whole = await strict.chat.completions.create(model="m", messages=messages)
    stream = await strict.chat.completions.create(
        model="m", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    message = whole.choices[0].message
    assert (message.content or message.refusal) == QUOTATION
    assert "".join(delta.content or delta.refusal or "" for delta in deltas) == QUOTATION
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage == whole.usage


async def test_answer_without_fragments_cites_nothing(strict: AsyncOpenAI) -> None:
    answer = await strict.responses.create(model="m", input="Lamps?")
    assert answer.output_text == "The documents do not say."


async def test_script_text_replaces_the_quotation(fake: FakeOpenAI, strict: AsyncOpenAI) -> None:
    fake.script = Script(text="Сценарий теста. [2]")
    assert (await strict.responses.create(model="m", input=TASK)).output_text == "Сценарий теста. [2]"


async def test_fault_strikes_its_path_as_often_as_told(fake: FakeOpenAI, strict: AsyncOpenAI) -> None:
    fake.fail(Fault(path="/models", status=503, times=2))
    await strict.embeddings.create(model="m", input="a", encoding_format="float")
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await strict.models.list()
    await strict.models.list()


@pytest.mark.parametrize("drop", list(Drop))
async def test_dropped_request_is_in_the_journal_and_has_no_answer(
    fake: FakeOpenAI, strict: AsyncOpenAI, drop: Drop
) -> None:
    # Not a GET: aiohttp repeats those by itself.
    fake.fail(Fault(path="/embeddings", drop=drop))
    with pytest.raises(openai.APIConnectionError):
        await strict.embeddings.create(model="m", input="a", encoding_format="float")
    assert len(fake.journal.to("/embeddings")) == 1


async def test_wrong_key_is_unauthorized() -> None:
    async with (
        running_openai(api_key="sk-right") as fake,
        AsyncOpenAI(api_key="sk-wrong", base_url=fake.base_url, http_client=DefaultAioHttpClient()) as client,
    ):
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
        await client.with_options(api_key="sk-right").models.list()
