"""Connections that never say what they want keep nobody else from an answer."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from retrieval_service import server
from tests.kits.gate_kit import ended, search
from tests.kits.running_gateway import running_gateway, service_with_shop
from tests.kits.service_kit import bearer, new_shop, running_service

pytestmark = pytest.mark.asyncio

WANTED = 1_000
# What the rest of the process needs of the files it may open; each connection takes two here.
SPARE_FILES = 300
AT_ONCE = 50
# The half of a request, of a WebSocket's or of HTTP/2's first words.
BEGINNINGS = (b"", b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n", b"PRI * HTTP/2.0\r\n\r\nSM")
# The preface of HTTP/2 and an empty frame of settings.
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
IDLE = "grpc.max_connection_idle_ms"
PROMPT_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def how_many() -> int:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(50, min(WANTED, (allowed - SPARE_FILES) // 2))


@asynccontextmanager
async def half_open(port: int) -> AsyncIterator[list[Line]]:
    lines: list[Line] = []
    for start in range(0, how_many(), AT_ONCE):
        lines += await asyncio.gather(*(line(port, number) for number in range(start, start + AT_ONCE)))
    try:
        yield lines
    finally:
        for _, writer in lines:
            writer.close()


async def line(port: int, number: int) -> Line:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(BEGINNINGS[number % len(BEGINNINGS)])
    return reader, writer


async def slowest(ask: Callable[[], Awaitable[None]]) -> float:
    """Seconds of the slowest of twenty calls."""
    took: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - began)
    return max(took)


async def end_of(reader: asyncio.StreamReader) -> None:
    try:
        await reader.read(-1)
    except ConnectionError:
        return


async def test_service_answers_beside_half_open_connections_and_hangs_up_on_them(database_dsn: str) -> None:
    async with running_service(database_dsn, workers=0) as service:
        shop = await new_shop(service)

        async def ask() -> None:
            answer = await ended(search(service.channel, bearer(shop.key)))
            assert answer.code == "OK"

        async with half_open(service.port) as lines:
            seconds = await slowest(ask)
            assert seconds < PROMPT_SECONDS, f"beside {len(lines)} connections"
            async with asyncio.timeout(3 * HANDSHAKE_SECONDS):
                await asyncio.gather(*(end_of(reader) for reader, _ in lines))
        await ask()


async def test_service_hangs_up_on_who_greets_and_makes_no_call(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = dict(server.OPTIONS)
    assert int(options[IDLE]) <= 120_000
    options[IDLE] = 1_500
    monkeypatch.setattr(server, "OPTIONS", tuple(options.items()))
    async with running_service(database_dsn, workers=0) as service:
        shop = await new_shop(service)
        lines = [await line(service.port, 0) for _ in range(20)]
        async with asyncio.timeout(HANDSHAKE_SECONDS - 1.0):
            for _, writer in lines:
                writer.write(GREETING)
            await asyncio.gather(*(end_of(reader) for reader, _ in lines))
        for _, writer in lines:
            writer.close()
        # A client that was hung up on meanwhile connects again.
        assert (await ended(search(service.channel, bearer(shop.key)))).code == "OK"


async def test_gateway_answers_beside_half_open_connections() -> None:
    # From one address, as all of a test's are, there would be a hundred at most.
    async with (
        service_with_shop() as service,
        running_gateway(service, connections_per_address=10 * WANTED) as gateway,
    ):

        async def ask() -> None:
            async with gateway.http.get(f"{gateway.url}/widget.js") as response:
                assert response.status == 200

        async with half_open(int(gateway.url.rpartition(":")[2])) as lines:
            seconds = await slowest(ask)
            assert seconds < PROMPT_SECONDS, f"beside {len(lines)} connections"
