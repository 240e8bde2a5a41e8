"""The queue and its workers on a real Postgres: nothing is lost, nothing is done twice, nobody waits for others."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

from psycopg import AsyncConnection

from retrieval_service.stores.database import Database
from retrieval_service.stores.queue import document_jobs
from tests.kits.indexing_kit import (
    INSERT_MANY,
    Bench,
    JobRow,
    claim,
    fail,
    finish,
    indexer,
    insert,
    is_blocked,
    jobs_of,
    recover,
    states,
    until,
    value,
)

LONG_LEASE = 60.0

EXPIRE = "UPDATE document_sync_jobs SET lease_until = now() - interval '1 second' WHERE status = 'processing'"
DUE = "UPDATE document_sync_jobs SET scheduled_at = now() WHERE status = 'pending'"


class TestClaiming:
    async def test_two_workers_never_get_one_job(
        self, sql: AsyncConnection, database: Database, tenant_id: UUID
    ) -> None:
        await sql.execute(INSERT_MANY, (tenant_id, 300))

        async def drain(worker: str) -> list[int]:
            taken: list[int] = []
            while claimed := await claim(database, worker, limit=7):
                taken += [job.id for job in claimed]
            return taken

        taken = await asyncio.gather(*(drain(f"worker {number}") for number in range(12)))
        times = Counter(job_id for ids in taken for job_id in ids)
        assert len(times) == 300
        assert set(times.values()) == {1}

    async def test_claims_finishes_and_changes_at_once_end_with_an_empty_queue(
        self, sql: AsyncConnection, database: Database, tenant_id: UUID
    ) -> None:
        await sql.execute(INSERT_MANY, (tenant_id, 20))
        busy: set[UUID] = set()
        written = asyncio.Event()

        async def change(number: int) -> None:
            statement = "UPDATE documents SET content = content || '.' WHERE external_id = %s"
            async with await AsyncConnection.connect(sql.info.dsn, password=sql.info.password) as other:
                for turn in range(40):
                    await other.execute(statement, (str((turn * 7 + number) % 20 + 1),))
                    await other.commit()

        async def work(name: str) -> None:
            while True:
                claimed = await claim(database, name, limit=5)
                for job in claimed:
                    assert job.document_id not in busy
                    busy.add(job.document_id)
                for job in claimed:
                    busy.remove(job.document_id)
                    assert await finish(database, job, name)
                if not claimed and written.is_set():
                    return

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(work(f"worker {number}"))
            async with asyncio.TaskGroup() as writers:
                for number in range(3):
                    writers.create_task(change(number))
            written.set()
        assert set(await states(sql, tenant_id)) == {"done"}

    async def test_newer_version_waits_until_the_older_one_is_done(
        self, sql: AsyncConnection, database: Database, tenant_id: UUID
    ) -> None:
        await insert(sql, tenant_id, "1")
        [first] = await claim(database)
        await sql.execute("UPDATE documents SET content = 'Coffee.'")
        assert await claim(database, "two") == []
        await finish(database, first)
        [second] = await claim(database, "two")
        assert second.id > first.id

    async def test_one_tenants_import_does_not_keep_another_waiting(self, bench: Bench) -> None:
        big, small = await bench.tenant(), await bench.tenant()
        await bench.sql.execute(INSERT_MANY, (big, 5_000))
        await insert(bench.sql, small, "1")
        batches = [await claim(bench.service.database, limit=32, after=one) for one in (small, big)]
        assert {(job.tenant_id, len(batch)) for batch in batches for job in batch} == {(big, 32), (small, 1)}

    async def test_tenants_whose_retries_are_not_due_do_not_hide_one_that_waits(self, bench: Bench) -> None:
        for _ in range(60):
            await insert(bench.sql, await bench.tenant(), "1")
        await bench.sql.execute("UPDATE document_sync_jobs SET scheduled_at = now() + interval '1 hour'")
        waiting = await bench.tenant()
        await insert(bench.sql, waiting, "1")
        claimed = await claim(bench.service.database, limit=2)
        assert [job.tenant_id for job in claimed] == [waiting]

    async def test_a_claim_takes_at_most_what_was_asked_for(
        self, sql: AsyncConnection, database: Database, tenant_id: UUID
    ) -> None:
        await sql.execute(INSERT_MANY, (tenant_id, 50))
        assert len(await claim(database, limit=10)) == 10


class TestFailing:
    async def test_failed_job_waits_before_it_is_tried_again(
        self, sql: AsyncConnection, database: Database, tenant_id: UUID
    ) -> None:
        await insert(sql, tenant_id, "1")
        [job] = await claim(database)
        assert await fail(database, job) == "pending"
        assert await claim(database) == []
        [waiting] = await jobs_of(sql, tenant_id)
        assert (waiting.attempts, waiting.last_error) == (1, "no luck")
        assert 3_500 < waiting.seconds_until_due <= 3_600

    async def test_five_failures_end_in_an_error_that_the_document_shows(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        document_id = await bench.put(tenant_id, "1", "Tea.")
        bench.fail_embedding(times=1_000)
        history: list[JobRow] = []
        for _ in range(5):
            await bench.sql.execute(DUE)
            await indexer(bench).index(await claim(bench.service.database))
            history += await jobs_of(bench.sql, tenant_id)
        assert [job.attempts for job in history] == [1, 2, 3, 4, 5]
        assert [job.status for job in history] == ["pending"] * 4 + ["error"]
        waits = [job.seconds_until_due for job in history[:4]]
        assert waits == sorted(waits)
        document = await bench.service.reader.document(tenant_id, document_id)
        assert document.sync_status == "error"
        assert "500" in document.last_sync_error

    async def test_new_version_of_a_given_up_document_is_indexed(self, bench: Bench, tenant_id: UUID) -> None:
        document_id = await bench.put(tenant_id, "1", "Tea.")
        bench.fail_embedding(times=1, status=400)
        await indexer(bench).index(await claim(bench.service.database))
        assert (await bench.service.reader.document(tenant_id, document_id)).sync_status == "error"
        await bench.put(tenant_id, "1", "Coffee.")
        await indexer(bench).index(await claim(bench.service.database))
        document = await bench.service.reader.document(tenant_id, document_id)
        assert (document.sync_status, document.last_sync_error) == ("synced", "")

    async def test_failed_job_makes_way_for_a_newer_one(
        self, sql: AsyncConnection, database: Database, tenant_id: UUID
    ) -> None:
        await insert(sql, tenant_id, "1")
        [job] = await claim(database)
        await sql.execute("UPDATE documents SET content = 'Coffee.'")
        assert await fail(database, job, attempts_allowed=1) == ""
        assert [(one.status, one.attempts) for one in await jobs_of(sql, tenant_id)] == [("pending", 0)]

    async def test_failure_at_the_moment_of_a_change_leaves_one_pending_job(
        self, bench: Bench, clean_dsn: str, tenant_id: UUID
    ) -> None:
        document_id = await bench.put(tenant_id, "1", "Tea.")
        [job] = await claim(bench.service.database)
        bench.fail_embedding(times=3)
        async with bench.sql.transaction():
            await bench.sql.execute("UPDATE documents SET content = 'Coffee.'")
            failing = asyncio.create_task(indexer(bench).index([job]))
            await until(lambda: is_blocked(clean_dsn))
        await failing
        assert [(one.status, one.attempts) for one in await jobs_of(bench.sql, tenant_id)] == [("pending", 0)]
        assert (await bench.service.reader.document(tenant_id, document_id)).sync_status == "pending"


class TestDeadWorkers:
    async def test_expired_lease_is_taken_over_and_the_late_worker_writes_nothing(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        document_id = await bench.put(tenant_id, "1", "Tea.")
        database = bench.service.database
        [job] = await claim(database, "one")
        assert await recover(database) == 0
        await bench.sql.execute(EXPIRE)
        assert await recover(database) == 1
        [again] = await claim(database, "two")
        assert (again.document_id, again.attempts) == (document_id, 2)
        await indexer(bench, "one").index([job])
        assert await bench.texts(tenant_id, document_id) == []
        await indexer(bench, "two").index([again])
        assert await bench.texts(tenant_id, document_id) == ["Tea."]

    async def test_lease_that_is_extended_is_not_taken_over(
        self, sql: AsyncConnection, database: Database, tenant_id: UUID
    ) -> None:
        await insert(sql, tenant_id, "1")
        [job] = await claim(database)
        await sql.execute(EXPIRE)
        async with database.operator() as operator:
            await document_jobs.extend(operator, [job.id], worker="one", lease_seconds=LONG_LEASE)
        assert await recover(database) == 0

    async def test_recovery_drops_a_job_that_a_newer_one_replaces(
        self, sql: AsyncConnection, database: Database, tenant_id: UUID
    ) -> None:
        await insert(sql, tenant_id, "1")
        await insert(sql, tenant_id, "2")
        await claim(database)
        await sql.execute("UPDATE documents SET content = 'Coffee.' WHERE external_id = '1'")
        await sql.execute(EXPIRE)
        assert await recover(database) == 1
        waiting = await jobs_of(sql, tenant_id)
        assert [job.status for job in waiting] == ["pending", "pending"]
        assert len({job.document_id for job in waiting}) == 2

    async def test_recovery_at_the_moment_of_a_change_leaves_one_pending_job(
        self, bench: Bench, clean_dsn: str, tenant_id: UUID
    ) -> None:
        await insert(bench.sql, tenant_id, "1")
        await claim(bench.service.database)
        await bench.sql.execute(EXPIRE)
        async with bench.sql.transaction():
            await bench.sql.execute("UPDATE documents SET content = 'Coffee.'")
            recovering = asyncio.create_task(recover(bench.service.database))
            await until(lambda: is_blocked(clean_dsn))
        await recovering
        assert await states(bench.sql, tenant_id) == ["pending"]

    async def test_job_that_kills_its_workers_ends_as_an_error_and_takes_no_others_with_it(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        database = bench.service.database
        await bench.sql.execute(INSERT_MANY, (tenant_id, 20))
        poison = await value(bench.sql, "SELECT id FROM documents WHERE external_id = '7'")
        for life in range(40):
            name = f"life {life}"
            while claimed := await claim(database, name, limit=32):
                kills = [job for job in claimed if job.document_id == poison and job.attempts <= 5]
                if kills:
                    break  # the process dies here, with all it had claimed
                await indexer(bench, name).index(claimed)
            if not claimed:
                break
            await bench.sql.execute(EXPIRE)
            await recover(database)
        ends = {job.document_id: job for job in await jobs_of(bench.sql, tenant_id)}
        assert (ends[poison].status, ends[poison].attempts) == ("error", 6)
        assert {job.status for key, job in ends.items() if key != poison} == {"done"}
        document = await bench.service.reader.document(tenant_id, poison)
        assert document.sync_status == "error"
        assert "death" in document.last_sync_error
