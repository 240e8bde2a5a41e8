"""The connection pool and its three doors: one tenant's rows, the operator's tables, the owner's schema."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from uuid import UUID

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg import AsyncConnection
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from retrieval_service import errors
from retrieval_service.stores.access import logins
from retrieval_service.stores.failures import told_apart, unavailable_when_lost
from retrieval_service.text import exact_json

Row = TypeVar("Row")

# Generic plans are up to 50 times slower for big tenants and never use a partial index.
# Iterative scans keep filtered searches of an HNSW index from coming back short.
OPTIONS = (
    "-c plan_cache_mode=force_custom_plan -c hnsw.ef_search=200 -c hnsw.iterative_scan=relaxed_order"
    " -c statement_timeout=60000 -c idle_in_transaction_session_timeout=60000 -c jit=off"
)

ENTER_TENANT = """
SELECT set_config('role', 'kladez_tenant', true), set_config('app.tenant_id', %(tenant_id)s::text, true)
"""

ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"

# A plan for any tenant has to find its rows by an index, and finds those of a big one the slow way.
ENTER_SMALL_TENANT = """
SELECT set_config('role', 'kladez_tenant', true), set_config('app.tenant_id', %(tenant_id)s::text, true),
    set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)
"""

LEAVE = "COMMIT"

# A crash of the database loses what was committed in its last half second, and never a part of a transaction.
FLUSH_LATER = ", set_config('synchronous_commit', 'off', true)"

ENTER_OPERATOR = "SET LOCAL ROLE kladez_operator"

# The server ends a session some time after we do, and whoever comes next would find its locks still held.
UNLOCK = "SELECT pg_advisory_unlock_all()"


@dataclass(frozen=True, kw_only=True)
class PoolSize:
    """How many connections are kept, and how long a caller waits for one."""

    minimum: int = 2
    maximum: int = 8
    wait_seconds: float = 10.0


@dataclass(frozen=True, kw_only=True)
class TenantScope:
    """A transaction for one tenant; every statement names the tenant beside what row-level security does.

    Without the explicit condition the planner would not use a big tenant's own index.
    """

    connection: AsyncConnection
    tenant_id: UUID


@dataclass(frozen=True, kw_only=True)
class PoolFigures:
    """Connections of this process, and who waits for one."""

    in_use: int
    idle: int
    waiting: int


class Database:
    """The only way to a connection; every door but `owner()` is one transaction under row-level security."""

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection], owner_dsn: str, refusals: list[psycopg.Error]
    ) -> None:
        self._pool = pool
        self.owner_dsn = owner_dsn
        self._refusals = refusals

    def pool_figures(self) -> PoolFigures:
        figures = self._pool.get_stats()
        size, idle = figures.get("pool_size", 0), figures.get("pool_available", 0)
        return PoolFigures(in_use=size - idle, idle=idle, waiting=figures.get("requests_waiting", 0))

    @contextlib.asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[TenantScope]:
        """A transaction that sees and writes rows of this tenant and of nobody else."""
        async with self._transaction() as connection:
            async with connection.pipeline():  # with BEGIN, two statements for one wait
                await connection.execute(ENTER_TENANT, {"tenant_id": tenant_id})
            yield TenantScope(connection=connection, tenant_id=tenant_id)

    @contextlib.asynccontextmanager
    async def snapshot(self, tenant_id: UUID) -> AsyncIterator[TenantScope]:
        """Reads this tenant's rows as they were at one moment, however many statements it takes."""
        async with self._transaction() as connection, connection.pipeline():
            await connection.execute(ONE_MOMENT)
            await connection.execute(ENTER_TENANT, {"tenant_id": tenant_id})
            yield TenantScope(connection=connection, tenant_id=tenant_id)

    @contextlib.asynccontextmanager
    async def at_once(
        self, tenant_id: UUID, *, reuses_plans: bool = False, waits_for_disk: bool = True
    ) -> AsyncIterator[TenantScope]:
        """As `tenant`, with one wait for everything: what the statements return is fetched after the block.

        With `reuses_plans` each is planned once for all tenants: that is most of the time of a small tenant's
        search, and ruin for a big one's. Without `waits_for_disk` all others see the changes at once, and the
        next commit that does wait takes them along.
        """
        enter = ENTER_SMALL_TENANT if reuses_plans else ENTER_TENANT
        async with self._transaction() as connection, connection.pipeline():
            await connection.execute(
                enter if waits_for_disk else enter + FLUSH_LATER, {"tenant_id": tenant_id}
            )
            yield TenantScope(connection=connection, tenant_id=tenant_id)
            await connection.execute(LEAVE)

    @contextlib.asynccontextmanager
    async def operator(self) -> AsyncIterator[AsyncConnection]:
        """A transaction over all tenants, keys and jobs, without access to any document or chat."""
        async with self._transaction() as connection:
            await connection.execute(ENTER_OPERATOR)
            yield connection

    @contextlib.asynccontextmanager
    async def owner(self) -> AsyncIterator[AsyncConnection]:
        """A connection of its own that may change the schema; statements commit at once."""
        with unavailable_when_lost():
            async with await AsyncConnection.connect(self.owner_dsn, autocommit=True) as connection:
                try:
                    yield connection
                finally:
                    with contextlib.suppress(psycopg.Error):
                        await connection.execute(UNLOCK)

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        before = cancellations()
        with unavailable_when_lost(), refused_by(self._refusals):
            async with self._pool.connection() as connection:
                # wait_for of Python 3.11 loses a cancellation that comes together with the connection.
                if cancellations() > before:
                    raise asyncio.CancelledError
                yield connection


@contextlib.asynccontextmanager
async def open_database(dsn: str, size: PoolSize | None = None) -> AsyncIterator[Database]:
    """The pool logs in as a role that owns nothing, where there is one; raises `errors.Unavailable`."""
    size, refusals = size or PoolSize(), list[psycopg.Error]()
    doors = await logins.doors(dsn)
    pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
        doors.service,
        connection_class=remembering(refusals),
        min_size=size.minimum,
        max_size=size.maximum,
        timeout=size.wait_seconds,
        kwargs={"options": OPTIONS},
        configure=configure,
        open=False,
    )
    try:
        with unavailable_when_lost(), refused_by(refusals):
            await pool.open(wait=True, timeout=size.wait_seconds)
        yield Database(pool, doors.owner, refusals)
    finally:
        await pool.close()


def remembering(refusals: list[psycopg.Error]) -> type[AsyncConnection]:
    """Connections that write down why the last one could not be made; of the pool one only hears that none came."""

    class Remembering(AsyncConnection):
        @classmethod
        async def connect(cls, *arguments: Any, **options: Any) -> Self:
            try:
                connection = await super().connect(*arguments, **options)
            except psycopg.OperationalError as error:
                refusals[:] = [error]
                raise
            refusals.clear()
            return connection

    return Remembering


@contextlib.contextmanager
def refused_by(refusals: Sequence[psycopg.Error]) -> Iterator[None]:
    """Tells why the pool has no connection, where the server said so."""
    try:
        yield
    except PoolTimeout as error:
        if refusals and (told := told_apart(refusals[0])).reason != errors.Unavailable.reason:
            raise told from error
        raise


async def configure(connection: AsyncConnection) -> None:
    """Numbers in JSON go in and come out exactly; the driver's own way would round them to floats."""
    await register_vector_async(connection)
    set_json_dumps(exact_json.dumps_stored, connection)
    set_json_loads(exact_json.loads_stored, connection)
    await connection.commit()


def cancellations() -> int:
    """How many requests to cancel the current task stand open."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def only(row: Row | None) -> Row:
    """The row of a statement that always returns one."""
    if row is None:
        raise RuntimeError("a statement that always returns a row returned none")
    return row
