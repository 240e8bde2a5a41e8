"""IndexJobService over the wire, and `kladez reindex` on top of it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest
import pytest_asyncio
from kladez.v1 import index_job_service_pb2 as pb
from kladez.v1 import tenant_service_pb2 as tenants_pb
from structlog.testing import capture_logs

from retrieval_service.cli import main
from retrieval_service.cli.failures import ExitCode
from retrieval_service.client import Client
from retrieval_service.postgres.embedded import Embedded
from tests.kits.service_kit import (
    Running,
    Shop,
    bearer,
    failure_of,
    new_key,
    new_shop,
    refused,
    shared_service,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

MISSING = pb.IndexScope(missing=pb.IndexMissing())
ALL = pb.IndexScope(all=pb.IndexAll())
REBUILD = pb.IndexScope(rebuild=pb.IndexRebuild())
COOLDOWN_SECONDS = 600


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Running]:
    """Without a worker: jobs stay queued."""
    async with shared_service(postgres_server, migrated_template, workers=0) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def indexed(running: Running) -> Shop:
    """With three documents in the index."""
    made = await new_shop(running)
    for number in range(3):
        await upsert(made, str(number), f"Tea number {number}.", language="en")
    await wait_until_indexed(made)
    return made


def changed(source: str, *ids: str) -> pb.IndexScope:
    return pb.IndexScope(changed=pb.IndexChanged(sources={source: pb.ChangedIds(ids=ids)}))


async def created(shop: Shop, scope: pb.IndexScope) -> pb.CreateIndexJobResponse:
    return await shop.client.create_index_job(pb.CreateIndexJobRequest(scope=scope))


async def watched(shop: Shop, job: pb.IndexJob) -> list[pb.IndexJob]:
    """Every snapshot until the job ends."""
    request = pb.WatchIndexJobRequest(index_job_id=job.index_job_id)
    return [one.index_job async for one in shop.client.watch_index_job(request)]


async def got(shop: Shop, job: pb.IndexJob) -> pb.IndexJob:
    request = pb.GetIndexJobRequest(index_job_id=job.index_job_id)
    return (await shop.client.get_index_job(request)).index_job


async def test_watch_shows_the_job_until_it_has_ended(indexed: Shop) -> None:
    response = await created(indexed, ALL)
    assert not response.joined
    snapshots = await watched(indexed, response.index_job)
    assert [one.scope for one in snapshots] == [ALL] * len(snapshots)
    last = snapshots[-1]
    assert last.state == pb.INDEX_JOB_STATE_COMPLETED
    assert (last.progress.total_count, last.progress.processed_count, last.progress.skipped_count) == (
        3,
        3,
        3,
    )
    assert last.create_time.ToDatetime() <= last.start_time.ToDatetime() <= last.end_time.ToDatetime()
    assert await got(indexed, response.index_job) == last
    assert await watched(indexed, response.index_job) == [last]


async def test_job_goes_on_when_its_watcher_leaves(indexed: Shop) -> None:
    job = (await created(indexed, ALL)).index_job
    request = pb.WatchIndexJobRequest(index_job_id=job.index_job_id)
    async with aclosing(indexed.client.watch_index_job(request)) as snapshots:
        await anext(snapshots)
    assert (await watched(indexed, job))[-1].state == pb.INDEX_JOB_STATE_COMPLETED


async def test_second_start_joins_the_job_that_runs(idle: Running) -> None:
    shop = await new_shop(idle)
    responses = await asyncio.gather(*(created(shop, scope) for scope in (ALL, MISSING, REBUILD, ALL)))
    assert len({one.index_job.index_job_id for one in responses}) == 1
    assert sorted(one.joined for one in responses) == [False, True, True, True]


async def test_jobs_of_two_tenants_do_not_join(idle: Running) -> None:
    first, second = await new_shop(idle), await new_shop(idle)
    await created(first, ALL)
    assert not (await created(second, ALL)).joined


async def test_next_rebuild_waits_for_the_cooldown(indexed: Shop) -> None:
    await watched(indexed, (await created(indexed, REBUILD)).index_job)
    failure = await failure_of(created(indexed, REBUILD))
    assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY")
    assert failure.retry_after_seconds is not None
    assert COOLDOWN_SECONDS - 60 < failure.retry_after_seconds <= COOLDOWN_SECONDS
    assert not (await created(indexed, ALL)).joined


async def test_cooldown_ends(postgres_server: Embedded, migrated_template: str) -> None:
    async with shared_service(postgres_server, migrated_template, index_job_cooldown_seconds=0.0) as running:
        shop = await new_shop(running)
        await watched(shop, (await created(shop, REBUILD)).index_job)
        assert not (await created(shop, REBUILD)).joined


async def test_jobs_are_listed_newest_first_page_by_page(indexed: Shop) -> None:
    ids = []
    for _ in range(3):
        ids.append((await created(indexed, MISSING)).index_job)
        await watched(indexed, ids[-1])
    assert await listed(indexed) == [one.index_job_id for one in reversed(ids)]


async def listed(shop: Shop) -> list[str]:
    """Ids of all pages, two jobs a page."""
    request = pb.ListIndexJobsRequest(page_size=2)
    found: list[str] = []
    while True:
        page = await shop.client.list_index_jobs(request)
        assert len(page.index_jobs) <= 2
        found += [one.index_job_id for one in page.index_jobs]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_cancelling_is_safe_to_repeat(idle: Running) -> None:
    shop = await new_shop(idle)
    job = (await created(shop, ALL)).index_job
    request = pb.CancelIndexJobRequest(index_job_id=job.index_job_id)
    for _ in range(2):
        response = await shop.client.cancel_index_job(request)
        assert response.index_job.state == pb.INDEX_JOB_STATE_CANCELLING


async def test_wrong_requests_name_their_field(indexed: Shop) -> None:
    with refused("INVALID_ARGUMENT", field="scope"):
        await created(indexed, pb.IndexScope())
    with refused("INVALID_ARGUMENT", field="scope.changed.sources"):
        await created(indexed, pb.IndexScope(changed=pb.IndexChanged()))
    with refused("INVALID_ARGUMENT", field="scope.changed.sources[orders]"):
        await created(indexed, changed("orders", "1"))
    with refused("INVALID_ARGUMENT", field="scope.changed.sources[orders].ids"):
        await created(indexed, changed("orders", ""))
    with refused("INVALID_ARGUMENT", field="scope.changed.sources[orders].ids"):
        await created(indexed, changed("orders", *map(str, range(10_001))))
    with refused("INVALID_ARGUMENT", field="index_job_id"):
        await got(indexed, pb.IndexJob(index_job_id="first"))
    with refused("NOT_FOUND"):
        await got(indexed, pb.IndexJob(index_job_id=str(uuid.uuid4())))
    with refused("NOT_FOUND"):
        await watched(indexed, pb.IndexJob(index_job_id=str(uuid.uuid4())))


async def test_reading_key_may_look_and_not_start(running: Running, indexed: Shop) -> None:
    job = (await created(indexed, MISSING)).index_job
    key = await new_key(running, [tenants_pb.SCOPE_TENANT_READ], tenant_id=indexed.tenant_id)
    reader = Client(running.channel, bearer(key))
    await reader.get_index_job(pb.GetIndexJobRequest(index_job_id=job.index_job_id))
    with refused("PERMISSION_DENIED"):
        await reader.create_index_job(pb.CreateIndexJobRequest(scope=ALL))
    with refused("PERMISSION_DENIED"):
        await reader.cancel_index_job(pb.CancelIndexJobRequest(index_job_id=job.index_job_id))


async def commanded(running: Running, shop: Shop, *arguments: str) -> int:
    """The exit code of `kladez reindex`."""
    where = ("--address", f"127.0.0.1:{running.port}", "--key", shop.key)
    with capture_logs():  # the service's own, which would stand between the command's lines
        return await asyncio.to_thread(main.run, ["reindex", *arguments, *where])


def said(capsys: pytest.CaptureFixture[str]) -> Sequence[str]:
    return capsys.readouterr().out.splitlines()


def silent(capsys: pytest.CaptureFixture[str]) -> None:
    """Forgets what the service logged before the command."""
    capsys.readouterr()


async def test_command_watches_the_job_to_its_end(
    running: Running, indexed: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    silent(capsys)
    assert await commanded(running, indexed, "--mode", "all", "--json") == ExitCode.OK
    job = json.loads(capsys.readouterr().out)
    assert job["state"] == "INDEX_JOB_STATE_COMPLETED"
    assert (job["progress"]["total_count"], job["progress"]["skipped_count"]) == ("3", "3")


async def test_command_lists_jobs_for_people(
    running: Running, indexed: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    job = (await created(indexed, ALL)).index_job
    await watched(indexed, job)
    silent(capsys)
    assert await commanded(running, indexed, "--list") == ExitCode.OK
    [line] = said(capsys)
    assert line.split("\t")[:3] == [job.index_job_id, "all", "completed"]


async def test_command_names_the_source_that_is_not_there(
    running: Running, indexed: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await commanded(running, indexed, "--changed", "orders=1,2") == ExitCode.USAGE
    assert "scope.changed.sources[orders]" in capsys.readouterr().err
    assert await commanded(running, indexed, "--changed", "orders", "--mode", "all") == ExitCode.USAGE


async def test_command_leaves_and_cancels_a_job(idle: Running, capsys: pytest.CaptureFixture[str]) -> None:
    shop = await new_shop(idle)
    assert await commanded(idle, shop, "--no-watch") == ExitCode.OK
    assert ["mode", "missing"] in [line.split("\t") for line in said(capsys)]
    [job_id] = await listed(shop)
    assert await commanded(idle, shop, "--cancel", job_id) == ExitCode.OK
    assert ["state", "cancelling"] in [line.split("\t") for line in said(capsys)]


async def test_second_rebuild_by_command_says_when_it_may_start(
    running: Running, indexed: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await commanded(running, indexed, "--mode", "rebuild") == ExitCode.OK
    assert await commanded(running, indexed, "--mode", "rebuild") == ExitCode.FAILED
    assert "Try again in" in capsys.readouterr().err


async def test_unknown_job_cannot_be_cancelled(running: Running, indexed: Shop) -> None:
    assert await commanded(running, indexed, "--cancel", str(uuid.uuid4())) == ExitCode.NOT_FOUND
