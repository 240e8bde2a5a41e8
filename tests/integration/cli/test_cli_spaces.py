"""`kladez space …`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from retrieval_service.postgres.embedded import Embedded
from tests.conftest import temporary_database
from tests.fakes.openai.server import running_openai
from tests.kits import commands_kit
from tests.kits.service_kit import Running, Shop, new_shop, running_service, wait_until_indexed
from tests.kits.spaces_kit import NEXT, OLD, put, with_next

Kladez = Callable[..., Awaitable[str]]


@pytest.fixture
async def two_models(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Running]:
    with temporary_database(postgres_server, template=migrated_template) as dsn:
        async with running_openai() as fake, running_service(dsn, **with_next(fake)) as service:
            yield service


@pytest.fixture
async def stocked(two_models: Running) -> Shop:
    stocked = await new_shop(two_models)
    await put(stocked, 0, 30)
    await wait_until_indexed(stocked)
    return stocked


@pytest.fixture
def kladez(two_models: Running, stocked: Shop, tmp_path: Path) -> Kladez:
    """Runs a command with an operator's key for the shop; returns what it prints, or why it is refused."""
    told = ["--address", f"127.0.0.1:{two_models.port}", "--key", two_models.key, "--data-dir", str(tmp_path)]

    async def run(*arguments: str) -> str:
        done = await commands_kit.kladez(*arguments, *told, "--tenant", stocked.tenant_id)
        return f"refused: {done.complaints}" if done.code else done.printed

    return run


async def states(kladez: Kladez) -> dict[int, str]:
    """By the vectors' length."""
    listed = json.loads(await kladez("space", "list", "--json"))["spaces"]
    return {int(space["key"].rpartition(":")[2]): space["state"] for space in listed}


async def test_tenant_is_switched_and_taken_back_from_the_command_line(kladez: Kladez) -> None:
    assert json.loads(await kladez("space", "estimate", "--json"))["chunk_count"] == "30"
    assert "start the switch" in await kladez("space", "flip")
    assert "ready" in await kladez("space", "start")
    assert "\t1.000\t" in await kladez("space", "verify", "--questions", "10")
    assert "active" in await kladez("space", "flip", "--keep-days", "3")
    assert await states(kladez) == {OLD: "SPACE_STATE_KEPT", NEXT: "SPACE_STATE_ACTIVE"}
    assert "active" in await kladez("space", "back")
    assert await states(kladez) == {OLD: "SPACE_STATE_ACTIVE", NEXT: "SPACE_STATE_KEPT"}
    listed = json.loads(await kladez("space", "list", "--json"))["spaces"]
    kept = next(one["key"] for one in listed if one["state"] == "SPACE_STATE_KEPT")
    assert kept in await kladez("space", "drop", kept)
    assert (await states(kladez))[NEXT] == "SPACE_STATE_KEPT"
    await kladez("space", "drop", kept, "--confirm")
    assert (await states(kladez))[NEXT] == "SPACE_STATE_UNSPECIFIED"


async def test_granularity_is_chosen_from_the_command_line(kladez: Kladez, stocked: Shop) -> None:
    chosen = await kladez("tenant", "granularity", stocked.tenant_id, "document", "--json")
    assert json.loads(chosen)["settings"]["index_granularity"] == "document"
    assert (await wait_until_indexed(stocked)).pending_count == 0
