"""How fast jobs go through the queue when indexing costs nothing, beside one that many use."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from uuid import UUID

from benchmarks import installation, measuring, rival_queue
from benchmarks.command import Benchmark, main
from benchmarks.reporting import Figure, at_least
from benchmarks.rival_queue import RivalRates
from benchmarks.synthetic import Writer, drafts
from retrieval_service.composition.services import Service
from retrieval_service.domain.usage import Usage
from retrieval_service.services.documents.importing import MAX_BATCH
from retrieval_service.services.indexing.indexer import by_tenant
from retrieval_service.stores.documents import documents
from retrieval_service.stores.queue import document_jobs
from retrieval_service.stores.tenants import usage

BATCH = 100
WORKER = "bench"
LEASE_SECONDS = 600.0
WORDS = 5


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Tenants that share the queue, and the jobs each of them puts in for a round."""

    tenants: int
    jobs_per_tenant: int
    rounds: int


FULL = Sizes(tenants=10, jobs_per_tenant=300, rounds=5)
QUICK = Sizes(tenants=2, jobs_per_tenant=50, rounds=1)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Jobs per second, and one-row transactions per second of the same database."""

    claimed: float
    done: float
    transactions: float


async def run(sizes: Sizes) -> list[Figure]:
    async with (
        installation.temporary_postgres() as dsn,
        installation.synthetic_service(installation.settings(), dsn) as service,
    ):
        tenants = [await installation.new_tenant(service, f"shop {n}") for n in range(sizes.tenants)]
        for tenant_id in tenants:
            await store(service, tenant_id, sizes.jobs_per_tenant)
        await installation.settle(service)
        rounds, rivals = await taking_turns(service, tenants, dsn, sizes)
        alone = [await one_round(service, tenants[:1]) for _ in range(sizes.rounds)]
    return [*described(rounds, sizes), *compared(rounds, alone, rivals)]


async def taking_turns(
    service: Service, tenants: list[UUID], dsn: str, sizes: Sizes
) -> tuple[list[Rates], list[RivalRates]]:
    """Ours and, when it is installed, the rival's."""
    if not rival_queue.is_installed():
        return [await one_round(service, tenants) for _ in range(sizes.rounds)], []
    rounds: list[Rates] = []
    rivals: list[RivalRates] = []
    async with rival_queue.open_rival(dsn) as rival:
        for _ in range(sizes.rounds):
            rounds.append(await one_round(service, tenants))
            rivals.append(await rival.one_round(sizes.jobs_per_tenant))
    return rounds, rivals


async def store(service: Service, tenant_id: UUID, count: int) -> None:
    """The documents; their triggers queue them for the first round."""
    wanted = list(drafts(count, Writer(seed=1), words=WORDS))
    for start in range(0, count, MAX_BATCH):
        async with service.database.tenant(tenant_id) as scope:
            await documents.upsert(scope, wanted[start : start + MAX_BATCH])


async def one_round(service: Service, tenants: list[UUID]) -> Rates:
    """Queues everything, and takes it through."""
    for tenant_id in tenants:
        async with service.database.tenant(tenant_id) as scope:
            await documents.enqueue_all(scope)
    claiming = finishing = 0.0
    done = 0
    after = document_jobs.NOBODY
    while True:
        started = time.perf_counter()
        async with service.database.operator() as operator:
            batch = await document_jobs.claim(
                operator,
                document_jobs.Ask(limit=BATCH, after=after),
                worker=WORKER,
                lease_seconds=LEASE_SECONDS,
            )
        claiming += time.perf_counter() - started
        if not batch:
            break
        after = batch[-1].tenant_id
        started = time.perf_counter()
        await finish(service, batch)
        finishing += time.perf_counter() - started
        done += len(batch)
    transactions = await transaction_rate(service, tenants[0], max(50, done // 10))
    return Rates(claimed=done / claiming, done=done / (claiming + finishing), transactions=transactions)


async def finish(service: Service, batch: list[document_jobs.Job]) -> None:
    """As the indexer does: a tenant's documents are locked and their jobs ended in one transaction."""
    for tenant_id, tenant_jobs in by_tenant(batch).items():
        async with service.database.tenant(tenant_id) as scope:
            done, _ = await document_jobs.finish_free(scope, tenant_jobs, worker=WORKER)
            if len(done) < len(tenant_jobs):
                raise RuntimeError("nobody else takes these jobs")


async def transaction_rate(service: Service, tenant_id: UUID, count: int) -> float:
    """Of the smallest write the product has, on disk when it returns."""

    async def write() -> None:
        async with service.database.tenant(tenant_id) as scope:
            await usage.add(scope, Usage(searches=1))

    return 1 / median([await measuring.seconds(write) for _ in range(count)])


def described(rounds: list[Rates], sizes: Sizes) -> list[Figure]:
    claimed = median(one.claimed for one in rounds)
    done = median(one.done for one in rounds)
    transactions = median(one.transactions for one in rounds)
    queued = f"{sizes.tenants} tenants, {sizes.tenants * sizes.jobs_per_tenant:,} jobs a round"
    return [
        Figure(what=f"claimed in batches of {BATCH}", value=claimed, unit="jobs/s", from_what=queued),
        Figure(
            what="claimed and finished, those of a tenant in one transaction",
            value=done,
            unit="jobs/s",
            from_what=queued,
        ),
        Figure(
            what="share of the rate of one-row transactions",
            value=median(one.done / one.transactions for one in rounds),
            from_what=f"{done:,.0f} jobs over {transactions:,.0f} transactions per second",
        ),
    ]


def compared(rounds: list[Rates], alone: list[Rates], rivals: list[RivalRates]) -> list[Figure]:
    """`alone` are rounds in which a batch is one tenant's, as the rival's queue is one."""
    if not rivals:
        skipped = 'skipped: install it with `uv sync --group bench` or `pip install "procrastinate>=3.10"`'
        return [Figure(what="claimed, over procrastinate", value=0.0, unit="×", from_what=skipped)]
    pairs = list(zip(rounds, rivals, strict=True))
    claimed, done = median(one.claimed for one in rivals), median(one.done for one in rivals)
    return [
        Figure(
            what="claimed, over procrastinate",
            value=median(ours.claimed / theirs.claimed for ours, theirs in pairs),
            unit="×",
            bar=at_least(10),
            from_what=f"it claims one by one, {claimed:,.0f} jobs per second",
        ),
        Figure(
            what=f"claimed and finished, over procrastinate, {BATCH} jobs of one tenant at a time",
            value=median(ours.done / theirs.done for ours, theirs in zip(alone, rivals, strict=True)),
            unit="×",
            bar=at_least(10),
            from_what=f"{median(one.done for one in alone):,.0f} over {done:,.0f} jobs per second",
        ),
        Figure(
            what="claimed and finished, over procrastinate, a batch shared by all tenants",
            value=median(ours.done / theirs.done for ours, theirs in pairs),
            unit="×",
            from_what=f"it finishes them one by one too, {done:,.0f} jobs per second",
        ),
    ]


BENCHMARK = Benchmark(title="The queue, when indexing costs nothing", run=run, full=FULL, quick=QUICK)

if __name__ == "__main__":
    main(BENCHMARK)
