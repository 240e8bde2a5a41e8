"""How long hostile texts hold the service's event loop in one turn, and the interpreter against all threads."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import math
import os
import selectors
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
from benchmarks.reporting import Figure, amount, at_most
from retrieval_service import server
from retrieval_service.client import CallFailed, Client, connect
from retrieval_service.services.tenants.first_key import mint_key
from tests.fakes.openai import Script, running_openai
from tests.text_trials.families import Family, families

LOOP_MS, INTERPRETER_MS = 5.0, 50.0
QUESTION = "Within how many days may a lamp be returned?"
FACT = "A lamp may be returned within thirty days. Lamps are sent from Porto within two days."
DELTA = 6
TICK_SECONDS = 0.001
NOTED_TURN_SECONDS, NOTED_GAP_SECONDS = 0.001, 0.005
GIVE_UP_SECONDS = 600.0
SCHEDULING = Path("/proc/thread-self/schedstat")
C_LIBRARY = ctypes.PyDLL(None)


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
    """Until when something was held, by the clock that all processes share, for how long, and by what.

    `collecting` are the seconds of it that the collector of garbage took, whoever's garbage that was.
    """

    ended: float
    seconds: float
    collecting: float
    by: str

    @property
    def own(self) -> float:
        return self.seconds - self.collecting


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A kind of text, and when it was tried."""

    name: str
    began: float
    ended: float

    def of(self, held: Sequence[Held]) -> list[Held]:
        """Those of its time; never none."""
        inside = [one for one in held if self.began <= one.ended <= self.ended]
        return inside or [Held(ended=0, seconds=0, collecting=0, by="nothing")]


@dataclass(frozen=True, kw_only=True)
class WatchedPlan:
    """A service that writes its `Watch` into a file when it stops."""

    service: ServicePlan
    report: Path


class Turns(selectors.DefaultSelector):
    """Between two looks at its sockets an event loop makes one turn, whose processor time is noted."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._watch.end_turn()
        ready = super().select(timeout)
        self._watch.begin_turn()
        return ready


@dataclass(kw_only=True)
class Watch:
    """`turns` of the event loop, and `gaps` in which no other thread could run.

    Both count the processor's time: how long another program keeps the processor tells nothing of ours.
    """

    turns: list[Held] = field(default_factory=list)
    gaps: list[Held] = field(default_factory=list)
    _loop_thread: int = field(default_factory=threading.get_ident)
    _began: float = math.inf
    _spent: float = 0.0
    _holder: str = ""
    _collection: float = 0.0
    _collected: float = 0.0
    _collected_in_loop: float = 0.0
    _collected_before: float = 0.0
    _is_over: bool = False

    def begin_turn(self) -> None:
        self._collected_before, self._holder = self._collected_in_loop, ""
        self._spent, self._began = time.thread_time(), time.perf_counter()

    def end_turn(self) -> None:
        seconds = time.thread_time() - self._spent
        is_long = self._began < math.inf and seconds > NOTED_TURN_SECONDS
        self._began = math.inf
        if is_long:
            collecting = self._collected_in_loop - self._collected_before
            self.turns.append(
                Held(ended=time.perf_counter(), seconds=seconds, collecting=collecting, by=self._holder)
            )

    def note_collection(self, phase: str, _: dict[str, int]) -> None:
        """The collector of garbage runs in whatever thread comes to it, and keeps all others out."""
        if phase == "start":
            self._collection = time.thread_time()
            return
        seconds = time.thread_time() - self._collection
        self._collected += seconds
        if threading.get_ident() == self._loop_thread:
            self._collected_in_loop += seconds

    def tick(self) -> None:
        """In a thread of its own, which wants to run every millisecond.

        A gap is what a sleep took without the time in which this thread waited for a processor. All clocks are read
        while it has the interpreter, so that they tell of the same time. With 18 programs waiting for two processors
        a thread that computes in Python, and gives the interpreter up every 5 ms, came to 6.2 ms at most, one that
        computes without the interpreter to 1.1 ms, and one with calls in C of 24 ms that keep it to 25 ms. With the
        waiting counted the first two came to 21 and 18 ms.

        What the loop's thread held is told by its turns: between two of them others may run, and this thread is not
        always the one that gets there first.
        """
        with scheduling() as told:
            while not self._is_over:
                collected, spent = self._collected, spent_by_others()
                began = time.perf_counter() - queued_seconds(told)
                time.sleep(TICK_SECONDS)
                seconds = time.perf_counter() - queued_seconds(told) - began
                used, frames = spent_by_others(), sys._current_frames()
                # Who holds the interpreter and computes uses the processor as long.
                thread = max(used, key=lambda one: used[one] - spent.get(one, used[one]))
                seconds = min(seconds, used[thread] - spent.get(thread, used[thread]))
                if seconds > NOTED_GAP_SECONDS and thread != self._loop_thread:
                    self._note_gap(seconds, min(self._collected - collected, seconds), frames.get(thread))
                if time.perf_counter() - self._began > 2 * TICK_SECONDS and not self._holder:
                    self._holder = place(frames[self._loop_thread])

    def _note_gap(self, seconds: float, collecting: float, frame: FrameType | None) -> None:
        self.gaps.append(
            Held(ended=time.perf_counter(), seconds=seconds, collecting=collecting, by=place(frame))
        )

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        ticking = threading.Thread(target=self.tick, daemon=True)
        ticking.start()
        gc.callbacks.append(self.note_collection)
        try:
            yield
        finally:
            gc.callbacks.remove(self.note_collection)
            self._is_over = True
            ticking.join()


class SeenLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, for uvloop's turns cannot be told apart."""

    def __init__(self) -> None:
        self.watch = Watch()
        super().__init__(Turns(self.watch))


def spent_by_others() -> dict[int, float]:
    """Of the processor, by thread; without a moment in which others get the interpreter."""
    others = sys._current_frames().keys() - {threading.get_ident()}
    return {one: time.clock_gettime(time.pthread_getcpuclockid(one)) for one in others}


@contextlib.contextmanager
def scheduling() -> Iterator[int | None]:
    """The open file in which Linux tells of the calling thread; None where no such file is."""
    told = os.open(SCHEDULING, os.O_RDONLY) if SCHEDULING.exists() else None
    try:
        yield told
    finally:
        if told is not None:
            os.close(told)


def queued_seconds(told: int | None) -> float:
    """How long this thread could have run and had no processor; whoever waits for the interpreter sleeps.

    Read without giving the interpreter up.
    """
    if told is None:
        return 0.0
    line = ctypes.create_string_buffer(64)
    C_LIBRARY.pread(told, line, len(line), 0)
    return int(line.value.split()[1]) / 1e9


def place(frame: FrameType | None) -> str:
    """The innermost of our own functions, "" for none."""
    while frame:
        if "retrieval_service" in frame.f_code.co_filename:
            return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}"
        frame = frame.f_back
    return ""


async def serve_watched(plan: WatchedPlan, announce: Announce) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SeenLoop)
    watch = loop.watch
    with watch.watching():
        await serve_retrieval(plan.service, announce)
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
    for what, held, bar in (
        ("longest turn of the event loop", one.of(turns), LOOP_MS),
        ("longest time that one thread kept all others out", one.of(gaps), INTERPRETER_MS),
    ):
        longest, slowest = max(held, key=lambda one: one.own), max(held, key=lambda one: one.seconds)
        yield Figure(
            what=f"{what}, {one.name}",
            value=longest.own * 1_000,
            unit="ms",
            bar=at_most(bar),
            from_what=f"{count} families; {longest.by}; with the collector of garbage"
            f" {amount(slowest.seconds * 1_000)} ms, of which its own {amount(slowest.collecting * 1_000)}",
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
            running(serve_watched, WatchedPlan(service=service, report=report), new_loop=SeenLoop)
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
