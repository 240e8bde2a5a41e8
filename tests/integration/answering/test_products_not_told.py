"""Of what a known product does not tell nothing is stated, and what it tells is, in the words of any trade."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.postgres.embedded import Embedded
from tests.kits.answers_kit import ask, new_session, stated
from tests.kits.service_kit import Running, Shop, new_shop, shared_service, wait_until_indexed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PRODUCTS: Mapping[str, list[Mapping[str, object]]] = {
    "en": [
        {
            "name": "Kestrel bread oven",
            "description": "Fires with beech or oak.",
            "depth": "70 cm",
            "stock": 14,
        },
        {"name": "Copper kettle", "description": "Polished by hand.", "volume": "2 l", "stock": 3},
        {"name": "Blue umbrella", "description": "Opens by itself.", "color": "blue", "stock": 5},
        {"name": "Toaster Finch", "description": "Two slots. Quiet and fast.", "power": "800 W", "stock": 6},
    ],
    "ru": [
        {
            "name": "Лодка «Чайка»",
            "description": "Надувная, с жёстким дном.",
            "material": "ПВХ",
            "length": "320 см",
            "stock": 14,
        },
        {"name": "Весло «Ока»", "description": "Складное.", "length": "150 см", "stock": 3},
        {"name": "Синий зонт", "description": "Открывается сам.", "color": "синий", "stock": 5},
        {"name": "Насос «Кит»", "description": "Тихий, ножной.", "power": "800 Вт", "stock": 6},
    ],
    "pt": [
        {
            "name": "Violão Serra",
            "description": "Cordas de nylon.",
            "length": "98 cm",
            "color": "natural",
            "stock": 14,
        },
        {"name": "Cavaquinho Mar", "description": "Tampo de cedro.", "length": "60 cm", "stock": 3},
        {"name": "Guarda-chuva azul", "description": "Abre sozinho.", "color": "azul", "stock": 5},
        {"name": "Aspirador Baleia", "description": "Silencioso, com saco.", "power": "800 W", "stock": 6},
    ],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shops(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Mapping[str, Shop]]:
    async with shared_service(postgres_server, migrated_template, local_model="both") as running:
        yield {language: await filled(running, language) for language in PRODUCTS}


async def filled(running: Running, language: str) -> Shop:
    shop = await new_shop(running, languages=[language])
    rows = [
        {"id": f"p{place}", "price": 100 + place, "currency": "EUR", **row}
        for place, row in enumerate(PRODUCTS[language])
    ]
    shop_json = json.dumps({"products": rows}).encode()
    await shop.client.import_shop(documents_pb.ImportShopRequest(shop_json=shop_json, language=language))
    await wait_until_indexed(shop)
    return shop


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("en", "what is the guarantee on the Kestrel oven?"),
        ("en", "how much does the bread oven weigh?"),
        ("en", "who makes the copper kettle?"),
        ("ru", "какая гарантия на лодку Чайка?"),
        ("ru", "сколько весит лодка Чайка?"),
        ("ru", "в какой стране сделано весло Ока?"),
        ("pt", "qual a garantia do violão Serra?"),
        ("pt", "quanto pesa o violão Serra?"),
        ("pt", "onde é feito o cavaquinho Mar?"),
        ("en", "Is the copper kettle loud?"),
        ("en", "red umbrella"),
        ("en", "how much is the red umbrella?"),
        ("ru", "красный зонт"),
        ("ru", "сколько стоит красный зонт?"),
        ("pt", "guarda-chuva vermelho"),
        ("pt", "quanto custa o guarda-chuva vermelho?"),
    ],
)
async def test_what_is_not_told_is_not_stated(
    shops: Mapping[str, Shop], language: str, question: str
) -> None:
    heard = await ask(shops[language], question)
    assert heard.completed.finish_reason == pb.FINISH_REASON_NOT_SURE, heard.text
    assert not any(figure in heard.text for figure in ("14", "70 cm", "320 см", "98 cm", "2 l"))


@pytest.mark.parametrize(
    ("language", "question", "told"),
    [
        ("en", "how deep is the Kestrel oven?", "70 cm"),
        ("en", "how much is the copper kettle?", "€101"),
        ("ru", "какой длины лодка Чайка?", "320 см"),
        ("ru", "из какого материала лодка Чайка?", "ПВХ"),
        ("pt", "qual o comprimento do violão Serra?", "98 cm"),
        ("pt", "de que cor é o violão Serra?", "natural"),
    ],
)
async def test_what_is_told_is_stated(
    shops: Mapping[str, Shop], language: str, question: str, told: str
) -> None:
    await stated(shops[language], question, told)


@pytest.mark.parametrize(
    ("language", "first", "question", "told"),
    [
        ("en", "How much is the Toaster Finch?", "Is it loud?", "Quiet and fast."),
        ("ru", "Сколько стоит насос Кит?", "Он громкий?", "Тихий, ножной."),
        ("pt", "Quanto custa o aspirador Baleia?", "Ele é barulhento?", "Silencioso, com saco."),
    ],
)
async def test_what_is_said_in_other_words_is_offered(
    shops: Mapping[str, Shop], language: str, first: str, question: str, told: str
) -> None:
    session = await new_session(shops[language])
    await ask(shops[language], first, session_id=session)
    heard = await ask(shops[language], question, session_id=session)
    assert heard.completed.finish_reason == pb.FINISH_REASON_NOT_SURE, heard.text
    assert told in heard.text
