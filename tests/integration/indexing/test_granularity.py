"""One vector for each passage, or one for each document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import numpy as np
import pytest
from pgvector import HalfVector
from pgvector.psycopg import register_vector_async
from psycopg import sql

from retrieval_service.domain.indexing.hashing import embedding_text
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.services.retrieval.search import Mode
from retrieval_service.stores.documents import documents
from retrieval_service.stores.index import vectors
from retrieval_service.stores.tenants import tenant_spaces
from retrieval_service.stores.tenants.spaces import vectors_table
from tests.fakes.openai.bags import bag_of_words
from tests.kits.indexing_kit import DIMENSIONS, Bench, emptied, open_bench, until, working

PARTS = ("tea", "coffee", "cocoa")
VECTORS = """
SELECT c.chunk_index, v.embedding FROM {vectors} v JOIN chunks c ON c.tenant_id = v.tenant_id AND c.id = v.chunk_id
WHERE v.tenant_id = %s AND c.document_id = %s
"""


@pytest.fixture
async def bench(module_dsn: str) -> AsyncIterator[Bench]:
    """With a worker that runs."""
    async with open_bench(emptied(module_dsn), job_poll_seconds=0.2) as opened, working(opened.service):
        await register_vector_async(opened.sql)
        yield opened


def long_document(*words: str) -> str:
    """A section of its own chunk for each word."""
    return "\n\n".join(
        f"## Part {number}\n\n" + " ".join(f"{word}{place}" for place in range(250)) + "."
        for number, word in enumerate(words)
    )


async def new_tenant(bench: Bench, granularity: str) -> UUID:
    settings = TenantSettings(index_granularity=granularity)
    return (await bench.service.manager.create_tenant("Tea shop", settings)).id


async def set_granularity(bench: Bench, tenant_id: UUID, granularity: str) -> None:
    changes = {"index_granularity": granularity}
    await bench.service.manager.update_tenant(tenant_id, version=None, name=None, changes=changes)
    await bench.indexed(tenant_id)


async def put(bench: Bench, tenant_id: UUID, external_id: str, *words: str) -> UUID:
    document_id = await bench.put(
        tenant_id, external_id, long_document(*words), content_type="text/markdown", language="en"
    )
    await bench.indexed(tenant_id)
    return document_id


async def vectors_of(bench: Bench, tenant_id: UUID, document_id: UUID) -> Mapping[int, HalfVector]:
    """By the chunk's place."""
    statement = sql.SQL(VECTORS).format(vectors=vectors_table(bench.service.space_id))
    cursor = await bench.sql.execute(statement, (tenant_id, document_id))
    return dict(await cursor.fetchall())


async def expected_mean(bench: Bench, tenant_id: UUID, document_id: UUID) -> np.ndarray:
    rows = await (
        await bench.sql.execute(
            "SELECT heading, text FROM chunks WHERE tenant_id = %s AND document_id = %s",
            (tenant_id, document_id),
        )
    ).fetchall()
    bags = [bag_of_words(embedding_text("", heading, text), DIMENSIONS) for heading, text in rows]
    total = np.sum([bag / np.linalg.norm(bag) for bag in bags], axis=0)
    return total / np.linalg.norm(total)


async def assert_pooled(bench: Bench, tenant_id: UUID, document_id: UUID) -> None:
    vectors = await vectors_of(bench, tenant_id, document_id)
    assert list(vectors) == [0]
    expected = await expected_mean(bench, tenant_id, document_id)
    assert np.allclose(vectors[0].to_numpy(), expected, atol=2e-3)


class TestDocument:
    async def test_has_one_vector_the_mean_of_its_passages(self, bench: Bench) -> None:
        tenant_id = await new_tenant(bench, "document")
        document_id = await put(bench, tenant_id, "1", *PARTS)
        assert len(await bench.texts(tenant_id, document_id)) >= len(PARTS)
        await assert_pooled(bench, tenant_id, document_id)

    async def test_change_of_one_section_changes_the_mean(self, bench: Bench) -> None:
        tenant_id = await new_tenant(bench, "document")
        await put(bench, tenant_id, "1", *PARTS)
        document_id = await put(bench, tenant_id, "1", "tea", "juice", "cocoa")
        await assert_pooled(bench, tenant_id, document_id)

    async def test_unchanged_is_not_embedded_again(self, bench: Bench) -> None:
        tenant_id = await new_tenant(bench, "document")
        await put(bench, tenant_id, "1", *PARTS)
        before = len(bench.embedded_texts())
        async with bench.service.database.tenant(tenant_id) as scope:
            await documents.enqueue_all(scope)
        await bench.indexed(tenant_id)
        assert len(bench.embedded_texts()) == before

    async def test_search_by_meaning_names_its_best_passage_once(self, bench: Bench) -> None:
        tenant_id = await new_tenant(bench, "document")
        await put(bench, tenant_id, "1", *PARTS)
        await put(bench, tenant_id, "2", "juice", "water")
        question = " ".join(f"coffee{place}" for place in range(100))
        found = await bench.found(tenant_id, question, Mode.SEMANTIC)
        assert [hit.passage.external_id for hit in found.hits] == ["1", "2"]
        assert "coffee7" in found.hits[0].passage.text
        hybrid = await bench.found(tenant_id, question)
        assert "coffee7" in hybrid.hits[0].passage.text
        assert all(hit.similarity is not None for hit in hybrid.hits)

    async def test_stale_space_is_filled_with_means_too(self, bench: Bench) -> None:
        tenant_id = await new_tenant(bench, "document")
        document_id = await put(bench, tenant_id, "1", *PARTS)
        space_id = bench.service.space_id
        async with bench.service.database.tenant(tenant_id) as scope:
            await vectors.delete(scope, space_id, limit=9)
            await tenant_spaces.mark_stale(scope, [space_id])
        await until(lambda: is_fresh(bench, tenant_id))
        await assert_pooled(bench, tenant_id, document_id)


async def is_fresh(bench: Bench, tenant_id: UUID) -> bool:
    async with bench.service.database.tenant(tenant_id) as scope:
        return not any(space.is_stale for space in await tenant_spaces.of_tenant(scope))


class TestSetting:
    async def test_change_there_and_back_indexes_again(self, bench: Bench) -> None:
        tenant_id = await new_tenant(bench, "chunk")
        document_id = await put(bench, tenant_id, "1", *PARTS)
        own = {place: str(row) for place, row in (await vectors_of(bench, tenant_id, document_id)).items()}
        assert len(own) >= len(PARTS)
        await set_granularity(bench, tenant_id, "document")
        await assert_pooled(bench, tenant_id, document_id)
        await set_granularity(bench, tenant_id, "chunk")
        again = await vectors_of(bench, tenant_id, document_id)
        assert {place: str(row) for place, row in again.items()} == own
