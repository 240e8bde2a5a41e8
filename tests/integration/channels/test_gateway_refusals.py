"""The gateway over real sockets, against a real gRPC service on loopback: whom and what it refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest
from kladez.v1.answer_service_pb2 import FinishReason

from tests.fakes.retrieval_server import (
    FakeRetrieval,
    ScriptedAnswer,
    ScriptedFailure,
)
from tests.kits.running_gateway import SHOP, RunningGateway, eventually, running_gateway, service_with_shop
from tests.kits.widget_client import Widget, close_of, opened_widget


@pytest.fixture
async def service() -> AsyncIterator[FakeRetrieval]:
    async with service_with_shop() as service:
        yield service


@pytest.fixture
async def gateway(service: FakeRetrieval) -> AsyncIterator[RunningGateway]:
    async with running_gateway(service) as gateway:
        yield gateway


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
async def test_page_of_a_foreign_origin_is_refused(gateway: RunningGateway, origin: str) -> None:
    socket = await gateway.socket(origin=origin)
    await socket.send_str(json.dumps({"t": "hello", "v": 1, "shop": SHOP}))
    assert await close_of(socket) == (4403, "origin not allowed")


async def test_null_origin_needs_the_switch(service: FakeRetrieval) -> None:
    async with running_gateway(service, allow_null_origin=True) as gateway:
        assert (await opened_widget(gateway, origin="null")).welcome["sid"]


@pytest.mark.parametrize("shop", ["5f6f1c1e-6c0e-4e57-9d0a-3d1f3a8f6f10", "no uuid", ""])
async def test_unknown_shop_is_refused(gateway: RunningGateway, shop: str) -> None:
    socket = await gateway.socket()
    await socket.send_str(json.dumps({"t": "hello", "v": 1, "shop": shop}))
    assert await close_of(socket) == (4404, "unknown shop")


async def test_unreachable_service_asks_widgets_to_come_back(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    service.resolve_failure = ScriptedFailure(code="INTERNAL")
    socket = await gateway.socket()
    await socket.send_str(json.dumps({"t": "hello", "v": 1, "shop": SHOP}))
    assert await close_of(socket) == (1013, "try again later")


async def test_shop_is_resolved_once_for_many_sockets(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    await asyncio.gather(*(opened_widget(gateway) for _ in range(8)))
    assert service.journal.resolved == [SHOP]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not json", "not JSON"),
        ("[" * 16_000, "not JSON"),
        ("[]", "not an object"),
        ('{"t":"hello","v":2}', "unsupported version"),
        ('{"t":"ping"}', "hello must come first"),
    ],
)
async def test_bad_hello_closes_with_its_reason(gateway: RunningGateway, text: str, reason: str) -> None:
    socket = await gateway.socket()
    await socket.send_str(text)
    assert await close_of(socket) == (4400, reason)


async def test_silent_socket_is_closed_after_the_hello_timeout(service: FakeRetrieval) -> None:
    async with running_gateway(service, hello_seconds=0.1) as gateway:
        assert await close_of(await gateway.socket()) == (4408, "no hello")


async def test_other_subprotocols_and_binary_frames_are_refused(gateway: RunningGateway) -> None:
    socket = await gateway.socket(protocols=("kladez.v1",))
    await socket.send_bytes(b"{}")
    assert await close_of(socket) == (4400, "frames are text")


async def test_oversized_frame_is_refused_with_a_reason(gateway: RunningGateway) -> None:
    widget = await opened_widget(gateway)
    await widget.socket.send_str("x" * 20_000)
    assert await widget.closed() == (1009, "frame too large")


async def test_megabytes_of_garbage_leave_other_visitors_alone(gateway: RunningGateway) -> None:
    widget = await opened_widget(gateway)
    _, vandal = await raw_socket(gateway)
    await eventually(lambda: len(gateway.gateway.sockets) == 2)
    with suppress(ConnectionError):
        vandal.write(b"\x81\xff" + (10_000_000).to_bytes(8, "big") + b"mask")
        for _ in range(160):
            vandal.write(b"\xff" * 65_536)
            await vandal.drain()
    await eventually(lambda: len(gateway.gateway.sockets) == 1)
    vandal.close()
    await widget.ask("kettle")
    assert (await widget.until("done"))[-1]["status"] == "done"


@pytest.mark.parametrize(("question", "code"), [("x" * 2001, "too_long"), ("  ", "empty")])
async def test_impossible_question_never_reaches_the_service(
    service: FakeRetrieval, gateway: RunningGateway, question: str, code: str
) -> None:
    widget = await opened_widget(gateway)
    ask_id = await widget.ask(question)
    assert await widget.next() == {"t": "error", "id": ask_id, "code": code}
    assert service.journal.questions == []


async def test_question_of_exactly_the_limit_in_code_points_is_asked(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    widget = await opened_widget(gateway)
    await widget.ask("🍵" * 2000)
    assert (await widget.until("done", "error"))[-1]["t"] == "done"


async def test_third_answer_at_once_is_told_to_wait(service: FakeRetrieval, gateway: RunningGateway) -> None:
    service.script("long", ScriptedAnswer(hold_after=0))
    widget = await opened_widget(gateway)
    for _ in range(3):
        await widget.ask("long")
    error = (await widget.until("error"))[-1]
    service.release()
    assert (error["code"], error["retry_after"]) == ("busy", 3.0)


async def test_session_that_asks_too_often_is_told_how_long_to_wait(service: FakeRetrieval) -> None:
    async with running_gateway(service, session_questions_per_minute=1) as gateway:
        widget = await opened_widget(gateway)
        await widget.ask("first")
        await widget.until("done")
        await widget.ask("second")
        error = await widget.next()
    assert error["code"] == "rate_limited"
    assert 0 < error["retry_after"] <= 60


POLITE = ScriptedAnswer(
    deltas=("You are welcome.",), references=(), finish_reason=FinishReason.FINISH_REASON_PLEASANTRY
)


def from_address(address: str) -> dict[str, dict[str, str]]:
    return {"headers": {"X-Forwarded-For": address}}


async def outcome(widget: Widget, question: str) -> str:
    """ "done", or the code of the refusal."""
    await widget.ask(question)
    last = (await widget.until("done", "error"))[-1]
    return last.get("code") or last["t"]


async def test_one_visitor_cannot_use_up_a_shops_day(service: FakeRetrieval) -> None:
    limits = {"shop_questions_per_day": 30, "trusted_proxies": "127.0.0.1/32"}
    async with running_gateway(service, **limits) as gateway:
        greedy = await opened_widget(gateway, **from_address("5.5.5.5"))
        assert [await outcome(greedy, "kettle") for _ in range(5)] == ["done"] * 3 + ["quota_spent"] * 2
        other = await opened_widget(gateway, **from_address("7.7.7.7"))
        assert await outcome(other, "kettle") == "done"


async def test_network_of_one_customer_is_one_visitor(service: FakeRetrieval) -> None:
    limits = {"address_questions_per_day": 1, "trusted_proxies": "127.0.0.1/32"}
    async with running_gateway(service, **limits) as gateway:
        first = await opened_widget(gateway, **from_address("2001:db8:1:2::1"))
        second = await opened_widget(gateway, **from_address("2001:db8:1:2:9::9"))
        other = await opened_widget(gateway, **from_address("2001:db8:1:3::1"))
        told = [await outcome(widget, "kettle") for widget in (first, second, other)]
    assert told == ["done", "quota_spent", "done"]
    visitors = [call.visitor for call in service.journal.answer_calls]
    assert len(set(visitors)) == 2
    assert not any("2001" in visitor for visitor in visitors)


async def test_courtesies_take_nothing_of_the_day(service: FakeRetrieval) -> None:
    service.script("thanks", POLITE)
    async with running_gateway(service, shop_questions_per_day=1) as gateway:
        widget = await opened_widget(gateway)
        assert [await outcome(widget, "thanks") for _ in range(5)] == ["done"] * 5
        assert [await outcome(widget, "kettle") for _ in range(2)] == ["done", "quota_spent"]


async def test_services_quota_is_told_with_the_time_to_wait(service: FakeRetrieval) -> None:
    failure = ScriptedFailure(code="RESOURCE_EXHAUSTED", reason="QUOTA_SPENT", retry_after_seconds=40_000)
    service.script("kettle", ScriptedAnswer(failure=failure))
    async with running_gateway(service) as gateway:
        widget = await opened_widget(gateway)
        await widget.ask("kettle")
        error = (await widget.until("error"))[-1]
    assert (error["code"], error["retry_after"]) == ("quota_spent", 40_000)


async def test_visitor_is_one_to_the_service_after_a_restart_without_a_secret(service: FakeRetrieval) -> None:
    for _ in range(2):
        async with running_gateway(service, session_secret=None) as gateway:
            widget = await opened_widget(gateway)
            assert await outcome(widget, "kettle") == "done"
    assert len({call.visitor for call in service.journal.answer_calls}) == 1


async def test_request_that_never_becomes_whole_is_not_waited_for(service: FakeRetrieval) -> None:
    async with running_gateway(service, request_seconds=0.2) as gateway:
        for sent in (b"", b"GET /ws HTTP/1.1\r\nHost: x\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(gateway))
            writer.write(sent)
            async with asyncio.timeout(10):
                await reader.read(-1)  # until the gateway hangs up
            writer.close()


async def test_one_address_has_so_many_connections_whatever_they_say(service: FakeRetrieval) -> None:
    async with running_gateway(service, connections_per_address=3) as gateway:
        silent = [await asyncio.open_connection("127.0.0.1", port_of(gateway)) for _ in range(3)]
        async with asyncio.timeout(10):
            # Hung up on at once, before a byte is read.
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(gateway))
            assert await hung_up(reader)
            writer.close()
        silent.pop()[1].close()
        await eventually_open(gateway)
        for _, one in silent:
            one.close()


async def test_connections_of_a_trusted_proxy_are_everybodys(service: FakeRetrieval) -> None:
    settings = {"connections_per_address": 1, "trusted_proxies": "127.0.0.0/8"}
    async with running_gateway(service, **settings) as gateway:
        silent = [await asyncio.open_connection("127.0.0.1", port_of(gateway)) for _ in range(5)]
        async with gateway.http.get(f"{gateway.url}/healthz") as response:
            assert response.status == 200
        for _, one in silent:
            one.close()


async def hung_up(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True


async def eventually_open(gateway: RunningGateway) -> None:
    """Once the gateway knows of an end there is room again."""
    async with asyncio.timeout(10):
        while True:
            try:
                async with gateway.http.get(f"{gateway.url}/healthz") as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


def port_of(gateway: RunningGateway) -> int:
    return int(gateway.url.rpartition(":")[2])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8080", 421),
        ("evil.example:8080", 421),
        ('x"><script>', 421),
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("demo.example", 200),
    ],
)
async def test_demo_page_is_served_under_its_own_names_alone(
    service: FakeRetrieval, host: str, status: int
) -> None:
    async with running_gateway(service, demo_shop=SHOP, demo_hosts="Demo.example") as gateway:
        async with gateway.http.get(gateway.url, headers={"Host": host}) as response:
            text = await response.text()
        assert response.status == status
        assert ("evil" in text) is False
        origin = f"http://{host}"
        socket = await gateway.socket(origin=origin, headers={"Host": host})
        await socket.send_json({"t": "hello", "v": 1, "shop": SHOP})
        told = await socket.receive()
        assert (told.type is aiohttp.WSMsgType.TEXT) is (status == 200), told


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/nowhere", "/widget.js", "/s/none", "/ws"])
async def test_answers_say_little_of_us_and_are_kept_only_on_purpose(
    service: FakeRetrieval, path: str
) -> None:
    async with (
        running_gateway(service, demo_shop=SHOP) as gateway,
        gateway.http.get(f"{gateway.url}{path}") as response,
    ):
        assert response.headers["Server"] == "kladez"
        kept = response.headers["Cache-Control"]
    assert kept.startswith("public") if path == "/widget.js" else "no-" in kept


async def test_sockets_of_one_address_are_limited_behind_a_trusted_proxy(service: FakeRetrieval) -> None:
    async with running_gateway(service, sockets_per_address=1, trusted_proxies="127.0.0.1/32") as gateway:
        first = await gateway.socket(headers={"X-Forwarded-For": "203.0.113.9"})
        second = await gateway.socket(headers={"X-Forwarded-For": "203.0.113.9"})
        other = await gateway.socket(headers={"X-Forwarded-For": "203.0.113.10"})
        assert await close_of(second) == (4429, "too many connections")
        assert not first.closed
        assert not other.closed


async def test_flood_of_frames_is_cut_off(service: FakeRetrieval) -> None:
    async with running_gateway(service, frames_per_minute=5) as gateway:
        widget = await opened_widget(gateway)
        for _ in range(6):
            await widget.send("ping")
        assert await widget.closed() == (4429, "too many frames")


async def raw_socket(gateway: RunningGateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket after its upgrade, for bytes that no library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Protocol: kladez.v1\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer
