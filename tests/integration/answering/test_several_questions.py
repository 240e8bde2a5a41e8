"""Messages with several questions: each is answered with its own citation, or said not to be, without any model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
import pytest_asyncio
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.postgres.embedded import Embedded
from tests.kits.answers_kit import Heard, ask, assert_well_formed
from tests.kits.service_kit import Shop, new_shop, shared_service, wait_until_indexed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

BICYCLES: Mapping[str, Mapping[str, object]] = {
    "en": {
        "products": [
            {"id": "helmet", "name": "Road helmet", "description": "For fast rides.", "price": 60},
            {"id": "gloves", "name": "Winter gloves", "description": "Warm fingers.", "price": 25},
        ],
        "faq": [
            {"id": "parking", "question": "Can I park at the workshop?", "answer": "Yes, behind the hall."},
            {
                "id": "rental",
                "question": "How much is it to rent a bicycle?",
                "answer": "Renting a bicycle costs 15 a day.",
            },
            {"id": "chains", "question": "Do you mend chains?", "answer": "We mend chains while you wait."},
        ],
    },
    "ru": {
        "products": [
            {"id": "helmet", "name": "Шлем шоссейный", "description": "Для быстрой езды.", "price": 6000},
            {"id": "gloves", "name": "Перчатки зимние", "description": "Тёплые пальцы.", "price": 2500},
        ],
        "faq": [
            {"id": "parking", "question": "Есть ли парковка у мастерской?", "answer": "Да, за ангаром."},
            {
                "id": "rental",
                "question": "Сколько стоит прокат велосипеда?",
                "answer": "Прокат велосипеда стоит 900 в день.",
            },
            {"id": "chains", "question": "Вы чините цепи?", "answer": "Чиним цепи, пока вы ждёте."},
        ],
    },
    "pt": {
        "products": [
            {
                "id": "helmet",
                "name": "Capacete de estrada",
                "description": "Para andar rápido.",
                "price": 300,
            },
            {"id": "gloves", "name": "Luvas de inverno", "description": "Dedos quentes.", "price": 120},
        ],
        "faq": [
            {"id": "parking", "question": "Há estacionamento na oficina?", "answer": "Sim, atrás do galpão."},
            {
                "id": "rental",
                "question": "Quanto custa o aluguel de bicicleta?",
                "answer": "O aluguel de bicicleta custa 80 por dia.",
            },
            {"id": "chains", "question": "Vocês consertam correntes?", "answer": "Consertamos na hora."},
        ],
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shops(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Mapping[str, Shop]]:
    """One for each language."""
    async with shared_service(postgres_server, migrated_template, local_model="both") as running:
        yield {
            language: await filled(await new_shop(running, languages=[language]), language)
            for language in BICYCLES
        }


async def filled(shop: Shop, language: str) -> Shop:
    rows = json.dumps(BICYCLES[language]).encode()
    await shop.client.import_shop(documents_pb.ImportShopRequest(shop_json=rows, language=language))
    await wait_until_indexed(shop)
    return shop


def cited(heard: Heard) -> Sequence[str]:
    """Documents in the order of the text."""
    ids = {one.number: one.external_id for one in heard.completed.answer.references}
    return list(dict.fromkeys(ids[number] for citation in heard.citations for number in citation.numbers))


@pytest.mark.parametrize(
    ("language", "message", "expected"),
    [
        ("en", "Can I park there? How much is the road helmet?", ["parking", "helmet"]),
        ("en", "1) Do you mend chains? 2) How much is renting a bicycle?", ["chains", "rental"]),
        ("en", "Do you mend chains and how much is renting a bicycle?", ["chains", "rental"]),
        ("en", "How much are the helmet and the gloves?", ["helmet", "gloves"]),
        ("en", "How much is the road helmet? And the gloves?", ["helmet", "gloves"]),
        ("ru", "Есть парковка? Сколько стоит шлем?", ["parking", "helmet"]),
        ("ru", "1) Вы чините цепи? 2) Сколько стоит прокат велосипеда?", ["chains", "rental"]),
        ("ru", "Вы чините цепи и сколько стоит прокат велосипеда?", ["chains", "rental"]),
        ("ru", "Сколько стоят шлем и перчатки?", ["helmet", "gloves"]),
        ("ru", "Сколько стоит шлем? А перчатки?", ["helmet", "gloves"]),
        ("pt", "Há estacionamento? Quanto custa o capacete?", ["parking", "helmet"]),
        ("pt", "1) Vocês consertam correntes? 2) Quanto custa o aluguel de bicicleta?", ["chains", "rental"]),
        ("pt", "Vocês consertam correntes e quanto custa o aluguel de bicicleta?", ["chains", "rental"]),
        ("pt", "Quanto custam o capacete e as luvas?", ["helmet", "gloves"]),
        ("pt", "Quanto custa o capacete? E as luvas?", ["helmet", "gloves"]),
    ],
)
async def test_each_question_of_a_message_is_answered_in_its_turn(
    shops: Mapping[str, Shop], language: str, message: str, expected: Sequence[str]
) -> None:
    heard = await ask(shops[language], message)
    assert cited(heard) == expected
    assert_well_formed(heard)


@pytest.mark.parametrize(
    ("language", "message", "question"),
    [
        ("en", "Do you mend chains? Do you sell submarines?", "Do you sell submarines?"),
        ("ru", "Вы чините цепи? Продаёте ли вы водолазов?", "Продаёте ли вы водолазов?"),
        ("pt", "Vocês consertam correntes? Quanto pesa o submarino?", "Quanto pesa o submarino?"),
    ],
)
async def test_question_that_nothing_answers_is_named_beside_the_answer_to_the_other(
    shops: Mapping[str, Shop], language: str, message: str, question: str
) -> None:
    heard = await ask(shops[language], message)
    assert cited(heard) == ["chains"]
    assert question in heard.text
    assert not heard.unsupported


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("en", "Do you mend chains and while I wait?"),
        ("ru", "Вы чините цепи и пока я жду?"),
        ("pt", "Vocês consertam correntes? E na hora?"),
    ],
)
async def test_two_sides_of_one_answer_are_one_question(
    shops: Mapping[str, Shop], language: str, message: str
) -> None:
    heard = await ask(shops[language], message)
    assert cited(heard) == ["chains"]
    assert heard.text.count("?") == 1, (
        "its own question stands above it, and no part is said not to be answered"
    )


@pytest.mark.parametrize(
    ("language", "message", "told"),
    [
        (
            "en",
            "Is my car welcome there? Do you mend chains?",
            [
                "Is my car welcome there?",
                "Perhaps this helps:",
                "Do you mend chains?",
                "From our materials:",
            ],
        ),
        (
            "ru",
            "Вы чините цепи? Куда мне поставить машину?",
            [
                "Вы чините цепи?",
                "По нашим материалам:",
                "Куда мне поставить машину?",
                "Возможно, это поможет:",
            ],
        ),
        (
            "pt",
            "Onde deixo o meu carro? Vocês consertam correntes?",
            [
                "Onde deixo o meu carro?",
                "Talvez isto ajude:",
                "Vocês consertam correntes?",
                "Segundo nossos materiais:",
            ],
        ),
    ],
)
async def test_sure_and_unsure_answers_stand_under_their_questions(
    shops: Mapping[str, Shop], language: str, message: str, told: Sequence[str]
) -> None:
    heard = await ask(shops[language], message)
    lines = heard.text.splitlines()
    assert [line for line in lines if line in told] == told
    assert set(cited(heard)) == {"parking", "chains"}
    assert_well_formed(heard)


async def test_fourth_question_that_goes_on_from_the_third_is_said_not_to_be_answered(
    shops: Mapping[str, Shop],
) -> None:
    message = "Do you mend chains? Can I park at the workshop? Do you sell elephants? What about Zanzibarix?"
    heard = await ask(shops["en"], message)
    assert cited(heard) == ["chains", "parking"]
    assert heard.text.endswith("Do you sell elephants? What about Zanzibarix?")
