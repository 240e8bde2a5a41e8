"""An FAQ entry of a tenant that OpenAI searches for is asked about once OpenAI has it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service.stores.sync import remote_documents
from tests.fakes.openai import FakeOpenAI
from tests.kits.backends_kit import OPENAI, choose, hold, openai_settings
from tests.kits.insights_kit import NOTHING_KNOWN, asked, only_group, resolved
from tests.kits.service_kit import Running, new_shop, upsert

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A store is searched while fewer than a tenth of its documents are on their way.
DOCUMENTS = 12


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    return openai_settings(shared_fake)


async def test_entry_is_asked_about_when_openai_holds_it(running: Running, fake: FakeOpenAI) -> None:
    shop = await new_shop(running)
    for number in range(DOCUMENTS):
        await upsert(shop, str(number), f"Lamp number {number} has a brass foot.", language="en")
    await hold(running, shop, fake)
    await choose(running, shop, OPENAI)
    await asked(shop, NOTHING_KNOWN)
    group = await only_group(running, shop)
    done = await resolved(shop, group.group_id, "Yes, gift cards are sold at the till.")
    assert done.group.status == pb.UNANSWERED_STATUS_RESOLVED
    assert done.document_id in [one.document_id for one in done.references]
    async with running.service.database.tenant(uuid.UUID(shop.tenant_id)) as scope:
        assert await remote_documents.is_held(scope, uuid.UUID(done.document_id))
