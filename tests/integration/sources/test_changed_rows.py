"""Index jobs for changed rows of sources: what they read, what they follow, and that nothing of it gets lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from retrieval_service import errors
from retrieval_service.domain.documents.sources import Source
from retrieval_service.domain.indexing.index_jobs import ChangedRows, IndexJob, IndexMode
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.stores.queue.index_jobs import Due
from retrieval_service.worker import changed_rows, index_jobs
from tests.conftest import temporary_database
from tests.kits.indexing_kit import WAIT_SECONDS, Bench, emptied, is_listening, open_bench, until, working
from tests.kits.sources_kit import DEAD_DSN, DEAD_VARIABLE, VARIABLE

MANY_YEARS = datetime(9999, 1, 1, tzinfo=UTC)
ROWS = 6
TABLES = """
CREATE TABLE teas (id text PRIMARY KEY, body text, updated_at timestamptz DEFAULT now());
INSERT INTO teas SELECT number::text, 'Чай номер ' || number FROM generate_series(1, 6) AS number
"""
EXPIRE_READINGS = "UPDATE index_job_changes SET due_at = now()"
EXTERNAL_IDS = """
SELECT external_id FROM documents WHERE tenant_id = %s AND NOT is_deleted ORDER BY external_id
"""


@pytest.fixture
def shop_dsn(postgres_server: Embedded, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with temporary_database(postgres_server, template="template1") as dsn:
        monkeypatch.setenv(VARIABLE, dsn)
        monkeypatch.setenv(DEAD_VARIABLE, DEAD_DSN)
        change_rows(dsn, TABLES)
        yield dsn


@pytest.fixture
async def bench(module_dsn: str, shop_dsn: str) -> AsyncIterator[Bench]:
    async with open_bench(emptied(module_dsn), schedule_reconcile="") as opened:
        yield opened


@pytest.fixture
async def tenant_id(bench: Bench) -> UUID:
    """Its source is read and indexed."""
    created = await bench.tenant()
    await bench.service.declarer.upsert(created, teas())
    async with working(bench.service):
        await bench.service.sourcing.sync(created, "teas")
        await bench.indexed(created)
    return created


def teas(**changes: str) -> Source:
    declared = {
        "name": "teas",
        "dsn_variable": VARIABLE,
        "source_type": "tea",
        "ids_query": "SELECT * FROM teas WHERE id = ANY(%(ids)s)",
        "all_query": "SELECT * FROM teas",
        "id_column": "id",
        "updated_at_column": "updated_at",
        "text_template": "{{ body }}",
    }
    return Source(**{**declared, **changes})


def change_rows(dsn: str, statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statements.encode())


async def asked(bench: Bench, tenant_id: UUID, *ids: str, source: str = "teas") -> tuple[IndexJob, bool]:
    rows = ChangedRows(source=source, ids=ids)
    return await bench.service.reindexer.start(tenant_id, IndexMode.CHANGED, [rows])


async def ended(bench: Bench, job: IndexJob) -> IndexJob:
    async def has_ended() -> bool:
        return (await got(bench, job)).is_final

    await until(has_ended)
    return await got(bench, job)


async def got(bench: Bench, job: IndexJob) -> IndexJob:
    return await bench.service.reindexer.get(job.tenant_id, job.id)


async def run(bench: Bench, job: IndexJob) -> IndexJob:
    async with working(bench.service):
        return await ended(bench, job)


def due(job: IndexJob) -> Due:
    return Due(tenant_id=job.tenant_id, id=job.id)


def counts(job: IndexJob) -> tuple[int, int, int, int]:
    """Indexed, skipped, failed and removed documents."""
    return (job.indexed_count, job.skipped_count, job.failed_count, job.removed_count)


async def external_ids(bench: Bench, tenant_id: UUID) -> list[str]:
    cursor = await bench.sql.execute(EXTERNAL_IDS, (tenant_id,))
    return [row[0] for row in await cursor.fetchall()]


async def test_named_rows_are_read_and_followed_until_they_are_indexed(
    bench: Bench, tenant_id: UUID, shop_dsn: str
) -> None:
    change_rows(shop_dsn, "UPDATE teas SET body = 'Зелёный чай' WHERE id = '1'")
    change_rows(shop_dsn, "INSERT INTO teas VALUES ('new', 'Chá branco')")
    change_rows(shop_dsn, "DELETE FROM teas WHERE id = '2'")
    change_rows(shop_dsn, "UPDATE teas SET body = 'Unnoticed' WHERE id = '3'")
    before = len(bench.embedded_texts())
    job = await run(bench, (await asked(bench, tenant_id, "1", "new", "2", "4", "nowhere"))[0])
    assert (job.state, job.total_count, job.processed_count) == ("completed", 5, 5)
    assert counts(job) == (2, 2, 0, 1)
    assert sorted(bench.embedded_texts()[before:]) == ["Chá branco", "Зелёный чай"]
    assert job.embedded_tokens > 0
    assert await external_ids(bench, tenant_id) == ["1", "3", "4", "5", "6", "new"]


async def test_rows_that_are_the_same_embed_nothing(bench: Bench, tenant_id: UUID) -> None:
    before = len(bench.embedded_texts())
    job = await run(bench, (await asked(bench, tenant_id, "1", "2", "2", "3"))[0])
    assert (job.state, job.total_count, counts(job)) == ("completed", 3, (0, 3, 0, 0))
    assert len(bench.embedded_texts()) == before


async def test_idle_worker_is_woken_by_changed_rows(
    bench: Bench, tenant_id: UUID, shop_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for runner in (changed_rows, index_jobs):
        monkeypatch.setattr(runner, "IDLE_SECONDS", WAIT_SECONDS)
    change_rows(shop_dsn, "UPDATE teas SET body = 'Зелёный чай' WHERE id = '1'")
    async with working(bench.service):
        await until(lambda: is_listening(bench))
        async with asyncio.timeout(WAIT_SECONDS / 3):
            job = await ended(bench, (await asked(bench, tenant_id, "1"))[0])
    assert counts(job) == (1, 0, 0, 0)


async def test_source_without_ids_is_scanned_for_what_changed(
    bench: Bench, tenant_id: UUID, shop_dsn: str
) -> None:
    change_rows(shop_dsn, "UPDATE teas SET body = 'Mate', updated_at = now() WHERE id IN ('5', '6')")
    change_rows(shop_dsn, "DELETE FROM teas WHERE id = '2'")
    job = await run(bench, (await asked(bench, tenant_id))[0])
    assert (job.state, job.total_count, counts(job)) == ("completed", 3, (2, 0, 0, 1))


async def test_rows_of_a_joined_rebuild_are_read_too(bench: Bench, tenant_id: UUID, shop_dsn: str) -> None:
    running, _ = await bench.service.reindexer.start(tenant_id, IndexMode.REBUILD)
    await bench.service.reindexer.advance(due(running))
    change_rows(shop_dsn, "UPDATE teas SET body = 'Зелёный чай' WHERE id = '1'")
    job, joined = await asked(bench, tenant_id, "1")
    assert (job.id, joined, job.mode) == (running.id, True, "rebuild")
    job = await run(bench, job)
    assert job.state == "completed"
    assert job.total_count == job.processed_count
    assert job.indexed_count >= 1
    assert "Зелёный чай" in bench.embedded_texts()


# As if the comparison of rows had missed a change.
LIE = """
UPDATE document_fingerprints SET fingerprint = %(fingerprint)s
WHERE document_id = (SELECT id FROM documents WHERE tenant_id = %(tenant_id)s AND external_id = '1')
"""
FINGERPRINT = """
SELECT hashtextextended(r::text COLLATE "C", 0) FROM (SELECT * FROM teas) AS r WHERE id = '1'
"""


async def test_rebuild_reads_every_row_of_every_source(bench: Bench, tenant_id: UUID, shop_dsn: str) -> None:
    change_rows(
        shop_dsn, "UPDATE teas SET body = 'Гибискус', updated_at = now() - interval '9 days' WHERE id = '1'"
    )
    with psycopg.connect(shop_dsn) as connection:
        [fingerprint] = connection.execute(FINGERPRINT).fetchone() or [None]
    await bench.sql.execute(LIE, {"tenant_id": tenant_id, "fingerprint": fingerprint})
    assert (await bench.service.sourcing.sync(tenant_id, "teas")).updated_count == 0
    job, _ = await bench.service.reindexer.start(tenant_id, IndexMode.REBUILD)
    assert (await run(bench, job)).state == "completed"
    assert "Гибискус" in bench.embedded_texts()


async def test_job_that_widens_to_a_rebuild_reads_every_row_too(bench: Bench, tenant_id: UUID) -> None:
    await asked(bench, tenant_id, "1")
    job, joined = await bench.service.reindexer.start(tenant_id, IndexMode.REBUILD)
    assert joined
    cursor = await bench.sql.execute(
        "SELECT source FROM index_job_changes WHERE index_job_id = %s AND every_row", (job.id,)
    )
    assert await cursor.fetchall() == [("teas",)]


async def test_rows_asked_for_while_others_are_read_join_and_are_read(
    bench: Bench, tenant_id: UUID, shop_dsn: str
) -> None:
    change_rows(shop_dsn, "UPDATE teas SET body = 'Mate ' || id")
    first, _ = await asked(bench, tenant_id, "1")
    second, joined = await asked(bench, tenant_id, "2", "3")
    assert joined
    assert (second.id, second.total_count) == (first.id, 3)
    assert counts(await run(bench, second)) == (3, 0, 0, 0)


@pytest.mark.parametrize("mode", [IndexMode.MISSING, IndexMode.ALL, IndexMode.REBUILD])
async def test_wider_scope_that_joins_changed_rows_is_done_as_well(
    bench: Bench, tenant_id: UUID, mode: IndexMode
) -> None:
    changed, _ = await asked(bench, tenant_id, "1")
    await bench.service.reindexer.advance(due(changed))
    wider, joined = await bench.service.reindexer.start(tenant_id, mode)
    assert (wider.id, joined, wider.mode) == (changed.id, True, mode)
    job = await run(bench, wider)
    total = 1 + (0 if mode is IndexMode.MISSING else ROWS)
    assert (job.state, job.total_count, counts(job)) == ("completed", total, (0, total, 0, 0))


async def test_many_callers_at_once_share_one_job_and_lose_no_row(
    bench: Bench, tenant_id: UUID, shop_dsn: str
) -> None:
    change_rows(shop_dsn, "UPDATE teas SET body = 'Mate ' || id")
    async with working(bench.service), working(bench.service):
        answers = await asyncio.gather(*(asked(bench, tenant_id, str(number)) for number in range(1, 7)))
        jobs = {job.id: await ended(bench, job) for job, _ in answers}
        await bench.indexed(tenant_id)
    assert sum(job.indexed_count for job in jobs.values()) == ROWS
    assert sorted(text for text in set(bench.embedded_texts()) if "Mate" in text) == [
        f"Mate {number}" for number in range(1, 7)
    ]


async def test_reading_that_died_is_made_again_and_counts_nothing_twice(
    bench: Bench, tenant_id: UUID, shop_dsn: str
) -> None:
    change_rows(shop_dsn, "UPDATE teas SET body = 'Mate ' || id WHERE id <= '3'")
    job, _ = await asked(bench, tenant_id, "1", "2", "3", "4")
    change = await bench.service.follower.claim()
    assert change is not None
    await bench.service.sourcing.sync_ids(tenant_id, "teas", change.ids, index_job_id=job.id)
    assert await bench.service.follower.claim() is None
    await bench.sql.execute(EXPIRE_READINGS)
    before = len(bench.embedded_texts())
    job = await run(bench, job)
    assert (job.state, job.total_count, counts(job)) == ("completed", 4, (3, 1, 0, 0))
    assert len(bench.embedded_texts()) == before + 3


async def test_tenants_take_turns_however_much_one_has_asked_for(bench: Bench, tenant_id: UUID) -> None:
    other = await bench.tenant()
    await bench.service.declarer.upsert(other, teas())
    for number in range(1, 5):
        await asked(bench, tenant_id, str(number))
    for number in range(1, 3):
        await asked(bench, other, str(number))
    served = [await bench.service.follower.claim() for _ in range(7)]
    tenants = [change.tenant_id for change in served if change]
    assert tenants[:4] in ([tenant_id, other] * 2, [other, tenant_id] * 2)
    assert tenants[4:] == [tenant_id] * 2
    assert [change.ids for change in served if change and change.tenant_id == tenant_id] == [
        ["1"],
        ["2"],
        ["3"],
        ["4"],
    ]


async def test_rows_that_kill_every_reader_are_given_up(bench: Bench, tenant_id: UUID) -> None:
    job, _ = await asked(bench, tenant_id, "1")
    for _ in range(bench.service.settings.job_max_attempts):
        assert await bench.service.follower.claim() is not None
        await bench.sql.execute(EXPIRE_READINGS)
    job = await run(bench, job)
    assert (job.state, counts(job)) == ("failed", (0, 0, 1, 0))
    assert "death of its worker" in job.error


async def test_source_that_cannot_be_read_fails_the_job_after_the_others_are_done(
    bench: Bench, tenant_id: UUID, shop_dsn: str
) -> None:
    await bench.service.declarer.upsert(
        tenant_id, teas(name="dead", source_type="dead", dsn_variable=DEAD_VARIABLE)
    )
    change_rows(shop_dsn, "UPDATE teas SET body = 'Зелёный чай' WHERE id = '1'")
    rows = [ChangedRows(source="dead", ids=("1", "2")), ChangedRows(source="teas", ids=("1",))]
    job, _ = await bench.service.reindexer.start(tenant_id, IndexMode.CHANGED, rows)
    job = await run(bench, job)
    assert (job.state, job.total_count, counts(job)) == ("failed", 3, (1, 0, 2, 0))
    assert "source dead" in job.error
    assert "hidden" not in job.error


async def test_source_whose_variable_is_not_set_fails_the_job_and_says_so(
    bench: Bench, tenant_id: UUID
) -> None:
    homeless = teas(name="homeless", source_type="homeless", dsn_variable="KLADEZ_SOURCE_NOWHERE")
    await bench.service.declarer.upsert(tenant_id, homeless)
    job, _ = await bench.service.reindexer.start(
        tenant_id, IndexMode.CHANGED, [ChangedRows(source="homeless", ids=())]
    )
    job = await run(bench, job)
    assert job.state == "failed"
    assert "KLADEZ_SOURCE_NOWHERE is not set" in job.error


async def test_row_that_cannot_be_stored_is_counted_as_failed(
    bench: Bench, tenant_id: UUID, shop_dsn: str
) -> None:
    change_rows(shop_dsn, "UPDATE teas SET body = '' WHERE id = '1'")
    job = await run(bench, (await asked(bench, tenant_id, "1", "2"))[0])
    assert (job.state, counts(job)) == ("completed", (0, 1, 1, 0))
    assert job.row_error == "source teas: 1 of 2 rows failed, the first 1: content: is required"
    assert job.error == ""


async def test_cancelled_job_reads_no_more_rows(bench: Bench, tenant_id: UUID, shop_dsn: str) -> None:
    change_rows(shop_dsn, "UPDATE teas SET body = 'Mate'")
    job, _ = await asked(bench, tenant_id, "1")
    change = await bench.service.follower.claim()
    assert change is not None
    await bench.service.reindexer.cancel(tenant_id, job.id)
    with pytest.raises(errors.TooMany, match="being cancelled"):
        await asked(bench, tenant_id, "2")
    await bench.service.follower.read(change)
    await bench.service.reindexer.advance(due(job))
    assert (await got(bench, job)).state == "cancelled"
    assert await bench.service.follower.claim() is None
    assert not (await asked(bench, tenant_id, "2"))[1]


async def test_reading_waits_while_the_source_is_scanned_by_others(
    bench: Bench, tenant_id: UUID, shop_dsn: str
) -> None:
    job, _ = await asked(bench, tenant_id)
    async with bench.service.database.owner() as owner:
        await owner.execute("SELECT pg_advisory_lock(6172637, hashtext(%s::text || ' teas'))", (tenant_id,))
        change = await bench.service.follower.claim()
        assert change is not None
        await bench.service.follower.read(change)
        assert not (await got(bench, job)).is_final
    await bench.sql.execute(EXPIRE_READINGS)
    assert (await run(bench, job)).state == "completed"


async def test_more_rows_than_one_reading_takes_are_all_read(
    bench: Bench, tenant_id: UUID, shop_dsn: str
) -> None:
    change_rows(shop_dsn, "INSERT INTO teas SELECT 'x' || n, 'Tea' FROM generate_series(1, 1100) AS n")
    job, _ = await asked(bench, tenant_id, *(f"x{number}" for number in range(1, 1101)))
    for _ in range(3):
        change = await bench.service.follower.claim()
        assert change is not None
        await bench.service.follower.read(change)
    assert await bench.service.follower.claim() is None
    assert len(await external_ids(bench, tenant_id)) == ROWS + 1100
    assert (await got(bench, job)).total_count == 1100


async def test_unknown_sources_are_refused_by_name(bench: Bench, tenant_id: UUID) -> None:
    with pytest.raises(errors.Invalid) as refused:
        await asked(bench, tenant_id, "1", source="coffees")
    assert [one.field for one in refused.value.violations] == ["scope.changed.sources[coffees]"]
    assert await bench.service.reindexer.page(tenant_id, before=(MANY_YEARS, UUID(int=0)), limit=1) == []
