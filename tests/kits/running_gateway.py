"""A gateway in the test's own process, on a free port of loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from retrieval_service.client import connect
from tests.fakes.retrieval_server import FakeRetrieval, running_retrieval_service
from widget_gateway.app import build_app, new_runner
from widget_gateway.config import Settings
from widget_gateway.gateway import GATEWAY, Gateway

SHOP = "0f1c3a52-1111-4222-8333-444455556666"
ORIGIN = "https://shop.example"
SECRET = "a secret that every replica shares"


def settings_for(service: FakeRetrieval, **changes: Any) -> Settings:
    return Settings.model_validate(
        {
            "service_address": service.address,
            "channel_key": service.key,
            "session_secret": SECRET,
            "port": 0,
            **changes,
        }
    )


@dataclass(kw_only=True)
class RunningGateway:
    url: str
    app: web.Application
    runner: web.AppRunner
    http: aiohttp.ClientSession
    sockets: list[aiohttp.ClientWebSocketResponse] = field(default_factory=list)

    @property
    def gateway(self) -> Gateway:
        return self.app[GATEWAY]

    async def socket(self, *, origin: str = ORIGIN, **options: Any) -> aiohttp.ClientWebSocketResponse:
        headers = {**({"Origin": origin} if origin else {}), **options.pop("headers", {})}
        protocols = options.pop("protocols", ("kladez.v1",))
        socket = await self.http.ws_connect(
            f"{self.url}/ws", protocols=protocols, headers=headers, max_msg_size=0, **options
        )
        self.sockets.append(socket)
        return socket

    async def close_sockets(self) -> None:
        """What a traceback still holds would else be found open by the garbage collector, in some later test."""
        for socket in self.sockets:
            await socket.close()


@asynccontextmanager
async def service_with_shop() -> AsyncIterator[FakeRetrieval]:
    async with running_retrieval_service() as service:
        service.add_shop(
            public_key=SHOP,
            allowed_origins=[ORIGIN],
            greetings={"en": "Hello!", "pt": "Olá!"},
            suggested_questions={"en": ["How much is delivery?"], "pt": ["Quanto custa o frete?"]},
        )
        yield service


@asynccontextmanager
async def running_gateway(service: FakeRetrieval, **changes: Any) -> AsyncIterator[RunningGateway]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(service.address, service.key))
        settings = settings_for(service, **changes)
        app = build_app(settings, client)
        runner = new_runner(app, settings)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = aiohttp.ClientSession()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        gateway = RunningGateway(url=url, app=app, runner=runner, http=http)
        # The session first: a socket without its transport is closed without waiting for the gateway's word.
        stack.push_async_callback(gateway.close_sockets)
        await stack.enter_async_context(http)
        yield gateway


async def eventually(condition: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the code under test has no event to wait for
            await asyncio.sleep(0.02)
