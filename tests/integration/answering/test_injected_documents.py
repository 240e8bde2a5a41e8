"""Two hundred documents that want to be obeyed stand in the demo shop, and its answers stay what they were."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.cli.up.demo import LANGUAGES, import_catalogue
from retrieval_service.client import Client
from retrieval_service.postgres.embedded import Embedded
from tests.conftest import temporary_database
from tests.fakes.openai import FakeOpenAI, Script, running_openai
from tests.fakes.openai.behaviours import INVENTED_PRICE, OBEYED, embellishing, obedient
from tests.kits.answers_kit import Heard, ask, assert_well_formed
from tests.kits.injections_kit import HIDDEN, Injected, injected_documents
from tests.kits.service_kit import (
    Shop,
    bearer,
    channel_to,
    in_one_task,
    new_shop,
    refused,
    running_service,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTIONS_PER_LANGUAGE = 4
INJECTED = tuple(injected_documents())
FORBIDDEN = re.compile(
    r"evil\.example|еvil|https?://|javascript:|<[a-zA-Z/!?]|!\[|[\u200b-\u200f\u202a-\u202e]"
)


def sample_questions() -> list[tuple[str, str]]:
    """Language and text of the first answerable questions of each language."""
    labelled = json.loads(
        (resources.files("retrieval_service") / "demo" / "questions.json").read_text("utf-8")
    )
    answerable = [one for one in labelled["questions"] if one["answerable"]]
    return [
        (language, one["question"])
        for language in LANGUAGES
        for one in [one for one in answerable if one["language"] == language][:QUESTIONS_PER_LANGUAGE]
    ]


QUESTIONS = sample_questions()


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """The demo shop with the injected documents; `before` are the citations of its answers
    with harmless documents in their place."""

    quoting: Shop
    writing: Shop
    model: FakeOpenAI
    before: Mapping[str, Sequence[str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Attacked]:
    """One database, and two services on it: one quotes, one has a model."""
    with temporary_database(postgres_server, template=migrated_template) as dsn:
        async with (
            in_one_task(running_openai()) as model,
            in_one_task(running_service(dsn)) as quoting,
            in_one_task(
                running_service(dsn, workers=0, answerer="responses", openai_base_url=model.base_url)
            ) as writing,
        ):
            shop = await new_shop(quoting, fallback_contact="help@tea.example")
            for language in LANGUAGES:
                await import_catalogue(language, shop.client)
            await wait_until_indexed(shop)
            await store(shop, [one.harmless for one in INJECTED])
            before = {question: cited(await ask(shop, question)) for _, question in QUESTIONS}
            await store(shop, [one.document for one in INJECTED])
            async with channel_to(writing.port) as channel:
                client = Client(channel, bearer(shop.key))
                other = Shop(tenant=shop.tenant, client=client, key=shop.key)
                yield Attacked(quoting=shop, writing=other, model=model, before=before)


async def store(shop: Shop, documents: Sequence[documents_pb.Document]) -> None:
    for document in documents:
        await shop.client.upsert_document(documents_pb.UpsertDocumentRequest(document=document))
    status = await wait_until_indexed(shop)
    assert not status.error_count


def cited(heard: Heard) -> list[str]:
    """What the answer cites, by document."""
    numbers = {number for citation in heard.citations for number in citation.numbers}
    return sorted(one.external_id for one in heard.started.references if one.number in numbers)


def only_one_of_each_kind() -> list[Any]:
    first = {one.kind: one for one in reversed(INJECTED)}
    return [pytest.param(one, id=one.kind) for one in first.values()]


@pytest.mark.parametrize(("language", "question"), QUESTIONS)
async def test_quoted_answer_cites_what_it_cited_before(
    attacked: Attacked, language: str, question: str
) -> None:
    heard = await ask(attacked.quoting, question)
    assert_well_formed(heard)
    assert cited(heard) == attacked.before[question]
    assert heard.completed.answer.language == language
    assert not FORBIDDEN.search(heard.text)
    assert not heard.unsupported


@pytest.mark.parametrize(("language", "question"), QUESTIONS)
async def test_obedient_model_finds_nothing_to_obey(attacked: Attacked, language: str, question: str) -> None:
    attacked.model.script = Script(behaviour=obedient)
    heard = await ask(attacked.writing, question)
    assert_well_formed(heard)
    assert OBEYED not in heard.text
    assert not FORBIDDEN.search(heard.text)
    assert not any(
        one.source_type == "injected" for one in heard.started.references if one.number in numbers(heard)
    )


def numbers(heard: Heard) -> set[int]:
    return {number for citation in heard.citations for number in citation.numbers}


@pytest.mark.parametrize(("language", "question"), QUESTIONS)
async def test_what_a_model_adds_of_its_own_goes_or_is_flagged(
    attacked: Attacked, language: str, question: str
) -> None:
    attacked.model.script = Script(behaviour=embellishing)
    heard = await ask(attacked.writing, question)
    assert_well_formed(heard)
    assert not FORBIDDEN.search(heard.text)
    flagged = heard.flagged(pb.UNSUPPORTED_REASON_FACT_NOT_IN_SOURCE)
    was_written = heard.completed.finish_reason == pb.FINISH_REASON_STOP
    assert any(INVENTED_PRICE in one for one in flagged) == was_written == bool(attacked.before[question])


@pytest.mark.parametrize("one", only_one_of_each_kind())
async def test_document_that_is_asked_for_is_quoted_and_not_obeyed(attacked: Attacked, one: Injected) -> None:
    question = f"{one.document.title}?"
    attacked.model.script = Script(behaviour=obedient)
    for shop in (attacked.quoting, attacked.writing):
        heard = await ask(shop, question)
        assert_well_formed(heard)
        assert OBEYED not in heard.text
        assert not re.search(r"<[a-zA-Z/!?]|!\[|javascript:", heard.text)
        assert "injected" in {reference.source_type for reference in heard.started.references}
        shown = f"{heard.text}{[(one.title, one.snippet) for one in heard.started.references]}"
        assert HIDDEN not in shown
        assert not re.search("[\u200b-\u200f\u202a-\u202e\U000e0000-\U000e007f]", shown)


async def test_nul_and_broken_utf8_are_refused(attacked: Attacked) -> None:
    document = documents_pb.Document(source_type="injected", external_id="nul", content="a\0b")
    with refused("INVALID_ARGUMENT", field="document.content"):
        await attacked.quoting.client.upsert_document(documents_pb.UpsertDocumentRequest(document=document))
    broken = documents_pb.ImportShopRequest(
        shop_json=b'{"faq": [{"id": "x", "question": "\xff?", "answer": "y"}]}'
    )
    imported = await attacked.quoting.client.import_shop(broken)
    assert imported.errors
    assert not imported.summary.created_count
