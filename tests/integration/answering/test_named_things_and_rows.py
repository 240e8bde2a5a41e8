"""A text about another thing states nothing of the one that is named; halves and rows of tables are told apart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
import pytest_asyncio
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.postgres.embedded import Embedded
from tests.kits.answers_kit import ask, new_session, not_stated, stated
from tests.kits.service_kit import Running, Shop, new_shop, shared_service, upsert, wait_until_indexed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

Rows = Sequence[Mapping[str, object]]

PRODUCTS: Mapping[str, Rows] = {
    "en": [
        {"name": "Swift bike", "description": "City bike.", "gears": 7},
        {"name": "Ray flask", "description": "Keeps warm for 12 hours.", "volume": "1 l"},
    ],
    "ru": [
        {"name": "Велосипед «Стриж»", "description": "Городской.", "gears": 7},
        {"name": "Шлем «Скат»", "description": "С козырьком.", "size": "M"},
        {"name": "Термос «Ель»", "description": "Держит тепло 12 часов.", "volume": "1 л"},
    ],
    "pt": [
        {"name": "Bicicleta Andorinha", "description": "Urbana.", "gears": 7},
        {"name": "Capacete Raia", "description": "Com viseira.", "size": "M"},
        {"name": "Garrafa térmica Pinho", "description": "Conserva o calor por 12 horas.", "volume": "1 l"},
    ],
}
FAQ: Mapping[str, Sequence[tuple[str, str]]] = {
    "en": [
        ("Can I return things?", "Yes, within 14 days."),
        ("How much is delivery?", "€4 within the town."),
        ("Is there parking?", "Yes, behind the shop."),
    ],
    "ru": [
        ("Можно ли вернуть товар?", "Да, в течение 14 дней."),
        ("Сколько стоит доставка?", "По городу 300 ₽."),
        ("Есть ли парковка?", "Да, за магазином."),
    ],
    "pt": [
        ("Posso devolver um produto?", "Sim, em até 14 dias."),
        ("Quanto custa a entrega?", "Na cidade, R$ 12."),
        ("Tem estacionamento?", "Sim, atrás da loja."),
    ],
}
ARTICLES: Mapping[str, Sequence[tuple[str, str]]] = {
    "en": [
        ("Boat hire", "| Boat | Hour | Day |\n|---|---|---|\n| Kayak | €10 | €45 |\n| Canoe | €14 | €60 |\n")
    ],
    "ru": [
        ("Гарантия на велосипеды", "На раму — 5 лет, на навесное оборудование — 1 год."),
        (
            "Прокат лодок",
            "| Лодка | Час |\n|---|---|\n| Каяк | 310 ₽ |\n| Каноэ | 410 ₽ |\n| Сап | 250 ₽ |\n",
        ),
    ],
    "pt": [
        ("Garantia das bicicletas", "Quadro: 5 anos; outras peças: 1 ano."),
        ("Entrega da bicicleta", "Levamos a bicicleta montada por R$ 90."),
        ("Aluguel de barcos", "| Barco | Hora |\n|---|---|\n| Caiaque | R$ 30 |\n| Canoa | R$ 40 |\n"),
    ],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shops(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Mapping[str, Shop]]:
    async with shared_service(postgres_server, migrated_template, local_model="both") as running:
        yield {language: await filled(running, language) for language in PRODUCTS}


async def filled(running: Running, language: str) -> Shop:
    shop = await new_shop(running, languages=[language])
    products = [
        {"id": f"p{place}", "price": 100 + place, "currency": "EUR", **row}
        for place, row in enumerate(PRODUCTS[language])
    ]
    faq = [{"question": question, "answer": answer} for question, answer in FAQ[language]]
    shop_json = json.dumps({"products": products, "faq": faq}).encode()
    await shop.client.import_shop(documents_pb.ImportShopRequest(shop_json=shop_json, language=language))
    for title, text in ARTICLES[language]:
        await upsert(shop, title, text, title=title, language=language)
    await wait_until_indexed(shop)
    return shop


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("ru", "гарантия на шлем"),
        ("ru", "какая гарантия на шлем?"),
        ("ru", "аренда велосипеда"),
        ("pt", "garantia do capacete"),
        ("pt", "qual a garantia do capacete?"),
        ("pt", "bicicleta para alugar"),
        ("en", "price"),
        ("en", "how much?"),
        ("ru", "цена"),
        ("pt", "preço"),
    ],
)
async def test_what_speaks_of_another_thing_is_not_stated(
    shops: Mapping[str, Shop], language: str, question: str
) -> None:
    await not_stated(shops[language], question)


@pytest.mark.parametrize(
    ("language", "question", "told"),
    [
        ("ru", "гарантия на велосипед", "5 лет"),
        ("pt", "garantia da bicicleta", "5 anos"),
        ("en", "Ray flask price", "€101"),
        ("en", "If I pay by card, how much is delivery?", "€4"),
    ],
)
async def test_what_speaks_of_it_is_stated(
    shops: Mapping[str, Shop], language: str, question: str, told: str
) -> None:
    await stated(shops[language], question, told)


@pytest.mark.parametrize(
    ("language", "question", "told"),
    [
        ("en", "How much is the Ray flask and can I return it?", ("€101", "14 days")),
        ("en", "how much is the Ray flask, is there parking", ("€101", "behind the shop")),
        ("en", "How much is delivery. Is there parking", ("€4", "behind the shop")),
        ("ru", "Сколько стоит термос Ель и можно ли его вернуть?", ("102", "14 дней")),
        ("pt", "Quanto custa a garrafa Pinho e posso devolvê-la?", ("102", "14 dias")),
        ("pt", "quanto custa a entrega, tem estacionamento", ("R$ 12", "atrás da loja")),
    ],
)
async def test_both_halves_are_told(
    shops: Mapping[str, Shop], language: str, question: str, told: Sequence[str]
) -> None:
    heard = await ask(shops[language], question)
    assert all(one in heard.text for one in told), heard.text


@pytest.mark.parametrize(
    ("language", "first", "question", "told", "other"),
    [
        ("en", "How much is a kayak for an hour?", "and a canoe?", "€14", "€10"),
        ("ru", "Сколько стоит каяк на час?", "а каноэ?", "410", "310"),
        ("pt", "Quanto custa o caiaque por hora?", "e a canoa?", "R$ 40", "R$ 30"),
    ],
)
async def test_a_follow_up_is_told_its_own_row(
    shops: Mapping[str, Shop], language: str, first: str, question: str, told: str, other: str
) -> None:
    session = await new_session(shops[language])
    await ask(shops[language], first, session_id=session)
    heard = await ask(shops[language], question, session_id=session)
    assert told in heard.text
    assert other not in heard.text
