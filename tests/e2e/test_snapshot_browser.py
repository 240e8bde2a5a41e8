"""The page of a snapshot in a real browser: on a phone, in light and in dark, for everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Literal

import pytest
import pytest_asyncio
from kladez.v1.search_service_pb2 import Snapshot, SnapshotHit
from playwright.async_api import Browser, Route, async_playwright

from tests.e2e.test_widget_browser import CHROMIUM, FLAGS, PHONE, violations
from tests.fakes.retrieval_server import FakeRetrieval
from tests.kits.running_gateway import RunningGateway, running_gateway, service_with_shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "t" * 32
SUMMARY = (
    "<p>Вот что говорят об этом наши материалы.</p><ul>"
    '<li><b>Вернуть</b> чай можно за 14 дней. <a href="https://shop.example/1">[1]</a></li>'
    f"<li>{'Оченьдлинноеслово' * 8} [2]</li></ul>"
)


def snapshot() -> Snapshot:
    made = Snapshot(
        query="Как вернуть чай?",
        language="ru",
        summary_html=SUMMARY,
        hits=[
            SnapshotHit(number=1, title="Возврат", url="https://shop.example/1", snippet="14 дней.\nЦелый."),
            SnapshotHit(number=2, title="Длинное" * 12, section="Правила", snippet="Слова. " * 100),
        ],
    )
    made.expire_time.FromDatetime(datetime(2027, 3, 9, tzinfo=UTC))
    return made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def gateway() -> AsyncIterator[RunningGateway]:
    async with service_with_shop() as service, running_gateway(filled(service)) as gateway:
        yield gateway


def filled(service: FakeRetrieval) -> FakeRetrieval:
    service.snapshots[TOKEN] = snapshot()
    return service


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_fits_a_phone_and_excludes_nobody(
    browser: Browser, gateway: RunningGateway, scheme: Literal["light", "dark"]
) -> None:
    page = await browser.new_page(viewport=PHONE, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    await page.goto(f"{gateway.url}/s/{TOKEN}")
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert "Как вернуть чай?" in await page.inner_text("h1")
    assert await violations(page) == []
    assert complaints == []
    await page.close()


async def test_source_learns_nothing_of_the_page_it_is_opened_from(
    browser: Browser, gateway: RunningGateway
) -> None:
    page = await browser.new_page()
    told: list[dict[str, str]] = []

    async def answered(route: Route) -> None:
        told.append(await route.request.all_headers())
        await route.fulfill(body="shop")

    await page.context.route("https://shop.example/**", answered)
    await page.goto(f"{gateway.url}/s/{TOKEN}")
    async with page.context.expect_page() as opened:
        await page.click("h3 a")
    source = await opened.value
    await source.wait_for_load_state()
    assert await source.evaluate("window.opener") is None
    assert [headers for headers in told if "referer" in headers] == []
    assert told
    await page.context.close()
