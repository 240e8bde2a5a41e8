"""How fast the worker indexes beside its embedder alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from uuid import UUID, uuid4

from benchmarks import installation, measuring
from benchmarks.command import Benchmark, main
from benchmarks.reporting import Figure, at_least
from benchmarks.synthetic import Writer, drafts
from retrieval_service.composition import opening
from retrieval_service.composition.services import Service
from retrieval_service.domain.documents.documents import Draft
from retrieval_service.services.documents.importing import MAX_BATCH
from retrieval_service.services.indexing.plans import Target, plan
from retrieval_service.stores.documents import documents
from retrieval_service.stores.index.chunks import Source
from retrieval_service.worker.staffing import new_worker

POLL_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Documents of a round: for the local model, and for stored vectors."""

    local: int
    stored: int
    rounds: int


FULL = Sizes(local=60, stored=500, rounds=3)
QUICK = Sizes(local=3, stored=5, rounds=1)


async def run(sizes: Sizes) -> list[Figure]:
    async with installation.temporary_postgres() as dsn:
        settings = installation.settings(workers=1)
        async with opening.open_service(settings, dsn) as service:
            local = await local_figure(service, sizes)
        async with installation.synthetic_service(settings, dsn) as service:
            stored = await stored_figure(service, sizes)
    return [local, stored]


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


async def stored_tenant(service: Service, batch: Sequence[Draft]) -> UUID:
    tenant_id = await installation.new_tenant(service, "indexing")
    await store(service, tenant_id, batch)
    return tenant_id


async def store(service: Service, tenant_id: UUID, batch: Sequence[Draft]) -> None:
    for start in range(0, len(batch), MAX_BATCH):
        await service.importer.upsert_batch(tenant_id, batch[start : start + MAX_BATCH])


async def seconds_to_index(service: Service, tenant_id: UUID) -> float:
    """From the worker's start until nothing of the tenant waits any more."""
    worker = new_worker(service)
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
