"""All four parts as processes, each with its pages; what faces visitors never shows figures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from retrieval_service.cli.up.ports import any_free
from retrieval_service.postgres import processes
from retrieval_service.postgres.processes import Command
from retrieval_service.services.tenants.first_key import mint_key
from tests.fakes.bot_api import FakeBotApi, running_bot_api
from tests.integration.operations.test_monitoring import Answer, get
from tests.kits.processes_kit import PATIENCE_SECONDS, environment, logged

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(240)]


@contextlib.asynccontextmanager
async def part(name: str, *arguments: str, folder: Path, variables: Mapping[str, str]) -> AsyncIterator[int]:
    """The port of a process's pages, once they are there."""
    log = folder / f"{name}.log"
    command = Command(
        name=name,
        arguments=(sys.executable, "-m", *arguments),
        environment=environment(variables),
        log=log,
        grace_seconds=20,
    )
    async with processes.running(command):
        line = json.loads(await logged(log, '"monitoring_ready"'))
        assert line["part"] == name
        yield line["port"]


def core_variables(dsn: str, folder: Path, port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": dsn,
        "KLADEZ_PORT": str(port),
        "KLADEZ_DATA_DIR": str(folder / "data"),
        "KLADEZ_EMBEDDER": "local",
        "KLADEZ_ANSWERER": "extractive",
        "KLADEZ_LOG_FORMAT": "json",
        "KLADEZ_METRICS_PORT": "0",
        "KLADEZ_SCHEDULE_REBUILD": "",
        "KLADEZ_SHUTDOWN_SECONDS": "1",
    }


def channel_variables(port: int, key: str, telegram: FakeBotApi, folder: Path) -> dict[str, str]:
    return {
        "KLADEZ_SERVICE_ADDRESS": f"127.0.0.1:{port}",
        "KLADEZ_CHANNEL_KEY": key,
        "KLADEZ_GATEWAY_PORT": "0",
        "KLADEZ_GATEWAY_SESSION_SECRET": "s" * 32,
        "KLADEZ_GATEWAY_METRICS_PORT": "0",
        "KLADEZ_BOT_TOKEN": telegram.token,
        "KLADEZ_BOT_API_BASE_URL": telegram.base_url,
        "KLADEZ_BOT_STATE_DIR": str(folder / "state"),
        "KLADEZ_BOT_METRICS_PORT": "0",
    }


async def test_all_parts_are_ready_and_name_the_service_once_it_is_gone(
    database_dsn: str, tmp_path: Path
) -> None:
    port = any_free("127.0.0.1")
    core = core_variables(database_dsn, tmp_path, port)
    key = await mint_key(database_dsn, scopes=("channel",), display_name="channels")
    cli = "retrieval_service.cli.main"
    async with running_bot_api() as telegram, contextlib.AsyncExitStack() as stack:
        channels = channel_variables(port, key, telegram, tmp_path)
        async with (
            part("service", cli, "serve", folder=tmp_path, variables=core) as service,
            part("worker", cli, "work", folder=tmp_path, variables=core) as worker,
        ):
            gateway = await stack.enter_async_context(
                part("gateway", "widget_gateway.app", folder=tmp_path, variables=channels)
            )
            bot = await stack.enter_async_context(part("bot", "bot.app", folder=tmp_path, variables=channels))
            for name, pages in {"service": service, "worker": worker, "gateway": gateway, "bot": bot}.items():
                ready = await until_status(pages, 200)
                assert ready.json == {"part": name, "ready": True, "missing": {}}
                assert (await get(pages, "/healthz")).json == {"part": name, "alive": True}
                figures = (await get(pages, "/metrics")).text
                assert f'kladez_build_info{{part="{name}",' in figures
                assert key not in figures
            await visitors_see_no_figures(tmp_path / "gateway.log")
            await asyncio.to_thread(telegram.user_sends, 7, "/help")
            assert await telegram.wait_for(lambda: telegram.messages(7))
            assert 'kladez_bot_updates_total{kind="message"} 1.0' in (await get(bot, "/metrics")).text
        for pages in (gateway, bot):
            answer = await until_status(pages, 503)
            assert answer.json["missing"].keys() == {"service"}
            assert "does not answer" in answer.json["missing"]["service"]
            assert (await get(pages, "/healthz")).status == 200


async def visitors_see_no_figures(log: Path) -> None:
    port = int(json.loads(await logged(log, '"gateway_ready"'))["address"].rpartition(":")[2])
    assert (await get(port, "/metrics")).status == 404
    assert (await get(port, "/readyz")).status == 200


async def until_status(port: int, status: int) -> Answer:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (answer := await get(port, "/readyz")).status != status:  # noqa: ASYNC110 - another process gives no event
            await asyncio.sleep(0.1)
    return answer
