"""Whoever wants a product without something is never told of one that has it, without any model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.postgres.embedded import Embedded
from tests.kits.answers_kit import ask
from tests.kits.service_kit import Running, Shop, new_shop, shared_service, wait_until_indexed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

STATED, OFFERED = pb.FINISH_REASON_STOP, pb.FINISH_REASON_NOT_SURE
# By the language or the name of the shop, the descriptions by their names.
PRODUCTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "Denim shirt": "With a chest pocket and snaps. No hood.",
        "Cotton shirt": "Short sleeves.",
        "Hooded shirt": "With a hood.",
    },
    "ru": {
        "Торт «Медовик»": "Медовые коржи. Без орехов, сахара и глютена.",
        "Торт «Прага»": "Шоколадный. Содержит следы орехов.",
        "Торт «Наполеон»": "Слоёный, заварной крем.",
    },
    "pt": {
        "Caneca de porcelana": "Vai ao micro-ondas. Com alça.",
        "Caneca metálica": "Não vai ao micro-ondas.",
        "Caneca de vidro": "Transparente, 300 ml, sem alça.",
    },
    "of one boat": {"Electric boat": "With canopy and table."},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shops(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Mapping[str, Shop]]:
    """By the keys of `PRODUCTS`."""
    async with shared_service(postgres_server, migrated_template, local_model="both") as running:
        yield {name: await filled(running, name) for name in PRODUCTS}


async def filled(running: Running, name: str) -> Shop:
    language = name if name in ("ru", "pt") else "en"
    shop = await new_shop(running, languages=[language])
    rows = [
        {"id": f"p{place}", "name": title, "description": description}
        for place, (title, description) in enumerate(PRODUCTS[name].items())
    ]
    shop_json = json.dumps({"products": rows}).encode()
    await shop.client.import_shop(documents_pb.ImportShopRequest(shop_json=shop_json, language=language))
    await wait_until_indexed(shop)
    return shop


@pytest.mark.parametrize(
    ("language", "question", "ending", "first"),
    [
        ("en", "shirt without a pocket", OFFERED, "Cotton shirt"),
        ("en", "shirt with no hood", STATED, "Denim shirt"),
        ("en", "shirt with a hood", STATED, "Hooded shirt"),
        ("ru", "торт без орехов", STATED, "Торт «Медовик»"),
        ("ru", "торт без глютена", STATED, "Торт «Медовик»"),
        ("ru", "торт без лактозы", OFFERED, "Торт «Медовик»"),
        ("ru", "торт с орехами", STATED, "Торт «Прага»"),
        ("ru", "есть ли в медовике орехи?", STATED, "Торт «Медовик»"),
        ("pt", "caneca sem alça", STATED, "Caneca de vidro"),
        ("pt", "caneca com alça", STATED, "Caneca de porcelana"),
        ("pt", "canecas que vão ao micro-ondas", STATED, "Caneca de porcelana"),
    ],
)
async def test_what_a_product_says_of_the_wish_decides(
    shops: Mapping[str, Shop], language: str, question: str, ending: pb.FinishReason.ValueType, first: str
) -> None:
    heard = await ask(shops[language], question)
    assert heard.completed.finish_reason == ending
    assert heard.completed.answer.references[0].title == first


@pytest.mark.parametrize(
    ("language", "question", "opposite"),
    [
        ("en", "shirt without a pocket", "Denim"),
        ("en", "shirt that does not have a pocket", "Denim"),
        ("ru", "не шоколадный торт", "Прага"),
        ("ru", "торт без шоколада", "Прага"),
        ("ru", "торт с орехами", "Медовик"),
        ("pt", "caneca que não vai ao micro-ondas", "porcelana"),
        ("pt", "caneca com alça", "vidro"),
    ],
)
async def test_opposite_is_not_shown_beside_others(
    shops: Mapping[str, Shop], language: str, question: str, opposite: str
) -> None:
    heard = await ask(shops[language], question)
    assert heard.completed.finish_reason in (STATED, OFFERED)
    assert opposite not in heard.text


async def test_where_only_the_opposite_is_left_it_is_offered(shops: Mapping[str, Shop]) -> None:
    heard = await ask(shops["of one boat"], "boat without a canopy")
    assert heard.completed.finish_reason == OFFERED
    assert "With canopy and table." in heard.text
