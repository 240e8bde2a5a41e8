"""What a Search through gRPC costs over the same SQL, by size of the tenant, and where the time goes."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from uuid import UUID

from kladez.v1 import search_service_pb2 as pb

from benchmarks import bare_sql, filling, installation, measuring
from benchmarks.bare_sql import Prepared
from benchmarks.command import Benchmark, main
from benchmarks.measuring import Call, Latency
from benchmarks.processes import ServicePlan, running, serve_retrieval
from benchmarks.reporting import Figure, at_least, at_most
from benchmarks.synthetic import WORDS_PER_CHUNK, SyntheticEmbedder, Writer
from retrieval_service.client import Client, connect
from retrieval_service.composition.services import Service
from retrieval_service.services.indexing.own_indexes import Promoter
from retrieval_service.services.retrieval.search import Query
from retrieval_service.services.tenants.first_key import mint_key

PAGE_SIZE = 10
QUESTIONS = 100
CLIENTS = 8

BARE, SCOPED, SEARCHER, RPC, EMPTY = "bare SQL", "scoped SQL", "searcher", "Search RPC", "empty RPC"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Chunks of each tenant, when a tenant gets an index of its own, and how long each is measured."""

    tenants: dict[str, int]
    own_index_chunks: int
    rounds: int
    calls: int
    round_seconds: float


FULL = Sizes(
    tenants={"small (100)": 100, "middle (5,000)": 5_000, "big (20,000)": 20_000},
    own_index_chunks=10_000,
    rounds=7,
    calls=40,
    round_seconds=1.2,
)
QUICK = Sizes(tenants={"small (100)": 100}, own_index_chunks=10_000, rounds=1, calls=5, round_seconds=0.1)


@dataclass(frozen=True, kw_only=True)
class Rig:
    """The same service twice: in this process, to see inside, and behind gRPC in another."""

    dsn: str
    service: Service
    client: Client


async def run(sizes: Sizes) -> list[Figure]:
    async with rig() as opened:
        tenants = {name: await filled(opened.service, name, count) for name, count in sizes.tenants.items()}
        await promote(opened.service, sizes.own_index_chunks)
        await installation.settle(opened.service)
        figures: list[Figure] = []
        for name, (tenant_id, questions) in tenants.items():
            figures += await compare(opened, name, tenant_id, questions, sizes)
        return figures


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    settings = installation.settings()
    async with (
        installation.temporary_postgres() as dsn,
        installation.synthetic_service(settings, dsn) as service,
        running(serve_retrieval, ServicePlan(dsn=dsn, settings=settings, synthetic=True)) as port,
    ):
        key = await mint_key(dsn, scopes=["operator", "tenant:read"], display_name="bench")
        async with connect(f"127.0.0.1:{port}", key) as client:
            await client.wait_until_ready(10)
            yield Rig(dsn=dsn, service=service, client=client)


async def filled(service: Service, name: str, count: int) -> tuple[UUID, list[str]]:
    """A tenant of that many chunks, and questions about some of them."""
    writer = Writer(seed=count)
    texts = filling.texts(count, writer, WORDS_PER_CHUNK)
    tenant_id = await installation.new_tenant(service, name)
    await filling.fill(service, tenant_id, texts, SyntheticEmbedder())
    step = max(1, count // QUESTIONS)
    return tenant_id, [writer.question(text) for text in texts[::step][:QUESTIONS]]


async def promote(service: Service, own_index_chunks: int) -> None:
    promoter = Promoter(service.database, own_index_chunks=own_index_chunks)
    await promoter.promote_and_demote()


async def compare(
    opened: Rig, name: str, tenant_id: UUID, texts: Sequence[str], sizes: Sizes
) -> list[Figure]:
    questions = await bare_sql.prepare(opened.service, tenant_id, texts, limit=PAGE_SIZE)
    is_small = sizes.tenants[name] <= opened.service.settings.exact_lexical_chunks
    async with bare_sql.connections(opened.dsn, tenant_id, CLIENTS, reuses_plans=is_small) as free:
        ladder = contenders(opened, tenant_id, questions, is_small=is_small)
        ladder[BARE] = bare_sql.searches(free, questions)
        times = await measuring.latencies(ladder, warm_up=len(texts), rounds=sizes.rounds, calls=sizes.calls)
        pair = {BARE: ladder[BARE], RPC: ladder[RPC]}
        rates = await measuring.throughput(
            pair, rounds=sizes.rounds, clients=CLIENTS, round_seconds=sizes.round_seconds
        )
    return [*latency_figures(name, times), rate_figure(name, rates)]


def contenders(
    opened: Rig, tenant_id: UUID, questions: Sequence[Prepared], *, is_small: bool
) -> dict[str, Call]:
    """Every rung adds one layer to the one before; the empty RPC is gRPC alone."""
    client = opened.client.for_tenant(str(tenant_id))
    in_process, over_grpc = itertools.cycle(questions), itertools.cycle(questions)
    return {
        SCOPED: bare_sql.scoped_searches(opened.service, tenant_id, questions, reuses_plans=is_small),
        SEARCHER: lambda: opened.service.searcher.search(
            tenant_id, Query(text=next(in_process).text, limit=PAGE_SIZE)
        ),
        RPC: lambda: client.search(pb.SearchRequest(query=next(over_grpc).text, page_size=PAGE_SIZE)),
        EMPTY: lambda: client.wait_until_ready(5),
    }


def latency_figures(name: str, times: dict[str, Latency]) -> list[Figure]:
    bare, rpc = times[BARE], times[RPC]
    percentiles = f"p50 {rpc.p50:.2f} over {bare.p50:.2f} ms, p95 {rpc.p95:.2f} over {bare.p95:.2f} ms"
    layers = (
        f"pool and transaction {times[SCOPED].p50 - bare.p50:.2f}, "
        f"reading the question and ranking {times[SEARCHER].p50 - times[SCOPED].p50:.2f}, "
        f"gRPC, gate and messages {rpc.p50 - times[SEARCHER].p50:.2f} (an empty RPC: {times[EMPTY].p50:.2f})"
    )
    return [
        Figure(
            what=f"Search over bare SQL, {name}",
            value=rpc.p50 - bare.p50,
            unit="ms",
            bar=at_most(1.0),
            from_what=f"{percentiles}; {layers}",
        )
    ]


def rate_figure(name: str, rates: dict[str, list[float]]) -> Figure:
    ratios = [rpc / bare for rpc, bare in zip(rates[RPC], rates[BARE], strict=True)]
    return Figure(
        what=f"Search rate with {CLIENTS} clients, {name}",
        value=median(ratios),
        unit="× bare SQL",
        bar=at_least(0.5),
        from_what=f"{median(rates[RPC]):,.0f} over {median(rates[BARE]):,.0f} per second",
    )


BENCHMARK = Benchmark(title="Search through gRPC over the same SQL", run=run, full=FULL, quick=QUICK)

if __name__ == "__main__":
    main(BENCHMARK)
