"""The programs of docs/clients.md do what the page says, against a real service."""

from __future__ import annotations

import asyncio
import re
import sys

import pytest

from tests.house.repository import text
from tests.kits.processes_kit import environment
from tests.kits.service_kit import Running, new_shop, shared_service, wait_until_indexed

pytestmark = pytest.mark.asyncio(loop_scope="module")


def program(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```", text("docs/clients.md"), re.MULTILINE | re.DOTALL)
    return found


async def run(source: str, address: str, key: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", source),
        env=environment({"KLADEZ_ADDRESS": address, "KLADEZ_KEY": key}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaints = await process.communicate()
    return process.returncode or 0, printed.decode(), complaints.decode()


async def test_python_program_stores_and_finds(postgres_server: object, migrated_template: str) -> None:
    async with shared_service(postgres_server, migrated_template) as working:  # type: ignore[arg-type]
        shop = await new_shop(working)
        source = program("python")
        address = f"127.0.0.1:{working.port}"
        assert (await run(source, address, shop.key))[0] == 0
        await wait_until_indexed(shop)
        code, printed, complaints = await run(source, address, shop.key)
        assert (code, complaints) == (0, "")
        assert printed.startswith("stored ")
        assert "Assam tea" in printed


async def test_python_program_says_why_it_failed(running: Running) -> None:
    code, printed, _ = await run(program("python"), f"127.0.0.1:{running.port}", "kld_wrong")
    assert code == 1
    assert printed.startswith("UNAUTHENTICATED KEY_INVALID ")
