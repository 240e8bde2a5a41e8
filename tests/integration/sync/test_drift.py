"""Damage at the provider is named, mended once, and then there is nothing left to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest

from retrieval_service import errors
from retrieval_service.domain.sync.drift import Kind
from retrieval_service.services.operations.schedules import drift_watch
from retrieval_service.services.sync.backlog import Overseer
from retrieval_service.services.sync.drift_repair import Mender
from tests.fakes.openai import Fate, Fault
from tests.fakes.openai.storage import Entry, KeptFile, Storage
from tests.kits.indexing_kit import Bench, value, working
from tests.kits.remote_sync_kit import (
    assert_in_step,
    insert_documents,
    mirrored_tenant,
    open_remote_bench,
    swept,
    synced,
)

COUNT = 100
FEW = 12
SAFE = frozenset({"GET"})
CHUNKING = {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 80}


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A bench with a mirrored tenant whose documents are all in step."""

    bench: Bench
    mender: Mender
    tenant_id: UUID
    ids: Sequence[UUID]

    @property
    def storage(self) -> Storage:
        return self.bench.fake.storage

    def file_of(self, number: int) -> KeptFile:
        """The file of the document with this number in the order of their making."""
        start = str(self.ids[number])
        return next(file for file in self.storage.files.values() if file.name.startswith(start))

    def entry_of(self, number: int) -> Entry:
        file_id = self.file_of(number).file_id
        return next(entry for entry in self.storage.entries.values() if entry.file_id == file_id)

    def writes(self) -> int:
        """Requests that could change anything of what is kept there; searches and embeddings are none."""
        kept = (one for one in self.bench.fake.journal.exchanges if not one.path.endswith("/embeddings"))
        return sum(one.method not in SAFE for one in kept)

    async def drained(self) -> None:
        async with working(self.bench.service):
            await synced(self.bench)
            await swept(self.bench)


@pytest.fixture
async def damaged(database_dsn: str) -> AsyncIterator[Damaged]:
    async with prepared(database_dsn, FEW) as few:
        yield few


@pytest.fixture
async def hundred(database_dsn: str) -> AsyncIterator[Damaged]:
    async with prepared(database_dsn, COUNT) as many:
        yield many


@asynccontextmanager
async def prepared(dsn: str, count: int) -> AsyncIterator[Damaged]:
    async with open_remote_bench(dsn) as bench:
        tenant_id = await mirrored_tenant(bench)
        ids = await insert_documents(bench, tenant_id, count)
        mender = Mender(bench.service.database, bench.service.backend)
        in_step = Damaged(bench=bench, mender=mender, tenant_id=tenant_id, ids=ids)
        await in_step.drained()
        await assert_in_step(bench, tenant_id, ids)
        yield in_step


def leave_store(damaged: Damaged, number: int) -> Kind:
    entry = damaged.entry_of(number)
    damaged.storage.detach(entry.store_id, entry.file_id)
    return Kind.MISSING


def delete_file(damaged: Damaged, number: int) -> Kind:
    damaged.storage.delete_file(damaged.file_of(number).file_id)
    return Kind.MISSING


def change_attributes(damaged: Damaged, number: int) -> Kind:
    entry = damaged.entry_of(number)
    entry.attributes = {**entry.attributes, "language": "pt"}
    return Kind.ATTRIBUTES


def change_revision(damaged: Damaged, number: int) -> Kind:
    damaged.file_of(number).name = f"{damaged.ids[number]}@{'0' * 12}.md"
    return Kind.CONTENT


def fail_file(damaged: Damaged, number: int) -> Kind:
    damaged.entry_of(number).fate = Fate(error_code="server_error")
    return Kind.STUCK


def stick_file(damaged: Damaged, number: int) -> Kind:
    damaged.entry_of(number).fate = Fate(is_stuck=True)
    return Kind.STUCK


def upload_again(damaged: Damaged, number: int) -> Kind:
    copied(damaged, number)
    return Kind.ORPHAN


def duplicate(damaged: Damaged, number: int) -> Kind:
    entry = damaged.entry_of(number)
    copy = copied(damaged, number)
    damaged.storage.attach(entry.store_id, copy.file_id, entry.attributes, CHUNKING)
    return Kind.DUPLICATE


def replace_by_twin(damaged: Damaged, number: int) -> Kind:
    """The file itself is gone, and one that is as good stands in its place."""
    old = damaged.file_of(number).file_id
    duplicate(damaged, number)
    damaged.storage.delete_file(old)
    return Kind.UNKNOWN_FILE


def attach_foreign(damaged: Damaged, number: int) -> Kind:
    foreign = kept(damaged, f"file-foreign-{number}", f"notes-{number}.md")
    damaged.storage.attach(damaged.entry_of(number).store_id, foreign.file_id, {}, CHUNKING)
    return Kind.EXTRA


WAYS = (
    leave_store,
    delete_file,
    change_attributes,
    change_revision,
    fail_file,
    stick_file,
    upload_again,
    duplicate,
    replace_by_twin,
    attach_foreign,
)


def copied(damaged: Damaged, number: int) -> KeptFile:
    original = damaged.file_of(number)
    return kept(damaged, f"file-copy-{number}", original.name)


def kept(damaged: Damaged, file_id: str, name: str) -> KeptFile:
    file = KeptFile(
        file_id=file_id, name=name, purpose="assistants", content=b"Tea.", created_at=damaged.storage.now()
    )
    damaged.storage.files[file_id] = file
    return file


async def test_hundred_damaged_files_are_named_mended_once_and_then_left_alone(hundred: Damaged) -> None:
    damage = [WAYS[number % len(WAYS)] for number in range(COUNT)]
    expected = sorted(way(hundred, number) for number, way in enumerate(damage))
    writes = hundred.writes()
    told = await hundred.mender.look(hundred.tenant_id)
    assert sorted(finding.kind for finding in told.comparison.findings) == expected
    assert hundred.writes() == writes
    repaired = await hundred.mender.repair(hundred.tenant_id)
    assert repaired.comparison == told.comparison
    assert repaired.queued_count == COUNT - repaired.removed_count
    await hundred.drained()
    assert (await hundred.mender.look(hundred.tenant_id)).comparison.findings == ()
    await assert_only_foreign_files_are_left(hundred, COUNT // len(WAYS))
    writes = hundred.writes()
    assert (await hundred.mender.repair(hundred.tenant_id)).comparison.findings == ()
    await hundred.drained()
    assert hundred.writes() == writes


async def assert_only_foreign_files_are_left(damaged: Damaged, count: int) -> None:
    """What belongs to somebody else left the store and is still his; all else is exactly in step."""
    foreign = [file_id for file_id in damaged.storage.files if file_id.startswith("file-foreign")]
    assert len(foreign) == count
    for file_id in foreign:
        del damaged.storage.files[file_id]
    await assert_in_step(damaged.bench, damaged.tenant_id, damaged.ids)


@pytest.mark.parametrize("lose", ["delete", "expire"])
async def test_lost_store_is_made_anew_with_every_document(damaged: Damaged, lose: str) -> None:
    [store_id] = damaged.storage.stores
    if lose == "delete":
        damaged.storage.delete_store(store_id)
    else:
        damaged.storage.stores[store_id].is_expired = True
    report = await damaged.mender.repair(damaged.tenant_id)
    assert report.comparison.counts == {Kind.STORE_GONE: 1, Kind.MISSING: FEW}
    await damaged.drained()
    assert (await damaged.mender.look(damaged.tenant_id)).comparison.findings == ()
    damaged.storage.stores.pop(store_id, None)
    damaged.storage.entries = {key: one for key, one in damaged.storage.entries.items() if key[0] != store_id}
    await assert_in_step(damaged.bench, damaged.tenant_id, damaged.ids)


async def test_documents_on_their_way_are_no_difference(damaged: Damaged) -> None:
    await damaged.bench.sql.execute("UPDATE documents SET content = content || ' Ещё.'")
    writes = damaged.writes()
    assert (await damaged.mender.repair(damaged.tenant_id)).comparison.findings == ()
    assert damaged.writes() == writes


async def test_repair_beside_a_busy_worker_destroys_nothing(damaged: Damaged) -> None:
    async with working(damaged.bench.service):
        for number in range(3):
            await damaged.bench.sql.execute("UPDATE documents SET content = content || ' Mais.'")
            delete_file(damaged, number)
            for _ in range(3):
                await damaged.mender.repair(damaged.tenant_id)
        await synced(damaged.bench)
        await swept(damaged.bench)
    await damaged.mender.repair(damaged.tenant_id)
    await damaged.drained()
    assert (await damaged.mender.look(damaged.tenant_id)).comparison.findings == ()
    await assert_in_step(damaged.bench, damaged.tenant_id, damaged.ids)


async def test_two_repairs_at_once_do_the_work_of_one(damaged: Damaged) -> None:
    for number in range(10):
        delete_file(damaged, number)
    reports = await asyncio.gather(*[damaged.mender.repair(damaged.tenant_id) for _ in range(2)])
    assert sum(report.queued_count for report in reports) == 10
    await damaged.drained()
    await assert_in_step(damaged.bench, damaged.tenant_id, damaged.ids)


async def test_other_tenants_and_installations_are_never_touched(damaged: Damaged) -> None:
    neighbour = await mirrored_tenant(damaged.bench)
    await damaged.bench.put(neighbour, "own", "Сосед.")
    await damaged.drained()
    elsewhere = kept(damaged, "file-elsewhere", f"{UUID(int=77)}@{'1' * 12}.md")
    before = set(damaged.storage.files)
    delete_file(damaged, 1)
    await damaged.mender.repair(damaged.tenant_id)
    await damaged.drained()
    assert elsewhere.file_id in damaged.storage.files
    assert len(before & set(damaged.storage.files)) == len(before) - 1
    assert (await damaged.mender.look(neighbour)).comparison.findings == ()


async def test_files_of_deleted_and_purged_documents_go(damaged: Damaged) -> None:
    [store_id] = damaged.storage.stores
    entry = damaged.entry_of(0)
    attributes, file = dict(entry.attributes), damaged.file_of(0)
    await damaged.bench.sql.execute("UPDATE documents SET is_deleted = true WHERE id = %s", (damaged.ids[0],))
    await damaged.bench.sql.execute("DELETE FROM documents WHERE id = %s", (damaged.ids[1],))
    await damaged.drained()
    damaged.storage.files[file.file_id] = file
    damaged.storage.attach(store_id, file.file_id, attributes, CHUNKING)
    purged = kept(damaged, "file-purged", f"{damaged.ids[1]}@{'2' * 12}.md")
    damaged.storage.attach(
        store_id, purged.file_id, {**attributes, "document_id": str(damaged.ids[1])}, CHUNKING
    )
    report = await damaged.mender.repair(damaged.tenant_id)
    assert report.comparison.counts == {Kind.EXTRA: 2}
    await damaged.drained()
    await assert_in_step(damaged.bench, damaged.tenant_id, damaged.ids)


async def test_repair_is_written_into_the_log(damaged: Damaged) -> None:
    delete_file(damaged, 5)
    await damaged.mender.repair(damaged.tenant_id, request_id="req-1")
    overseer = Overseer(damaged.bench.service.database)
    entries = await overseer.log(
        damaged.tenant_id, before_id=2**63 - 1, document_id=damaged.ids[5], outcome="", limit=1
    )
    assert [(one.actor, one.action, one.outcome, one.request_id) for one in entries] == [
        ("repair", "repair_drift", "done", "req-1")
    ]


async def test_tenant_that_is_not_mirrored_is_refused(damaged: Damaged) -> None:
    other = await damaged.bench.tenant()
    with pytest.raises(errors.NotMirrored):
        await damaged.mender.look(other)


async def test_by_the_clock_every_mirrored_tenant_is_mended(damaged: Damaged) -> None:
    delete_file(damaged, 5)
    assert await drift_watch(damaged.mender, "0 4 * * *").run() == ""
    await damaged.drained()
    await assert_in_step(damaged.bench, damaged.tenant_id, damaged.ids)


async def test_sweep_lists_the_uploads_once_however_many_tenants_there_are(damaged: Damaged) -> None:
    alone = await listings_of_a_sweep(damaged)
    others = [await mirrored_tenant(damaged.bench) for _ in range(3)]
    ids = {tenant_id: await insert_documents(damaged.bench, tenant_id, 2) for tenant_id in others}
    await damaged.drained()
    delete_file(damaged, 5)
    assert await listings_of_a_sweep(damaged) == alone == 1
    await damaged.drained()
    # `assert_in_step` speaks of a project with one tenant; every document has exactly one file again.
    expected = {str(one) for one in [*damaged.ids, *(one for some in ids.values() for one in some)]}
    assert sorted(file.name[:36] for file in damaged.storage.files.values()) == sorted(expected)


async def listings_of_a_sweep(damaged: Damaged) -> int:
    exchanges = damaged.bench.fake.journal.exchanges
    begun = len(exchanges)
    assert await drift_watch(damaged.mender, "0 4 * * *").run() == ""
    return sum(one.method == "GET" and one.path.endswith("/v1/files") for one in exchanges[begun:])


async def test_schedule_says_which_tenant_could_not_be_mended(damaged: Damaged) -> None:
    damaged.bench.fake.fail(Fault(path="/v1/files", method="GET", status=401))
    problem = await drift_watch(damaged.mender, "0 4 * * *").run()
    assert str(damaged.tenant_id) in problem


async def test_without_a_provider_the_schedule_is_idle(damaged: Damaged) -> None:
    idle = Mender(damaged.bench.service.database, None)
    assert await drift_watch(idle, "0 4 * * *").run() == ""
    with pytest.raises(errors.BackendMissing):
        await idle.look(damaged.tenant_id)


async def test_log_is_kept_for_a_quarter_of_a_year(damaged: Damaged) -> None:
    await damaged.bench.sql.execute(
        "UPDATE sync_log SET happened_at = now() - make_interval(days => CASE WHEN id % 2 = 0 THEN 89 ELSE 91 END)"
    )
    kept_count = await value(damaged.bench.sql, "SELECT count(*) FROM sync_log WHERE id %% 2 = %s", 0)
    await Overseer(damaged.bench.service.database).forget_old()
    assert await value(damaged.bench.sql, "SELECT count(*) FROM sync_log") == kept_count > 0
