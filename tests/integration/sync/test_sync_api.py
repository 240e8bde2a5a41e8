"""SyncService over the wire: the queue, the log and drift, for a tenant that is mirrored and one that is not."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import LiteralString

import psycopg
import pytest
import pytest_asyncio
from kladez.v1 import sync_service_pb2 as pb
from pydantic import SecretStr

from retrieval_service.postgres.embedded import Embedded
from tests.fakes.openai import FakeOpenAI, Fault, running_openai
from tests.kits.service_kit import (
    WAIT_SECONDS,
    Running,
    Shop,
    failure_of,
    new_shop,
    refused,
    shared_service,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

KILL = """
UPDATE document_sync_jobs SET status = 'error', attempts = 5, last_error = 'no luck'
WHERE tenant_id = %s AND document_id = %s RETURNING id
"""
DEFER = """
INSERT INTO document_sync_jobs (tenant_id, document_id, action, scheduled_at, attempts, last_error)
VALUES (%s, %s, 'upsert', now() + interval '1 hour', 2, 'no luck')
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A service over the fake provider."""

    running: Running
    fake: FakeOpenAI

    async def execute(self, statement: LiteralString, *parameters: object) -> list[tuple]:
        async with await psycopg.AsyncConnection.connect(self.running.dsn, autocommit=True) as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall() if cursor.description else []

    async def mirrored_shop(self) -> Shop:
        shop = await new_shop(self.running)
        await self.execute("UPDATE tenants SET is_mirrored = true WHERE id = %s", shop.tenant_id)
        return shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Place]:
    async with (
        running_openai() as fake,
        shared_service(
            postgres_server,
            migrated_template,
            openai_api_key=SecretStr("test"),
            openai_base_url=fake.base_url,
        ) as running,
    ):
        yield Place(running=running, fake=fake)


async def in_step(shop: Shop) -> pb.GetSyncStatusResponse:
    """Once index and mirror have caught up."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            status = await wait_until_indexed(shop)
            if not status.mirror.pending_count:
                return status
            await asyncio.sleep(0.05)


async def test_status_tells_how_far_the_mirror_is(place: Place) -> None:
    shop = await place.mirrored_shop()
    for number in range(3):
        await upsert(shop, str(number), f"Чай {number}")
    mirror = (await in_step(shop)).mirror
    assert mirror.is_mirrored
    assert mirror.vector_store_id in place.fake.storage.stores
    assert (mirror.synced_count, mirror.pending_count, mirror.error_count) == (3, 0, 0)
    assert not mirror.HasField("oldest_pending_age")


async def test_tenant_without_a_mirror_has_no_mirror_status(place: Place) -> None:
    shop = await new_shop(place.running)
    assert not (await shop.client.get_sync_status(pb.GetSyncStatusRequest())).HasField("mirror")


async def test_documents_from_before_the_mirror_are_brought_there_by_sync_now(place: Place) -> None:
    shop = await new_shop(place.running)
    await upsert(shop, "old", "Café antigo.")
    await wait_until_indexed(shop)
    await place.execute("UPDATE tenants SET is_mirrored = true WHERE id = %s", shop.tenant_id)
    response = await shop.client.sync_now(pb.SyncNowRequest())
    assert response.queued_count == 1
    assert (await in_step(shop)).mirror.synced_count == 1
    assert (await shop.client.sync_now(pb.SyncNowRequest())).queued_count == 0


async def test_dead_jobs_are_listed_and_retried(place: Place) -> None:
    shop = await place.mirrored_shop()
    stored = await upsert(shop, "dead", "Чай.")
    await in_step(shop)
    [first, *_] = await place.execute(KILL, shop.tenant_id, stored.document_id)
    dead = await shop.client.list_sync_jobs(pb.ListSyncJobsRequest(status=pb.SYNC_JOB_STATUS_ERROR))
    assert {job.target for job in dead.sync_jobs} == {pb.SYNC_TARGET_PGVECTOR, pb.SYNC_TARGET_OPENAI}
    assert {(job.external_id, job.last_error, job.attempt_count) for job in dead.sync_jobs} == {
        ("dead", "no luck", 5)
    }
    one = await shop.client.retry_sync_jobs(pb.RetrySyncJobsRequest(sync_job_ids=[first[0]]))
    rest = await shop.client.retry_sync_jobs(pb.RetrySyncJobsRequest())
    assert (one.retried_count, rest.retried_count) == (1, 1)
    await in_step(shop)
    dead = await shop.client.list_sync_jobs(pb.ListSyncJobsRequest(status=pb.SYNC_JOB_STATUS_ERROR))
    assert not dead.sync_jobs


async def test_job_that_is_not_dead_is_not_retried(place: Place) -> None:
    shop = await new_shop(place.running)
    await upsert(shop, "fine", "Tea.")
    await wait_until_indexed(shop)
    jobs = (await shop.client.list_sync_jobs(pb.ListSyncJobsRequest())).sync_jobs
    request = pb.RetrySyncJobsRequest(sync_job_ids=[job.sync_job_id for job in jobs])
    assert jobs
    assert (await shop.client.retry_sync_jobs(request)).retried_count == 0


async def test_job_that_waits_for_its_next_attempt_is_due_at_once_for_its_document_alone(
    place: Place,
) -> None:
    shop = await new_shop(place.running)
    stored = [await upsert(shop, str(number), "Чай.") for number in range(2)]
    await wait_until_indexed(shop)
    for document in stored:
        await place.execute(DEFER, shop.tenant_id, document.document_id)
    response = await shop.client.sync_now(pb.SyncNowRequest(document_id=stored[0].document_id))
    assert response.queued_count == 1
    async with asyncio.timeout(WAIT_SECONDS):
        while len(await pending(shop)) > 1:  # noqa: ASYNC110 - the database gives no event
            await asyncio.sleep(0.05)
    assert await pending(shop) == ["1"]
    assert (await shop.client.sync_now(pb.SyncNowRequest())).queued_count == 1
    await wait_until_indexed(shop)


async def pending(shop: Shop) -> list[str]:
    """External ids of the documents whose jobs wait or are worked on."""
    found = await shop.client.list_sync_jobs(pb.ListSyncJobsRequest())
    done = pb.SYNC_JOB_STATUS_DONE
    return [job.external_id for job in found.sync_jobs if job.status != done]


async def test_document_that_nobody_knows_cannot_be_hurried(place: Place) -> None:
    shop = await new_shop(place.running)
    with refused("NOT_FOUND"):
        await shop.client.sync_now(pb.SyncNowRequest(document_id=str(uuid.uuid4())))
    with refused("INVALID_ARGUMENT", field="document_id"):
        await shop.client.sync_now(pb.SyncNowRequest(document_id="seven"))


async def test_jobs_and_log_come_in_pages_without_a_gap(place: Place) -> None:
    shop = await place.mirrored_shop()
    for number in range(5):
        await upsert(shop, str(number), "Чай.")
    await in_step(shop)
    request, seen = pb.ListSyncJobsRequest(page_size=2, target=pb.SYNC_TARGET_OPENAI), []
    while True:
        page = await shop.client.list_sync_jobs(request)
        seen += [job.external_id for job in page.sync_jobs]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert sorted(seen) == ["0", "1", "2", "3", "4"]
    log = await shop.client.list_sync_log(pb.ListSyncLogRequest(page_size=1))
    more = await shop.client.list_sync_log(
        pb.ListSyncLogRequest(page_size=200, page_token=log.next_page_token)
    )
    ids = [entry.sync_log_entry_id for entry in [*log.entries, *more.entries]]
    assert ids == sorted(set(ids), reverse=True)
    assert not more.next_page_token


async def test_log_tells_who_asked_and_what_failed(place: Place) -> None:
    shop = await place.mirrored_shop()
    stored = await upsert(shop, "logged", "Чай.")
    await in_step(shop)
    await shop.client.sync_now(pb.SyncNowRequest(document_id=stored.document_id))
    log = await shop.client.list_sync_log(pb.ListSyncLogRequest(document_id=stored.document_id))
    assert {entry.actor for entry in log.entries} == {"worker", "manual"}
    manual = next(entry for entry in log.entries if entry.actor == "manual")
    assert manual.request_id
    assert manual.outcome == pb.SYNC_OUTCOME_DONE
    failed = await shop.client.list_sync_log(pb.ListSyncLogRequest(outcome=pb.SYNC_OUTCOME_FAILED))
    assert not failed.entries


async def test_drift_is_told_first_and_mended_when_asked(place: Place) -> None:
    shop = await place.mirrored_shop()
    stored = await upsert(shop, "drifting", "Чай.")
    store_id = (await in_step(shop)).mirror.vector_store_id
    [(entry_store, file_id)] = [key for key in place.fake.storage.entries if key[0] == store_id]
    place.fake.storage.detach(entry_store, file_id)
    told = await shop.client.repair_drift(pb.RepairDriftRequest())
    assert [(one.kind, one.count, list(one.sample_document_ids)) for one in told.drifts] == [
        (pb.DRIFT_KIND_MISSING, 1, [stored.document_id])
    ]
    assert (told.queued_count, told.removed_count) == (0, 0)
    mended = await shop.client.repair_drift(pb.RepairDriftRequest(apply=True))
    assert mended.queued_count == 1
    await in_step(shop)
    assert [key[0] for key in place.fake.storage.entries].count(store_id) == 1
    log = await shop.client.list_sync_log(pb.ListSyncLogRequest())
    assert "repair" in {entry.actor for entry in log.entries}


async def test_drift_of_a_tenant_that_is_not_mirrored_is_a_failed_precondition(place: Place) -> None:
    shop = await new_shop(place.running)
    failure = await failure_of(shop.client.repair_drift(pb.RepairDriftRequest()))
    assert (failure.code, failure.reason) == ("FAILED_PRECONDITION", "NOT_MIRRORED")


async def test_provider_that_does_not_let_us_in_is_told_as_such(place: Place) -> None:
    shop = await place.mirrored_shop()
    place.fake.fail(Fault(path="/v1/files", method="GET", status=401))
    failure = await failure_of(shop.client.repair_drift(pb.RepairDriftRequest()))
    assert (failure.code, failure.reason) == ("FAILED_PRECONDITION", "PROVIDER_LOCKED")
