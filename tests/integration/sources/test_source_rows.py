"""Reading other databases: nothing is written, nothing waits for ever, and no address is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import psycopg
import pytest

from retrieval_service import errors
from retrieval_service.domain.documents.sources import Source
from retrieval_service.stores.sources import source_rows
from retrieval_service.stores.sources.source_rows import SourceReader, open_reader


def source(all_query: str, **changes: str) -> Source:
    declared = {
        "name": "numbers",
        "dsn_variable": "KLADEZ_SOURCE_NUMBERS",
        "source_type": "number",
        "ids_query": "SELECT * FROM generate_series(1, 1200) AS id WHERE id = ANY(%(ids)s)",
        "all_query": all_query,
        "id_column": "id",
        "text_template": "{{ id }}",
    }
    return Source(**{**declared, **changes})


NUMBERS = source("SELECT id FROM generate_series(1, 1200) AS id -- all of them")


async def read(reader: SourceReader) -> list[list[int]]:
    return [[row["id"] for row in batch] async for batch in reader.rows(None)]


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Takes connections and says nothing."""
    closing = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closing.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        closing.set()
        server.close()
        await server.wait_closed()


async def test_rows_come_in_batches(empty_database_dsn: str) -> None:
    async with open_reader(NUMBERS, empty_database_dsn, timeout_seconds=30) as reader:
        batches = await read(reader)
        assert [len(batch) for batch in batches] == [500, 500, 200]
        ids = [one async for batch in reader.fingerprints() for one in batch]
        assert ids == [str(number) for number in range(1, 1201)]


async def test_rows_are_those_of_one_moment(empty_database_dsn: str) -> None:
    with psycopg.connect(empty_database_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT id FROM generate_series(1, 600) AS id")
        async with open_reader(
            source("SELECT * FROM numbers"), empty_database_dsn, timeout_seconds=30
        ) as reader:
            assert sum(len(batch) for batch in await read(reader)) == 600
            connection.execute("DELETE FROM numbers")
            assert sum([len(batch) async for batch in reader.fingerprints()]) == 600


@pytest.mark.parametrize("ids", [["7"], ['"'], ["\\"], ["a,b"], ["{}"], ["NULL"], [""], ["й"]])
async def test_ids_of_any_characters_are_found(empty_database_dsn: str, ids: list[str]) -> None:
    texts = source(
        "SELECT 1", ids_query="SELECT i AS id FROM unnest(%(ids)s::text[]) AS i WHERE i = ANY(%(ids)s)"
    )
    async with open_reader(texts, empty_database_dsn, timeout_seconds=30) as reader:
        assert [row["id"] for row in await reader.by_ids(ids)] == ids


async def test_ids_take_the_type_of_their_column(empty_database_dsn: str) -> None:
    async with open_reader(NUMBERS, empty_database_dsn, timeout_seconds=30) as reader:
        assert [row["id"] for row in await reader.by_ids(["7", "1200", "5000"])] == [7, 1200]


@pytest.mark.parametrize(
    "moment",
    [
        "timestamptz 'infinity'",
        "timestamp '-infinity'",
        "date '20000-01-01'",
        "date '0044-03-15 BC'",
        "time '24:00'",
        "timetz '24:00+00'",
    ],
)
async def test_moment_that_python_does_not_know_is_read_as_text(empty_database_dsn: str, moment: str) -> None:
    query = f"SELECT 1 AS id, {moment} AS moment, ({moment})::text AS said, date '2026-11-28' AS usual"
    async with open_reader(source(query), empty_database_dsn, timeout_seconds=30) as reader:
        [[row]] = [batch async for batch in reader.rows(None)]
    assert row["moment"] == row["said"]
    assert row["usual"] == date(2026, 11, 28)


async def test_slow_query_is_given_up(empty_database_dsn: str) -> None:
    slow = source("SELECT 1 AS id, pg_sleep(60)")
    with pytest.raises(errors.SourceUnavailable, match="took too long"):
        async with open_reader(slow, empty_database_dsn, timeout_seconds=0.2) as reader:
            await read(reader)


async def test_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_rows, "CONNECT_SECONDS", 2)
    async with silent_server() as port:
        with pytest.raises(errors.SourceUnavailable, match="numbers does not answer"):
            async with open_reader(NUMBERS, f"postgresql://x:y@127.0.0.1:{port}/z", timeout_seconds=1):
                pass


async def read_after_the_end(dsn: str) -> None:
    async with open_reader(NUMBERS, dsn, timeout_seconds=30) as reader:
        await reader.by_ids(["1"])
        with psycopg.connect(dsn) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kladez'"
            )
        await read(reader)


async def test_connection_that_is_lost_says_so(empty_database_dsn: str) -> None:
    with pytest.raises(errors.SourceUnavailable, match="does not answer"):
        await read_after_the_end(empty_database_dsn)


@pytest.mark.parametrize("dsn", ["postgresql://u:hidden@127.0.0.1:1/x", "hidden", "password=hidden host"])
async def test_address_is_never_told(dsn: str) -> None:
    with pytest.raises(errors.SourceUnavailable) as caught:
        async with open_reader(NUMBERS, dsn, timeout_seconds=1):
            pass
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "query",
    [
        "SELECT nextval('counted') AS id",
        "WITH gone AS (DELETE FROM numbers RETURNING id) SELECT id FROM gone",
        "SELECT 1 AS id) AS declared; COMMIT; DELETE FROM numbers; SELECT (1",
        "DELETE FROM numbers RETURNING id",
    ],
)
async def test_nothing_can_be_written(empty_database_dsn: str, query: str) -> None:
    with psycopg.connect(empty_database_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT 1 AS id")
        connection.execute("CREATE SEQUENCE counted")
        for method in (SourceReader.sample, read):
            with pytest.raises(errors.SourceFailed):
                async with open_reader(source(query), empty_database_dsn, timeout_seconds=30) as reader:
                    await (method(reader, 1) if method is SourceReader.sample else read(reader))
        assert connection.execute("SELECT count(*) FROM numbers").fetchone() == (1,)
