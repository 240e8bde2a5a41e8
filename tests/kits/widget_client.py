"""A widget without a page: it speaks `kladez.v1` over a real socket and keeps its session."""

from __future__ import annotations

import json
import uuid
from typing import Any, Self

import aiohttp
from aiohttp import WSMsgType

from tests.kits.running_gateway import ORIGIN, SHOP, RunningGateway


class Widget:
    """A widget without a page: it keeps the session and checks that events come in order."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self.welcome: dict[str, Any] = {}

    async def open(
        self, *, origin: str = ORIGIN, headers: dict[str, str] | None = None, **hello: Any
    ) -> Self:
        self.socket = await self._gateway.socket(origin=origin, headers=headers or {})
        await self.send("hello", v=1, shop=SHOP, **hello)
        self.welcome = await self.next()
        assert self.welcome["t"] == "welcome"
        return self

    async def back(self, have: dict[str, int] | None = None) -> Widget:
        """The same widget on a new socket."""
        return await opened_widget(
            self._gateway, sid=self.welcome["sid"], token=self.welcome["token"], have=have or {}
        )

    async def send(self, kind: str, **members: Any) -> None:
        await self.socket.send_str(json.dumps({"t": kind, **members}, ensure_ascii=False))

    async def ask(self, question: str, ask_id: str = "") -> str:
        ask_id = ask_id or uuid.uuid4().hex
        await self.send("ask", id=ask_id, q=question)
        return ask_id

    async def next(self) -> dict[str, Any]:
        """The next frame; a new session token is kept and passed over."""
        frame = json.loads(await self.socket.receive_str(timeout=10))
        if frame["t"] == "session":
            self.welcome = {**self.welcome, **frame}
            return await self.next()
        return frame

    async def until(self, *kinds: str) -> list[dict[str, Any]]:
        seen = [await self.next()]
        while seen[-1]["t"] not in kinds:
            seen.append(await self.next())
        return seen

    async def closed(self) -> tuple[int | None, str]:
        return await close_of(self.socket)


async def close_of(socket: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str]:
    """The close code and reason; frames before it are dropped."""
    message = await socket.receive(timeout=10)
    while message.type is WSMsgType.TEXT:
        message = await socket.receive(timeout=10)
    return socket.close_code, message.extra or ""


async def opened_widget(gateway: RunningGateway, **hello: Any) -> Widget:
    return await Widget(gateway).open(**hello)


def texts(frames: list[dict[str, Any]]) -> str:
    return "".join(frame.get("d", "") for frame in frames)
