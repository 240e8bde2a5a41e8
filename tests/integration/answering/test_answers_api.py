"""AnswerService over the wire, answering by quotation: what its comments in answer_service.proto promise."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from google.protobuf import field_mask_pb2
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.client import CallFailed
from retrieval_service.postgres.embedded import Embedded
from tests.kits.answers_kit import (
    CONTACT,
    QUESTION,
    RETURNS,
    ask,
    assert_well_formed,
    lamp_shop,
    new_session,
    stored,
)
from tests.kits.service_kit import (
    Running,
    Shop,
    failure_of,
    new_shop,
    refused,
    shared_service,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quoting(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Running]:
    """Without a model."""
    async with shared_service(postgres_server, migrated_template) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def quoted(quoting: Running) -> Shop:
    return await lamp_shop(quoting)


async def test_quoted_answer_is_whole_cited_and_stored(quoted: Shop) -> None:
    heard = await ask(quoted)
    assert_well_formed(heard)
    answer = heard.completed.answer
    assert "within thirty days" in answer.text
    assert heard.citations
    assert heard.completed.finish_reason == pb.FINISH_REASON_STOP
    assert (answer.answerer, answer.language, answer.question) == ("extractive", "en", QUESTION)
    assert answer.status == pb.ANSWER_STATUS_COMPLETED
    assert await stored(quoted, heard.started.answer_id) == answer


async def test_citation_stands_after_what_it_supports_in_code_points(quoting: Running) -> None:
    shop = await new_shop(quoting)
    await upsert(shop, "a", "Лампу 🏮 можно вернуть за тридцать дней.", title="Возврат 🏮", language="ru")
    await wait_until_indexed(shop)
    heard = await ask(shop, "За сколько дней можно вернуть лампу?")
    assert_well_formed(heard)
    [citation] = heard.citations
    assert "тридцать дней" in heard.text[citation.start_offset : citation.end_offset]


async def test_reference_names_its_document_and_quotes_the_passage(quoted: Shop) -> None:
    heard = await ask(quoted)
    cited = {number for citation in heard.citations for number in citation.numbers}
    [reference] = [one for one in heard.started.references if one.number in cited]
    assert (reference.external_id, reference.source_type) == ("returns", "article")
    assert (reference.title, reference.url) == ("Returns", "/returns")
    assert reference.snippet
    assert reference.snippet in f"Returns {RETURNS}"
    assert 0 < reference.score <= 1


async def test_question_about_nothing_known_is_answered_with_the_contact(quoted: Shop) -> None:
    heard = await ask(quoted, "Who won the chess championship in Reykjavik?")
    assert_well_formed(heard)
    assert heard.completed.finish_reason == pb.FINISH_REASON_NO_RELEVANT_CONTENT
    assert CONTACT in heard.text
    assert not heard.started.references
    [today] = (await quoted.client.get_usage(insights_pb.GetUsageRequest())).days
    assert (today.answer_count, today.unanswered_count) == (1, 1)


@pytest.mark.parametrize(
    ("said", "language", "reply"),
    [
        ("hi", "en", "Hello! What would you like to know?"),
        ("Oi! Tudo bem?", "pt", "Olá! O que você gostaria de saber?"),
        ("Спасибо большое 🙂", "ru", "Пожалуйста! Появятся ещё вопросы — спрашивайте."),
        ("ok", "ru", "Появятся ещё вопросы — спрашивайте."),
        ("👍", "ru", "Появятся ещё вопросы — спрашивайте."),
    ],
)
async def test_politeness_is_answered_in_its_language_and_is_no_unanswered_question(
    quoted: Shop, said: str, language: str, reply: str
) -> None:
    heard = await ask(quoted, said)
    assert_well_formed(heard)
    assert (heard.text, heard.completed.answer.language) == (reply, language)
    assert heard.completed.finish_reason == pb.FINISH_REASON_PLEASANTRY
    assert (await stored(quoted, heard.started.answer_id)).finish_reason == pb.FINISH_REASON_PLEASANTRY
    assert not heard.started.references
    [today] = (await quoted.client.get_usage(insights_pb.GetUsageRequest())).days
    assert (today.answer_count, today.unanswered_count) == (1, 0)


async def test_words_of_no_language_are_answered_in_that_of_the_interface(quoted: Shop) -> None:
    for language, beginning in (("pt", "Não sei"), ("ru", "Не знаю")):
        session_id = await new_session(quoted, language=language)
        heard = await ask(quoted, "XK-2291 ???", session_id=session_id)
        assert heard.text.startswith(beginning)
        assert heard.completed.answer.language == language


async def test_a_word_of_no_certain_language_is_answered_in_that_of_what_is_found(quoted: Shop) -> None:
    await upsert(quoted, "frete", "O frete custa cinco euros.", title="Frete", language="pt")
    await wait_until_indexed(quoted)
    heard = await ask(quoted, "frete")
    assert heard.completed.answer.language == "pt"
    assert heard.text.startswith("Segundo")


@pytest.mark.parametrize(
    ("own", "text", "word", "beginning"),
    [
        (["ru"], "Светильник «Луна» стоит 700 рублей.", "светильник", "По нашим материалам"),
        (["ru"], "Светильник Wermut стоит 700 рублей.", "Wermut", "По нашим материалам"),
        (["pt"], "O candeeiro Wermut custa 70 reais.", "Wermut", "Segundo"),
        (["pt"], "A camiseta azul custa 70 reais.", "camiseta", "Segundo"),
        (["ru", "en"], "The lamp Wermut costs 70 roubles.", "Wermut", "From"),
    ],
)
async def test_single_word_is_answered_in_a_language_of_the_tenant(
    quoting: Running, own: list[str], text: str, word: str, beginning: str
) -> None:
    shop = await new_shop(quoting, languages=own)
    await upsert(shop, "one", text)
    await wait_until_indexed(shop)
    heard = await ask(shop, word)
    assert heard.completed.finish_reason == pb.FINISH_REASON_STOP
    assert heard.text.startswith(beginning)


async def test_long_question_is_answered_in_its_own_language(quoting: Running) -> None:
    shop = await new_shop(quoting, languages=["ru"])
    await upsert(shop, "one", "Светильник Wermut стоит 700 рублей.")
    await wait_until_indexed(shop)
    heard = await ask(shop, "How much is the Wermut and do you have it in stock?")
    assert heard.completed.answer.language == "en"


async def test_languages_that_the_tenant_has_now_decide(quoting: Running) -> None:
    shop = await new_shop(quoting, languages=["pt"])
    await upsert(shop, "one", "Wermut 700.", language="ru")
    await wait_until_indexed(shop)
    assert (await ask(shop, "Wermut")).completed.answer.language == "pt"
    tenant = tenants_pb.Tenant(tenant_id=shop.tenant_id, settings=tenants_pb.TenantSettings(languages=["ru"]))
    mask = field_mask_pb2.FieldMask(paths=["settings.languages"])
    await quoting.client.update_tenant(tenants_pb.UpdateTenantRequest(tenant=tenant, update_mask=mask))
    assert (await ask(shop, "Wermut")).completed.answer.language == "ru"


async def test_filter_limits_what_is_answered_from(quoted: Shop) -> None:
    heard = await ask(quoted, filter=common_pb2.Filter(source_types=["product"]))
    assert heard.completed.finish_reason == pb.FINISH_REASON_NO_RELEVANT_CONTENT


async def test_deleted_document_is_never_cited(quoted: Shop) -> None:
    key = documents_pb.DocumentKey(source_type="article", external_id="returns")
    await quoted.client.delete_document(documents_pb.DeleteDocumentRequest(key=key))
    heard = await ask(quoted)
    assert "returns" not in [reference.external_id for reference in heard.started.references]
    assert "thirty" not in heard.text


async def test_language_of_the_request_is_the_language_of_the_words_around(quoted: Shop) -> None:
    heard = await ask(quoted, "Who won the chess championship in Reykjavik?", language="ru")
    assert heard.completed.answer.language == "ru"
    assert any("а" <= letter <= "я" for letter in heard.text)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"question": ""}, "question"),
        ({"question": "\u200b\u200b"}, "question"),
        ({"question": "\u202e \u2066"}, "question"),
        ({"question": "x" * 2_001}, "question"),
        ({"question": "ж" * 20_000}, "question"),
        ({"question": "nul\0"}, "question"),
        ({"question": "x", "session_id": "mine"}, "session_id"),
        ({"question": "x", "request_id": "mine"}, "request_id"),
        ({"question": "x", "language": "english"}, "language"),
        ({"question": "x", "channel": "A B"}, "channel"),
        ({"question": "x", "trial": True, "session_id": str(uuid.uuid4())}, "trial"),
        ({"question": "x", "trial": True, "request_id": str(uuid.uuid4())}, "trial"),
        ({"question": "x", "filter": common_pb2.Filter(tags=["\0"])}, "filter.tags"),
    ],
)
async def test_wrong_question_is_refused_by_field(
    quoted: Shop, fields: dict[str, object], wrong: str
) -> None:
    with refused("INVALID_ARGUMENT", field=wrong):
        await ask(quoted, **fields)


async def test_question_of_100_000_characters_is_refused_by_its_size(quoted: Shop) -> None:
    with pytest.raises(CallFailed) as caught:
        await ask(quoted, "ж" * 100_000)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert [violation.field for violation in caught.value.violations] == ["question"]


async def test_unknown_answer_and_session_are_not_found(quoted: Shop) -> None:
    nobody = str(uuid.uuid4())
    assert (await failure_of(stored(quoted, nobody))).code == "NOT_FOUND"
    assert (await failure_of(ask(quoted, session_id=nobody))).code == "NOT_FOUND"
    with refused("INVALID_ARGUMENT", field="answer_id"):
        await stored(quoted, "mine")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"channel": ""}, "channel"),
        ({"channel": "Web Site"}, "channel"),
        ({"channel": "x" * 33}, "channel"),
        ({"user_key": "x" * 129}, "user_key"),
        ({"user_key": "nul\0"}, "user_key"),
        ({"language": "eng"}, "language"),
    ],
)
async def test_wrong_session_is_refused_by_field(quoted: Shop, fields: dict[str, str], wrong: str) -> None:
    with refused("INVALID_ARGUMENT", field=wrong):
        await new_session(quoted, **fields)


async def test_answer_left_by_a_dead_process_is_interrupted(quoting: Running, quoted: Shop) -> None:
    answer_id = (await ask(quoted)).started.answer_id
    async with await psycopg.AsyncConnection.connect(quoting.dsn, autocommit=True) as connection:
        await connection.execute(
            "UPDATE chat_logs SET status = 'running', finish_reason = '',"
            " lease_until = now() - interval '1 second' WHERE id = %(id)s",
            {"id": answer_id},
        )
    assert (await stored(quoted, answer_id)).status == pb.ANSWER_STATUS_INTERRUPTED
