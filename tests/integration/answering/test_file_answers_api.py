"""Answers that the model makes of the files it finds by itself, checked and cited as ours."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.postgres.embedded import Embedded
from tests.fakes.openai import FakeOpenAI, Fault, Interruption, Outcome, Script
from tests.kits.answers_kit import CONTACT, Heard, ask, assert_well_formed, ended_answer, stored
from tests.kits.backends_kit import OPENAI, SEARCH, choose, fees, hold, openai_settings
from tests.kits.service_kit import Running, Shop, in_one_task, new_shop, refused, shared_service, upsert

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "/responses"
TEXTS = {
    "en": "A lamp may be returned within thirty days. Bulbs are excluded.",
    "ru": "Лампу можно вернуть в течение тридцати дней. Лампочки не возвращаются.",
    "pt": "Uma luminária pode ser devolvida em trinta dias. Lâmpadas não são aceitas.",
}
QUESTIONS = {
    "en": "Within how many days may a lamp be returned?",
    "ru": "В течение скольких дней можно вернуть лампу?",
    "pt": "Em quantos dias uma luminária pode ser devolvida?",
}
FILE_SEARCH = "/file_search"


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    shared_fake.storage.delete_lag_seconds = 600.0
    return openai_settings(shared_fake, openai_breaker_failures=100)


@pytest_asyncio.fixture(loop_scope="module")
async def searched_there(running: Running, fake: FakeOpenAI) -> Shop:
    """Searched by OpenAI; one document in each language."""
    shop = await new_shop(running, fallback_contact=CONTACT)
    for language, text in TEXTS.items():
        await upsert(shop, language, text, language=language)
    await hold(running, shop, fake)
    await choose(running, shop, OPENAI)
    fake.journal.exchanges.clear()
    return shop


@pytest.mark.parametrize("language", sorted(TEXTS))
async def test_model_searches_by_itself_and_its_citations_are_ours(
    searched_there: Shop, fake: FakeOpenAI, language: str
) -> None:
    heard = await ask(searched_there, QUESTIONS[language])
    assert_well_formed(heard)
    answer = heard.completed.answer
    first = TEXTS[language].split(". ", maxsplit=1)[0] + "."
    assert answer.text == f"{first}[1]"
    [citation] = answer.citations
    assert answer.text[citation.start_offset : citation.end_offset] == first
    assert answer.references[0].external_id == language
    assert uuid.UUID(answer.references[0].chunk_id)
    assert answer.language == language
    assert answer.answerer.endswith(FILE_SEARCH)
    assert answer.input_tokens > 0
    assert not heard.completed.degraded
    assert not fake.journal.to(SEARCH)
    assert await stored(searched_there, answer.answer_id) == answer


async def test_what_the_model_searches_is_in_the_ledger(running: Running, searched_there: Shop) -> None:
    await ask(searched_there, QUESTIONS["en"])
    assert await fees(running, searched_there) == (1, pytest.approx(0.0025))


async def test_request_names_the_tenants_store_alone_and_stores_nothing(
    searched_there: Shop, fake: FakeOpenAI
) -> None:
    await ask(searched_there, QUESTIONS["en"])
    body = fake.journal.to(MODEL)[0].body
    [tool] = body["tools"]
    [store_id] = tool["vector_store_ids"]
    assert fake.storage.stores[store_id].metadata["tenant_id"] == searched_there.tenant_id
    assert body["store"] is False
    assert searched_there.tenant_id not in str(body["input"]) + body["instructions"]


async def test_nothing_relevant_is_said_without_the_models_words(
    searched_there: Shop, fake: FakeOpenAI
) -> None:
    fake.script = Script(text="The champion was Bobby Fischer.")
    heard = await ask(searched_there, "Who won the chess championship in Reykjavik?")
    assert_well_formed(heard)
    assert heard.completed.finish_reason == pb.FINISH_REASON_NO_RELEVANT_CONTENT
    assert "Fischer" not in heard.text
    assert CONTACT in heard.text
    assert not heard.completed.answer.references


async def test_refusal_is_said_as_one(searched_there: Shop, fake: FakeOpenAI) -> None:
    fake.script = Script(text="I will not.", outcome=Outcome.REFUSAL)
    heard = await ask(searched_there, QUESTIONS["en"])
    assert_well_formed(heard)
    assert heard.completed.finish_reason == pb.FINISH_REASON_POLICY
    assert heard.text


async def test_model_that_has_read_a_deleted_document_is_not_listened_to(
    searched_there: Shop, fake: FakeOpenAI
) -> None:
    key = documents_pb.DocumentKey(source_type="article", external_id="ru")
    await searched_there.client.delete_document(documents_pb.DeleteDocumentRequest(key=key))
    heard = await ask(searched_there, QUESTIONS["en"])
    assert_well_formed(heard)
    assert heard.completed.degraded
    assert not heard.completed.answer.answerer.endswith(FILE_SEARCH)
    assert [one.external_id for one in heard.completed.answer.references] == ["en"]


async def test_condition_that_openai_cannot_hold_is_held_here(running: Running, fake: FakeOpenAI) -> None:
    shop = await new_shop(running)
    tags = [f"tag{number}" for number in range(6)]
    await upsert(shop, "has", TEXTS["en"], tags=tags, language="en")
    await upsert(shop, "lacks", TEXTS["en"], tags=[*tags[:5], "x"], language="en")
    await hold(running, shop, fake)
    await choose(running, shop, OPENAI)
    heard = await ask(shop, QUESTIONS["en"], filter=common_pb2.Filter(tags=["tag5"]))
    assert_well_formed(heard)
    assert {one.external_id for one in heard.completed.answer.references} == {"has"}


async def test_failure_before_a_word_is_answered_from_postgres(
    searched_there: Shop, fake: FakeOpenAI
) -> None:
    # The SDK makes three attempts; the model that writes from fragments comes after them.
    fake.fail(Fault(path=MODEL, times=3, status=500))
    heard = await ask(searched_there, QUESTIONS["en"])
    assert_well_formed(heard)
    assert heard.completed.degraded
    answer = await stored(searched_there, heard.completed.answer.answer_id)
    assert (answer.degraded, bool(answer.degraded_reason)) == (True, True)
    assert answer.text.startswith("A lamp may be returned within thirty days.")
    assert not answer.answerer.endswith(FILE_SEARCH)
    assert not fake.journal.to(SEARCH)


async def test_failure_before_a_word_that_is_said_quotes_what_was_found(
    searched_there: Shop, fake: FakeOpenAI
) -> None:
    """The references are told already: the quotations carry their numbers."""
    fake.script = Script(text="[1] Thirty days.", interruption=Interruption.DISCONNECT, interrupted_after=1)
    heard = await ask(searched_there, QUESTIONS["en"])
    assert_well_formed(heard)
    completed = heard.completed
    assert (completed.degraded, completed.model_away, completed.answer.answerer) == (True, True, "extractive")
    assert "A lamp may be returned within thirty days." in heard.text
    assert heard.citations


async def test_provider_that_is_away_altogether_leaves_the_quotations(
    searched_there: Shop, fake: FakeOpenAI
) -> None:
    fake.fail(Fault(path=MODEL, times=99, status=500))
    heard = await ask(searched_there, QUESTIONS["en"])
    fake.faults.clear()
    assert_well_formed(heard)
    assert (heard.completed.model_away, heard.completed.answer.answerer) == (True, "extractive")
    assert "thirty days" in heard.text


async def test_failure_after_a_word_is_an_honest_error(searched_there: Shop, fake: FakeOpenAI) -> None:
    fake.script = Script(interruption=Interruption.DISCONNECT, interrupted_after=2)
    events: list[pb.StreamAnswerResponse] = []
    with refused("UNAVAILABLE"):
        async for event in searched_there.client.stream_answer(
            pb.StreamAnswerRequest(question=QUESTIONS["en"])
        ):
            events += [event]
    heard = Heard(events=events)
    assert heard.kinds[0] == "started"
    assert "completed" not in heard.kinds
    answer = await ended_answer(searched_there, heard.started.answer_id)
    assert answer.status == pb.ANSWER_STATUS_INTERRUPTED
    assert answer.text == heard.text == "A lamp"


async def test_other_answerer_is_given_what_openai_finds(
    postgres_server: Embedded, migrated_template: str, fake: FakeOpenAI
) -> None:
    quoting = shared_service(
        postgres_server, migrated_template, **openai_settings(fake, answerer="extractive")
    )
    async with in_one_task(quoting) as running:
        shop = await new_shop(running)
        await upsert(shop, "en", TEXTS["en"], language="en")
        await hold(running, shop, fake)
        await choose(running, shop, OPENAI)
        fake.journal.exchanges.clear()
        heard = await ask(shop, QUESTIONS["en"])
        assert_well_formed(heard)
        assert len(fake.journal.to(SEARCH)) == 1
        assert "thirty days" in heard.text
        assert (heard.completed.degraded, heard.completed.answer.answerer) == (False, "extractive")
