"""Follow-ups of what was only offered, of what has no price, and of another town, without any model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.postgres.embedded import Embedded
from tests.integration.answering.test_talks_of_any_trade import first_of, say
from tests.kits.service_kit import Shop, new_shop, shared_service, wait_until_indexed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

TRADES: Mapping[str, Mapping[str, Sequence[Mapping[str, object]]]] = {
    "en": {
        "products": [
            {"id": "ficus", "name": "Ficus", "description": "Evergreen, 180 cm tall.", "price": 30},
            {"id": "cactus", "name": "Cactus", "description": "Slow, 40 cm tall.", "price": 12},
        ],
        "faq": [
            {"id": "hours", "question": "When are you open?", "answer": "From 9 am to 7 pm."},
            {"id": "repot", "question": "Do you repot plants?", "answer": "We repot while you wait."},
            {"id": "deliver", "question": "Do you deliver?", "answer": "In the city. Delivery costs 8 euro."},
            {
                "id": "malta",
                "question": "How long is shipping to Malta?",
                "answer": "Shipping to Malta takes 9 days.",
            },
        ],
    },
    "ru": {
        "products": [
            {"id": "kettle", "name": "Чайник Волна", "description": "Из стали, весит 1,2 кг.", "price": 3500}
        ],
        "faq": [
            {
                "id": "guarantee",
                "question": "Какая гарантия на технику?",
                "answer": "На кофемолки — 2 года, на остальное — 1 год.",
            },
            {"id": "hours", "question": "Когда вы работаете?", "answer": "Мы работаем с 10 до 20 часов."},
            {
                "id": "kazan",
                "question": "Сколько идёт доставка в Казань?",
                "answer": "Доставка в Казань идёт 3 дня.",
            },
        ],
    },
    "pt": {
        "faq": [
            {"id": "office", "question": "Qual é o horário da secretaria?", "answer": "Das 8h às 18h."},
            {
                "id": "guitar",
                "question": "Vocês têm aulas de violão?",
                "answer": "Sim, as aulas de violão duram 45 minutos e custam R$ 90.",
            },
            {"id": "piano", "question": "Vocês têm aulas de piano?", "answer": "Sim, por R$ 120."},
            {"id": "recife", "question": "Qual é o prazo para Recife?", "answer": "Para Recife, 4 dias."},
        ],
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shops(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Mapping[str, Shop]]:
    async with shared_service(postgres_server, migrated_template, local_model="both") as running:
        filled = {language: await new_shop(running, languages=[language]) for language in TRADES}
        for language, shop in filled.items():
            rows = json.dumps(TRADES[language]).encode()
            await shop.client.import_shop(documents_pb.ImportShopRequest(shop_json=rows, language=language))
            await wait_until_indexed(shop)
        yield filled


@pytest.mark.parametrize(
    ("language", "questions", "expected"),
    [
        ("en", ["When are you open?", "How much is it?"], ""),
        ("en", ["Do you repot plants?", "and how much does it cost?"], ""),
        ("en", ["Do you deliver?", "How much is it?"], "deliver"),
        ("en", ["How tall is the cactus?", "How much is it?"], "cactus"),
        ("ru", ["Когда вы работаете?", "Сколько это стоит?"], ""),
        ("ru", ["Сколько весит чайник?", "а сколько стоит?"], "kettle"),
        ("pt", ["Qual é o horário da secretaria?", "Quanto custa?"], ""),
        ("pt", ["Vocês têm aulas de violão?", "Quanto custa?"], "guitar"),
        ("pt", ["Vocês têm aulas de violão?", "quanto tempo dura?"], "guitar"),
    ],
)
async def test_what_tells_no_price_does_not_answer_how_much_it_is(
    shops: Mapping[str, Shop], language: str, questions: Sequence[str], expected: str
) -> None:
    assert first_of((await say(shops[language], questions))[-1]) == expected


@pytest.mark.parametrize(
    ("language", "questions"),
    [
        ("en", ["Is the cactus safe for cats?", "and the ficus?"]),
        ("ru", ["Можно вернуть чайник по гарантии?", "а кофемолку?"]),
        ("pt", ["Vocês dão certificado de piano?", "e de violão?"]),
    ],
)
async def test_after_an_offer_the_same_is_asked_of_another_thing_and_nothing_is_stated(
    shops: Mapping[str, Shop], language: str, questions: Sequence[str]
) -> None:
    first, second = await say(shops[language], questions)
    assert first.completed.finish_reason == pb.FINISH_REASON_NOT_SURE
    assert first_of(second) == ""


@pytest.mark.parametrize(
    ("language", "questions"),
    [
        ("en", ["How long is shipping to Malta?", "and to Iceland?"]),
        ("ru", ["Сколько идёт доставка в Казань?", "А в Омск?"]),
        ("pt", ["Qual é o prazo para Recife?", "E para Manaus?"]),
    ],
)
async def test_what_is_said_of_one_town_is_not_stated_of_another(
    shops: Mapping[str, Shop], language: str, questions: Sequence[str]
) -> None:
    first, second = await say(shops[language], questions)
    assert first_of(first) in {"malta", "kazan", "recife"}
    assert first_of(second) == ""
