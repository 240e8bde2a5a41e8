"""Answers by the model's own search in vector stores, against the loopback server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from retrieval_service import errors
from retrieval_service.domain.fragments import Ending, FinishReason, Prompt, TextPart, Turn
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.sync.remote_files import (
    FileAnswerPart,
    FileCited,
    FileSearch,
    FoundFiles,
    Replacement,
)
from retrieval_service.providers.openai.chat.streaming import AnswerSettings, Patience
from retrieval_service.providers.openai.client import OpenAISettings, open_client
from retrieval_service.providers.openai.files.file_search import FileSearchAnswerer
from retrieval_service.providers.ports import FileAnswerer
from tests.fakes.openai import Drop, FakeOpenAI, Fault, Interruption, Outcome, Script
from tests.kits.openai_stores_kit import METADATA, SECRET, STORE_NAME, document, stores_at

PROMPT = Prompt(
    question="Is lamp number2 red?",
    language="en",
    shop_name="Lumen",
    fallback_contact="help@shop.example",
    instructions="Be formal.",
    fragments=(),
    history=(Turn(question="Hi", titles=("Hello",)),),
)
SAID = "# Lamp 2\n\nThe lamp number2 is red."
LONG = Script(text="word " * 500, delta_delay_seconds=0.01)
PATH = "/responses"


@pytest.fixture
async def where(fake: FakeOpenAI) -> FileSearch:
    """A store with five documents."""
    async with stores_at(fake) as stores:
        store_id = await stores.ensure_store(STORE_NAME, METADATA)
        await stores.replace(store_id, [Replacement(document=document(number)) for number in range(5)])
    return FileSearch(store_ids=[store_id], limit=3)


@asynccontextmanager
async def answerer_at(
    fake: FakeOpenAI, *, silence_seconds: float = 5.0, total_seconds: float = 600.0
) -> AsyncIterator[FileSearchAnswerer]:
    patience = Patience(silence_seconds=silence_seconds, total_seconds=total_seconds)
    client = open_client(OpenAISettings(api_key=SECRET, base_url=fake.base_url, max_retries=0))
    answerer = FileSearchAnswerer(client, AnswerSettings(model="m", max_output_tokens=77, patience=patience))
    try:
        yield answerer
    finally:
        await answerer.close()


async def parts_of(answerer: FileAnswerer, where: FileSearch) -> list[FileAnswerPart]:
    received: list[FileAnswerPart] = []
    await collect(answerer, where, received)
    return received


async def collect(answerer: FileAnswerer, where: FileSearch, received: list[FileAnswerPart]) -> None:
    """Keeps what came before an error."""
    async with aclosing(answerer.stream(PROMPT, where)) as stream:
        async for part in stream:
            received += [part]


def text_of(parts: list[FileAnswerPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


async def test_files_come_first_then_words_then_citations_and_one_ending(
    fake: FakeOpenAI, where: FileSearch
) -> None:
    async with answerer_at(fake) as answerer:
        first, *words, cited, ending = await parts_of(answerer, where)
    assert isinstance(first, FoundFiles)
    assert len(first.hits) == 3
    assert first.hits[0].document_id == document(2).document_id
    assert sorted((hit.score for hit in first.hits), reverse=True) == [hit.score for hit in first.hits]
    assert text_of(words) == SAID
    assert isinstance(ending, Ending)
    assert ending.finish_reason is FinishReason.STOP
    assert ending.output_tokens > 5
    assert cited == FileCited(
        file_id=first.hits[0].file_id, document_id=document(2).document_id, offset=len(SAID), quote=SAID
    )


async def test_nothing_is_stored_and_the_search_is_not_left_to_the_model(
    fake: FakeOpenAI, where: FileSearch
) -> None:
    narrow = replace(where, conditions=Conditions(tags=["red"], languages=["en"]), threshold=0.1)
    async with answerer_at(fake) as answerer:
        await parts_of(answerer, narrow)
    body = fake.journal.to(PATH)[0].body
    [tool] = body["tools"]
    assert (body["store"], body["stream"], body["max_output_tokens"]) == (False, True, 77)
    assert body["tool_choice"] == {"type": "file_search"}
    assert body["include"] == ["file_search_call.results"]
    assert (tool["vector_store_ids"], tool["max_num_results"]) == (where.store_ids, 3)
    assert tool["ranking_options"] == {"score_threshold": 0.1}
    assert {"type": "eq", "key": "language", "value": "en"} in tool["filters"]["filters"]


async def test_model_gets_rules_the_shops_words_and_the_conversation(
    fake: FakeOpenAI, where: FileSearch
) -> None:
    async with answerer_at(fake) as answerer:
        await parts_of(answerer, where)
    body = fake.journal.to(PATH)[0].body
    assert "Be formal." in body["instructions"]
    assert "`STATUS: unknown`" in body["instructions"]
    assert "fragment" not in body["instructions"]
    [asked] = [message["content"] for message in body["input"]]
    assert "Customer asked: Hi\nAnswered from: Hello\n" in asked
    assert f"<question>\n{PROMPT.question}\n</question>" in asked


async def test_conditions_narrow_what_is_found_and_unspoken_ones_are_named(
    fake: FakeOpenAI, where: FileSearch
) -> None:
    conditions = Conditions(metadata=[{"key": "price", "upper": 0}], sections=[""])
    async with answerer_at(fake) as answerer:
        first = (await parts_of(answerer, replace(where, conditions=conditions)))[0]
    assert isinstance(first, FoundFiles)
    assert [hit.document_id for hit in first.hits] == [document(0).document_id]
    assert first.unspoken == ("sections",)


async def test_empty_store_gives_no_files_and_no_citation(fake: FakeOpenAI, where: FileSearch) -> None:
    fake.storage.entries.clear()
    async with answerer_at(fake) as answerer:
        parts = await parts_of(answerer, where)
    assert parts[0] == FoundFiles(hits=())
    assert not any(isinstance(part, FileCited) for part in parts)


async def test_file_of_a_stranger_is_neither_found_nor_cited(fake: FakeOpenAI, where: FileSearch) -> None:
    for entry in fake.storage.entries.values():
        entry.attributes, entry.file_name = {}, "notes.md"
    async with answerer_at(fake) as answerer:
        parts = await parts_of(answerer, where)
    assert parts[0] == FoundFiles(hits=())
    assert not any(isinstance(part, FileCited) for part in parts)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.MAX_OUTPUT_TOKENS, FinishReason.LENGTH),
        (Outcome.CONTENT_FILTER, FinishReason.POLICY),
        (Outcome.REFUSAL, FinishReason.POLICY),
    ],
)
async def test_early_ending_says_why(
    fake: FakeOpenAI, where: FileSearch, outcome: Outcome, reason: FinishReason
) -> None:
    fake.script = Script(text="I will not.", outcome=outcome)
    async with answerer_at(fake) as answerer:
        parts = await parts_of(answerer, where)
    ending = parts[-1]
    assert isinstance(ending, Ending)
    assert ending.finish_reason is reason
    assert text_of(parts) == ("" if outcome is Outcome.REFUSAL else "I will not.")


@pytest.mark.parametrize(
    ("interruption", "code", "error"),
    [
        (Interruption.DISCONNECT, None, errors.ProviderUnavailable),
        (Interruption.SILENT_END, None, errors.ProviderUnavailable),
        (Interruption.HANG, None, errors.ProviderUnavailable),
        (Interruption.GARBAGE, None, errors.ProviderRefused),
        (Interruption.FAILED, "vector_store_timeout", errors.ProviderUnavailable),
        (Interruption.FAILED, "invalid_prompt", errors.ProviderRefused),
    ],
)
async def test_interrupted_answer_is_an_error_after_the_words_that_came(
    fake: FakeOpenAI, where: FileSearch, interruption: Interruption, code: str | None, error: type[Exception]
) -> None:
    fake.script = Script(text="one two three", interruption=interruption, error_code=code)
    received: list[FileAnswerPart] = []
    async with answerer_at(fake, silence_seconds=0.3) as answerer:
        with pytest.raises(error):
            await collect(answerer, where, received)
    assert text_of(received) == "one two"
    assert not any(isinstance(part, Ending) for part in received)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(path=PATH, status=429, headers={"retry-after": "9"}), errors.ProviderUnavailable),
        (Fault(path=PATH, status=429, code="insufficient_quota"), errors.ProviderLocked),
        (Fault(path=PATH, status=500), errors.ProviderUnavailable),
        (Fault(path=PATH, hangs=True), errors.ProviderUnavailable),
        (Fault(path=PATH, drop=Drop.BEFORE_EFFECT), errors.ProviderUnavailable),
    ],
)
async def test_answer_that_never_begins_is_an_error_without_secrets(
    fake: FakeOpenAI, where: FileSearch, fault: Fault, error: type[errors.KladezError]
) -> None:
    fake.fail(replace(fault, message=f"{SECRET} asked {PROMPT.question}"))
    async with answerer_at(fake, silence_seconds=0.3) as answerer:
        with pytest.raises(error) as raised:
            await parts_of(answerer, where)
    assert SECRET not in str(raised.value)
    assert PROMPT.question not in str(raised.value)


async def test_store_that_is_gone_is_a_refusal(fake: FakeOpenAI) -> None:
    async with answerer_at(fake) as answerer:
        with pytest.raises(errors.ProviderRefused, match="404"):
            await parts_of(answerer, FileSearch(store_ids=["vs_gone"]))


async def test_answer_that_drips_forever_is_ended(fake: FakeOpenAI, where: FileSearch) -> None:
    fake.script = LONG
    async with answerer_at(fake, total_seconds=0.3) as answerer:
        with pytest.raises(errors.ProviderUnavailable):
            await parts_of(answerer, where)


async def test_reader_that_leaves_stops_the_model(fake: FakeOpenAI, where: FileSearch) -> None:
    fake.script = LONG
    async with answerer_at(fake) as answerer:
        stream = answerer.stream(PROMPT, where)
        assert isinstance(await anext(stream), FoundFiles)
        await stream.aclose()
        exchange = fake.journal.to(PATH)[0]
        async with asyncio.timeout(5):
            await exchange.ended.wait()
    assert exchange.is_disconnected
    assert exchange.deltas_sent < 500
