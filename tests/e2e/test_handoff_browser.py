"""A conversation that begins in the widget and goes on in Telegram: all of the product, and a fake of Telegram."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from kladez.v1 import tenant_service_pb2 as tenants_pb
from playwright.async_api import async_playwright, expect

from bot.app import running as running_bot
from retrieval_service.client import connect
from retrieval_service.postgres.embedded import Embedded
from tests.e2e.test_widget_browser import CHROMIUM, FLAGS
from tests.e2e.widget_page import Chat, Site, visitor
from tests.fakes.bot_api import USERNAME, FakeBotApi, running_bot_api
from tests.integration.channels.test_bot import ANN, BOB, message_with, settings_for
from tests.kits.running_gateway import SECRET
from tests.kits.service_kit import (
    Running,
    Shop,
    new_key,
    new_shop,
    shared_service,
    upsert,
    wait_until_indexed,
)
from widget_gateway.app import build_app
from widget_gateway.config import Settings

KETTLE = "The kettle Wave holds two litres. The kettle Wave costs 990 roubles."


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def service(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Running]:
    async with shared_service(postgres_server, migrated_template) as running:
        yield running


@pytest.fixture
async def kettles(service: Running) -> Shop:
    shop = await new_shop(service, allowed_origins=["*"])
    await upsert(shop, "kettle", KETTLE, title="Kettle Wave", language="en")
    await upsert(shop, "blender", "The blender Storm costs 4500 roubles.", title="Blender", language="en")
    await wait_until_indexed(shop)
    return shop


@pytest.fixture
async def key(service: Running) -> str:
    return await new_key(service, (tenants_pb.SCOPE_CHANNEL,))


@pytest.fixture
async def telegram(service: Running, key: str, tmp_path: Path) -> AsyncIterator[FakeBotApi]:
    async with running_bot_api() as api:
        settings = settings_for(api, f"127.0.0.1:{service.port}", tmp_path, channel_key=key)
        async with running_bot(settings):
            yield api


@pytest.fixture
async def gateway_url(service: Running, key: str) -> AsyncIterator[str]:
    address = f"127.0.0.1:{service.port}"
    settings = Settings.model_validate(
        {
            "service_address": address,
            "channel_key": key,
            "session_secret": SECRET,
            "port": 0,
            "telegram_bot": USERNAME,
        }
    )
    async with connect(address, key) as client, serving(build_app(settings, client)) as url:
        yield url


@pytest.fixture
async def page_url(gateway_url: str, kettles: Shop) -> AsyncIterator[str]:
    site = Site(url="", gateway_url=gateway_url, shop=kettles.tenant.public_key)
    app = web.Application()

    async def page(request: web.Request) -> web.Response:
        return site.page(request)

    app.router.add_get("/", page)
    async with serving(app) as url:
        yield url


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        async with visitor(browser) as chat:
            yield chat
        await browser.close()


async def link_to_telegram(chat: Chat) -> str:
    """Where the widget sends the visitor; nothing leaves this machine."""
    await chat.page.context.route("https://t.me/**", lambda route: route.fulfill(body="Telegram"))
    async with chat.page.context.expect_page() as opened:
        await chat.page.get_by_role("button", name="Continue in Telegram").click()
    tab = await opened.value
    await tab.wait_for_url("https://t.me/**")
    return tab.url


async def test_conversation_of_the_widget_goes_on_in_telegram_and_its_code_works_once(
    chat: Chat, page_url: str, telegram: FakeBotApi
) -> None:
    await chat.visit(page_url)
    await chat.ask("How many litres does the kettle Wave hold?")
    await chat.answered(timeout_seconds=20)
    await expect(chat.last).to_contain_text("two litres")

    address = urlsplit(await link_to_telegram(chat))
    assert address.path == f"/{USERNAME}"
    [start] = parse_qs(address.query)["start"]
    assert start.startswith("h_")

    telegram.user_sends(ANN, f"/start {start}")
    await message_with(telegram, "How many litres does the kettle Wave hold?")
    await message_with(telegram, "two litres")
    telegram.user_sends(ANN, "and how much is it?")
    answer = await message_with(telegram, "990 roubles")
    assert "4500" not in answer.text

    telegram.user_sends(BOB, f"/start {start}", user_id=2)
    await message_with(telegram, "ten minutes are over", BOB)
    assert all("litres" not in message.text for message in telegram.messages(BOB))
