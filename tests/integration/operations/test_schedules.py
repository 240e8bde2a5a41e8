"""What happens by the clock, on a real Postgres: one leader, once for however many times were missed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from retrieval_service import errors
from retrieval_service.config import Settings, load
from retrieval_service.domain.documents.sources import Source
from retrieval_service.domain.indexing.index_jobs import IndexMode
from retrieval_service.domain.operations.schedules import Run, next_run
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.services.operations.schedules import Schedule, Scheduler
from retrieval_service.stores.database import Database, open_database
from retrieval_service.stores.queue.index_jobs import Due
from retrieval_service.worker.timetable import drain, standings
from tests.conftest import temporary_database
from tests.fakes.openai.faults import Fault
from tests.kits.indexing_kit import Bench, open_bench
from tests.kits.service_kit import settings_for_tests
from tests.kits.sources_kit import DEAD_DSN, DEAD_VARIABLE, TABLES, VARIABLE

EVERY_MINUTE = "* * * * *"
AT_OPENAI = "UPDATE tenants SET backend = 'openai', is_mirrored = true WHERE id = %s"
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Work:
    """Counts how often it is done; holds when told so, and says what went wrong."""

    def __init__(self) -> None:
        self.times = 0
        self.error = ""
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> str:
        self.times += 1
        self.begun.set()
        await self.may_end.wait()
        return self.error


def scheduler(database: Database, work: Work, clock: Clock, cron: str = "0 2 * * *") -> Scheduler:
    return Scheduler(database, [Schedule(name="nightly", cron=cron, run=work)], clock=clock)


async def test_of_two_schedulers_one_runs(database_dsn: str) -> None:
    work, clock = Work(), Clock()
    work.may_end.clear()
    async with open_database(database_dsn) as database, open_database(database_dsn) as elsewhere:
        async with asyncio.TaskGroup() as group:
            leader = group.create_task(scheduler(database, work, clock).run_due())
            await work.begun.wait()
            assert await scheduler(elsewhere, work, clock).run_due() == []
            work.may_end.set()
        assert len(leader.result()) == 1
        assert await scheduler(elsewhere, work, clock).run_due() == []
    assert work.times == 1


async def test_many_schedulers_at_the_same_moment_run_once(database_dsn: str) -> None:
    work, clock = Work(), Clock()
    async with open_database(database_dsn) as database:
        await asyncio.gather(*(scheduler(database, work, clock).run_due() for _ in range(6)))
    assert work.times == 1


async def test_missed_runs_are_caught_up_once(database_dsn: str) -> None:
    work, clock = Work(), Clock()
    async with open_database(database_dsn) as database:
        nightly = scheduler(database, work, clock)
        await nightly.run_due()
        clock.now += timedelta(days=10)
        await nightly.run_due()
        await nightly.run_due()
        assert work.times == 2
        clock.now += timedelta(days=1)
        await nightly.run_due()
        assert work.times == 3


async def test_run_that_dies_is_made_again(database_dsn: str) -> None:
    work, clock = Work(), Clock()
    work.may_end.clear()
    async with open_database(database_dsn) as database:
        dying = asyncio.create_task(scheduler(database, work, clock).run_due())
        await work.begun.wait()
        dying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dying
        work.may_end.set()
        assert len(await scheduler(database, work, clock).run_due()) == 1
    assert work.times == 2


async def test_schedule_that_is_off_never_runs(database_dsn: str) -> None:
    work = Work()
    async with open_database(database_dsn) as database:
        assert await scheduler(database, work, Clock(), cron="").run_due() == []
    assert work.times == 0


async def test_standing_tells_the_next_and_the_last_run(database_dsn: str) -> None:
    work, clock = Work(), Clock()
    work.error = "no luck"
    async with open_database(database_dsn) as database:
        nightly = scheduler(database, work, clock)
        [before] = await nightly.standings()
        assert (before.next_at, before.last) == (NOON, None)
        await nightly.run_due()
        [after] = await nightly.standings()
    assert after.next_at == datetime(2026, 3, 30, 2, tzinfo=UTC)
    assert after.last == Run(name="nightly", started_at=NOON, finished_at=NOON, error="no luck")


@pytest.fixture
def shop_dsn(postgres_server: Embedded, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A shop's database that a source may name."""
    with temporary_database(postgres_server, template="template1") as dsn:
        with psycopg.connect(dsn) as connection:
            connection.execute(TABLES)
        monkeypatch.setenv(VARIABLE, dsn)
        monkeypatch.setenv(DEAD_VARIABLE, DEAD_DSN)
        yield dsn


def reviews(**changes: str) -> Source:
    declared = {
        "name": "reviews",
        "dsn_variable": VARIABLE,
        "source_type": "review",
        "ids_query": "SELECT * FROM reviews WHERE id = ANY(%(ids)s)",
        "all_query": "SELECT * FROM reviews",
        "id_column": "id",
        "text_template": "{{ body }}",
    }
    return Source(**{**declared, **changes})


async def documents(bench: Bench, tenant_id: UUID) -> list[tuple[str, str]]:
    cursor = await bench.sql.execute(
        "SELECT external_id, sync_status FROM documents WHERE tenant_id = %s", (tenant_id,)
    )
    return await cursor.fetchall()


async def test_draining_reads_sources_and_indexes_what_waits(database_dsn: str, shop_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        await bench.service.declarer.upsert(tenant_id, reviews())
        settings = bench.service.settings
        drained = await drain(settings, database_dsn)
        assert drained.ok
        assert [run.name for run in drained.runs] == ["reconcile", "drift"]
        assert await documents(bench, tenant_id) == [("r1", "synced")]
        again = await drain(settings, database_dsn)
        assert (again.ok, again.runs) == (True, [])


async def test_draining_says_which_source_failed_and_reads_the_others(
    database_dsn: str, shop_dsn: str
) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        await bench.service.declarer.upsert(
            tenant_id, reviews(name="dead", source_type="dead", dsn_variable=DEAD_VARIABLE)
        )
        await bench.service.declarer.upsert(tenant_id, reviews())
        drained = await drain(bench.service.settings, database_dsn)
        assert not drained.ok
        assert "source dead" in drained.runs[0].error
        assert await documents(bench, tenant_id) == [("r1", "synced")]


async def test_draining_fails_when_a_document_cannot_be_indexed(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        await bench.put(tenant_id, "1", "Tea.")
        bench.fail_embedding(times=1_000)
        drained = await drain(bench.service.settings, database_dsn)
        assert not drained.ok
        assert drained.failed_count == 1


async def test_what_failed_of_a_deleted_tenant_fails_no_draining(database_dsn: str) -> None:
    """Nobody could have it tried again."""
    async with open_bench(database_dsn, job_max_attempts=1) as bench:
        tenant_id = await bench.tenant()
        await bench.put(tenant_id, "1", "Tea.")
        bench.fail_embedding(times=1_000)
        assert not (await drain(bench.service.settings, database_dsn)).ok
        await bench.service.manager.set_deleted(tenant_id, deleted=True)
        assert (await drain(bench.service.settings, database_dsn)).ok


async def test_draining_brings_documents_to_the_provider_too_and_fails_with_it(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        await bench.sql.execute(AT_OPENAI, (tenant_id,))
        await bench.put(tenant_id, "1", "Tea.")
        assert (await drain(bench.service.settings, database_dsn)).ok
        assert len(bench.fake.storage.files) == 1
        bench.fake.fail(Fault(path="/files", method="POST", times=1_000, status=400))
        await bench.put(tenant_id, "2", "Coffee.")
        drained = await drain(bench.service.settings, database_dsn)
        assert (drained.ok, drained.failed_count) == (False, 1)


async def test_sources_of_deleted_tenants_are_not_read(database_dsn: str, shop_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        await bench.service.declarer.upsert(tenant_id, reviews())
        await bench.service.manager.set_deleted(tenant_id, deleted=True)
        runs = await bench.service.scheduler.run_due()
        assert {run.name: run.error for run in runs} == {"reconcile": "", "drift": ""}
        assert await documents(bench, tenant_id) == []


def test_wrong_cron_string_is_named_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLADEZ_SCHEDULE_RECONCILE", "at night")
    with pytest.raises(errors.Misconfigured, match=r"KLADEZ_SCHEDULE_RECONCILE.*cron"):
        load()


async def test_standings_need_nothing_but_the_database(empty_database_dsn: str) -> None:
    settings = await asyncio.to_thread(settings_for_tests)
    settings = settings.model_copy(update={"schedule_rebuild": "0 3 * * 0"})
    found = await standings(settings, empty_database_dsn)
    assert [(one.name, one.cron, one.last) for one in found] == [
        ("reconcile", "0 2 * * *", None),
        ("rebuild", "0 3 * * 0", None),
        ("drift", "0 4 * * *", None),
    ]


def test_rebuild_is_due_on_sunday_at_three() -> None:
    sunday = next_run(Settings.model_fields["schedule_rebuild"].get_default(), NOON)
    assert sunday == datetime(2026, 4, 5, 3, tzinfo=UTC)
    assert sunday.strftime("%A") == "Sunday"


async def test_rebuild_is_started_for_every_living_tenant(database_dsn: str) -> None:
    async with open_bench(database_dsn, schedule_rebuild=EVERY_MINUTE) as bench:
        living, deleted = await bench.tenant(), await bench.tenant()
        await bench.service.manager.set_deleted(deleted, deleted=True)
        await bench.put(living, "1", "Tea.")
        drained = await drain(bench.service.settings, database_dsn)
        assert [(run.name, run.error) for run in drained.runs] == [
            ("reconcile", ""),
            ("rebuild", ""),
            ("drift", ""),
        ]
        assert await index_jobs(bench, living) == [("rebuild", "completed")]
        assert await index_jobs(bench, deleted) == []


async def test_rebuild_widens_what_runs_and_takes_a_recent_one_for_done(database_dsn: str) -> None:
    async with open_bench(database_dsn, schedule_rebuild=EVERY_MINUTE) as bench:
        busy, done = await bench.tenant(), await bench.tenant()
        await bench.service.reindexer.start(busy, IndexMode.ALL)
        job, _ = await bench.service.reindexer.start(done, IndexMode.REBUILD)
        await bench.service.reindexer.advance(Due(tenant_id=done, id=job.id))
        await bench.service.reindexer.advance(Due(tenant_id=done, id=job.id))
        runs = await bench.service.scheduler.run_due()
        assert [(run.name, run.error) for run in runs] == [("reconcile", ""), ("rebuild", ""), ("drift", "")]
        assert await index_jobs(bench, busy) == [("rebuild", "queued")]
        assert await index_jobs(bench, done) == [("rebuild", "completed")]


async def index_jobs(bench: Bench, tenant_id: UUID) -> list[tuple[str, str]]:
    cursor = await bench.sql.execute("SELECT mode, state FROM index_jobs WHERE tenant_id = %s", (tenant_id,))
    return await cursor.fetchall()
