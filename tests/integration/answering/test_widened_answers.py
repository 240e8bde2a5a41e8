"""A model is given whole sections, in Postgres's own words, whichever of their passages was found."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from retrieval_service.postgres.embedded import Embedded
from tests.fakes.openai import FakeOpenAI, running_openai
from tests.kits.answers_kit import ask
from tests.kits.service_kit import (
    Running,
    Shop,
    in_one_task,
    new_shop,
    shared_service,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEPS = [
    f"{number}. Open drawer {number} of the loom, take the shuttle out and lay it on the bench; {act} the thread there."
    for number, act in enumerate(
        ["wind", "wax", "cut", "knot", "dye", "dry", "brush", "measure", "fold", "label"], 1
    )
] * 2
GUIDE = "\n\n".join(
    [
        "---\ntitle: Care of the loom\nslug: /loom\n---",
        "# Cleaning",
        "Wipe the frame with a dry cloth.",
        "# Threading",
        *STEPS,
        "# Storage",
        "Keep the loom away from windows.",
    ]
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[FakeOpenAI]:
    async with in_one_task(running_openai()) as fake:
        yield fake


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def generating(
    postgres_server: Embedded, migrated_template: str, model: FakeOpenAI
) -> AsyncIterator[Running]:
    changes = {"answerer": "chat", "openai_base_url": model.base_url}
    async with shared_service(postgres_server, migrated_template, **changes) as service:
        yield service


async def workshop(running: Running) -> Shop:
    shop = await new_shop(running)
    await upsert(shop, "loom", GUIDE, content_type="text/markdown", language="en")
    await upsert(shop, "hours", "The workshop opens at nine.", title="Hours", language="en")
    await wait_until_indexed(shop)
    return shop


async def prompted(shop: Shop, model: FakeOpenAI, question: str) -> str:
    model.journal.exchanges.clear()
    await ask(shop, question=question)
    return str(model.journal.exchanges[-1].body["messages"][-1]["content"])


async def test_model_is_given_every_step_title_and_address(generating: Running, model: FakeOpenAI) -> None:
    shop = await workshop(generating)
    said = await prompted(shop, model, "At which drawer of the loom do I dye the thread?")
    assert all(step in said for step in STEPS)
    assert 'title="Care of the loom" heading="Threading" url="/loom"' in said
    assert "slug:" not in said
    assert said.count('<fragment number="1"') == 1


async def test_section_that_is_written_anew_is_given_as_it_is_now(
    generating: Running, model: FakeOpenAI
) -> None:
    """What stands around a passage is remembered only while nobody writes to its document."""
    shop = await workshop(generating)
    asked = "At which drawer of the loom do I dye the thread?"
    assert await prompted(shop, model, asked) == await prompted(shop, model, asked)
    await upsert(
        shop,
        "loom",
        GUIDE.replace("label the thread there", "weigh the thread there"),
        content_type="text/markdown",
        language="en",
    )
    await wait_until_indexed(shop)
    said = await prompted(shop, model, asked)
    assert "weigh the thread there" in said
    assert "label the thread there" not in said


async def test_document_of_one_passage_that_grows_is_given_with_the_rest(
    generating: Running, model: FakeOpenAI
) -> None:
    shop = await new_shop(generating)
    await upsert(shop, "loom", STEPS[4], title="Care of the loom", language="en")
    await wait_until_indexed(shop)
    asked = "At which drawer of the loom do I dye the thread?"
    assert STEPS[5] not in await prompted(shop, model, asked)
    await upsert(shop, "loom", "\n\n".join(STEPS), title="Care of the loom", language="en")
    await wait_until_indexed(shop)
    assert STEPS[5] in await prompted(shop, model, asked)


async def test_reference_shows_the_passage_that_was_found(generating: Running) -> None:
    shop = await workshop(generating)
    heard = await ask(shop, question="At which drawer of the loom do I dye the thread?")
    [reference] = [one for one in heard.started.references if one.external_id == "loom"][:1]
    assert reference.url == "/loom"
    assert len(reference.snippet) < len(GUIDE) / 2
