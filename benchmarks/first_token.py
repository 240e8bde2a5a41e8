"""What the service and the widget's gateway add to the model's own first token."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from uuid import uuid4

import aiohttp
from aiohttp import web
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import sync_service_pb2 as sync_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb
from pydantic import SecretStr

from benchmarks import installation, measuring
from benchmarks.command import Benchmark, main
from benchmarks.measuring import Latency
from benchmarks.processes import Announce, ServicePlan, running, serve_retrieval
from benchmarks.reporting import Bar, Figure, at_most
from retrieval_service import server
from retrieval_service.client import Client, connect
from retrieval_service.services.tenants.first_key import mint_key
from tests.fakes.openai import Fault, Script, running_openai
from widget_gateway.app import build_app
from widget_gateway.config import Settings as GatewaySettings

FIRST_WORD = "Certainly"
ANSWER = f"{FIRST_WORD}, this is what the shop's documents say about it."
WORD_SECONDS = 0.005
# About what five fragments and the instructions make, so that the model alone is sent no less.
PROMPT = "A fragment of the shop's documents. " * 150
DEMO = files("retrieval_service") / "demo"
UNLIMITED = 1_000_000
QUESTIONS = 10
TIMEOUT_SECONDS = 30.0

MODEL, SERVICE, WIDGET = "model", "service", "widget"
SERVICE_AGAIN, WIDGET_AGAIN = "service again", "widget again"
FirstToken = Callable[[], Awaitable[float]]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The model's own time to its first token, and how often everybody asks in a round."""

    model_seconds: float
    rounds: int
    asks: int


FULL = Sizes(model_seconds=0.1, rounds=6, asks=QUESTIONS)
QUICK = Sizes(model_seconds=0.01, rounds=1, asks=2)


@dataclass(frozen=True, kw_only=True)
class GatewayPlan:
    """The service a gateway speaks to, and the key it shows there."""

    service_address: str
    channel_key: str


async def serve_openai(model_seconds: float, announce: Announce) -> None:
    """A model that thinks this long and then writes a word every few milliseconds."""
    stop = server.stop_signals()
    async with running_openai() as fake:
        fake.script = Script(text=ANSWER, delta_delay_seconds=WORD_SECONDS)
        fake.fail(Fault(path="/responses", times=UNLIMITED, delay_seconds=model_seconds))
        announce(int(fake.base_url.rpartition(":")[2].partition("/")[0]))
        await stop.wait()


async def serve_gateway(plan: GatewayPlan, announce: Announce) -> None:
    """`kladez-gateway` without limits that a benchmark would run into."""
    stop = server.stop_signals()
    settings = GatewaySettings.model_validate(
        {
            "service_address": plan.service_address,
            "channel_key": plan.channel_key,
            "frames_per_minute": UNLIMITED,
            "session_questions_per_minute": UNLIMITED,
            "address_questions_per_minute": UNLIMITED,
            "shop_questions_per_day": UNLIMITED,
        }
    )
    async with connect(plan.service_address, plan.channel_key) as client:
        runner = web.AppRunner(build_app(settings, client), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        announce(runner.addresses[0][1])
        await stop.wait()
        await runner.cleanup()


async def run(sizes: Sizes) -> list[Figure]:
    async with everything(sizes) as askers:
        contenders = {name: repeated(ask, sizes.asks) for name, ask in askers.items()}
        await measuring.in_turns(contenders, 1)
        rounds = await measuring.in_turns(contenders, sizes.rounds)
    return described({name: measuring.latency(rows) for name, rows in rounds.items()})


def repeated(ask: FirstToken, asks: int) -> Callable[[], Awaitable[list[float]]]:
    async def run_round() -> list[float]:
        return [await ask() for _ in range(asks)]

    return run_round


@asynccontextmanager
async def everything(sizes: Sizes) -> AsyncIterator[dict[str, FirstToken]]:
    """Model, service and gateway in a process each, and the demo shop indexed."""
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(installation.temporary_postgres())
        model_url = f"http://127.0.0.1:{await stack.enter_async_context(running(serve_openai, sizes.model_seconds))}/v1"
        settings = installation.settings(
            workers=1, answerer="responses", openai_base_url=model_url, openai_api_key=SecretStr("fake")
        )
        plan = ServicePlan(dsn=dsn, settings=settings, synthetic=False)
        address = f"127.0.0.1:{await stack.enter_async_context(running(serve_retrieval, plan))}"
        key = await mint_key(
            dsn, scopes=["operator", "tenant:write", "tenant:read", "channel"], display_name="bench"
        )
        client = await stack.enter_async_context(connect(address, key))
        await client.wait_until_ready(10)
        tenant = await demo_tenant(client)
        gateway_plan = GatewayPlan(service_address=address, channel_key=key)
        gateway = await stack.enter_async_context(running(serve_gateway, gateway_plan))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        shop, url = client.for_tenant(tenant.tenant_id), f"http://127.0.0.1:{gateway}"
        yield {
            MODEL: model_asker(http, model_url),
            SERVICE: service_asker(shop, new_questions(0)),
            WIDGET: await widget_asker(http, url, tenant.public_key, new_questions(1)),
            SERVICE_AGAIN: service_asker(shop, repeated_questions()),
            WIDGET_AGAIN: await widget_asker(http, url, tenant.public_key, repeated_questions()),
        }


async def demo_tenant(client: Client) -> tenants_pb.Tenant:
    settings = tenants_pb.TenantSettings(languages=["en"], allowed_origins=["*"])
    wanted = tenants_pb.Tenant(name="Tea Mile", settings=settings)
    tenant = (await client.create_tenant(tenants_pb.CreateTenantRequest(tenant=wanted))).tenant
    shop = client.for_tenant(tenant.tenant_id)
    shop_json = (DEMO / "shop.en.json").read_bytes()
    await shop.import_shop(documents_pb.ImportShopRequest(shop_json=shop_json, language="en"))
    async with asyncio.timeout(60):
        while True:
            status = await shop.get_sync_status(sync_pb.GetSyncStatusRequest())
            if not status.pending_count + status.processing_count:
                return tenant
            await asyncio.sleep(0.05)


def repeated_questions() -> Iterator[str]:
    """English questions that the demo shop answers, over and over."""
    labelled = json.loads((DEMO / "questions.json").read_text(encoding="utf-8"))["questions"]
    asked = [one["question"] for one in labelled if one["language"] == "en" and one["answerable"]]
    return itertools.cycle(asked[:QUESTIONS])


def new_questions(parity: int) -> Iterator[str]:
    """The same with other words in capitals each time: nobody has asked so before, and the vectors are made anew."""
    return (
        " ".join(word.upper() if mask >> place & 1 else word for place, word in enumerate(question.split()))
        for number, question in enumerate(repeated_questions())
        for mask in [2 * (number // QUESTIONS + 1) + parity]
    )


def model_asker(http: aiohttp.ClientSession, model_url: str) -> FirstToken:
    """The bare call that any program would make."""
    body = {"model": "gpt-5.4-mini", "instructions": "Answer.", "input": PROMPT, "stream": True}

    async def ask() -> float:
        started = time.perf_counter()
        first = 0.0
        async with http.post(f"{model_url}/responses", json=body) as response:
            async for line in response.content:
                if not first and b'"response.output_text.delta"' in line:
                    first = time.perf_counter()
        return first - started

    return ask


def service_asker(shop: Client, asked: Iterator[str]) -> FirstToken:

    async def ask() -> float:
        started = time.perf_counter()
        first = 0.0
        async for event in shop.stream_answer(answers_pb.StreamAnswerRequest(question=next(asked))):
            if not first and event.WhichOneof("event") == "delta":
                check(event.delta.text)
                first = time.perf_counter()
        return first - started

    return ask


async def widget_asker(
    http: aiohttp.ClientSession, url: str, public_key: str, asked: Iterator[str]
) -> FirstToken:
    """A widget's socket, greeted already; it asks one question after another."""
    origin = {"Origin": "https://shop.example"}
    socket = await http.ws_connect(f"{url}/ws", protocols=("kladez.v1",), headers=origin)
    await socket.send_json({"t": "hello", "v": 1, "shop": public_key})
    await frame(socket, "welcome")

    async def ask() -> float:
        started = time.perf_counter()
        await socket.send_json({"t": "ask", "id": uuid4().hex, "q": next(asked)})
        check((await frame(socket, "delta"))["d"])
        first = time.perf_counter()
        await frame(socket, "done")
        return first - started

    return ask


async def frame(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, str]:
    """The next frame of this kind."""
    while True:
        received = await socket.receive_json(timeout=TIMEOUT_SECONDS)
        if received["t"] == kind:
            return received
        if received["t"] == "error":
            raise RuntimeError(f"the gateway answered {received}")


def check(text: str) -> None:
    """A question that is not put to the model would measure nothing."""
    if not text.startswith(FIRST_WORD):
        raise RuntimeError(f"these are not the model's words: {text[:60]!r}")


def described(times: dict[str, Latency]) -> list[Figure]:
    own = times[MODEL]
    through = {
        "service": (SERVICE, SERVICE_AGAIN, 10),
        "service and gateway, to the widget": (WIDGET, WIDGET_AGAIN, 15),
    }
    return [
        figure
        for what, (new, again, bar) in through.items()
        for figure in (
            added(f"{what}, of a new question", times[new], own),
            added(f"{what}, of one that was asked before", times[again], own, bar=at_most(bar)),
        )
    ]


def added(what: str, measured: Latency, own: Latency, *, bar: Bar | None = None) -> Figure:
    return Figure(
        what=f"added to the model's first token by the {what}",
        value=measured.p50 - own.p50,
        unit="ms",
        bar=bar,
        from_what=f"p50 {measured.p50:.1f} over {own.p50:.1f} ms, p95 {measured.p95:.1f} over {own.p95:.1f} ms",
    )


BENCHMARK = Benchmark(title="First token", run=run, full=FULL, quick=QUICK)

if __name__ == "__main__":
    main(BENCHMARK)
