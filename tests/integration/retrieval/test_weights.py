"""Weights of a small tenant's words hold until somebody writes to its index, and not a moment longer."""

from __future__ import annotations

import uuid

import pytest
import pytest_asyncio

from retrieval_service.services.retrieval.query_vectors import Questions
from retrieval_service.services.retrieval.search import Mode, Query, Searcher
from retrieval_service.services.retrieval.term_statistics import FEW_CHUNKS, Weigher
from tests.kits.service_kit import Running, Shop, new_shop, upsert, wait_until_indexed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def brass_lamps(running: Running) -> Shop:
    shop = await new_shop(running)
    await upsert(shop, "lamp", "A brass lamp may be returned within thirty days.")
    await wait_until_indexed(shop)
    return shop


def timeless(running: Running) -> tuple[Searcher, Weigher]:
    """By the clock alone no weights would ever be refreshed."""
    service = running.service
    weigher = Weigher(service.database, clock=lambda: 0.0)
    questions = Questions(service.embedders, service.meter)
    return Searcher(
        service.database, service.embedders, questions, weigher, exact_lexical_chunks=10_000
    ), weigher


async def stem_scores(searcher: Searcher, shop: Shop, text: str) -> dict[str, float]:
    found = await searcher.search(uuid.UUID(shop.tenant_id), Query(text=text, mode=Mode.FULL_TEXT))
    return {hit.passage.external_id: hit.stem_score for hit in found.hits}


async def test_words_of_a_new_document_are_weighed_in_the_next_search(
    running: Running, brass_lamps: Shop
) -> None:
    searcher, weigher = timeless(running)
    assert await stem_scores(searcher, brass_lamps, "samovar") == {}
    await upsert(brass_lamps, "samovar", "Самовар: a samovar is delivered in two days.", language="en")
    await wait_until_indexed(brass_lamps)
    assert (await stem_scores(searcher, brass_lamps, "samovar"))["samovar"] > 0
    weights = await weigher.latest(uuid.UUID(brass_lamps.tenant_id))
    assert weights.statistics.chunk_count == 2


async def test_weights_are_the_same_while_nobody_writes(running: Running, brass_lamps: Shop) -> None:
    searcher, weigher = timeless(running)
    await stem_scores(searcher, brass_lamps, "brass lamp")
    before = await weigher.latest(uuid.UUID(brass_lamps.tenant_id))
    await upsert(await new_shop(running), "lamp", "Another shop's lamp.")
    await stem_scores(searcher, brass_lamps, "brass lamp")
    assert await weigher.latest(uuid.UUID(brass_lamps.tenant_id)) is before


async def test_tenant_that_has_outgrown_its_weights_is_searched_by_new_ones(
    running: Running, brass_lamps: Shop
) -> None:
    searcher, weigher = timeless(running)
    await stem_scores(searcher, brass_lamps, "brass lamp")
    for number in range(FEW_CHUNKS):
        await upsert(brass_lamps, f"cup-{number}", f"Cup number {number} is made of clay.")
    await wait_until_indexed(brass_lamps)
    assert len(await stem_scores(searcher, brass_lamps, "clay cup")) == Query(text="").limit
    assert not (await weigher.latest(uuid.UUID(brass_lamps.tenant_id))).is_of_few
