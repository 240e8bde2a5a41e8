"""Large documents: a lane of their own, steps that are kept, and nothing that anybody sees before they are whole."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from retrieval_service.apart import Apart
from retrieval_service.services.indexing import Indexer
from retrieval_service.staffing import new_indexer, new_step_by_step
from retrieval_service.stores import jobs
from tests.fakes.openai.faults import Fault
from tests.integration.indexing_kit import (
    EMBEDDINGS,
    INSERT_MANY,
    Bench,
    claim,
    insert,
    jobs_of,
    open_bench,
    recover,
    states,
    until,
    value,
    working,
)

LARGE = "".join(
    f"Paragraph {number} is about tea number {number}, which is green.\n\n" for number in range(4_000)
)


async def test_large_document_is_indexed_whole(bench: Bench, tenant_id: UUID) -> None:
    document_id = await insert(bench.sql, tenant_id, "1", LARGE)
    async with working(bench.service):
        await bench.indexed(tenant_id)
    texts = await bench.texts(tenant_id, document_id)
    assert len(texts) > 64
    assert await states(bench.sql, tenant_id) == ["done"]
    assert await value(bench.sql, "SELECT count(*) FROM embedding_steps") == 0
