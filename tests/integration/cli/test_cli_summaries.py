"""`kladez search --summary` and `--snapshot`, as another process runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import pytest_asyncio
from kladez.v1 import search_service_pb2 as pb

from tests.kits import commands_kit
from tests.kits.service_kit import Running, Shop, new_shop, upsert, wait_until_indexed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stocked(running: Running) -> Shop:
    stocked = await new_shop(running)
    await upsert(
        stocked, "returns", "Lamps & bulbs may be returned. Thirty days are allowed.", title="Returns"
    )
    await wait_until_indexed(stocked)
    return stocked


async def kladez(running: Running, shop: Shop, folder: Path, *arguments: str) -> str:
    address = ("--address", f"127.0.0.1:{running.port}", "--key", shop.key, "--data-dir", str(folder))
    done = await commands_kit.kladez("search", "May lamps be returned?", *arguments, *address)
    assert done.code == 0, done.complaints
    return done.printed


async def test_summary_is_text_for_people_and_html_as_json(
    running: Running, stocked: Shop, tmp_path: Path
) -> None:
    printed = await kladez(running, stocked, tmp_path, "--summary")
    assert "- Returns — Lamps & bulbs may be returned. [1]\n" in printed
    assert "[1] Returns  article/returns\n" in printed
    assert "<" not in printed
    told = json.loads(await kladez(running, stocked, tmp_path, "--summary", "--json"))
    assert "<li><b>Returns</b> — Lamps &amp; bulbs may be returned. [1]</li>" in told["html"]


async def test_snapshot_prints_a_link_that_opens_it(running: Running, stocked: Shop, tmp_path: Path) -> None:
    gateway = "https://chat.example/"
    link = (await kladez(running, stocked, tmp_path, "--snapshot", "--gateway", gateway)).strip()
    assert link.startswith("https://chat.example/s/")
    token = (await kladez(running, stocked, tmp_path, "--snapshot")).strip()
    found = await stocked.client.resolve_snapshot(pb.ResolveSnapshotRequest(token=token))
    assert found.snapshot.query == "May lamps be returned?"
