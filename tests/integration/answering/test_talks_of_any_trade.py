"""Conversations with businesses of other trades than the demo's, answered without any model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import document_service_pb2 as documents_pb

from tests.kits.answers_kit import Heard, ask
from tests.kits.service_kit import Running, Shop, new_shop, upsert, wait_until_indexed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

# Two things by what is asked of each, in three languages; after each question the document that answers it.
TALKS: Mapping[str, Mapping[str, Any]] = json.loads(
    Path(__file__).with_name("talks.json").read_text(encoding="utf-8")
)
TABLES = {
    "name": "Tables",
    "products": [
        {"id": "oak", "name": "Oak table", "description": "Heavy, seats six.", "price": 310},
        {"id": "pine", "name": "Pine table", "description": "Light, seats four.", "price": 120},
        {"id": "glass", "name": "Glass table", "description": "Round, seats two.", "price": 210},
    ],
}


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    return {"local_model": "both"}


@pytest.mark.parametrize("trade", TALKS)
async def test_each_question_is_answered_from_the_right_thing(running: Running, trade: str) -> None:
    shop = await new_shop(running, languages=[TALKS[trade]["lang"]])
    for external_id, (title, text) in TALKS[trade]["docs"].items():
        await upsert(shop, external_id, text, title=title, language=TALKS[trade]["lang"])
    await wait_until_indexed(shop)
    wrong: list[str] = []
    for talk in TALKS[trade]["talks"]:
        heard = await say(shop, [question for question, _ in talk])
        wrong += [
            f"{question} {first_of(one)}"
            for (question, expected), one in zip(talk, heard, strict=True)
            if first_of(one) != expected
        ]
    assert wrong == []


async def say(shop: Shop, questions: Sequence[str]) -> list[Heard]:
    """One after another in a conversation of its own."""
    opened = await shop.client.create_session(pb.CreateSessionRequest(channel="widget"))
    return [await ask(shop, question, session_id=opened.session_id) for question in questions]


def first_of(heard: Heard) -> str:
    """The document that is cited first; empty when nothing is stated."""
    answer = heard.completed.answer
    numbers = [number for citation in answer.citations for number in citation.numbers]
    found = {one.number: one.external_id for one in answer.references}
    return found[numbers[0]] if numbers and heard.completed.finish_reason == pb.FINISH_REASON_STOP else ""


@pytest.mark.parametrize(
    ("follow_up", "expected"), [("the second one", "glass"), ("tell me about the last one", "oak")]
)
async def test_entry_of_a_list_is_meant_by_its_place(running: Running, follow_up: str, expected: str) -> None:
    shop = await new_shop(running, languages=["en"])
    shop_json = json.dumps(TABLES).encode()
    await shop.client.import_shop(documents_pb.ImportShopRequest(shop_json=shop_json))
    await wait_until_indexed(shop)
    listed, heard = await say(shop, ["Which tables are under 500?", follow_up])
    assert len(listed.completed.answer.references) == 3
    assert first_of(heard) == expected


async def test_name_and_number_of_a_customer_are_in_no_later_search(running: Running) -> None:
    shop = await new_shop(running, languages=["en"])
    await upsert(shop, "oak", "The oak table costs 310 euros.", title="Oak table", language="en")
    await wait_until_indexed(shop)
    _, heard = await say(
        shop, ["I am Zebediah Qwfp, order 8891-X. How much is the oak table?", "and is it heavy?"]
    )
    understood = heard.completed.answer.standalone_question
    assert "oak" in understood.lower()
    assert not {"Zebediah", "Qwfp", "8891-X"} & set(understood.split())
