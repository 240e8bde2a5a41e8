"""The command line, the gateway and the bot as processes that reach the service over TLS alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.cli.failures import ExitCode
from retrieval_service.postgres import processes
from tests.fakes.bot_api import running_bot_api
from tests.kits.certificate_files import Authority, terminating_proxy
from tests.kits.processes_kit import PATIENCE_SECONDS, command, environment, logged
from tests.kits.service_kit import (
    Running,
    Shop,
    new_key,
    new_shop,
    upsert,
    wait_until_indexed,
)
from tests.kits.tls_kit import secure

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

ORIGIN = "https://shop.example"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A way to the service, and what a process needs to know to take it."""

    address: str
    variables: Mapping[str, str]


@pytest_asyncio.fixture(loop_scope="module")
async def stocked(running: Running) -> Shop:
    stocked = await new_shop(running, allowed_origins=[ORIGIN], languages=["en"])
    await upsert(stocked, "delivery", "Delivery costs 300 roubles and takes two days.", title="Delivery")
    await wait_until_indexed(stocked)
    return stocked


@pytest_asyncio.fixture(loop_scope="module")
async def channel_key(running: Running) -> str:
    return await new_key(running, (tenants_pb.SCOPE_CHANNEL,))


@pytest_asyncio.fixture(params=["direct", "mutual", "front proxy"], loop_scope="module")
async def line(request: pytest.FixtureRequest, running: Running, tmp_path: Path) -> AsyncIterator[Line]:
    authority = Authority(tmp_path)
    files = authority.issue("localhost")
    variables = {"KLADEZ_TLS_CA": str(authority.path)}
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "front proxy":
            port = await stack.enter_async_context(terminating_proxy(files, running.port))
        elif request.param == "direct":
            port = await stack.enter_async_context(secure(running, files))
        else:
            clients = Authority(tmp_path, "clients")
            own = clients.issue("channel", name="own")
            port = await stack.enter_async_context(secure(running, files, clients))
            variables["KLADEZ_TLS_CLIENT_CERT"] = str(own.certificate)
            variables["KLADEZ_TLS_CLIENT_KEY"] = str(own.key)
        yield Line(address=f"https://localhost:{port}", variables=variables)


async def test_command_line_searches(line: Line, stocked: Shop, tmp_path: Path) -> None:
    code, printed, complaints = await kladez(line, stocked.key, tmp_path, "search", "delivery", "--json")
    assert code == ExitCode.OK, complaints
    assert json.loads(printed)["hits"]


async def test_command_line_says_what_is_wrong_with_the_certificate(
    line: Line, stocked: Shop, tmp_path: Path
) -> None:
    wrong = replace(line, variables={**line.variables, "KLADEZ_TLS_SERVER_NAME": "other.example"})
    code, _, complaints = await kladez(wrong, stocked.key, tmp_path, "search", "delivery")
    assert code == ExitCode.UNREACHABLE
    assert "other.example" in complaints
    assert "is it running?" not in complaints


async def test_gateway_answers(line: Line, stocked: Shop, channel_key: str, tmp_path: Path) -> None:
    variables = {"KLADEZ_GATEWAY_PORT": "0", "KLADEZ_GATEWAY_SESSION_SECRET": "s" * 32}
    told = channel_variables(line, channel_key, variables)
    log = tmp_path / "gateway.log"
    async with processes.running(command("widget_gateway.app", told, log)):
        url = json.loads(await logged(log, "gateway_ready"))["address"]
        async with aiohttp.ClientSession() as http:
            events = await asked(http, url, stocked.tenant.public_key)
    assert "300 roubles" in "".join(event.get("d", "") for event in events)


async def test_bot_answers(line: Line, stocked: Shop, channel_key: str, tmp_path: Path) -> None:
    async with running_bot_api() as telegram:
        variables = {
            "KLADEZ_BOT_TOKEN": telegram.token,
            "KLADEZ_BOT_API_BASE_URL": telegram.base_url,
            "KLADEZ_BOT_STATE_DIR": str(tmp_path / "state"),
            "KLADEZ_BOT_DEFAULT_SHOP": stocked.tenant.public_key,
        }
        told = channel_variables(line, channel_key, variables)
        async with processes.running(command("bot.app", told, tmp_path / "bot.log")):
            telegram.user_sends(11, "How much is delivery?")
            await telegram.wait_for(
                lambda: [one for one in telegram.messages(11) if "300 roubles" in one.text],
                PATIENCE_SECONDS,
            )


async def kladez(line: Line, key: str, folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "retrieval_service.cli.main", *arguments),
        *("--address", line.address, "--key", key, "--data-dir", str(folder)),
        env=environment(line.variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaints = await process.communicate()
    return process.returncode or 0, printed.decode(), complaints.decode()


def channel_variables(line: Line, key: str, more: Mapping[str, str]) -> dict[str, str]:
    return {
        "KLADEZ_SERVICE_ADDRESS": line.address,
        "KLADEZ_CHANNEL_KEY": key,
        **line.variables,
        **more,
    }


async def asked(http: aiohttp.ClientSession, url: str, public_key: str) -> list[dict[str, str]]:
    """A question over a real socket, and everything that comes back for it."""
    events: list[dict[str, str]] = []
    async with http.ws_connect(f"{url}/ws", protocols=("kladez.v1",), headers={"Origin": ORIGIN}) as socket:
        await socket.send_json({"t": "hello", "v": 1, "shop": public_key})
        await socket.send_json({"t": "ask", "id": "a" * 32, "q": "How much is delivery?"})
        while not events or events[-1]["t"] not in ("done", "error"):
            events.append(await socket.receive_json(timeout=PATIENCE_SECONDS))
    return events
