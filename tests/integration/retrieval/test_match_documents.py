"""The SQL function match_documents, as programs call it that write SQL themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from pgvector import Vector
from psycopg import AsyncConnection

from tests.kits.indexing_kit import DIMENSIONS, Bench, open_bench, working

MATCH = "SELECT * FROM match_documents(%s::vector, %s, %s)"


@pytest.fixture
async def bench(database_dsn: str) -> AsyncIterator[Bench]:
    async with open_bench(database_dsn, job_poll_seconds=0.2) as opened, working(opened.service):
        yield opened


@pytest.fixture
async def reader(database_dsn: str) -> AsyncIterator[AsyncConnection]:
    """As a program that may do no more than a tenant."""
    async with await AsyncConnection.connect(database_dsn) as connection:
        await connection.execute("SET ROLE kladez_tenant")
        yield connection


async def stocked(bench: Bench) -> UUID:
    tenant_id = await bench.tenant()
    for number, text in enumerate(("Assam tea.", "Green tea.", "A bicycle.")):
        await bench.put(tenant_id, str(number), text, metadata={"number": number})
    await bench.indexed(tenant_id)
    return tenant_id


async def question(bench: Bench, text: str) -> Vector:
    embedded = await bench.service.embedder.embed_passages([text])
    return Vector(embedded.vectors[0])


async def matched(
    reader: AsyncConnection, tenant_id: UUID, vector: Vector, threshold: float, count: int
) -> list[tuple[Any, ...]]:
    await reader.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant_id)])
    return await (await reader.execute(MATCH, [vector.to_text(), threshold, count])).fetchall()


async def test_nearest_comes_first_with_its_text_and_metadata(bench: Bench, reader: AsyncConnection) -> None:
    tenant_id = await stocked(bench)
    rows = await matched(reader, tenant_id, await question(bench, "Green tea."), -1.0, 10)
    _, _, content, metadata, similarity = rows[0]
    assert (content, metadata) == ("Green tea.", {"number": 1})
    assert similarity > 0.99
    assert [row[4] for row in rows] == sorted((row[4] for row in rows), reverse=True)
    assert len(rows) == 3


async def test_only_what_is_above_the_threshold_and_no_more_than_asked(
    bench: Bench, reader: AsyncConnection
) -> None:
    tenant_id = await stocked(bench)
    vector = await question(bench, "Green tea.")
    everything = await matched(reader, tenant_id, vector, -1.0, 10)
    second = everything[1][4]
    assert len(await matched(reader, tenant_id, vector, second, 10)) == 1
    assert len(await matched(reader, tenant_id, vector, -1.0, 2)) == 2
    assert await matched(reader, tenant_id, vector, -1.0, 0) == []
    assert await matched(reader, tenant_id, vector, 1.1, 10) == []


async def test_another_tenant_and_a_deleted_document_are_never_matched(
    bench: Bench, reader: AsyncConnection
) -> None:
    tenant_id, other = await stocked(bench), await bench.tenant()
    vector = await question(bench, "Green tea.")
    assert await matched(reader, other, vector, -1.0, 10) == []
    await bench.sql.execute("UPDATE documents SET is_deleted = true WHERE external_id = '1'")
    rows = await matched(reader, tenant_id, vector, -1.0, 10)
    assert "Green tea." not in [row[2] for row in rows]
    assert len(rows) == 2


async def test_owner_of_the_database_sees_the_named_tenant_only(bench: Bench) -> None:
    """Row-level security does not hold a superuser; the function's own condition does."""
    await stocked(bench)
    other = await bench.tenant()
    vector = await question(bench, "Green tea.")
    assert await matched(bench.sql, other, vector, -1.0, 10) == []


async def test_without_a_tenant_it_says_what_is_missing(reader: AsyncConnection) -> None:
    vector = Vector([1.0] * DIMENSIONS)
    with pytest.raises(psycopg.errors.RaiseException, match=r"app\.tenant_id is not set"):
        await reader.execute(MATCH, [vector.to_text(), 0.0, 1])


async def test_vector_of_another_length_is_refused(bench: Bench, reader: AsyncConnection) -> None:
    tenant_id = await stocked(bench)
    with pytest.raises(psycopg.errors.DataException, match="dimensions"):
        await matched(reader, tenant_id, Vector([1.0, 2.0]), 0.0, 1)
