"""The widget in a real browser, on a customer's page under the strictest policy, against the real gateway."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from kladez.v1.answer_service_pb2 import RATING_DOWN, FinishReason, UnsupportedRange
from kladez.v1.common_pb2 import Reference
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.e2e.widget_page import (
    DESKTOP,
    Chat,
    GatewayProcess,
    Site,
    kill_sockets,
    played,
    running_site,
    visitor,
)
from tests.fakes.retrieval_server import (
    FakeRetrieval,
    ScriptedAnswer,
    ScriptedFailure,
    running_retrieval_service,
)
from tests.kits.running_gateway import SECRET, SHOP, RunningGateway, eventually, running_gateway
from tests.unit.safe_text.test_marks_in_links import ATTACKS, links_of, safe
from widget_gateway.app import WIDGET

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHROMIUM = os.environ.get("KLADEZ_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
INSTALLED_AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
AXE = Path(os.environ.get("KLADEZ_AXE", INSTALLED_AXE))
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
BUDGET_BYTES = 12 * 1024
PHONE = {"width": 360, "height": 640}
WORDS = tuple(f"word{number} " for number in range(40))
HOSTILE = (
    '<img src=x onerror="window.hacked=1"> <script>window.hacked=2</script> [click](javascript:window.hacked=3) '
    "[data](data:text/html,<script>1</script>) **<b onclick=window.hacked=4>bold</b>** "
    '`</code><script>window.hacked=5</script>` https://a.example/"onmouseover="window.hacked=6 '
    '<svg/onload=window.hacked=7> [1] <iframe srcdoc="<script>parent.hacked=8</script>">'
)
DOUBTED = "It sings **in tune 🎵**, always."
DOUBTFUL_DELTAS = ("🫖 It costs 990 [1].\n", f"- {DOUBTED} ", "Ask away.")
DOUBT_START = len(DOUBTFUL_DELTAS[0]) + 2
DOUBTFUL = ScriptedAnswer(
    deltas=DOUBTFUL_DELTAS,
    unsupported=(UnsupportedRange(start_offset=DOUBT_START, end_offset=DOUBT_START + len(DOUBTED)),),
    hold_after=2,
)
HOSTILE_SOURCE = Reference(
    number=1,
    title="<b onclick=alert(1)>Kettle</b>",
    url="javascript:window.hacked=9",
    snippet="<script>x</script>",
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site() -> AsyncIterator[Site]:
    async with running_site() as site:
        yield site


@pytest_asyncio.fixture(loop_scope="module")
async def service(site: Site) -> AsyncIterator[FakeRetrieval]:
    async with running_retrieval_service() as service:
        service.add_shop(
            public_key=SHOP,
            name="Whistling kettles",
            allowed_origins=[site.url],
            greetings={"en": "Hello! Ask me **anything**.", "ru": "Здравствуйте!", "pt": "Olá!"},
            suggested_questions={"en": ["How much is delivery?"], "ru": ["Сколько стоит доставка?"]},
        )
        service.script("words", ScriptedAnswer(deltas=WORDS, pause_seconds=0.03))
        service.script("held", ScriptedAnswer(deltas=WORDS, hold_after=20))
        service.script("hostile", ScriptedAnswer(deltas=(HOSTILE,), references=(HOSTILE_SOURCE,)))
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(service: FakeRetrieval, site: Site) -> AsyncIterator[RunningGateway]:
    async with running_gateway(service, demo_shop=SHOP) as gateway:
        site.gateway_url = gateway.url
        yield gateway


@pytest_asyncio.fixture(loop_scope="module")
async def process(service: FakeRetrieval, site: Site, tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    settings = {
        "KLADEZ_SERVICE_ADDRESS": service.address,
        "KLADEZ_CHANNEL_KEY": service.key,
        "KLADEZ_GATEWAY_PORT": "0",
        "KLADEZ_GATEWAY_SESSION_SECRET": SECRET,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = GatewayProcess(settings=settings, log=tmp_path / "gateway.log")
    await process.start()
    site.gateway_url = process.address
    yield process
    await process.end(signal.SIGKILL)


@pytest_asyncio.fixture(loop_scope="module")
async def chat(browser: Browser) -> AsyncIterator[Chat]:
    async with visitor(browser) as chat:
        yield chat


async def test_answer_streams_with_its_sources_under_the_strictest_policy(
    chat: Chat, site: Site, gateway: RunningGateway
) -> None:
    await chat.visit(site.url)
    await chat.ask("How much is the kettle?")
    await chat.answered()
    await expect(chat.last).to_contain_text("The kettle costs 990 roubles [1].")
    card = chat.page.locator("kladez-chat a.card")
    await expect(card).to_contain_text("Blue kettle")
    assert await card.get_attribute("href") == f"{site.url}/catalog/kettle-blue"
    assert (
        await chat.page.locator("kladez-chat sup a").get_attribute("href")
        == f"{site.url}/catalog/kettle-blue"
    )
    assert await chat.style(".launcher", "width") == "58px"
    assert await chat.page.context.cookies() == []
    assert chat.complaints == []


async def test_thumb_down_asks_why_and_both_reach_the_service(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("How much is the kettle?")
    await chat.answered()
    await chat.page.get_by_role("button", name="This did not help").click()
    await chat.page.get_by_role("button", name="Out of date").click()
    await expect(chat.last).to_contain_text("Thank you!")
    assert [(told.rating, told.reason) for told in service.journal.feedback] == [
        (RATING_DOWN, ""),
        (RATING_DOWN, "Out of date"),
    ]
    await chat.page.reload()
    await expect(chat.last).to_contain_text("Thank you!")


async def test_text_appears_while_the_answer_is_being_written(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("held")
    await expect(chat.last).to_contain_text("word19")
    await expect(chat.page.get_by_role("button", name="Stop")).to_be_visible()
    service.release()
    await chat.answered()
    await expect(chat.last).to_contain_text("word39")


async def test_hostile_answer_stays_text(chat: Chat, site: Site, gateway: RunningGateway) -> None:
    await chat.visit(f"{site.url}/?strict=no")
    await chat.ask("hostile")
    await chat.answered()
    await chat.page.reload()
    await expect(chat.last).to_contain_text("<img src=x onerror=")
    dangerous = "script, iframe, img, [onerror], [onclick], [onload], a[href^=javascript], a[href^=data]"
    script = f"document.querySelector('kladez-chat').shadowRoot.querySelectorAll('{dangerous}').length"
    assert await chat.page.evaluate(script) == 0
    assert await chat.page.evaluate("window.hacked") is None


async def test_marks_in_an_answer_make_no_link(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    """Neither the widget does, nor a program that looks for addresses in what is shown."""
    text = safe("\n\n".join(f"Go to {attack} now" for attack in ATTACKS))
    service.script("marks", ScriptedAnswer(deltas=(text, "\n\nThat is all.")))
    await chat.visit(site.url)
    await chat.ask("marks")
    await chat.answered()
    await expect(chat.last).to_contain_text("That is all.")
    assert links_of(await chat.last.inner_text()) == []
    targets = await chat.last.locator("a").evaluate_all("links => links.map(one => one.href)")
    assert {*targets} == {"https://good.example/x"}


async def test_reload_restores_the_transcript_and_the_session(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("kettle")
    await chat.answered()
    await chat.page.goto(f"{site.url}/another-page")
    await expect(chat.questions).to_have_text(["You said: kettle"])
    await expect(chat.last).to_contain_text("990 roubles")
    await chat.ask("and the red one?")
    await chat.answered()
    assert service.journal.questions == ["kettle", "and the red one?"]
    assert len(service.journal.sessions) == 1


async def test_reload_in_the_middle_of_an_answer_goes_on(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("held")
    await expect(chat.last).to_contain_text("word19")
    await chat.page.reload()
    await expect(chat.last).to_contain_text("word19")
    service.release()
    await chat.answered()
    assert [message["text"] for message in await chat.transcript()] == ["".join(WORDS)]
    assert service.journal.questions == ["held"]


@pytest.mark.parametrize("abruptly", [False, True])
async def test_socket_killed_in_the_middle_loses_and_repeats_nothing(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval, abruptly: bool
) -> None:
    await chat.visit(site.url)
    await chat.ask("words, please")
    for word in ("word5 ", "word25 "):
        await expect(chat.last).to_contain_text(word)
        await kill_sockets(gateway, abruptly=abruptly)
    await chat.answered()
    assert [message["text"] for message in await chat.transcript()] == ["".join(WORDS)]
    assert service.journal.questions == ["words, please"]


async def test_gateway_killed_in_the_middle_answers_once_after_its_restart(
    chat: Chat, site: Site, process: GatewayProcess, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("held")
    await expect(chat.last).to_contain_text("word19")
    await process.end(signal.SIGKILL)
    service.release()
    await process.start()
    await chat.answered(timeout_seconds=20)
    assert [message["text"] for message in await chat.transcript()] == ["".join(WORDS)]
    assert len(service.journal.request_ids) == 1
    await expect(chat.questions).to_have_count(1)


async def test_gateway_told_to_stop_finishes_the_answer_first(
    chat: Chat, site: Site, process: GatewayProcess, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("words")
    await expect(chat.last).to_contain_text("word5 ")
    await process.end(signal.SIGTERM)
    await chat.answered()
    await process.start()
    await chat.ask("kettle")
    await chat.answered(timeout_seconds=20)
    assert [len(message["text"]) for message in await chat.transcript()] == [len("".join(WORDS)), 33]
    assert service.journal.questions == ["words", "kettle"]


async def test_question_asked_offline_is_sent_when_the_network_returns(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("first")
    await chat.answered()
    await chat.page.context.set_offline(True)
    await kill_sockets(gateway, abruptly=True)
    await chat.ask("second")
    await expect(chat.status).to_contain_text("No connection")
    await chat.page.context.set_offline(False)
    await chat.answered()
    await expect(chat.status).to_be_empty()
    assert service.journal.questions == ["first", "second"]


async def test_repeated_event_is_dropped_and_a_gap_is_filled(
    chat: Chat, site: Site, gateway: RunningGateway
) -> None:
    heard: list[dict[str, Any]] = []
    events = (
        {"t": "delta", "n": 1, "d": "A"},
        {"t": "delta", "n": 1, "d": "A"},
        {"t": "delta", "n": 3, "d": "LOST"},
        {"t": "delta", "n": 4, "d": "LOST"},
    )
    await chat.page.route_web_socket("**/ws", played(heard, *events))
    await chat.visit(site.url)
    await chat.ask("x")
    await chat.answered()
    assert [message["text"] for message in await chat.transcript()] == ["ABC"]
    assert [frame["t"] for frame in heard].count("resume") == 1


async def test_question_between_hello_and_welcome_is_asked_once(
    chat: Chat, site: Site, gateway: RunningGateway
) -> None:
    heard: list[dict[str, Any]] = []
    held: list[Any] = []
    events = ({"t": "delta", "n": 1, "d": "OK"}, {"t": "done", "n": 2, "status": "done"})
    await chat.page.route_web_socket("**/ws", played(heard, *events, held=held))
    await chat.visit(site.url)
    await chat.page.evaluate("Kladez.open()")
    await eventually(lambda: held)
    await chat.ask("early")
    route, hello = held[0]
    route.send(json.dumps(hello))
    await chat.answered()
    assert [frame["t"] for frame in heard] == ["hello", "ask"]
    assert heard[0]["have"] == {}


async def test_page_of_a_foreign_origin_shows_no_chat(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    service.shops[SHOP].allowed_origins[:] = ["https://shop.example"]
    await chat.visit(site.url)
    await chat.page.evaluate("Kladez.open()")
    await expect(chat.page.locator("kladez-chat")).to_be_hidden()
    assert service.journal.questions == []


async def test_megabytes_of_garbage_do_not_disturb_the_chat(
    chat: Chat, site: Site, gateway: RunningGateway
) -> None:
    await chat.visit(site.url)
    address = gateway.url.replace("http", "ws", 1) + "/ws"
    code = await chat.page.evaluate(
        "address => new Promise(resolve => { const socket = new WebSocket(address, 'kladez.v1');"
        " socket.onopen = () => socket.send('x'.repeat(1e7)); socket.onclose = event => resolve(event.code); })",
        address,
    )
    assert code in (1006, 1009)
    await chat.ask("kettle")
    await chat.answered()
    await expect(chat.last).to_contain_text("990 roubles")


async def test_stop_ends_the_answer_and_the_model(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("held")
    await expect(chat.last).to_contain_text("word19")
    await chat.page.get_by_role("button", name="Stop").click()
    await expect(chat.last).to_contain_text("Stopped.")
    await eventually(lambda: service.journal.cancelled == ["held"])
    await chat.ask("kettle")
    await chat.answered()
    await expect(chat.last).to_contain_text("990 roubles")


async def test_failure_is_explained_and_can_be_tried_again(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    failure = ScriptedFailure(code="RESOURCE_EXHAUSTED", retry_after_seconds=7)
    service.script("kettle", ScriptedAnswer(failure=failure))
    await chat.visit(site.url)
    await chat.ask("kettle")
    await expect(chat.last).to_contain_text("Too many questions for now. Try again in 7 seconds.")
    await expect(chat.last).not_to_contain_text("secret")
    service.script("kettle", ScriptedAnswer())
    await chat.page.get_by_role("button", name="Try again").click()
    await expect(chat.last).to_contain_text("990 roubles")
    await expect(chat.questions).to_have_count(1)


@pytest.mark.parametrize("deltas", [(), ("The kettle costs ",)])
async def test_answer_that_breaks_off_is_said_so_also_after_a_reload(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval, deltas: tuple[str, ...]
) -> None:
    """Nobody knows how long to wait then."""
    service.script("kettle", ScriptedAnswer(deltas=deltas, failure=ScriptedFailure(code="UNAVAILABLE")))
    await chat.visit(site.url)
    await chat.ask("kettle")
    again = chat.page.get_by_role("button", name="Try again")
    await expect(again).to_be_visible()
    await expect(chat.page.get_by_role("button", name="Stop")).to_have_count(0)
    await chat.page.reload()
    await expect(again).to_be_visible()
    service.script("kettle", ScriptedAnswer())
    await again.click()
    await expect(chat.last).to_contain_text("990 roubles")


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "Too many questions for now. Try again in 12 hours."),
        ("ru", "Пока слишком много вопросов. Попробуйте через 12 часов."),
        ("pt", "Perguntas demais por agora. Tente em 12 horas."),
    ],
)
async def test_spent_quota_tells_the_hours_to_wait(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval, language: str, told: str
) -> None:
    failure = ScriptedFailure(code="RESOURCE_EXHAUSTED", reason="QUOTA_SPENT", retry_after_seconds=40_000)
    service.script("kettle", ScriptedAnswer(failure=failure))
    await chat.visit(f"{site.url}/?lang={language}")
    await chat.ask("kettle")
    await expect(chat.last).to_contain_text(told)
    await chat.page.reload()
    await expect(chat.last).to_contain_text(told)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "The assistant’s writer is away: these are quotations."),
        ("ru", "Автор ответов сейчас недоступен: это цитаты."),
        ("pt", "O redator do assistente está indisponível: estas são citações."),
    ],
)
async def test_quotations_in_the_model_s_place_are_called_so(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval, language: str, told: str
) -> None:
    service.script("away", ScriptedAnswer(model_away=True))
    await chat.visit(f"{site.url}/?lang={language}")
    for question in ("kettle", "away"):
        await chat.ask(question)
        await chat.answered()
    await expect(chat.last).to_contain_text(told)
    await chat.page.reload()
    await expect(chat.last).to_contain_text(told)
    await expect(chat.answers.filter(has_text=told)).to_have_count(1)


OFFERED = (
    "Perhaps this helps:\n",
    "- [Kettle](https://shop.example/kettle): “Boils a litre.” [1]\n\n",
    "If this is not it, the team will help you: help@shop.example",
)


async def test_what_may_help_has_a_look_of_its_own(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    unsure = ScriptedAnswer(deltas=OFFERED, finish_reason=FinishReason.FINISH_REASON_NOT_SURE)
    service.script("perhaps", unsure)
    await chat.visit(site.url)
    for question in ("kettle", "perhaps"):
        await chat.ask(question)
        await chat.answered()
    for _ in range(2):
        await expect(chat.last).to_have_class("bubble not_sure")
        await expect(chat.answers.nth(1)).to_have_class("bubble stop")
        await expect(chat.last.get_by_role("link", name="Kettle", exact=True)).to_have_attribute(
            "href", "https://shop.example/kettle"
        )
        await chat.page.reload()


async def test_wish_for_a_person_makes_the_mail_address_a_link(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    service.script(
        "person", ScriptedAnswer(deltas=("Our team will help: help@shop.example",), wants_human=True)
    )
    await chat.visit(site.url)
    await chat.ask("person")
    await chat.answered()
    link = chat.last.get_by_role("link", name="help@shop.example")
    await expect(link).to_have_attribute("href", "mailto:help@shop.example")


async def test_new_conversation_forgets_the_old_one(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("kettle")
    await chat.answered()
    await chat.page.get_by_role("button", name="New conversation").click()
    await expect(chat.questions).to_have_count(0)
    await chat.page.get_by_role("button", name="How much is delivery?").click()
    await chat.answered()
    assert len(service.journal.sessions) == 2
    assert [message["question"] for message in await chat.transcript()] == ["How much is delivery?"]


async def test_words_of_the_old_conversation_that_wait_for_the_screen_are_not_shown_in_the_new_one(
    chat: Chat, site: Site, gateway: RunningGateway
) -> None:
    await chat.visit(f"{site.url}/?strict=no")
    await chat.page.evaluate("void (window.requestAnimationFrame = paint => { window.paint = paint; })")
    await chat.page.evaluate("Kladez.ask('held')")
    await chat.page.wait_for_function("!!window.paint", polling=20)
    shown = "document.querySelector('kladez-chat').shadowRoot.querySelectorAll('.mine').length"
    assert await chat.page.evaluate(shown) == 1
    # At once: the next welcome would clear the log anyway.
    assert await chat.page.evaluate(f"Kladez.reset(); paint(); {shown}") == 0


async def test_second_tab_shows_the_same_conversation(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("first")
    await chat.answered()
    other = Chat(await chat.page.context.new_page())
    await other.visit(site.url)
    await chat.ask("kettle")
    await chat.answered()
    await expect(other.questions).to_have_count(2)
    await expect(other.last).to_contain_text("990 roubles")
    assert service.journal.questions == ["first", "kettle"]


async def test_chat_works_from_the_keyboard(chat: Chat, site: Site, gateway: RunningGateway) -> None:
    focus = "document.activeElement.shadowRoot.activeElement"
    await chat.visit(site.url)
    await chat.page.keyboard.press("Tab")
    await chat.page.keyboard.press("Enter")
    assert await chat.page.evaluate(f"{focus}.tagName") == "TEXTAREA"
    await chat.page.keyboard.type("kettle")
    await chat.page.keyboard.press("Enter")
    await chat.answered()
    await expect(chat.page.locator("kladez-chat .unseen[role=status]")).to_contain_text(
        "Assistant said: The kettle"
    )
    await chat.page.keyboard.press("Escape")
    await expect(chat.panel).to_be_hidden()
    assert await chat.page.evaluate(f"{focus}.className") == "launcher"


@pytest.mark.parametrize(
    ("query", "viewport"),
    [
        ("?lang=en", DESKTOP),
        ("?lang=ru&theme=dark", DESKTOP),
        ("?lang=pt", PHONE),
        ("?lang=en&theme=dark", PHONE),
    ],
)
async def test_chat_has_no_accessibility_violations(
    browser: Browser, site: Site, gateway: RunningGateway, query: str, viewport: dict[str, int]
) -> None:
    async with visitor(browser, viewport) as chat:
        await chat.visit(f"{site.url}/{query}&strict=no")
        await chat.ask("kettle")
        await chat.answered()
        assert await violations(chat.page) == []


async def violations(page: Page) -> list[Any]:
    await page.evaluate(axe_source())
    await page.wait_for_timeout(250)  # the panel fades in, and half-transparent text has no contrast
    result = await page.evaluate("rules => axe.run(document, {runOnly: rules})", AXE_RULES)
    return [(found["id"], [node["html"][:120] for node in found["nodes"]]) for found in result["violations"]]


def axe_source() -> str:
    assert AXE.is_file(), f"axe-core is missing: install it or name it in KLADEZ_AXE (looked at {AXE})"
    return AXE.read_text(encoding="utf-8")


async def test_chat_fills_a_phone(browser: Browser, site: Site, gateway: RunningGateway) -> None:
    async with visitor(browser, PHONE, has_touch=True, reduced_motion="reduce") as chat:
        await chat.visit(site.url)
        await chat.launcher.tap()
        assert await chat.panel.bounding_box() == {"x": 0, "y": 0, **PHONE}
        assert await chat.style("textarea", "fontSize") == "16px"
        await expect(chat.launcher).to_be_hidden()
        await expect(chat.panel).to_have_attribute("aria-modal", "true")


@pytest.mark.parametrize(
    ("language", "launcher", "send", "greeting"),
    [("ru", "Открыть чат", "Отправить", "Здравствуйте!"), ("pt", "Abrir chat", "Enviar", "Olá!")],
)
async def test_chat_speaks_the_language_of_the_page(
    chat: Chat, site: Site, gateway: RunningGateway, language: str, launcher: str, send: str, greeting: str
) -> None:
    await chat.visit(f"{site.url}/?lang={language}")
    await chat.page.get_by_role("button", name=launcher).click()
    await expect(chat.page.get_by_role("button", name=send)).to_be_visible()
    await expect(chat.last).to_contain_text(greeting)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("?lang=ru", "Чайная миля"),
        ("?lang=en", "Shop assistant"),
        ("?lang=pt", "Assistente da loja"),
        ("?lang=en&title=Tea Mile", "Tea Mile"),
        ("?lang=pt&title=Чайная миля", "Чайная миля"),
    ],
)
async def test_title_is_in_the_language_of_the_page_unless_the_page_gives_one(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval, query: str, title: str
) -> None:
    service.shops[SHOP].name = "Чайная миля"
    await chat.visit(f"{site.url}/{query}")
    await chat.page.evaluate("Kladez.open()")
    await expect(chat.last).to_be_visible()  # the greeting came, and the shop's name with it
    await expect(chat.panel.get_by_role("heading")).to_have_text(title)


async def marked(chat: Chat) -> str:
    return "".join(await chat.page.locator("kladez-chat .doubt").all_text_contents())


@pytest.mark.parametrize(
    ("query", "said", "legend"),
    [
        ("?lang=en", "Not confirmed by the sources", "Dotted: not confirmed by the sources."),
        ("?lang=ru&theme=dark", "Не подтверждено источниками", "Точками подчёркнуто"),
        ("?lang=pt", "Não confirmado pelas fontes", "Pontilhado"),
    ],
)
async def test_sentence_without_a_source_is_underlined_while_it_streams_and_ever_after(
    chat: Chat,
    site: Site,
    gateway: RunningGateway,
    service: FakeRetrieval,
    query: str,
    said: str,
    legend: str,
) -> None:
    service.script("doubtful", DOUBTFUL)
    await chat.visit(f"{site.url}/{query}&strict=no")
    await chat.ask("doubtful")
    await expect(chat.page.locator("kladez-chat .doubt").first).to_have_attribute("title", said)
    assert await marked(chat) == "It sings in tune 🎵, always."
    await chat.page.reload()
    await expect(chat.last).to_contain_text("always.")
    assert await marked(chat) == "It sings in tune 🎵, always."
    service.release()
    await chat.answered()
    await expect(chat.last).to_contain_text(legend)
    await expect(chat.last.locator(".unseen", has_text=said)).to_have_count(1)
    await expect(chat.page.locator("kladez-chat .unseen[role=status]")).to_contain_text(legend)
    assert await violations(chat.page) == []
    await chat.page.reload()
    await expect(chat.last).to_contain_text(legend)
    assert await marked(chat) == "It sings in tune 🎵, always."


async def test_sentence_that_is_doubted_after_the_next_one_is_underlined_too(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    first, second = "It costs 990.", "It sings."
    later = UnsupportedRange(start_offset=len(first) + 1, end_offset=len(first) + 1 + len(second))
    earlier = UnsupportedRange(start_offset=0, end_offset=len(first))
    service.script("late", ScriptedAnswer(deltas=(f"{first} {second}",), unsupported=(later, earlier)))
    await chat.visit(f"{site.url}/?strict=no")
    await chat.ask("late")
    await chat.answered()
    assert await marked(chat) == f"{first}{second}"


async def test_thumbs_are_drawn_and_need_no_font(chat: Chat, site: Site, gateway: RunningGateway) -> None:
    await chat.visit(site.url)
    await chat.ask("kettle")
    await chat.answered()
    for name, turned in (("This helped", "none"), ("This did not help", "matrix(-1, 0, 0, -1, 0, 0)")):
        thumb = chat.page.get_by_role("button", name=name, exact=True)
        await expect(thumb.locator("svg path")).to_have_count(1)
        await expect(thumb.locator("svg")).to_have_css("transform", turned)
        await expect(thumb).to_have_text("")


async def test_politeness_has_no_thumbs(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    polite = ScriptedAnswer(
        deltas=("You are welcome!",), references=(), finish_reason=FinishReason.FINISH_REASON_PLEASANTRY
    )
    service.script("thanks", polite)
    await chat.visit(site.url)
    await chat.ask("thanks")
    await chat.answered()
    await expect(chat.last).to_contain_text("You are welcome!")
    await expect(chat.page.get_by_role("button", name="This helped")).to_have_count(0)


async def test_page_can_drive_the_chat(chat: Chat, site: Site, gateway: RunningGateway) -> None:
    await chat.visit(f"{site.url}/?strict=no")
    await chat.page.evaluate("window.heard = []; void Kladez.on('answer', answer => heard.push(answer.text))")
    await chat.page.evaluate("Kladez.setContext({sku: 'K1'}); Kladez.ask('kettle')")
    await chat.answered()
    await chat.page.wait_for_function("heard.length === 1")
    await chat.page.evaluate("document.body = document.createElement('body')")
    await expect(chat.panel).to_be_visible()
    await chat.page.evaluate("Kladez.destroy()")
    await expect(chat.page.locator("kladez-chat")).to_have_count(0)
    assert await chat.page.evaluate("window.Kladez") is None


async def test_listener_that_fails_disturbs_nobody_and_one_that_left_hears_no_more(
    chat: Chat, site: Site, gateway: RunningGateway
) -> None:
    await chat.visit(f"{site.url}/?strict=no")
    await chat.page.evaluate(
        "window.heard = [];"
        "Kladez.on('answer', () => { throw new Error('of the page'); });"
        "window.leave = Kladez.on('answer', answer => heard.push(['left', answer.question]));"
        "void Kladez.on('answer', answer => heard.push(['stayed', answer.question]));"
    )
    await chat.ask("kettle")
    await chat.answered()
    await chat.page.evaluate("leave()")
    await chat.ask("and the red one?")
    await chat.answered()
    assert await chat.page.evaluate("heard") == [
        ["left", "kettle"],
        ["stayed", "kettle"],
        ["stayed", "and the red one?"],
    ]


async def test_answer_that_comes_while_the_chat_is_closed_is_counted(
    chat: Chat, site: Site, gateway: RunningGateway, service: FakeRetrieval
) -> None:
    await chat.visit(site.url)
    await chat.ask("held")
    await expect(chat.last).to_contain_text("word19")
    await chat.page.keyboard.press("Escape")
    service.release()
    await expect(chat.launcher).to_have_attribute("aria-label", "Open chat (1)")


async def test_demo_shop_embeds_the_chat_under_its_own_policy(
    chat: Chat, site: Site, service: FakeRetrieval, tmp_path: Path
) -> None:
    catalogue = tmp_path / "shop.json"
    kettle = {
        "id": "kettle-blue",
        "name": "Синий чайник",
        "price": 990,
        "currency": "RUB",
        "category": "Посуда",
    }
    help_text = {"id": "faq-1", "question": "Как вернуть?", "answer": "По почте."}
    catalogue.write_text(json.dumps({"products": [kettle], "faq": [help_text]}))
    translated = {"id": "faq-1-en", "question": "How do I return it?", "answer": "By post."}
    catalogue.with_name("shop.en.json").write_text(json.dumps({"faq": [translated]}))
    async with running_gateway(service, demo_shop=SHOP, demo_catalogue=catalogue) as gateway:
        await chat.visit(f"{gateway.url}/?lang=ru")
        await expect(chat.page.get_by_role("link", name="Синий чайник")).to_be_visible()
        await chat.page.get_by_role("button", name="Сколько стоит доставка?").click()
        await chat.answered()
        await chat.page.locator("kladez-chat a.card").click()
        await expect(chat.page.get_by_role("heading", name="Синий чайник")).to_be_visible()
        await expect(chat.last).to_contain_text("990")
        await chat.page.goto(f"{gateway.url}/help?lang=ru")
        await expect(chat.page.get_by_text("Как вернуть?")).to_be_visible()
        await chat.page.goto(f"{gateway.url}/help?lang=en")
        await expect(chat.page.get_by_text("How do I return it?")).to_be_visible()
        await expect(chat.page.get_by_text("Как вернуть?")).to_be_hidden()
        await chat.page.goto(f"{gateway.url}/help?lang=pt")
        await expect(chat.page.get_by_text("Как вернуть?")).to_be_visible()
        assert chat.complaints == []


async def test_widget_keeps_its_size_budget() -> None:
    assert len(gzip.compress(WIDGET.plain, 9, mtime=0)) <= BUDGET_BYTES
