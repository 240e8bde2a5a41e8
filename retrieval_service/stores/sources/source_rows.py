"""Rows of other databases, read as they stood at one moment and never written.

The queries are an operator's own, so they are no literals here: they run with nothing but reading allowed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor, AsyncServerCursor, IsolationLevel, sql
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.rows import DictRow, dict_row
from psycopg.types.datetime import (
    DateLoader,
    IntervalLoader,
    TimeLoader,
    TimestampLoader,
    TimestamptzLoader,
    TimetzLoader,
)
from psycopg.types.json import set_json_loads

from retrieval_service import errors
from retrieval_service.domain.documents.source_rows import text_of
from retrieval_service.domain.documents.sources import Source
from retrieval_service.stores.database import only
from retrieval_service.text import exact_json

BATCH_ROWS = 500
# The column that is added to every row.
FINGERPRINT = "kladez_fingerprint"
CONNECT_SECONDS = 10
# Beyond the time that Postgres itself keeps to, for a server that keeps silent.
GRACE_SECONDS = 5
MAX_ERROR = 300
MOMENTS = {
    "date": DateLoader,
    "interval": IntervalLoader,
    "time": TimeLoader,
    "timetz": TimetzLoader,
    "timestamp": TimestampLoader,
    "timestamptz": TimestamptzLoader,
}

SETTINGS = """
SELECT set_config('statement_timeout', %(milliseconds)s, true), set_config('TimeZone', 'UTC', true)
"""
NOW = "SELECT now() AS now"


class SourceReader:
    """One transaction over a source's database."""

    def __init__(
        self, connection: AsyncConnection[DictRow], source: Source, *, timeout_seconds: float
    ) -> None:
        self._connection = connection
        self._source = source
        self._timeout_seconds = timeout_seconds

    async def moment(self) -> datetime:
        """By the clock of the source's database."""
        cursor = await self._connection.execute(NOW)
        return only(await cursor.fetchone())["now"]

    async def by_ids(self, ids: Sequence[str]) -> list[DictRow]:
        """The rows that still exist; ids are compared as the column's own type.

        Raises `SourceIdsRefused` when one of them is not of that type; fewer may be asked for then.
        """
        async with self._asking("ids_query"):
            try:
                async with self._connection.transaction():
                    cursor = await self._connection.execute(
                        self._source.ids_query.encode(), {"ids": _array(ids)}
                    )
                    return await cursor.fetchall()
            except psycopg.DataError as error:
                raise errors.SourceIdsRefused(f"source {self._source.name}: {_reason(error)}") from error

    async def rows(self, since: datetime | None) -> AsyncIterator[list[DictRow]]:
        """All rows in batches, or only those that were updated since, each with its `FINGERPRINT`."""
        moved = b"" if since is None else self._updated(since)
        async for batch in self._streamed(_fingerprinted(self._source, b"kladez_row.*") + moved):
            yield batch

    async def fingerprints(self) -> AsyncIterator[dict[str, int]]:
        """Of all rows in batches, by the rows' ids: a number that changes with anything in the row."""
        column = b"kladez_row." + self._identifier(self._source.id_column) + b" AS id"
        async for batch in self._streamed(_fingerprinted(self._source, column)):
            yield {text_of(row["id"]): row[FINGERPRINT] for row in batch}

    async def sample(self, limit: int) -> list[DictRow]:
        async with self._asking("all_query"):
            return await (await self._first(limit)).fetchall()

    async def unindexed(self, columns: Sequence[str]) -> list[str]:
        """Those of the columns that begin no index of the table they come from; expressions come from none."""
        async with self._asking("all_query"):
            cursor = await self._first(0)
        origins = _origins(cursor)
        read = {name: origins[name] for name in columns if any(origins.get(name, ()))}
        return [name for name, origin in read.items() if not await self._begins_index(*origin)]

    async def tables(self) -> list[str]:
        """The tables that the rows are read from, also behind views."""
        async with self._asking("all_query"):
            cursor = await self._connection.execute(b"EXPLAIN (FORMAT JSON) " + _limited(self._source, 1))
            return sorted(set(_relations(only(await cursor.fetchone())["QUERY PLAN"])))

    async def is_computed(self, column: str) -> bool:
        """Whether the column is an expression, and not a table's own."""
        async with self._asking("all_query"):
            return not any(_origins(await self._first(0)).get(column, ()))

    async def _first(self, limit: int) -> AsyncCursor[DictRow]:
        """Prepared, because what is prepared can be one statement only."""
        return await self._connection.execute(_limited(self._source, limit), prepare=True)

    async def _begins_index(self, table: int, column: int) -> bool:
        cursor = await self._connection.execute(BEGINS_INDEX, {"table": table, "column": column})
        return only(await cursor.fetchone())["found"]

    async def _streamed(self, query: bytes) -> AsyncIterator[list[DictRow]]:
        async with self._connection.cursor(name="kladez_source") as cursor:
            async with self._asking("all_query"):
                await cursor.execute(query)
            while batch := await self._next(cursor):
                yield batch

    async def _next(self, cursor: AsyncServerCursor[DictRow]) -> list[DictRow]:
        async with self._asking("all_query"):
            return await cursor.fetchmany(BATCH_ROWS)

    @contextlib.asynccontextmanager
    async def _asking(self, query: str) -> AsyncIterator[None]:
        """What Postgres refuses is the source's fault; what takes too long may do better later."""
        name = self._source.name
        try:
            async with asyncio.timeout(self._timeout_seconds + GRACE_SECONDS):
                yield
        except (TimeoutError, psycopg.errors.QueryCanceled) as error:
            raise errors.SourceUnavailable(f"source {name}: {query} took too long") from error
        except psycopg.OperationalError:
            raise
        except (psycopg.Error, UnicodeError) as error:
            raise errors.SourceFailed(f"source {name}: {query} failed: {_reason(error)}") from error

    def _updated(self, since: datetime) -> bytes:
        """Without parameters, so that a % in the declared query stays what it is."""
        column = self._identifier(self._source.updated_at_column)
        return b" WHERE kladez_row." + column + b" > " + sql.Literal(since).as_bytes(self._connection)

    def _identifier(self, name: str) -> bytes:
        return sql.Identifier(name).as_bytes(self._connection)


BEGINS_INDEX = """
SELECT EXISTS (SELECT FROM pg_index
    WHERE indrelid = %(table)s::oid AND indkey[0] = %(column)s AND indisvalid AND indpred IS NULL) AS found
"""


@contextlib.asynccontextmanager
async def open_reader(source: Source, dsn: str, *, timeout_seconds: float) -> AsyncIterator[SourceReader]:
    """A transaction of one moment that only reads; each statement has `timeout_seconds`.

    Raises `SourceUnavailable` when the database does not answer, or no longer.
    """
    with _unavailable_when_lost(source):
        async with await _connected(source, dsn) as connection:
            await connection.set_read_only(True)
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await connection.execute(SETTINGS, {"milliseconds": str(int(timeout_seconds * 1_000))})
            yield SourceReader(connection, source, timeout_seconds=timeout_seconds)


async def _connected(source: Source, dsn: str) -> AsyncConnection[DictRow]:
    try:
        connection = await AsyncConnection[DictRow].connect(
            dsn, row_factory=dict_row, connect_timeout=CONNECT_SECONDS, application_name="kladez"
        )
    except psycopg.Error:
        raise _silent(source) from None  # the driver's words may hold the address with its password
    for name, loader in MOMENTS.items():
        connection.adapters.register_loader(name, _or_text(loader))
    set_json_loads(exact_json.loads_stored, connection)
    return connection


def _or_text(loader_class: type[Loader]) -> type[Loader]:
    """Gives text for what Postgres knows and Python does not: infinity, 24:00, years before 1 and after 9999."""

    class OrText(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._loader = loader_class(oid, context)

        def load(self, data: Buffer) -> Any:
            try:
                return self._loader.load(data)
            except psycopg.DataError:
                return bytes(data).decode()

    return OrText


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:MAX_ERROR]


def _all(source: Source) -> bytes:
    return source.all_query.encode()


def _fingerprinted(source: Source, columns: bytes) -> bytes:
    """The rows as they are written out as text, whatever they are joined and counted from, tell every change."""
    fingerprint = b'hashtextextended(kladez_row::text COLLATE "C", 0) AS ' + FINGERPRINT.encode()
    return b"SELECT " + columns + b", " + fingerprint + b" FROM (" + _all(source) + b"\n) AS kladez_row"


def _relations(plan: Any) -> Iterator[str]:
    """The names of the tables in a plan; without recursion: plans are nested as deeply as queries."""
    waiting = [plan]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "Relation Name" in node:
                yield node["Relation Name"]
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _limited(source: Source, limit: int) -> bytes:
    return b"SELECT * FROM (" + _all(source) + b"\n) AS declared LIMIT " + str(limit).encode()


def _array(ids: Sequence[str]) -> str:
    """An array's text, whose type Postgres takes from what it is compared with."""
    quoted = (one.replace("\\", "\\\\").replace('"', '\\"') for one in ids)
    return "{" + ",".join(f'"{one}"' for one in quoted) + "}"


def _origins(cursor: AsyncCursor[DictRow]) -> dict[str, tuple[int, int]]:
    """Table and column, by their numbers in Postgres, that each column of the result is read from."""
    result = cursor.pgresult
    if result is None:
        return {}
    names = [column.name for column in cursor.description or ()]
    return {name: (result.ftable(index), result.ftablecol(index)) for index, name in enumerate(names)}


@contextlib.contextmanager
def _unavailable_when_lost(source: Source) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.QueryCanceled:
        raise
    except psycopg.OperationalError as error:
        raise _silent(source) from error


def _silent(source: Source) -> errors.SourceUnavailable:
    return errors.SourceUnavailable(
        f"the database of source {source.name} does not answer ({source.dsn_variable})"
    )
