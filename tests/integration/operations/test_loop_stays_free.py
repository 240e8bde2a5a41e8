"""The largest and nastiest texts leave the event loop to others: long work is done in threads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.domain.answering import grounding
from retrieval_service.domain.documents import documents, shop_rows
from retrieval_service.domain.indexing import chunking
from retrieval_service.providers.local import extractive
from retrieval_service.services.retrieval.search import SHORT_CHARACTERS
from retrieval_service.stores.documents.documents import SLOW_CHARACTERS
from retrieval_service.text import languages
from retrieval_service.text.html import reader
from tests.fakes.openai import FakeOpenAI, Script
from tests.kits.answers_kit import ask
from tests.kits.loop_kit import LoopSteps, counted_steps
from tests.kits.service_kit import Running, Shop, failure_of, new_shop, upsert

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Calls of our own functions in one turn of the loop; a call of Python takes well below a microsecond.
MOST_STEPS = 4_000
LONG_DOCUMENT = 200_000
LONG_ANSWER = 10_000
DELTA = 6

NASTY_HTML = ("<li>", "&#", "<p style='color:red'>a")
NASTY_ANSWERS = (
    "a.b@c.",
    "Thirty days cost $9,999. [1]\n",
    "1 000 and 2 000, 10:00-12:00 [1], 1.2.2026 ",
)


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    return {"answerer": "responses", "openai_base_url": shared_fake.base_url}


def assert_free(steps: LoopSteps) -> None:
    assert 0 < steps.most < MOST_STEPS, steps.during
    long_work = (reader.html_to_text, chunking.split, shop_rows.read_rows, extractive.compose)
    assert [
        work.__qualname__ for work in (*long_work, grounding.Grounding.finish) if steps.longest_for(work)
    ] == []
    # What is short is done at once: a thread would cost more.
    assert steps.longest_for(documents.content_hash) < SLOW_CHARACTERS
    assert steps.longest_for(languages.detect_language) <= SHORT_CHARACTERS


@pytest.mark.parametrize("unit", NASTY_HTML)
async def test_long_document_leaves_the_loop_free(running: Running, unit: str) -> None:
    shop = await new_shop(running)
    with counted_steps() as steps:
        await upsert(
            shop,
            "large",
            "a" + unit * (LONG_DOCUMENT // len(unit)),
            content_type="text/html",
            language="en",
        )
    assert_free(steps)


@pytest.mark.parametrize("unit", NASTY_ANSWERS)
async def test_long_answer_leaves_the_loop_free(lamps: Shop, fake: FakeOpenAI, unit: str) -> None:
    fake.script = Script(text=unit * (LONG_ANSWER // len(unit)), delta_characters=DELTA)
    with counted_steps() as steps:
        heard = await ask(lamps)
    assert heard.completed.answer.answer_id
    assert_free(steps)


async def test_question_of_half_a_megabyte_is_refused_at_once(lamps: Shop) -> None:
    with counted_steps() as steps:
        failure = await failure_of(ask(lamps, "Is it? " * 70_000))
    assert failure.code == "INVALID_ARGUMENT"
    assert_free(steps)


async def test_large_shop_is_imported_beside_the_loop(running: Running) -> None:
    shop = await new_shop(running)
    rows = [
        {"id": f"p{place}", "name": "Cup " * 40, "description": "a.b@c. [a](" * 200} for place in range(400)
    ]
    data = json.dumps({"products": rows}).encode()
    with counted_steps() as steps:
        await shop.client.import_shop(documents_pb.ImportShopRequest(shop_json=data, language="en"))
    assert_free(steps)
