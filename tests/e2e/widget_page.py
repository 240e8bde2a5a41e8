"""What browser tests of the widget need: a customer's site, the gateway as a process, and a visitor."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.kits.running_gateway import SHOP, RunningGateway, eventually

DESKTOP = {"width": 1024, "height": 720}
POLICY = (
    "default-src 'none'; script-src {gateway}; connect-src {gateway} {socket}; base-uri 'none'; "
    "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(kw_only=True)
class Site:
    """A customer's site: a page with the snippet, on another origin than the gateway."""

    url: str
    gateway_url: str = ""
    shop: str = SHOP
    # What the page answers when nothing is asked for in the query.
    policy: str = POLICY

    def page(self, request: web.Request) -> web.Response:
        options = "".join(
            f' data-{name}="{value}"' for name, value in request.query.items() if name != "strict"
        )
        text = (
            f'<!doctype html><html lang="{request.query.get("lang", "en")}"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Shop</title>'
            "<main><h1>Kettles</h1><p>All our kettles whistle.</p></main>"
            f'<script async src="{self.gateway_url}/widget.js" data-shop-id="{self.shop}"{options}></script></html>'
        )
        policy = self.policy.format(
            gateway=self.gateway_url, socket=self.gateway_url.replace("http", "ws", 1)
        )
        headers = {} if request.query.get("strict") == "no" else {"Content-Security-Policy": policy}
        return web.Response(text=text, content_type="text/html", headers=headers)


@asynccontextmanager
async def running_site() -> AsyncIterator[Site]:
    site = Site(url="")

    async def page(request: web.Request) -> web.Response:
        return site.page(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await runner.cleanup()


@dataclass(kw_only=True)
class GatewayProcess:
    """The gateway as it is deployed: its own process, ended by signals."""

    settings: dict[str, str]
    log: Path
    address: str = ""
    process: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> None:
        self.log.write_text("")
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "widget_gateway.app", env={**os.environ, **self.settings}, stderr=log
            )
        await eventually(lambda: "gateway_ready" in self.log.read_text(), seconds=20)
        ready = next(line for line in self.log.read_text().splitlines() if "gateway_ready" in line)
        self.address = json.loads(ready)["address"]
        self.settings["KLADEZ_GATEWAY_PORT"] = self.address.rpartition(":")[2]

    async def end(self, number: signal.Signals) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        await self.process.wait()


class Chat:
    """A visitor with a browser: what they see and do."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        self.panel = page.get_by_role("dialog")
        self.box = page.get_by_role("textbox")
        self.status = page.locator("kladez-chat .status")
        self.answers = page.locator("kladez-chat .bubble:not(.mine)")
        self.questions = page.locator("kladez-chat .mine")

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and "WebSocket connection" not in text:
            self.complaints.append(text)

    async def visit(self, url: str) -> None:
        await self.page.goto(url)
        await self.launcher.wait_for()

    @property
    def launcher(self) -> Any:
        return self.page.locator("kladez-chat .launcher")

    @property
    def last(self) -> Any:
        return self.answers.last

    async def ask(self, question: str) -> None:
        await self.page.wait_for_function("window.Kladez")
        await self.page.evaluate("Kladez.open()")
        await self.box.fill(question)
        await self.page.keyboard.press("Enter")

    async def answered(self, timeout_seconds: float = 10) -> None:
        """Returns once no answer is being waited for."""
        send = self.page.locator("kladez-chat form button[aria-label]")
        await expect(send).to_have_attribute("aria-label", LABEL_SEND, timeout=timeout_seconds * 1000)

    async def transcript(self) -> list[dict[str, Any]]:
        text = await self.page.evaluate(f"localStorage.getItem('kladez:{SHOP}')")
        return json.loads(text)["messages"]

    async def style(self, selector: str, name: str) -> str:
        script = (
            "([selector, name]) => getComputedStyle("
            "document.querySelector('kladez-chat').shadowRoot.querySelector(selector))[name]"
        )
        return await self.page.evaluate(script, [selector, name])


LABEL_SEND = re.compile("^(Send|Отправить|Enviar)$")


@asynccontextmanager
async def visitor(
    browser: Browser, viewport: dict[str, int] = DESKTOP, **options: Any
) -> AsyncIterator[Chat]:
    context: BrowserContext = await browser.new_context(viewport=viewport, **options)
    try:
        yield Chat(await context.new_page())
    finally:
        await context.close()


async def kill_sockets(gateway: RunningGateway, *, abruptly: bool) -> None:
    for socket in tuple(gateway.gateway.sockets):
        if abruptly:
            socket.abort()
        else:
            await socket.close(code=1012)


def played(heard: list[dict[str, Any]], *events: dict[str, Any], held: list[Any] | None = None) -> Any:
    """A gateway made of frames: `events` answer the question, `ABC` answers `resume`."""
    config = {"title": "", "greeting": "", "suggested": []}
    hello = {
        "t": "welcome",
        "sid": "s",
        "token": "t",
        "hb": 25000,
        "limits": {"question": 2000},
        "config": config,
    }

    def connect(route: Any) -> None:
        def answer(text: str | bytes) -> None:
            frame = json.loads(text)
            heard.append(frame)
            if frame["t"] == "hello":
                route.send(json.dumps(hello)) if held is None else held.append((route, hello))
            if frame["t"] == "ask":
                for event in events:
                    route.send(json.dumps({"id": frame["id"], **event}))
            if frame["t"] == "resume":
                snapshot = {"t": "snapshot", "n": 4, "text": "ABC", "items": [], "status": "done"}
                route.send(json.dumps({"id": frame["id"], **snapshot}))

        route.on_message(answer)

    return connect
