"""What is offered is in the question's language where the shop writes it, and what asks for nothing finds nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import document_service_pb2 as documents_pb

from tests.kits.answers_kit import ask
from tests.kits.service_kit import Running, Shop, new_shop, wait_until_indexed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

BIKES: Mapping[str, Sequence[tuple[str, str]]] = {
    "en": [
        ("How do I book a bike?", "On the site or by phone, an hour ahead."),
        ("Is a helmet included?", "Yes, with every bike."),
        ("What deposit do you take?", "50 euro, by card."),
    ],
    "ru": [
        ("Как забронировать велосипед?", "На сайте или по телефону, за час."),
        ("Шлем входит в стоимость?", "Да, с каждым велосипедом."),
        ("Какой залог?", "50 евро, по карте."),
    ],
    "pt": [
        ("Como reservo uma bicicleta?", "No site ou por telefone, com uma hora."),
        ("O capacete está incluído?", "Sim, com cada bicicleta."),
        ("Qual é a caução?", "50 euros, no cartão."),
        ("Alugam triciclos de carga?", "Sim, por 40 euros por dia, com dois cadeados."),
    ],
}


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    return {"local_model": "both"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bikes(running: Running) -> Shop:
    return await filled(running)


async def filled(running: Running) -> Shop:
    shop = await new_shop(running, languages=["ru", "pt", "en"])
    for language, pairs in BIKES.items():
        faq = [{"question": question, "answer": answer} for question, answer in pairs]
        shop_json = json.dumps({"faq": faq}).encode()
        await shop.client.import_shop(documents_pb.ImportShopRequest(shop_json=shop_json, language=language))
    await wait_until_indexed(shop)
    return shop


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("en", "how do I renew my passport?"),
        ("en", "Do you have parking?"),
        ("en", "Is there a concert on 3 June?"),
        ("ru", "где купить билеты на поезд?"),
        ("ru", "есть ли парковка для машины?"),
        ("pt", "como renovo o passaporte?"),
        ("pt", "onde compro bilhetes de comboio?"),
    ],
)
async def test_nothing_is_offered_in_another_language(bikes: Shop, language: str, question: str) -> None:
    answer = (await ask(bikes, question)).completed.answer
    own = {question for question, _ in BIKES[language]}
    assert {reference.title for reference in answer.references} <= own, answer.text


async def test_what_is_clearly_near_is_shown_in_another_language(bikes: Shop) -> None:
    heard = await ask(bikes, "Do you rent out cargo tricycles?")
    assert "40 euros" in heard.text


@pytest.mark.parametrize("text", ["as df", "xyz", "qwerty123", "zzz", "йцук", "lorem ipsum"])
async def test_what_is_no_text_finds_nothing(bikes: Shop, text: str) -> None:
    heard = await ask(bikes, text)
    assert heard.completed.finish_reason == pb.FINISH_REASON_NO_RELEVANT_CONTENT, heard.text
