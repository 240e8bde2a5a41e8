"""Starting and migrating while others work: nobody is stopped, nobody fails, and whoever changes something waits."""

from __future__ import annotations

import asyncio
import shutil
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import search_service_pb2 as search_pb
from psycopg import AsyncConnection, sql

from retrieval_service import errors
from retrieval_service.composition.opening import open_service
from retrieval_service.services.indexing.own_indexes import Promoter
from retrieval_service.stores.schema import inspection, schema
from retrieval_service.stores.tenants import spaces
from tests.kits.indexing_kit import until, value
from tests.kits.service_kit import (
    Running,
    Shop,
    new_shop,
    running_service,
    settings_for_tests,
    upsert,
    wait_until_indexed,
)

# Several servers and processes on a machine that also does something else.
pytestmark = pytest.mark.timeout(600)

REVISIONS = schema.revisions()
LONGEST_WAIT_SECONDS = 1.0
OLD_READER_SECONDS = 3.0

# What the migrations of a later program might do, to tables that everybody uses.
WIDER = '''
"""Columns and a table that only a later program knows."""

from alembic import op

revision = "9001"
down_revision = "{head}"

UP = """
ALTER TABLE documents ADD COLUMN later text NOT NULL DEFAULT '';
ALTER TABLE chunks ADD COLUMN later text NOT NULL DEFAULT '';
ALTER TABLE chat_logs ADD COLUMN later text NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN later text NOT NULL DEFAULT '';
CREATE TABLE coupons (tenant_id uuid NOT NULL REFERENCES tenants (id), code text, PRIMARY KEY (tenant_id, code))
"""
DOWN = """
DROP TABLE coupons;
ALTER TABLE tenants DROP COLUMN later;
ALTER TABLE chat_logs DROP COLUMN later;
ALTER TABLE chunks DROP COLUMN later;
ALTER TABLE documents DROP COLUMN later
"""


def upgrade():
    op.execute(UP)


def downgrade():
    op.execute(DOWN)
'''
INDEXED = '''
"""Indexes that only a later program needs."""

from retrieval_service.migrations import indexes

revision = "9002"
down_revision = "9001"


def upgrade():
    indexes.create("chunks_later", "ON chunks (tenant_id, language)")
    indexes.create("chat_logs_later", "ON chat_logs (tenant_id, language)")


def downgrade():
    indexes.drop("chunks_later")
    indexes.drop("chat_logs_later")
'''


@pytest.fixture
def later_scripts(tmp_path: Path) -> Path:
    """The migrations of a later program."""
    scripts = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, scripts)
    (scripts / "versions" / "9001_wider.py").write_text(textwrap.dedent(WIDER).format(head=REVISIONS[-1]))
    (scripts / "versions" / "9002_indexed.py").write_text(textwrap.dedent(INDEXED))
    return scripts


@pytest.fixture
async def busy(database_dsn: str) -> AsyncIterator[Running]:
    async with running_service(database_dsn) as service:
        yield service


@dataclass
class Work:
    """What callers did meanwhile, and the longest that a session of theirs waited for a lock."""

    counts: dict[str, int] = field(default_factory=dict)
    longest_wait: float = 0.0


WAITS = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::float8
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE NOT l.granted AND a.datname = current_database() AND a.usename LIKE 'kladez_service%%'
"""


@asynccontextmanager
async def worked(running: Running) -> AsyncIterator[Work]:
    """Searches, writes and answers in turn, in three loops; the first that fails ends the block."""
    shop, work = await new_shop(running), Work()
    await upsert(shop, "tea", "Green tea is steamed, black tea is left to wither.", language="en")
    await wait_until_indexed(shop)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for name, call in (("searches", searched), ("writes", written), ("answers", answered)):
            group.create_task(repeated(work, name, shop, call, stop))
        group.create_task(watched(running.dsn, work, stop))
        yield work
        stop.set()
    await wait_until_indexed(shop)


async def repeated(
    work: Work, name: str, shop: Shop, call: Callable[[Shop, int], Awaitable[None]], stop: asyncio.Event
) -> None:
    while not stop.is_set():
        work.counts[name] = work.counts.get(name, 0) + 1
        await call(shop, work.counts[name])


async def searched(shop: Shop, number: int) -> None:
    found = await shop.client.search(
        search_pb.SearchRequest(query=f"how is green tea made {number}", page_size=3)
    )
    assert found.hits


async def written(shop: Shop, number: int) -> None:
    await upsert(shop, f"note {number % 50}", f"Note {number}: the kettle boils.", language="en")


async def answered(shop: Shop, number: int) -> None:
    request = answers_pb.StreamAnswerRequest(question=f"Is green tea steamed? {number}", language="en")
    events = [event async for event in shop.client.stream_answer(request)]
    assert events[-1].completed.answer.text


async def watched(dsn: str, work: Work, stop: asyncio.Event) -> None:
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        while not stop.is_set():
            work.longest_wait = max(work.longest_wait, await value(connection, WAITS))
            await asyncio.sleep(0.02)


@asynccontextmanager
async def old_reader(dsn: str) -> AsyncIterator[AsyncConnection]:
    """A transaction that has read every table and stays open, as a backup's does."""
    async with await AsyncConnection.connect(dsn) as connection:
        for table in ("documents", "chunks", "chat_logs", "tenants", "chunk_vectors_1"):
            await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        yield connection


async def has_waited(work: Work, doing: asyncio.Task[None], dsn: str) -> None:
    """For a while beside an old reader; what is being done must not have ended before him."""
    async with old_reader(dsn):
        before = dict(work.counts)
        await asyncio.sleep(OLD_READER_SECONDS)
        assert not doing.done(), doing
        assert all(work.counts[name] > before[name] for name in before), "somebody stood still"


async def test_work_goes_on_while_migrations_go_forward_and_back(busy: Running, later_scripts: Path) -> None:
    dsn = busy.dsn
    async with worked(busy) as work:
        for _ in range(2):
            await schema.upgrade(dsn, scripts=later_scripts)
            assert await schema.current(dsn) == "9002"
            await schema.downgrade(dsn, REVISIONS[-1], scripts=later_scripts)
    assert await schema.current(dsn) == REVISIONS[-1]
    assert work.longest_wait < LONGEST_WAIT_SECONDS
    assert min(work.counts.values()) > 3


async def test_migration_waits_for_an_old_reader_and_nobody_waits_for_the_migration(
    busy: Running, later_scripts: Path
) -> None:
    dsn = busy.dsn
    async with worked(busy) as work:
        async with old_reader(dsn):
            forward = asyncio.create_task(schema.upgrade(dsn, scripts=later_scripts))
            await has_waited(work, forward, dsn)
        await forward
        async with old_reader(dsn):
            back = asyncio.create_task(schema.downgrade(dsn, REVISIONS[-1], scripts=later_scripts))
            await has_waited(work, back, dsn)
        await back
    assert work.longest_wait < LONGEST_WAIT_SECONDS


async def test_second_process_starts_beside_an_index_build_and_an_old_reader(busy: Running) -> None:
    settings = await asyncio.to_thread(settings_for_tests, migrate=False)
    async with worked(busy) as work, await AsyncConnection.connect(busy.dsn) as builder:
        await builder.execute("LOCK TABLE chunk_vectors_1, chunks, documents IN SHARE UPDATE EXCLUSIVE MODE")
        async with old_reader(busy.dsn), asyncio.timeout(60):
            for _ in range(3):
                async with open_service(settings, busy.dsn):
                    pass
    assert work.longest_wait < LONGEST_WAIT_SECONDS


async def test_new_space_gets_its_table_while_others_write(busy: Running) -> None:
    known = busy.service.embedder.space
    async with worked(busy) as work, busy.service.database.owner() as owner, old_reader(busy.dsn):
        for dimensions in (8, 9, 10):
            await spaces.register(owner, replace(known, model=f"m{dimensions}", dimensions=dimensions))
    assert work.longest_wait < LONGEST_WAIT_SECONDS


class TestRefusals:
    async def test_older_schema_is_refused_unless_it_may_be_brought_forward(
        self, empty_database_dsn: str
    ) -> None:
        older = REVISIONS[-2]
        await schema.upgrade(empty_database_dsn, older)
        with pytest.raises(errors.Misconfigured, match=f"at {older}.*kladez migrate.*KLADEZ_MIGRATE"):
            await schema.prepare(empty_database_dsn, migrates=False)
        assert await schema.current(empty_database_dsn) == older
        await schema.prepare(empty_database_dsn, migrates=True)
        assert await schema.current(empty_database_dsn) == REVISIONS[-1]

    async def test_empty_database_is_refused(self, empty_database_dsn: str) -> None:
        with pytest.raises(errors.Misconfigured, match="at nothing"):
            await schema.prepare(empty_database_dsn, migrates=False)

    @pytest.mark.parametrize("migrates", [True, False])
    async def test_newer_schema_is_told_and_left_alone(
        self, database_dsn: str, later_scripts: Path, migrates: bool
    ) -> None:
        await schema.upgrade(database_dsn, scripts=later_scripts)
        with pytest.raises(errors.Misconfigured, match=r"at 9002, which this program does not know"):
            await schema.prepare(database_dsn, migrates=migrates)
        assert await schema.current(database_dsn) == "9002"


class TestHalfBuiltIndexes:
    async def test_build_that_dies_of_a_deadlock_is_repeated_at_once(self, busy: Running) -> None:
        shop = await new_shop(busy)
        await upsert(shop, "tea", "Tea.")
        await wait_until_indexed(shop)
        promoter = Promoter(busy.service.database, own_index_chunks=1)
        async with await AsyncConnection.connect(busy.dsn) as rival:
            await rival.execute("SET LOCAL deadlock_timeout = '1h'")
            await rival.execute("LOCK TABLE chunk_vectors_1 IN ROW EXCLUSIVE MODE")
            building = asyncio.create_task(promoter.promote_and_demote())
            await until(lambda: waits(busy.dsn))
            # It waits for the rival, who from now on waits for it.
            await rival.execute("LOCK TABLE chunk_vectors_1 IN SHARE UPDATE EXCLUSIVE MODE")
            await rival.rollback()
        await building
        async with busy.service.database.owner() as owner:
            assert list((await spaces.tenant_indexes(owner, 1)).values()) == [True]

    async def test_index_of_any_table_that_is_half_built_is_built_again(self, busy: Running) -> None:
        async with await AsyncConnection.connect(busy.dsn, autocommit=True) as connection:
            await connection.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN"
                " ('documents_by_age'::regclass, 'chat_logs_by_time'::regclass)"
            )
            await connection.execute("CREATE INDEX documents_ccnew1 ON documents (title)")
            await connection.execute("ALTER TABLE documents OWNER TO kladez_owner_postgres")
            await connection.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'documents_ccnew1'::regclass"
            )
            assert len(await inspection.invalid_indexes(connection)) == 3
            await Promoter(busy.service.database, own_index_chunks=1_000).promote_and_demote()
            assert await inspection.invalid_indexes(connection) == []
            assert await value(connection, "SELECT to_regclass('documents_ccnew1') IS NULL")
            assert await value(
                connection, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'documents_by_age'::regclass"
            )

    async def test_index_that_somebody_is_building_is_left_to_him(self, busy: Running) -> None:
        async with await AsyncConnection.connect(busy.dsn) as connection:
            await connection.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'documents_by_age'::regclass"
            )
            await connection.commit()
            await connection.execute("LOCK TABLE documents IN SHARE UPDATE EXCLUSIVE MODE")
            async with busy.service.database.owner() as owner:
                assert await inspection.invalid_indexes(owner) == []
            await connection.rollback()


BUILDERS_THAT_WAIT = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND query LIKE '%%CONCURRENTLY%%' AND datname = current_database()
"""


async def waits(dsn: str) -> bool:
    """Whether an index build waits for a transaction."""
    async with await AsyncConnection.connect(dsn) as connection:
        return await value(connection, BUILDERS_THAT_WAIT) > 0
