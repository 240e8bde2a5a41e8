"""Which index answers: a big tenant's own, the words' one, and a new space's when the embedder changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import LiteralString
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg import register_vector_async
from psycopg import AsyncConnection, sql

from retrieval_service.domain.indexing.lexical import SparseVector
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.services.indexing.own_indexes import Promoter
from retrieval_service.stores.retrieval import passages
from retrieval_service.stores.retrieval.passages import Probe
from retrieval_service.stores.tenants import spaces, tenant_spaces
from retrieval_service.stores.tenants.spaces import vectors_table
from tests.kits.indexing_kit import DIMENSIONS, Bench, is_blocked, open_bench, until, value, working

BIG = 3_000
ACTIVE_SPACE = "SELECT space_id FROM tenants WHERE id = %s"
OWN_INDEX_CHUNKS = 2_000
DEPTH = 10

INSERT_DOCUMENT = """
INSERT INTO documents (tenant_id, source_type, external_id, content) VALUES (%s, 'article', 'big', 'Tea.')
RETURNING id
"""
INSERT_CHUNKS = """
INSERT INTO chunks (tenant_id, id, document_id, chunk_index, text, start_offset, end_offset, chunk_hash)
SELECT %s, id, %s, place, 'Tea.', 0, 4, '' FROM unnest(%s::uuid[]) WITH ORDINALITY AS ids (id, place)
"""
# Every tenth chunk has the common stem 1; the stem of its place plus 10 is a chunk's own. Text counts from 1.
INSERT_TERMS = """
INSERT INTO chunk_terms (tenant_id, chunk_id, language, stem_ids, stems, grams)
SELECT %s, id, 'en', CASE WHEN place %% 10 = 0 THEN ARRAY[1, place + 10] ELSE ARRAY[place + 10] END,
    format('{%%s:1}/1000000000', place + 11)::sparsevec, '{1:1}/1000000000'::sparsevec
FROM unnest(%s::uuid[]) WITH ORDINALITY AS ids (id, place)
"""
COPY_VECTORS = "COPY {vectors} (tenant_id, chunk_id, embedding) FROM STDIN WITH (FORMAT BINARY)"
VECTORS_OF = "SELECT chunk_id, embedding FROM {vectors} WHERE tenant_id = %s ORDER BY chunk_id"
FORGET_VECTORS = "DELETE FROM {vectors} WHERE tenant_id = %s"
SPOIL = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass"


@pytest.fixture
async def bench(clean_dsn: str) -> AsyncIterator[Bench]:
    async with open_bench(clean_dsn) as opened:
        await register_vector_async(opened.sql)
        yield opened


class BigTenant:
    """A tenant with 3,000 chunks whose vectors lie in clusters, as real ones do."""

    def __init__(self, tenant_id: UUID, chunk_ids: list[UUID], vectors: NDArray[np.float32]) -> None:
        self.tenant_id = tenant_id
        self.chunk_ids = chunk_ids
        self.vectors = vectors

    def nearest(self, vector: NDArray[np.float32]) -> set[UUID]:
        best = np.argsort(-(self.vectors @ vector), kind="stable")[:DEPTH]
        return {self.chunk_ids[place] for place in best}


@pytest.fixture
async def big(bench: Bench) -> BigTenant:
    tenant_id, ids = await bench.tenant(), [uuid4() for _ in range(BIG)]
    vectors = clustered(BIG, seed=1)
    document_id = await value(bench.sql, INSERT_DOCUMENT, tenant_id)
    await bench.sql.execute(INSERT_CHUNKS, (tenant_id, document_id, ids))
    await bench.sql.execute(INSERT_TERMS, (tenant_id, ids))
    statement = of_space(bench, COPY_VECTORS)
    async with bench.sql.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["uuid", "uuid", "halfvec"])
        for chunk_id, vector in zip(ids, vectors, strict=True):
            await copy.write_row((tenant_id, chunk_id, HalfVector(vector)))
    await bench.sql.execute("ANALYZE")
    return BigTenant(tenant_id, ids, vectors)


def clustered(count: int, *, seed: int) -> NDArray[np.float32]:
    """Unit vectors around 50 centres that depend on nothing; `seed` draws the rest."""
    centres = np.random.default_rng(0).standard_normal((50, DIMENSIONS))
    random = np.random.default_rng(seed)
    rows = centres[random.integers(0, 50, count)] + 0.7 * random.standard_normal((count, DIMENSIONS))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def of_space(bench: Bench, statement: LiteralString) -> sql.Composed:
    return sql.SQL(statement).format(vectors=vectors_table(bench.service.space_id))


def promoter(bench: Bench) -> Promoter:
    service = bench.service
    return Promoter(service.database, own_index_chunks=OWN_INDEX_CHUNKS)


async def own_index(bench: Bench, big: BigTenant) -> bool | None:
    """Whether the tenant's own index is usable; None when there is none."""
    async with bench.service.database.owner() as owner:
        indexes = await spaces.tenant_indexes(owner, bench.service.space_id)
    return indexes.get(spaces.tenant_index_name(bench.service.space_id, big.tenant_id))


def meaning(vector: NDArray[np.float32]) -> Probe:
    return Probe(vector=vector, stems=None, grams=None, gate=(), depth=DEPTH)


async def plan_of(bench: Bench, tenant_id: UUID, probe: Probe) -> str:
    """How the search would be carried out, for the role and with the settings of a real one."""
    statement = sql.SQL("EXPLAIN ") + passages.search_statement(bench.service.space_id)
    parameters = passages.search_parameters(tenant_id, probe, Conditions())
    async with bench.service.database.tenant(tenant_id) as scope:
        assert await value(scope.connection, "SELECT current_user::text") == "kladez_tenant"
        cursor = await scope.connection.execute(statement, parameters)
        return "\n".join(row[0] for row in await cursor.fetchall())


async def recall(bench: Bench, big: BigTenant, questions: int = 50) -> float:
    """The share of the true ten nearest that a search finds."""
    hits = 0
    for vector in clustered(questions, seed=2):
        async with bench.service.database.tenant(big.tenant_id) as scope:
            found = await passages.score(scope, bench.service.space_id, meaning(vector), Conditions())
        hits += len(set(found.chunk_ids) & big.nearest(vector))
    return hits / (questions * DEPTH)


class TestOwnIndex:
    async def test_big_tenant_is_searched_through_an_index_of_its_own(
        self, bench: Bench, big: BigTenant
    ) -> None:
        name = spaces.tenant_index_name(bench.service.space_id, big.tenant_id)
        probe = meaning(big.vectors[0])
        assert name not in await plan_of(bench, big.tenant_id, probe)
        exact = await recall(bench, big)
        await promoter(bench).promote_and_demote()
        assert await own_index(bench, big) is True
        assert name in await plan_of(bench, big.tenant_id, probe)
        assert exact >= 0.99  # half precision swaps a neighbour now and then
        assert await recall(bench, big) >= 0.98

    async def test_other_tenants_are_not_searched_through_it(self, bench: Bench, big: BigTenant) -> None:
        small = await bench.tenant()
        await promoter(bench).promote_and_demote()
        assert "hnsw" not in await plan_of(bench, small, meaning(big.vectors[0]))

    async def test_tenant_that_shrank_loses_its_index(self, bench: Bench, big: BigTenant) -> None:
        await promoter(bench).promote_and_demote()
        await bench.sql.execute(of_space(bench, FORGET_VECTORS), (big.tenant_id,))
        await promoter(bench).promote_and_demote()
        assert await own_index(bench, big) is None

    async def test_index_that_a_crash_left_half_built_is_built_again(
        self, bench: Bench, big: BigTenant
    ) -> None:
        name = spaces.tenant_index_name(bench.service.space_id, big.tenant_id)
        await promoter(bench).promote_and_demote()
        await bench.sql.execute(SPOIL, (name,))
        assert await own_index(bench, big) is False
        await promoter(bench).promote_and_demote()
        assert await own_index(bench, big) is True

    async def test_services_that_look_around_at_once_build_one_index(
        self, bench: Bench, big: BigTenant
    ) -> None:
        await asyncio.gather(*(promoter(bench).promote_and_demote() for _ in range(3)))
        assert await own_index(bench, big) is True

    async def test_documents_are_indexed_while_the_index_exists(self, bench: Bench, big: BigTenant) -> None:
        await promoter(bench).promote_and_demote()
        async with working(bench.service):
            await bench.put(big.tenant_id, "new", "Oolong is half fermented.")
            await bench.indexed(big.tenant_id)
        found = await bench.found(big.tenant_id, "Oolong is half fermented.")
        assert found.hits[0].passage.text == "Oolong is half fermented."


async def test_rare_words_of_a_big_tenant_are_looked_up_in_their_index(bench: Bench, big: BigTenant) -> None:
    rare = 77
    stems = SparseVector(indices=np.array([rare], np.int32), values=np.array([1.0], np.float32))
    probe = Probe(vector=None, stems=stems, grams=stems, gate=(rare,), depth=DEPTH)
    assert "chunk_terms_by_stem" in await plan_of(bench, big.tenant_id, probe)
    async with bench.service.database.tenant(big.tenant_id) as scope:
        found = await passages.score(scope, bench.service.space_id, probe, Conditions())
    assert found.chunk_ids == [big.chunk_ids[rare - 11]]


class TestNewSpace:
    async def test_other_embedder_indexes_everything_again_beside_the_old_vectors(
        self, clean_dsn: str
    ) -> None:
        async with open_bench(clean_dsn) as before, working(before.service):
            tenant_id = await before.tenant()
            documents = [await before.put(tenant_id, str(number), f"Tea {number}.") for number in range(20)]
            await before.indexed(tenant_id)
            old = await vectors_of(before, tenant_id)
        async with open_bench(clean_dsn, embedding_dimensions=32) as after:
            async with working(after.service):
                await moved(after, tenant_id)
                found = await after.found(tenant_id, "Tea 7.")
            new = await vectors_of(after, tenant_id)
            days = await after.service.reader.usage(tenant_id, days=2)
            assert await vectors_of(before, tenant_id, after.sql) == old
            assert await after.texts(tenant_id, documents[7]) == ["Tea 7."]
        assert new.keys() == old.keys()
        assert len(new) == 20
        assert found.hits[0].similarity is not None
        assert (sum(day.embedded_chunks for day in days), sum(day.unchanged_chunks for day in days)) == (
            40,
            0,
        )

    async def test_move_that_was_broken_off_is_completed_at_the_next_start(self, clean_dsn: str) -> None:
        async with open_bench(clean_dsn) as before, working(before.service):
            tenants = [await before.tenant() for _ in range(3)]
            for tenant_id in tenants:
                await before.put(tenant_id, "1", "Oolong tea.")
                await before.indexed(tenant_id)
        async with await AsyncConnection.connect(clean_dsn) as other:
            await tenant_spaces.lock(other, tenants[1])
            start = asyncio.create_task(opened_once(clean_dsn))
            await until(lambda: is_blocked(clean_dsn))
            start.cancel()
            await asyncio.wait([start])
        async with open_bench(clean_dsn, embedding_dimensions=32) as after, working(after.service):
            for tenant_id in tenants:
                await moved(after, tenant_id)
                assert len(await vectors_of(after, tenant_id)) == 1


async def moved(bench: Bench, tenant_id: UUID) -> None:
    """Returns once searches of the tenant read the bench's space."""

    async def is_there() -> bool:
        return await value(bench.sql, ACTIVE_SPACE, tenant_id) == bench.service.space_id

    await until(is_there)


async def opened_once(dsn: str) -> None:
    async with open_bench(dsn, embedding_dimensions=32):
        pass


async def vectors_of(
    bench: Bench, tenant_id: UUID, connection: AsyncConnection | None = None
) -> dict[UUID, str]:
    """In the bench's space, by chunk."""
    cursor = await (connection or bench.sql).execute(of_space(bench, VECTORS_OF), (tenant_id,))
    return {chunk_id: str(embedding) for chunk_id, embedding in await cursor.fetchall()}
