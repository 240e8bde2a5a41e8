"""A day that is asked for is told of that day alone, and "today" is told the usual hours, in any trade."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.postgres.embedded import Embedded
from tests.kits.answers_kit import not_stated, stated
from tests.kits.service_kit import Running, Shop, new_shop, shared_service, upsert, wait_until_indexed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

# A question with its answer, and an article of special days.
KNOWN: Mapping[str, tuple[str, str, str, str]] = {
    "en": (
        "What are your opening hours?",
        "We are open Monday to Friday from 9 am to 6 pm.",
        "Holidays",
        "On 1 January we are closed. On 2 January we open at 10:00. From 24 to 26 December we close at 2 pm.",
    ),
    "ru": (
        "График работы зала",
        "Ежедневно с 7:00 до 23:00.",
        "График в праздники",
        "С 1 по 3 января зал закрыт.\n\n| Дата | Часы |\n|---|---|\n| 31 декабря | 8:00–16:00 |\n",
    ),
    "pt": (
        "Qual é o horário do consultório?",
        "De segunda a sexta das 8h às 19h.",
        "Feriados",
        "Em 1º de janeiro estamos fechados. Em 2 de janeiro atendemos às 10h.",
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shops(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Mapping[str, Shop]]:
    async with shared_service(postgres_server, migrated_template, local_model="both") as running:
        yield {language: await filled(running, language) for language in KNOWN}


async def filled(running: Running, language: str) -> Shop:
    shop = await new_shop(running, languages=[language])
    question, answer, title, content = KNOWN[language]
    shop_json = json.dumps({"faq": [{"question": question, "answer": answer}]}).encode()
    await shop.client.import_shop(documents_pb.ImportShopRequest(shop_json=shop_json, language=language))
    await upsert(shop, "days", content, title=title, language=language)
    await wait_until_indexed(shop)
    return shop


@pytest.mark.parametrize(
    ("language", "question", "told", "others"),
    [
        ("en", "Are you open on 01/01?", "closed", ("10:00", "9 am")),
        ("en", "Are you open on January 2nd?", "10:00", ("closed", "9 am")),
        ("en", "are you open on 25.12?", "2 pm", ("10:00", "9 am")),
        ("ru", "зал работает 02.01?", "закрыт", ("16:00", "23:00")),
        ("ru", "зал открыт 31 декабря?", "16:00", ("закрыт", "23:00")),
        ("pt", "vocês atendem em 01/01?", "fechados", ("10h", "19h")),
        ("pt", "atendem dia 2 de janeiro?", "10h", ("fechados", "19h")),
    ],
)
async def test_a_special_day_is_told_alone(
    shops: Mapping[str, Shop], language: str, question: str, told: str, others: tuple[str, ...]
) -> None:
    heard = await stated(shops[language], question, told)
    assert not any(other in heard.text for other in others), heard.text


@pytest.mark.parametrize(
    ("language", "question"),
    [("en", "Are you open on 5 March?"), ("ru", "5 января зал работает?"), ("pt", "atendem em 25/12?")],
)
async def test_another_day_than_those_told_is_not_stated(
    shops: Mapping[str, Shop], language: str, question: str
) -> None:
    await not_stated(shops[language], question)


@pytest.mark.parametrize(
    ("language", "question", "told"),
    [
        ("en", "Are you open today?", "9 am"),
        ("en", "what time do you close today", "9 am"),
        ("ru", "зал сегодня работает?", "23:00"),
        ("pt", "o consultório está aberto agora?", "19h"),
        ("pt", "aberto hoje?", "19h"),
    ],
)
async def test_today_is_told_the_usual_hours(
    shops: Mapping[str, Shop], language: str, question: str, told: str
) -> None:
    heard = await stated(shops[language], question, told)
    assert "2 January" not in heard.text
    assert "января" not in heard.text
    assert "janeiro" not in heard.text
