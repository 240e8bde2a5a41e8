"""The service's inner parts over a fake embeddings server, and plain SQL beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import class_row
from pydantic import SecretStr

from retrieval_service.composition.services import Service
from retrieval_service.domain.documents.documents import Draft
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.services.indexing.indexer import AtOnce, Indexer
from retrieval_service.services.retrieval.search import Found, Mode, Query
from retrieval_service.stores.database import Database
from retrieval_service.stores.queue import document_jobs
from retrieval_service.stores.queue.document_jobs import Job
from retrieval_service.worker.staffing import new_indexer, new_worker
from retrieval_service.worker.worker import Worker
from tests.conftest import temporary_database
from tests.fakes.openai.fake import FakeOpenAI
from tests.fakes.openai.faults import Fault
from tests.fakes.openai.server import running_openai
from tests.kits.service_kit import measured_service, settings_for_tests

WAIT_SECONDS = 30.0
DIMENSIONS = 64
EMBEDDINGS = "/embeddings"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """An opened service without a running worker, its embeddings server, and a superuser's connection."""

    service: Service
    fake: FakeOpenAI
    sql: AsyncConnection

    async def tenant(self) -> UUID:
        return (await self.service.manager.create_tenant("Tea shop", TenantSettings())).id

    async def put(self, tenant_id: UUID, external_id: str, content: str, **fields: Any) -> UUID:
        """Stores a document through the importer; returns its id."""
        draft = Draft(source_type="article", external_id=external_id, content=content, **fields)
        document, _ = await self.service.importer.upsert(tenant_id, draft)
        return document.id

    async def indexed(self, tenant_id: UUID) -> None:
        """Returns once no job of the tenant waits or is worked on."""
        await until(lambda: self._is_idle(tenant_id))

    async def found(self, tenant_id: UUID, text: str, mode: Mode = Mode.HYBRID) -> Found:
        return await self.service.searcher.search(tenant_id, Query(text=text, mode=mode))

    async def texts(self, tenant_id: UUID, document_id: UUID) -> list[str]:
        """The document's chunks in order."""
        cursor = await self.sql.execute(CHUNK_TEXTS, (tenant_id, document_id))
        return [row[0] for row in await cursor.fetchall()]

    def embedded_texts(self) -> list[str]:
        """Every text the embeddings server was asked for, repetitions included."""
        return [text for one in self.fake.journal.exchanges for text in as_list(one.body.get("input", []))]

    def fail_embedding(self, times: int, status: int = 500) -> None:
        """The next requests fail, and the client is told that it need not wait."""
        headers = {"retry-after-ms": "1"}
        self.fake.fail(Fault(path=EMBEDDINGS, times=times, status=status, headers=headers))

    async def _is_idle(self, tenant_id: UUID) -> bool:
        return not any(job.status in {"pending", "processing"} for job in await jobs_of(self.sql, tenant_id))


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """What a test looks at in a job."""

    id: int
    document_id: UUID
    action: str
    status: str
    attempts: int
    last_error: str
    seconds_until_due: float


CHUNK_TEXTS = "SELECT text FROM chunks WHERE tenant_id = %s AND document_id = %s ORDER BY chunk_index"

JOBS = """
SELECT id, document_id, action, status, attempts, last_error,
    extract(epoch FROM scheduled_at - clock_timestamp())::float8 AS seconds_until_due
FROM document_sync_jobs WHERE tenant_id = %s ORDER BY id
"""

WAITING_FOR_LOCKS = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""

LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN kladez_jobs' AND datname = current_database()"

INSERT_MANY = """
INSERT INTO documents (tenant_id, source_type, external_id, content)
SELECT %s, 'article', number::text, 'Tea.' FROM generate_series(1, %s) AS number
"""

INSERT_DOCUMENT = """
INSERT INTO documents (tenant_id, source_type, external_id, content) VALUES (%s, 'article', %s, %s) RETURNING id
"""


@contextmanager
def shared_database(server: Embedded, template: str) -> Iterator[str]:
    """For the tests of one module: they empty it, because making one takes longer than most of them."""
    with temporary_database(server, template=template) as dsn:
        yield dsn


def emptied(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        connection.execute("TRUNCATE tenants, document_sync_jobs CASCADE")
    return dsn


@asynccontextmanager
async def open_bench(dsn: str, **changes: Any) -> AsyncIterator[Bench]:
    """`changes` are settings; chunks are embedded with short vectors by the fake server."""
    async with running_openai() as fake, await AsyncConnection.connect(dsn, autocommit=True) as connection:
        embedder = {
            "embedder": "openai",
            "openai_api_key": SecretStr("test"),
            "openai_base_url": fake.base_url,
        }
        defaults = {**embedder, "embedding_dimensions": DIMENSIONS, "job_poll_seconds": 30.0}
        settings = await asyncio.to_thread(settings_for_tests, **{**defaults, **changes})
        async with measured_service(settings, dsn) as service:
            yield Bench(service=service, fake=fake, sql=connection)


@asynccontextmanager
async def working(service: Service) -> AsyncIterator[Worker]:
    """The service's own worker, for as long as the block runs."""
    async with running(new_worker(service)) as worker:
        yield worker


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[Worker]:
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()


async def insert(
    connection: AsyncConnection, tenant_id: UUID, external_id: str, content: str = "Tea."
) -> UUID:
    """A document as any other program would write it."""
    cursor = await connection.execute(INSERT_DOCUMENT, (tenant_id, external_id, content))
    [row] = await cursor.fetchall()
    return row[0]


async def jobs_of(connection: AsyncConnection, tenant_id: UUID) -> Sequence[JobRow]:
    """The tenant's jobs in the order in which they were made."""
    async with connection.cursor(row_factory=class_row(JobRow)) as cursor:
        await cursor.execute(JOBS, (tenant_id,))
        return await cursor.fetchall()


async def claim(
    database: Database,
    worker: str = "one",
    limit: int = 32,
    *,
    after: UUID = document_jobs.NOBODY,
    is_large: bool = False,
) -> list[Job]:
    ask = document_jobs.Ask(limit=limit, after=after, is_large=is_large)
    async with database.operator() as operator:
        return await document_jobs.claim(operator, ask, worker=worker, lease_seconds=60)


async def finish(database: Database, job: Job, worker: str = "one") -> bool:
    async with database.tenant(job.tenant_id) as scope:
        return await document_jobs.finish(scope, job, worker=worker)


async def fail(database: Database, job: Job, *, attempts_allowed: int = 5) -> str:
    """As the worker "one", for an hour's wait."""
    async with database.tenant(job.tenant_id) as scope:
        return await document_jobs.fail(
            scope,
            job,
            worker="one",
            error="no luck",
            delay_seconds=3_600,
            max_attempts=attempts_allowed,
            final=False,
        )


async def recover(database: Database, worker: str = "") -> int:
    async with database.operator() as operator:
        return await document_jobs.recover(operator, worker=worker)


async def states(connection: AsyncConnection, tenant_id: UUID) -> list[str]:
    """The states of the tenant's jobs, sorted."""
    return sorted(job.status for job in await jobs_of(connection, tenant_id))


def indexer(bench: Bench, name: str = "one") -> Indexer:
    """What a worker of this name would index with."""
    return new_indexer(bench.service, name, AtOnce(bench.service.embedders, bench.service.policy))


async def value(
    connection: AsyncConnection, statement: LiteralString | sql.Composed, *parameters: object
) -> Any:
    """The first column of the only row."""
    cursor = await connection.execute(statement, parameters)
    [row] = await cursor.fetchall()
    return row[0]


async def is_blocked(dsn: str) -> bool:
    """Whether somebody waits for a lock that another one holds."""
    async with await AsyncConnection.connect(dsn) as connection:
        return await value(connection, WAITING_FOR_LOCKS) > 0


async def is_listening(bench: Bench) -> bool:
    """Whether a worker is woken by what happens from now on."""
    return await value(bench.sql, LISTENERS) > 0


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = WAIT_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the database gives no event
            await asyncio.sleep(0.02)


def as_list(texts: str | list[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else texts
