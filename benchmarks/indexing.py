"""How fast the worker indexes beside its embedder alone, and what a change of every tenth document costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from uuid import UUID, uuid4

from benchmarks import installation, measuring
from benchmarks.command import Benchmark, main
from benchmarks.reporting import Figure, at_least, at_most
from benchmarks.synthetic import Writer, drafts
from retrieval_service import wiring
from retrieval_service.domain.documents import Draft
from retrieval_service.domain.spaces import Embedded, Space
from retrieval_service.providers.ports import Embedder
from retrieval_service.services.embedders import Embedders
from retrieval_service.services.importing import MAX_BATCH
from retrieval_service.services.planning import Target, plan
from retrieval_service.stores import documents
from retrieval_service.stores.chunks import Source
from retrieval_service.wiring import Service

POLL_SECONDS = 0.01
CHANGED_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Documents of a round: for the local model, for stored vectors, and for the change of a tenth."""

    local: int
    stored: int
    delta: int
    rounds: int


FULL = Sizes(local=60, stored=500, delta=100, rounds=3)
QUICK = Sizes(local=3, stored=5, delta=10, rounds=1)


class Counting:
    """Another embedder, and how many texts it was given."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.count = 0

    @property
    def space(self) -> Space:
        return self._embedder.space

    async def embed_passages(self, texts: Sequence[str]) -> Embedded:
        self.count += len(texts)
        return await self._embedder.embed_passages(texts)

    async def embed_query(self, text: str) -> Embedded:
        return await self._embedder.embed_query(text)

    async def close(self) -> None:
        await self._embedder.close()


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """Seconds of a full rebuild and of a change, and the share of the chunks that the change embedded."""

    full_seconds: float
    delta_seconds: float
    embedded_share: float


async def run(sizes: Sizes) -> list[Figure]:
    async with installation.temporary_postgres() as dsn:
        settings = installation.settings(workers=1)
        async with wiring.open_service(settings, dsn) as service:
            local = await local_figure(service, sizes)
            delta = await delta_figures(service, sizes)
        async with installation.synthetic_service(settings, dsn) as service:
            stored = await stored_figure(service, sizes)
    return [local, stored, *delta]


async def local_figure(service: Service, sizes: Sizes) -> Figure:
    """Worker and bare model take turns on the same chunks."""
    writer = Writer(seed=3)
    ratios: list[float] = []
    rates: list[float] = []
    for _ in range(sizes.rounds):
        batch = list(drafts(sizes.local, writer))
        texts = embedded_texts(service, batch)
        indexing = await seconds_to_index(service, await stored_tenant(service, batch))
        bare = await measuring.seconds(lambda texts=texts: service.embedder.embed_passages(texts))
        ratios.append(bare / indexing)
        rates.append(len(texts) / indexing)
    return Figure(
        what="indexing over the bare local model",
        value=median(ratios),
        unit="× its rate",
        bar=at_least(0.85),
        from_what=f"{median(rates):.0f} chunks per second indexed, {sizes.local} documents a round",
    )


async def stored_figure(service: Service, sizes: Sizes) -> Figure:
    """What is left when vectors cost nothing, beside merely storing the same documents."""
    writer = Writer(seed=4)
    ratios: list[float] = []
    rates: list[float] = []
    for _ in range(sizes.rounds):
        batch = list(drafts(sizes.stored, writer))
        await service.embedder.embed_passages(
            embedded_texts(service, batch)
        )  # made once, then only looked up
        started = time.perf_counter()
        tenant_id = await stored_tenant(service, batch)
        storing = time.perf_counter() - started
        indexing = await seconds_to_index(service, tenant_id)
        ratios.append(storing / indexing)
        rates.append(len(batch) / indexing)
    return Figure(
        what="indexing with stored vectors",
        value=median(rates),
        unit="documents/s",
        from_what=f"{median(ratios):.2f} × the rate of storing them, {sizes.stored} documents a round",
    )


async def delta_figures(service: Service, sizes: Sizes) -> list[Figure]:
    rounds = [await rebuild(service, sizes.delta, Writer(seed=5 + number)) for number in range(sizes.rounds)]
    full = median(one.full_seconds for one in rounds)
    delta = median(one.delta_seconds for one in rounds)
    return [
        Figure(
            what="chunks embedded when 10 % of the documents change",
            value=100 * median(one.embedded_share for one in rounds),
            unit="%",
            bar=at_most(10),
            from_what=f"of {sizes.delta} documents, all of which are sent again",
        ),
        Figure(
            what="that change over a full rebuild",
            value=median(one.full_seconds / one.delta_seconds for one in rounds),
            unit="× as fast",
            bar=at_least(9),
            from_what=f"{delta:.2f} s over {full:.2f} s, storing included",
        ),
    ]


async def rebuild(service: Service, count: int, writer: Writer) -> Rebuild:
    """Everything for the first time, and then everything again with every tenth document changed."""
    counting = Counting(service.embedder)
    embedders = Embedders({service.space_id: counting}, home_id=service.space_id)
    counted = replace(service, embedders=embedders)
    first = list(drafts(count, writer))
    second = [
        replace(draft, content=writer.text()) if number % round(1 / CHANGED_SHARE) == 0 else draft
        for number, draft in enumerate(first)
    ]
    tenant_id = await installation.new_tenant(service, "delta")
    full_seconds = await measuring.seconds(lambda: store_and_index(counted, tenant_id, first))
    embedded = counting.count
    delta_seconds = await measuring.seconds(lambda: store_and_index(counted, tenant_id, second))
    return Rebuild(
        full_seconds=full_seconds,
        delta_seconds=delta_seconds,
        embedded_share=(counting.count - embedded) / embedded,
    )


async def store_and_index(service: Service, tenant_id: UUID, batch: Sequence[Draft]) -> None:
    await store(service, tenant_id, batch)
    await seconds_to_index(service, tenant_id)


async def stored_tenant(service: Service, batch: Sequence[Draft]) -> UUID:
    tenant_id = await installation.new_tenant(service, "indexing")
    await store(service, tenant_id, batch)
    return tenant_id


async def store(service: Service, tenant_id: UUID, batch: Sequence[Draft]) -> None:
    for start in range(0, len(batch), MAX_BATCH):
        await service.importer.upsert_batch(tenant_id, batch[start : start + MAX_BATCH])


async def seconds_to_index(service: Service, tenant_id: UUID) -> float:
    """From the worker's start until nothing of the tenant waits any more."""
    worker = wiring.new_worker(service)
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await until_indexed(service, tenant_id)
        seconds = time.perf_counter() - started
        worker.stop()
        await running
    return seconds


async def until_indexed(service: Service, tenant_id: UUID) -> None:
    while True:
        async with service.database.tenant(tenant_id) as scope:
            counts = await documents.count_by_status(scope)
        if set(counts) <= {"synced"}:
            return
        if "error" in counts:
            raise RuntimeError("a document could not be indexed")
        await asyncio.sleep(POLL_SECONDS)


def embedded_texts(service: Service, batch: Sequence[Draft]) -> list[str]:
    """The very texts that the worker will embed."""
    sources = [
        Source(
            id=uuid4(),
            version=1,
            title=draft.title,
            content=draft.content,
            content_type=draft.content_type,
            language=draft.language,
            is_deleted=False,
        )
        for draft in batch
    ]
    target = Target(space_id=service.space_id, space=service.embedder.space)
    plans = [plan(source, [], service.policy, [target]) for source in sources]
    return [text for one in plans for wanted in one.wanted for text in wanted.texts]


BENCHMARK = Benchmark(title="Indexing", run=run, full=FULL, quick=QUICK)

if __name__ == "__main__":
    main(BENCHMARK)
