"""How long hostile texts hold the service's event loop in one turn, and the interpreter against all threads."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from types import FrameType

from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import sync_service_pb2 as sync_pb
from pydantic import SecretStr

from benchmarks import installation
from benchmarks.command import Benchmark, main
from benchmarks.processes import Announce, ServicePlan, new_shop, running, serve_retrieval
from benchmarks.reporting import Figure, at_most
from retrieval_service import server
from retrieval_service.client import CallFailed, Client, connect
from retrieval_service.services.bootstrapping import mint_key
from tests.fakes.openai import Script, running_openai
from tests.text_trials.families import Family, families

LOOP_MS, INTERPRETER_MS = 5.0, 50.0
QUESTION = "Within how many days may a lamp be returned?"
FACT = "A lamp may be returned within thirty days. Lamps are sent from Porto within two days."
DELTA = 6
TICK_SECONDS = 0.001
NOTED_TURN_SECONDS, NOTED_GAP_SECONDS = 0.001, 0.005
GIVE_UP_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Characters of each text; of the families every so-manieth is tried."""

    answer: int
    document: int
    question: int
    every: int


# Larger documents, above 32 KiB, are planned in a process of their own.
FULL = Sizes(answer=10_000, document=10_000, question=1_000, every=1)
QUICK = Sizes(answer=600, document=2_000, question=200, every=50)


@dataclass(frozen=True, kw_only=True)
class Held:
    """Until when something was held, by the clock that all processes share, for how long, and by what."""

    ended: float
    seconds: float
    by: str


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A kind of text, and when it was tried."""

    name: str
    began: float
    ended: float

    def longest(self, held: Sequence[Held]) -> Held:
        inside = (one for one in held if self.began <= one.ended <= self.ended)
        return max(inside, key=lambda one: one.seconds, default=Held(ended=0, seconds=0, by="nothing"))


@dataclass(frozen=True, kw_only=True)
class WatchedPlan:
    """A service that writes its `Watch` into a file when it stops."""

    service: ServicePlan
    report: Path


@dataclass(kw_only=True)
class Watch:
    """`turns` of the event loop by the processor's time, and `gaps` in which no other thread could run."""

    turns: list[Held] = field(default_factory=list)
    gaps: list[Held] = field(default_factory=list)
    _beat: float = 0.0
    _holder: str = ""
    _is_over: bool = False

    async def beat(self) -> None:
        """In the loop: what the processor did for it between two looks at its sockets."""
        spent = time.thread_time()
        while True:
            self._beat, self._holder = time.perf_counter(), ""
            await asyncio.sleep(TICK_SECONDS)
            before, spent = spent, time.thread_time()
            if spent - before > NOTED_TURN_SECONDS:
                self.turns.append(Held(ended=time.perf_counter(), seconds=spent - before, by=self._holder))

    def note_collection(self, phase: str, _: dict[str, int]) -> None:
        """The collector of garbage runs in whatever thread comes to it."""
        if phase == "stop":
            self._holder = "the collector of garbage"

    def tick(self, loop_thread: int) -> None:
        """In a thread of its own, which wants to run every millisecond."""
        last = time.perf_counter()
        while not self._is_over:
            time.sleep(TICK_SECONDS)
            now = time.perf_counter()
            frames = sys._current_frames()
            if now - last > NOTED_GAP_SECONDS:
                others = (frame for thread, frame in frames.items() if thread != threading.get_ident())
                self.gaps.append(Held(ended=now, seconds=now - last, by=", ".join(sorted(places(others)))))
            if now - self._beat > 2 * TICK_SECONDS and not self._holder:
                self._holder = place(frames[loop_thread])
            last = now

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        ticking = threading.Thread(target=self.tick, args=(threading.get_ident(),), daemon=True)
        ticking.start()
        gc.callbacks.append(self.note_collection)
        try:
            yield
        finally:
            gc.callbacks.remove(self.note_collection)
            self._is_over = True
            ticking.join()


def places(frames: Iterator[FrameType]) -> set[str]:
    return {found for frame in frames if (found := place(frame))}


def place(frame: FrameType | None) -> str:
    """The innermost of our own functions, "" for none."""
    while frame:
        if "retrieval_service" in frame.f_code.co_filename:
            return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}"
        frame = frame.f_back
    return ""


async def serve_watched(plan: WatchedPlan, announce: Announce) -> None:
    watch = Watch()
    beating = asyncio.create_task(watch.beat())
    with watch.watching():
        await serve_retrieval(plan.service, announce)
    beating.cancel()
    seen = {"turns": [asdict(one) for one in watch.turns], "gaps": [asdict(one) for one in watch.gaps]}
    plan.report.write_text(json.dumps(seen), encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Writing:
    """The texts that a model writes, one after another."""

    every: int
    characters: int


async def serve_hostile_model(writing: Writing, announce: Announce) -> None:
    stop = server.stop_signals()
    texts = cycle(one.write(writing.characters) for one in chosen(writing.every))
    async with running_openai() as fake:
        fake.script = Script(behaviour=lambda _: next(texts), delta_characters=DELTA)
        announce(int(fake.base_url.rpartition(":")[2].partition("/")[0]))
        await stop.wait()


def chosen(every: int) -> list[Family]:
    return list(families(whole=False))[::every]


async def run(sizes: Sizes) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="kladez-bench-") as folder:
        report = Path(folder) / "seen.json"
        async with opened(sizes, report) as shop:
            phases = [
                await phase("answers of a model", sizes, lambda _: asked(shop)),
                await phase("summaries of a model", sizes, lambda _: summed_up(shop)),
                await phase("questions", sizes, lambda family: searched(shop, family.write(sizes.question))),
                await phase("documents", sizes, lambda family: stored(shop, family, sizes.document)),
            ]
        seen = json.loads(report.read_text(encoding="utf-8"))
    turns = [Held(**one) for one in seen["turns"]]
    gaps = [Held(**one) for one in seen["gaps"]]
    return [figure for one in phases for figure in described(one, turns, gaps, len(chosen(sizes.every)))]


async def phase(name: str, sizes: Sizes, attempt: Callable[[Family], Awaitable[None]]) -> Phase:
    began = time.perf_counter()
    for family in chosen(sizes.every):
        with contextlib.suppress(CallFailed):  # a refusal is an answer, too
            await attempt(family)
    return Phase(name=name, began=began, ended=time.perf_counter())


def described(one: Phase, turns: Sequence[Held], gaps: Sequence[Held], count: int) -> Iterator[Figure]:
    turn, gap = one.longest(turns), one.longest(gaps)
    yield Figure(
        what=f"longest turn of the event loop, {one.name}",
        value=turn.seconds * 1_000,
        unit="ms",
        bar=at_most(LOOP_MS),
        from_what=f"{count} families; {turn.by}",
    )
    yield Figure(
        what=f"longest time that no other thread could run, {one.name}",
        value=gap.seconds * 1_000,
        unit="ms",
        bar=at_most(INTERPRETER_MS),
        from_what=gap.by,
    )


@asynccontextmanager
async def opened(sizes: Sizes, report: Path) -> AsyncIterator[Client]:
    """A shop with a fact, in a service whose model writes hostile texts."""
    writing = Writing(every=sizes.every, characters=sizes.answer)
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(installation.temporary_postgres())
        model = await stack.enter_async_context(running(serve_hostile_model, writing))
        settings = installation.settings(
            workers=1,
            answerer="responses",
            openai_base_url=f"http://127.0.0.1:{model}/v1",
            openai_api_key=SecretStr("fake"),
        )
        service = ServicePlan(dsn=dsn, settings=settings, synthetic=False)
        port = await stack.enter_async_context(
            running(serve_watched, WatchedPlan(service=service, report=report))
        )
        key = await mint_key(
            dsn, scopes=["operator", "tenant:write", "tenant:read", "channel"], display_name="bench"
        )
        client = await stack.enter_async_context(connect(f"127.0.0.1:{port}", key))
        await client.wait_until_ready(10)
        shop = await new_shop(client)
        await put(
            shop,
            documents_pb.Document(
                source_type="faq", external_id="fact", title="Returns", content=FACT, language="en"
            ),
        )
        await asked(shop)  # the first costs what is loaded for it
        yield shop


async def asked(shop: Client) -> None:
    """The model writes the families in its own order."""
    async for _ in shop.stream_answer(answers_pb.StreamAnswerRequest(question=QUESTION)):
        pass


async def summed_up(shop: Client) -> None:
    await shop.summarize_search(search_pb.SummarizeSearchRequest(query=QUESTION))


async def searched(shop: Client, text: str) -> None:
    await shop.search(search_pb.SearchRequest(query=text))
    async for _ in shop.stream_answer(answers_pb.StreamAnswerRequest(question=text)):
        pass


async def stored(shop: Client, family: Family, characters: int) -> None:
    """As HTML or as Markdown, by turns."""
    is_html = [one.name for one in chosen(1)].index(family.name) % 2
    document = documents_pb.Document(
        source_type="article",
        external_id="hostile",
        title=family.name,
        content=family.write(characters),
        content_type="text/html" if is_html else "text/markdown",
        language="en",
    )
    await put(shop, document)


async def put(shop: Client, document: documents_pb.Document) -> None:
    """Returns when it is indexed."""
    await shop.upsert_document(documents_pb.UpsertDocumentRequest(document=document))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            status = await shop.get_sync_status(sync_pb.GetSyncStatusRequest())
            if not status.pending_count + status.processing_count:
                return
            await asyncio.sleep(0.01)


BENCHMARK = Benchmark(title="Responsiveness", run=run, full=FULL, quick=QUICK)

if __name__ == "__main__":
    main(BENCHMARK)
