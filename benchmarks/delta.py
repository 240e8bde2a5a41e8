"""What a change of every tenth row of an SQL source costs beside a rebuild, and what it costs when nothing changed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from google.protobuf.timestamp_pb2 import Timestamp
from kladez.v1 import index_job_service_pb2 as jobs_pb
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import source_service_pb2 as sources_pb
from psycopg import AsyncConnection, conninfo

from benchmarks import installation
from benchmarks.command import Benchmark, main
from benchmarks.processes import new_shop, running_service
from benchmarks.reporting import Figure, at_least, at_most
from benchmarks.synthetic import Writer
from retrieval_service.client import Client

VARIABLE = "KLADEZ_SOURCE_BENCH"
SOURCE = "goods"
TENTH = 10
POLL_SECONDS = 0.1  # nothing is timed by it

CREATE_DATABASE = "CREATE DATABASE bench_goods"
CREATE_TABLE = """
CREATE TABLE goods (id integer PRIMARY KEY, title text, body text, updated_at timestamptz);
CREATE INDEX ON goods (updated_at)
"""
# A source is read again from some minutes before it was read last: these rows are older than that.
INSERT = "INSERT INTO goods VALUES (%s, %s, %s, now() - interval '1 day')"
UPDATE = "UPDATE goods SET body = %s, updated_at = now() WHERE id = %s"

DECLARED = sources_pb.Source(
    name=SOURCE,
    dsn_variable=VARIABLE,
    source_type=SOURCE,
    ids_query="SELECT * FROM goods WHERE id = ANY(%(ids)s)",
    all_query="SELECT * FROM goods",
    id_column="id",
    updated_at_column="updated_at",
    title_template="{{ title }}",
    text_template="{{ body }}",
    language="en",
)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Rows with vectors that cost nothing and with the local model's; a tenth of them changes twice in a round."""

    synthetic: int
    local: int
    rounds: int


FULL = Sizes(synthetic=5_000, local=600, rounds=3)
QUICK = Sizes(synthetic=20, local=10, rounds=1)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """An index job: its seconds from its making to its end, by the database's clock, and the chunks it embedded."""

    seconds: float
    embedded: int


@dataclass(frozen=True, kw_only=True)
class Round:
    """`full` indexes every row for the first time; the rows that changed are `named`, or looked for.

    When nothing has changed, rows are looked for, and all of them are named.
    """

    full: Ran
    named: Ran
    looked_for: Ran
    unchanged: tuple[Ran, Ran]


async def run(sizes: Sizes) -> list[Figure]:
    synthetic = await all_rounds(sizes.synthetic, sizes.rounds, synthetic=True)
    local = await all_rounds(sizes.local, sizes.rounds, synthetic=False)
    return [
        *figures(f"{sizes.synthetic:,} rows, vectors that cost nothing", synthetic),
        *figures(f"{sizes.local:,} rows, the local model", local),
    ]


async def all_rounds(rows: int, count: int, *, synthetic: bool) -> list[Round]:
    """Each round has a database of its own: what it knows of other tenants slows down a tenant's first import."""
    return [await one_round(rows, seed=number, synthetic=synthetic) for number in range(count)]


async def one_round(rows: int, *, seed: int, synthetic: bool) -> Round:
    async with (
        installation.temporary_postgres() as dsn,
        goods_table(dsn) as goods,
        running_service(dsn, synthetic=synthetic) as operator,
    ):
        return await measured(await new_shop(operator), dsn, goods, rows, Writer(seed=seed))


@asynccontextmanager
async def goods_table(dsn: str) -> AsyncIterator[AsyncConnection]:
    """A shop's own database on the same server, which services started now know as a source."""
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(CREATE_DATABASE)
    goods_dsn = conninfo.make_conninfo(dsn, dbname="bench_goods")
    os.environ[VARIABLE] = goods_dsn
    async with await AsyncConnection.connect(goods_dsn, autocommit=True) as connection:
        await connection.execute(CREATE_TABLE)
        yield connection
    del os.environ[VARIABLE]


async def measured(shop: Client, dsn: str, goods: AsyncConnection, rows: int, writer: Writer) -> Round:
    await shop.upsert_source(sources_pb.UpsertSourceRequest(source=DECLARED))
    await fill(goods, rows, writer)
    full = await ran(shop, changed())
    await settle(dsn)
    named = await ran(shop, changed(await rewrite(goods, range(0, rows, TENTH), writer)))
    await rewrite(goods, range(1, rows, TENTH), writer)
    looked_for = await ran(shop, changed())
    unchanged = (await ran(shop, changed()), await ran(shop, changed(range(rows))))
    return Round(full=full, named=named, looked_for=looked_for, unchanged=unchanged)


async def fill(goods: AsyncConnection, rows: int, writer: Writer) -> None:
    async with goods.transaction(), goods.cursor() as cursor:
        await cursor.executemany(
            INSERT, [(number, f"Good {number}", writer.text()) for number in range(rows)]
        )


async def rewrite(goods: AsyncConnection, ids: Iterable[int], writer: Writer) -> list[int]:
    """Gives these rows another text."""
    changing = list(ids)
    async with goods.transaction(), goods.cursor() as cursor:
        await cursor.executemany(UPDATE, [(writer.text(), number) for number in changing])
    return changing


async def settle(dsn: str) -> None:
    """What autovacuum would have done within minutes: without statistics, plans are guesses."""
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("VACUUM ANALYZE")


def changed(ids: Iterable[int] = ()) -> jobs_pb.IndexScope:
    """These rows; without any, whatever changed."""
    named = jobs_pb.ChangedIds(ids=[str(number) for number in ids])
    return jobs_pb.IndexScope(changed=jobs_pb.IndexChanged(sources={SOURCE: named}))


async def ran(shop: Client, scope: jobs_pb.IndexScope) -> Ran:
    before = await embedded_chunks(shop)
    created = await shop.create_index_job(jobs_pb.CreateIndexJobRequest(scope=scope))
    job = await ended(shop, created.index_job.index_job_id)
    seconds = moment(job.end_time) - moment(job.create_time)
    return Ran(seconds=seconds.total_seconds(), embedded=await embedded_chunks(shop) - before)


async def ended(shop: Client, index_job_id: str) -> jobs_pb.IndexJob:
    while True:
        job = (await shop.get_index_job(jobs_pb.GetIndexJobRequest(index_job_id=index_job_id))).index_job
        if job.state == jobs_pb.INDEX_JOB_STATE_COMPLETED:
            return job
        if job.state == jobs_pb.INDEX_JOB_STATE_FAILED:
            raise RuntimeError(f"the index job failed: {job.error}")
        await asyncio.sleep(POLL_SECONDS)


async def embedded_chunks(shop: Client) -> int:
    return (await shop.get_usage(insights_pb.GetUsageRequest())).total.embedded_chunk_count


def moment(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC)


def figures(what: str, rounds: list[Round]) -> list[Figure]:
    return [
        embedded_figure(what, rounds),
        speed_figure(
            f"{what}: a changed tenth, named, over a rebuild", rounds, [one.named for one in rounds]
        ),
        speed_figure(
            f"{what}: a changed tenth, looked for, over a rebuild", rounds, [one.looked_for for one in rounds]
        ),
        unchanged_figure(what, rounds),
    ]


def embedded_figure(what: str, rounds: list[Round]) -> Figure:
    shares = [delta.embedded / one.full.embedded for one in rounds for delta in (one.named, one.looked_for)]
    return Figure(
        what=f"{what}: chunks embedded for a changed tenth",
        value=100 * max(shares),
        unit="%",
        bar=at_most(10),
        from_what=f"of {rounds[0].full.embedded:,} chunks; the largest of {len(shares)} changes",
    )


def speed_figure(what: str, rounds: list[Round], deltas: list[Ran]) -> Figure:
    full_seconds = median(one.full.seconds for one in rounds)
    delta_seconds = median(one.seconds for one in deltas)
    return Figure(
        what=what,
        value=full_seconds / delta_seconds,
        unit="× as fast",
        bar=at_least(9),
        from_what=f"{delta_seconds:.2f} s over {full_seconds:.2f} s, medians of {len(deltas)}",
    )


def unchanged_figure(what: str, rounds: list[Round]) -> Figure:
    looked_for, named = zip(*(one.unchanged for one in rounds), strict=True)
    return Figure(
        what=f"{what}: chunks embedded when nothing changed",
        value=sum(job.embedded for job in (*looked_for, *named)),
        bar=at_most(0),
        from_what=f"{median(job.seconds for job in looked_for):.2f} s to look for changes, "
        f"{median(job.seconds for job in named):.2f} s with every row named",
    )


BENCHMARK = Benchmark(title="What changed over a rebuild", run=run, full=FULL, quick=QUICK)

if __name__ == "__main__":
    main(BENCHMARK)
