"""A model is given whole sections, in Postgres's own words, whichever of their passages was found."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.openai import FakeOpenAI
from tests.kits.answers_kit import ask
from tests.kits.service_kit import (
    Running,
    Shop,
    new_shop,
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


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    return {"answerer": "chat", "openai_base_url": shared_fake.base_url}


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


async def test_model_is_given_every_step_title_and_address(running: Running, fake: FakeOpenAI) -> None:
    shop = await workshop(running)
    said = await prompted(shop, fake, "At which drawer of the loom do I dye the thread?")
    assert all(step in said for step in STEPS)
    assert 'title="Care of the loom" heading="Threading" url="/loom"' in said
    assert "slug:" not in said
    assert said.count('<fragment number="1"') == 1


async def test_section_that_is_written_anew_is_given_as_it_is_now(running: Running, fake: FakeOpenAI) -> None:
    """What stands around a passage is remembered only while nobody writes to its document."""
    shop = await workshop(running)
    asked = "At which drawer of the loom do I dye the thread?"
    assert await prompted(shop, fake, asked) == await prompted(shop, fake, asked)
    await upsert(
        shop,
        "loom",
        GUIDE.replace("label the thread there", "weigh the thread there"),
        content_type="text/markdown",
        language="en",
    )
    await wait_until_indexed(shop)
    said = await prompted(shop, fake, asked)
    assert "weigh the thread there" in said
    assert "label the thread there" not in said


async def test_document_of_one_passage_that_grows_is_given_with_the_rest(
    running: Running, fake: FakeOpenAI
) -> None:
    shop = await new_shop(running)
    await upsert(shop, "loom", STEPS[4], title="Care of the loom", language="en")
    await wait_until_indexed(shop)
    asked = "At which drawer of the loom do I dye the thread?"
    assert STEPS[5] not in await prompted(shop, fake, asked)
    await upsert(shop, "loom", "\n\n".join(STEPS), title="Care of the loom", language="en")
    await wait_until_indexed(shop)
    assert STEPS[5] in await prompted(shop, fake, asked)


async def test_reference_shows_the_passage_that_was_found(running: Running) -> None:
    shop = await workshop(running)
    heard = await ask(shop, question="At which drawer of the loom do I dye the thread?")
    [reference] = [one for one in heard.started.references if one.external_id == "loom"][:1]
    assert reference.url == "/loom"
    assert len(reference.snippet) < len(GUIDE) / 2
