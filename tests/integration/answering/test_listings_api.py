"""Questions that compare, rank or count prices are answered from what documents state as numbers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.domain.indexing.lexical import stem_index
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.stores.database import open_database
from retrieval_service.stores.documents import numeric_fields
from tests.kits.answers_kit import Heard, ask, assert_well_formed
from tests.kits.service_kit import Running, Shop, new_shop, wait_until_indexed

pytestmark = pytest.mark.asyncio(loop_scope="module")

Rows = Sequence[Mapping[str, object]]


def _product(name: str, description: str, price: object, **more: object) -> Mapping[str, object]:
    return {"id": name, "name": name, "description": description, "price": price, **more}


def _faq(question: str, answer: str) -> Mapping[str, object]:
    return {"question": question, "answer": answer}


_ENGLISH: Mapping[str, Rows] = {
    "products": [
        _product("Fell bike", "For gravel.", 1200, currency="USD", category="Bikes", weight_kg=11.5),
        _product("Moor bike", "Not expensive.", 640, currency="USD", category="Bikes", weight_kg=13),
        _product(
            "Tarn bike", "A cheap feeling it is not.", 2300, currency="USD", in_stock=False, weight_g=8900
        ),
        _product("Bike bell", "Loud.", 9.5, currency="USD", category="Bells"),
        _product("Curlew helmet", "To wear on a bike.", 45, currency="USD", category="Helmets"),
        _product("Plover helmet", "With a visor.", 80, currency="USD", category="Helmets"),
        _product(
            "Servicing", "A yearly service of any bike.", "from 60", currency="USD", category="Workshop"
        ),
    ],
    "faq": [
        _faq("How much is shipping?", "Shipping costs 12 dollars, and nothing for orders over 100 dollars."),
        _faq("When are you open?", "We are open from 9 to 18, on Saturdays to 14."),
        _faq("Do you rent bikes?", "We rent bikes from 2 to 7 days."),
        _faq("Which helmet is the cheapest for children?", "For children we lend helmets for nothing."),
    ],
}
_RUSSIAN: Mapping[str, Rows] = {
    "products": [
        _product("Гитара «Сойка»", "Недорогая гитара для начала.", 9900, currency="RUB", in_stock=True),
        _product("Гитара «Дрозд»", "Шестиструнная.", 31500, currency="RUB", in_stock=True),
        _product("Гитара «Клёст»", "Не дорогая, а очень дорогая.", 74000, currency="RUB", in_stock=False),
        _product("Укулеле «Чиж»", "Маленькая, из липы.", 4200, currency="RUB"),
        _product("Струны", "Шесть струн из бронзы.", 700, currency="RUB"),
    ],
    "faq": [
        _faq("Сколько стоит доставка?", "Доставка стоит 500 рублей, от 10000 рублей она бесплатна."),
        _faq("Сколько идёт доставка?", "Доставка идёт от 3 до 5 дней."),
    ],
}
_PORTUGUESE: Mapping[str, Rows] = {
    "products": [
        _product("Cadeira Tuim", "De pinho, nada cara.", 180, currency="BRL", category="Cadeiras"),
        _product("Cadeira Irerê", "De ipê.", 450, currency="BRL", category="Cadeiras"),
        _product("Cadeira Arara", "De couro.", 1290.5, currency="BRL", category="Cadeiras"),
        _product("Mesa Sabiá", "Para seis cadeiras.", 2100, currency="BRL", category="Mesas"),
    ],
    "faq": [
        _faq("Quanto custa a entrega?", "A entrega custa 90 reais, e nada acima de 1000 reais."),
        _faq("Em quantos dias entregam?", "Entregamos em 5 a 7 dias."),
    ],
}


async def _opened(running: Running, rows: Mapping[str, Rows], language: str) -> Shop:
    shop = await new_shop(running, languages=[language])
    request = documents_pb.ImportShopRequest(shop_json=json.dumps(rows).encode(), language=language)
    assert not (await shop.client.import_shop(request)).errors
    await wait_until_indexed(shop)
    return shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def english(running: Running) -> Shop:
    return await _opened(running, _ENGLISH, "en")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def russian(running: Running) -> Shop:
    return await _opened(running, _RUSSIAN, "ru")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def portuguese(running: Running) -> Shop:
    return await _opened(running, _PORTUGUESE, "pt")


def _names(heard: Heard) -> list[str]:
    """Of the things that are listed, in order."""
    return re.findall(r"^- (.+?) — ", heard.text, re.MULTILINE)


async def _listed(shop: Shop, question: str) -> list[str]:
    heard = await ask(shop, question)
    assert_well_formed(heard)
    assert heard.completed.finish_reason == pb.FINISH_REASON_STOP
    assert not heard.unsupported
    assert len(heard.citations) == len(_names(heard)) == len(heard.started.references)
    return _names(heard)


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What is the cheapest bike?", ["Moor bike"]),
        ("Which bike is the most expensive?", ["Tarn bike"]),
        ("bikes under $1,200", ["Moor bike"]),
        ("Bikes up to 1200 dollars", ["Moor bike", "Fell bike"]),
        ("Do you have bikes for more than $2000?", ["Tarn bike"]),
        ("bikes between $600 and $1500", ["Moor bike", "Fell bike"]),
        ("helmets around 50 dollars", ["Curlew helmet"]),
        ("How many bikes do you sell?", ["Moor bike", "Fell bike", "Tarn bike"]),
        ("List all bikes", ["Moor bike", "Fell bike", "Tarn bike"]),
        ("Which bike is the lightest?", ["Tarn bike"]),
        ("bikes up to 12 kg", ["Tarn bike", "Fell bike"]),
        ("cheapest helmet", ["Curlew helmet"]),
    ],
)
async def test_english_wishes(english: Shop, question: str, names: list[str]) -> None:
    assert await _listed(english, question) == names


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Какая гитара самая дорогая?", ["Гитара «Клёст»"]),
        ("самая дешёвая гитара", ["Гитара «Сойка»"]),
        ("Гитары до 35000 руб", ["Гитара «Сойка»", "Гитара «Дрозд»"]),
        ("Гитара дороже 50 тысяч", ["Гитара «Клёст»"]),
        ("гитары от 20 до 40 тысяч рублей", ["Гитара «Дрозд»"]),
        ("Какие у вас есть гитары?", ["Гитара «Сойка»", "Гитара «Дрозд»", "Гитара «Клёст»"]),
        ("Сколько у вас гитар?", ["Гитара «Сойка»", "Гитара «Дрозд»", "Гитара «Клёст»"]),
    ],
)
async def test_russian_wishes(russian: Shop, question: str, names: list[str]) -> None:
    assert await _listed(russian, question) == names


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Qual é a cadeira mais cara?", ["Cadeira Arara"]),
        ("Qual a cadeira mais barata?", ["Cadeira Tuim"]),
        ("Cadeira até 450 reais", ["Cadeira Tuim", "Cadeira Irerê"]),
        ("cadeiras acima de R$ 1.000", ["Cadeira Arara"]),
        ("Cadeiras entre 200 e 500 reais", ["Cadeira Irerê"]),
        ("Quantas cadeiras vocês têm?", ["Cadeira Tuim", "Cadeira Irerê", "Cadeira Arara"]),
        ("Quais cadeiras vocês vendem?", ["Cadeira Tuim", "Cadeira Irerê", "Cadeira Arara"]),
    ],
)
async def test_portuguese_wishes(portuguese: Shop, question: str, names: list[str]) -> None:
    assert await _listed(portuguese, question) == names


async def test_each_thing_is_told_with_price_and_stock(english: Shop, russian: Shop) -> None:
    heard = await ask(english, "Which bike is the most expensive?")
    assert heard.text == "The highest price:\n- Tarn bike — $2,300, out of stock [1]"
    heard = await ask(russian, "Сколько у вас гитар?")
    assert heard.text.startswith("Всего 3:\n- Гитара «Сойка» — 9900 ₽, в наличии")


@pytest.mark.parametrize(
    ("shop", "question", "beginning"),
    [
        ("english", "bikes under $300", "There is nothing below $300; this comes nearest:\n- Moor bike"),
        ("russian", "Гитары до 5000 руб", "Ничего до 5000 ₽ нет, ближе всего:\n- Гитара «Сойка»"),
        ("portuguese", "Cadeiras até 100 reais", "Não há nada até R$ 100; o mais próximo:\n- Cadeira Tuim"),
    ],
)
async def test_nothing_within_is_said_with_what_is_near(
    request: pytest.FixtureRequest, shop: str, question: str, beginning: str
) -> None:
    heard = await ask(request.getfixturevalue(shop), question)
    assert heard.text.startswith(beginning)
    assert heard.completed.finish_reason == pb.FINISH_REASON_STOP
    assert not heard.unsupported


async def test_prices_in_another_currency_are_said_to_be(english: Shop) -> None:
    heard = await ask(english, "bikes under 900 euros")
    assert heard.text.startswith("Prices are in USD here, not in EUR:\n- Moor bike — $640")


async def test_one_thing_of_a_name_is_compared_with_nothing(running: Running) -> None:
    shop = await new_shop(running, languages=["en"])
    rows = [
        ("hosta", "Hosta, 1 litre pot", 6),
        ("mint", "Mint, 2 litre pot", 8),
        ("plan", "Planting plan", 99),
    ]
    products = [
        {"id": key, "name": name, "description": "By our gardeners.", "price": price, "currency": "GBP"}
        for key, name, price in rows
    ]
    shop_json = json.dumps({"products": products}).encode()
    await shop.client.import_shop(documents_pb.ImportShopRequest(shop_json=shop_json))
    await wait_until_indexed(shop)
    for question in ("plants under 10 pounds", "cheapest plant"):
        heard = await ask(shop, question)
        assert "othing below" not in heard.text
        assert "lowest price" not in heard.text


async def test_filter_of_the_request_holds(english: Shop) -> None:
    heard = await ask(english, "cheapest bike", filter=common_pb2.Filter(sections=["Bells"]))
    assert _names(heard) == ["Bike bell"]


@pytest.mark.parametrize(
    ("shop", "question"),
    [
        ("english", "Is shipping free for orders over 100 dollars?"),
        ("english", "How much is shipping?"),
        ("english", "Are you open from 9 to 18?"),
        ("english", "Do you rent bikes for 2 to 7 days?"),
        ("english", "Which helmet is the cheapest for children?"),
        ("english", "How much is the Fell bike?"),
        ("english", "How many visors do you have for the Plover helmet?"),
        ("russian", "Доставка бесплатна от 10000 рублей?"),
        ("russian", "Доставка идёт от 3 до 5 дней?"),
        ("russian", "Сколько стоит доставка?"),
        ("portuguese", "A entrega é grátis acima de 1000 reais?"),
        ("portuguese", "Vocês entregam em 5 a 7 dias?"),
    ],
)
async def test_numbers_of_other_things_are_no_wish(
    request: pytest.FixtureRequest, shop: str, question: str
) -> None:
    assert not _names(await ask(request.getfixturevalue(shop), question))


async def test_another_tenants_things_are_never_listed(russian: Shop) -> None:
    heard = await ask(russian, "List all bikes")
    assert not _names(heard)


async def test_words_of_too_many_passages_are_not_looked_for_to_the_end(
    running: Running, english: Shop
) -> None:
    stems = [stem_index("bike", "en")]
    async with (
        open_database(running.dsn) as database,
        database.tenant(UUID(english.tenant_id)) as scope,
    ):
        found = await numeric_fields.find(scope, Conditions(), stems=stems, limit=50)
        too_many = await numeric_fields.find(scope, Conditions(), stems=stems, limit=2)
    assert len(found) > 2 * numeric_fields.PASSAGES_EACH
    assert too_many == []


async def test_many_wishes_at_once_take_turns(english: Shop) -> None:
    asked = [_listed(english, "What is the cheapest bike?") for _ in range(12)]
    assert await asyncio.gather(*asked) == [["Moor bike"]] * 12


@pytest.mark.parametrize(
    ("shop", "question"),
    [
        ("english", "What is the second cheapest bike?"),
        ("english", "cheapest bike and how do I return an item?"),
        ("english", "cheapest electric bike"),
        ("russian", "вторая самая дешёвая гитара"),
        ("portuguese", "a segunda cadeira mais barata"),
    ],
)
async def test_no_word_of_a_question_is_dropped_for_a_list(
    request: pytest.FixtureRequest, shop: str, question: str
) -> None:
    heard = await ask(request.getfixturevalue(shop), question)
    assert_well_formed(heard)
    assert not re.search(r"lowest|дешевле|mais baix|menor", heard.text.splitlines()[0].lower())
    assert _names(heard) == []


async def test_two_bounds_are_both_kept(english: Shop) -> None:
    assert await _listed(english, "bikes over $1000 and under $2000") == ["Fell bike"]


_STOCKED = [
    _product("Oboe Kestrel", "For pupils.", 900, currency="£", category="Oboes", availability="in stock"),
    _product("Oboe Heron", "For the stage.", "£2,400", category="Oboes", availability="sold out"),
    _product("Oboe Swift", "Made to order.", "from 3000", category="Oboes", availability="yes"),
    _product("Reed knife", "Sharp.", 25, currency="eur", category="Tools", quantity=4),
    _product("Reed case", "For six.", 18, currency="pounds", category="Tools", quantity=0),
    _product("Music stand", "Folds.", 30, currency="GBP", category="Stands"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stocked(running: Running) -> Shop:
    return await _opened(running, {"products": _STOCKED}, "en")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (
            "What is in stock?",
            "In stock, 3 in all:\n- Reed knife — €25, in stock [1]\n- Oboe Kestrel — £900, in stock [2]\n"
            "- Oboe Swift — from 3000, in stock [3]",
        ),
        (
            "Which oboes are in stock?",
            "In stock, 2 in all:\n- Oboe Kestrel — £900, in stock [1]\n- Oboe Swift — from 3000, in stock [2]",
        ),
        (
            "what is sold out right now",
            "Out of stock, 2 in all:\n- Reed case — £18, out of stock [1]\n- Oboe Heron — £2,400, out of stock [2]",
        ),
        (
            "oboes under 1000 pounds",
            "What there is below £1,000:\n- Oboe Kestrel — £900, in stock; 1 more have a price in another currency or "
            "in words [1]",
        ),
        ("What is the cheapest oboe in stock?", "The lowest price:\n- Oboe Kestrel — £900, in stock"),
    ],
)
async def test_stock_and_prices_as_they_are_written(stocked: Shop, question: str, text: str) -> None:
    heard = await ask(stocked, question)
    assert_well_formed(heard)
    assert heard.text.startswith(text)
    assert not heard.unsupported


async def test_one_thing_in_stock_is_no_list(stocked: Shop) -> None:
    heard = await ask(stocked, "Is the Oboe Heron in stock?")
    assert "Oboe Heron (£2,400, in stock: no)" in heard.text
    assert "Kestrel" not in heard.text


@pytest.mark.parametrize(
    "question", ["what's under 20 pounds?", "I'm looking for something below £20", "what’s £20 or less?"]
)
async def test_a_letter_behind_an_apostrophe_is_no_size(running: Running, question: str) -> None:
    rows = [
        _product("Linen shirt", "Light.", 18, currency="GBP", size="S"),
        _product("Wool cap", "Warm.", 12, currency="GBP", size="M"),
        _product("Rain coat", "Dry.", 45, currency="GBP", size="S"),
    ]
    shop = await _opened(running, {"products": rows}, "en")
    assert await _listed(shop, question) == ["Wool cap", "Linen shirt"]
