"""The pages for operators: alive, ready, and what is missing when not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb
from prometheus_client import REGISTRY

from bot.watching import SILENCE_SECONDS, Polling
from retrieval_service import errors, monitoring
from retrieval_service.api.access import gate
from retrieval_service.composition import observability
from retrieval_service.monitoring import Watched
from retrieval_service.postgres.embedded import embedded_postgres
from retrieval_service.stores.database import PoolSize, open_database
from retrieval_service.stores.schema import schema
from tests.fakes.bot_api import running_bot_api
from tests.kits.service_kit import (
    Running,
    Shop,
    new_shop,
    settings_for_tests,
    shared_service,
    until,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    text: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)


async def get(port: int | None, path: str, **options: Any) -> Answer:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}{path}", **options) as answer,
    ):
        return Answer(status=answer.status, text=await answer.text())


@contextlib.asynccontextmanager
async def pages(watched: Watched, port: int | None = 0) -> AsyncIterator[int | None]:
    async with monitoring.serving("127.0.0.1", port, watched, setting="SOME_PORT") as bound:
        yield bound


async def nothing() -> str:
    return ""


async def missing() -> str:
    return "gone fishing"


async def hanging() -> str:
    await asyncio.sleep(3_600)
    return ""


async def test_ready_part_says_so() -> None:
    async with pages(Watched(part="trial", checks={"one": nothing})) as port:
        ready = await get(port, "/readyz")
        alive = await get(port, "/healthz")
    assert (ready.status, ready.json) == (200, {"part": "trial", "ready": True, "missing": {}})
    assert (alive.status, alive.json) == (200, {"part": "trial", "alive": True})


async def test_part_that_lacks_something_names_it_and_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring.pages, "CHECK_SECONDS", 0.05)
    checks = {"one": nothing, "two": missing, "three": hanging}
    async with pages(Watched(part="trial", checks=checks)) as port:
        ready = await get(port, "/readyz")
        assert (await get(port, "/healthz")).status == 200
    assert ready.status == 503
    assert ready.json["missing"] == {"two": "gone fishing", "three": "no answer within 0.05 s"}


async def test_metrics_are_read_as_any_collector_asks() -> None:
    async with pages(Watched(part="trial")) as port:
        plain = await get(port, "/metrics")
        modern = await get(
            port, "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        )
        unknown = await get(port, "/")
    assert 'kladez_build_info{part="trial",version="' in plain.text
    assert "process_resident_memory_bytes" in plain.text
    assert modern.text.endswith("# EOF\n")
    assert unknown.status == 404


async def test_without_a_port_there_are_no_pages() -> None:
    async with pages(Watched(part="trial"), None) as port:
        assert port is None


async def test_port_that_is_taken_is_named() -> None:
    async with pages(Watched(part="trial")) as port:
        with pytest.raises(errors.Misconfigured, match=r"^SOME_PORT: 127\.0\.0\.1"):
            async with pages(Watched(part="trial"), port):
                pass


async def test_service_is_ready_until_its_schema_is_another(empty_database_dsn: str) -> None:
    await schema.upgrade(empty_database_dsn)
    async with open_database(empty_database_dsn) as database:
        settings = await asyncio.to_thread(settings_for_tests, metrics_port=0)
        async with observability.observed(settings, empty_database_dsn, database, "service") as port:
            assert (await get(port, "/readyz")).status == 200
            await schema.downgrade(empty_database_dsn, "0017")
            answer = await get(port, "/readyz")
    assert answer.status == 503
    assert answer.json["missing"].keys() == {"schema"}
    assert answer.json["missing"]["schema"].startswith("at 0017, this program needs ")


async def test_service_without_its_database_is_alive_and_not_ready(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path, durable=False) as postgres:
        await schema.upgrade(postgres.dsn)
        size = PoolSize(minimum=1, maximum=1, wait_seconds=0.5)
        async with open_database(postgres.dsn, size) as database:
            settings = await asyncio.to_thread(settings_for_tests, metrics_port=0)
            async with observability.observed(settings, postgres.dsn, database, "service") as port:
                os.kill(postgres.server.pid, signal.SIGKILL)
                await postgres.server.wait()
                ready = await get(port, "/readyz")
                figures = await get(port, "/metrics")
                assert (await get(port, "/healthz")).status == 200
    assert ready.status == 503
    assert set(ready.json["missing"]) == {"database", "schema"}
    assert "kladez_database_up 0.0" in figures.text


async def test_queue_pool_calls_and_searches_are_counted(
    postgres_server: Any, migrated_template: str
) -> None:
    async with shared_service(postgres_server, migrated_template) as running:
        shop = await new_shop(running)
        await stored(shop)
        settings = await asyncio.to_thread(settings_for_tests, metrics_port=0)
        async with observability.observed(settings, running.dsn, running.service.database, "service") as port:
            before = value("kladez_searches_total", mode="hybrid", backend="pgvector", degraded="no")
            await shop.client.search(search_pb.SearchRequest(query="quokka"))
            figures = (await get(port, "/metrics")).text
    assert value("kladez_searches_total", mode="hybrid", backend="pgvector", degraded="no") == before + 1
    assert value("kladez_jobs_total", target="pgvector", outcome="done") >= 1
    assert value("kladez_embedding_tokens_total", purpose="passages") > 0
    assert 'kladez_queue_jobs{status="pending",target="pgvector"} 0.0' in figures
    assert 'kladez_queue_oldest_seconds{target="pgvector"} 0.0' in figures
    assert 'kladez_pool_connections{state="idle"}' in figures
    assert 'kladez_rpcs_total{code="OK",method="/kladez.v1.SearchService/Search"}' in figures
    for secret in (shop.tenant_id, shop.key, "quokka", running.key, shop.tenant.public_key):
        assert secret not in figures


async def test_waiting_jobs_are_seen_with_their_age(postgres_server: Any, migrated_template: str) -> None:
    async with shared_service(postgres_server, migrated_template, workers=0) as running:
        shop = await new_shop(running)
        await stored(shop, wait=False)
        await observability.refresh(running.service.database)
        assert value("kladez_queue_jobs", target="pgvector", status="pending") == 1
        assert value("kladez_queue_oldest_seconds", target="pgvector") >= 0
        assert value("kladez_database_up") == 1


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the gate logs, whatever an earlier test made of the process's logging."""
    capture = structlog.testing.LogCapture()
    monkeypatch.setattr(gate, "log", structlog.wrap_logger(None, [capture], structlog.BoundLogger))
    return capture.entries


async def test_line_of_a_call_names_key_and_peer_and_no_secret(running: Running, lines: list[Any]) -> None:
    shop = await new_shop(running)
    await shop.client.search(search_pb.SearchRequest(query="quokka"))
    await until(lambda: any(line.get("method", "").endswith("/Search") for line in lines))
    [line] = [line for line in lines if line.get("method", "").endswith("/Search")]
    assert line["peer"] == "127.0.0.1"
    assert line["tenant_id"] == shop.tenant_id
    listed = await running.client.list_api_keys(tenants_pb.ListApiKeysRequest(tenant_id=shop.tenant_id))
    assert line["key_id"] in [key.api_key_id for key in listed.api_keys]
    assert shop.key not in str(lines)
    assert "quokka" not in str(lines)


async def test_line_of_a_call_with_a_wrong_key_holds_nothing_of_it(
    running: Running, lines: list[Any]
) -> None:
    wrong = "kld_wrong-key-that-nobody-has"
    call = running.channel.unary_unary("/kladez.v1.SearchService/Search")
    with pytest.raises(Exception, match="unknown, expired or revoked"):
        await call(b"", metadata=(("authorization", f"bearer {wrong}"),))
    await until(lambda: any(line["event"] == "rpc" for line in lines))
    [line] = [line for line in lines if line["event"] == "rpc"]
    assert (line["key_id"], line["reason"], line["peer"]) == ("", "KEY_INVALID", "127.0.0.1")
    assert "wrong-key" not in str(lines)


async def test_bot_knows_whether_updates_come() -> None:
    moment = [0.0]
    async with running_bot_api() as telegram:
        line = Polling(clock=lambda: moment[0])
        async with line:
            assert await line.fault() == "Telegram has not answered yet"
            await line.do_request(f"{telegram.base_url}/bot{telegram.token}/getMe", "POST")
            assert await line.fault() == ""
            moment[0] = SILENCE_SECONDS + 1
            assert await line.fault() == "Telegram has been silent for 61 s"
            await line.do_request(f"{telegram.base_url}/botwrong/getMe", "POST")
            assert await line.fault() != ""


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def stored(shop: Shop, *, wait: bool = True) -> None:
    await upsert(shop, "quokka", "A quokka smiles.")
    if wait:
        await wait_until_indexed(shop)
