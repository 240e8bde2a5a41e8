"""Questions asked again are embedded once for each tenant and space."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest

from retrieval_service import errors
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.retrieval.query_vectors import Questions
from retrieval_service.services.retrieval.search import Mode
from tests.fakes.openai import Fault
from tests.kits.indexing_kit import Bench

QUESTION = "Is shipping free?"


async def saved(bench: Bench, tenant_id: UUID) -> int:
    """Tokens of questions that were not embedded again."""
    await bench.service.meter.flush()
    return sum(day.cache_saved_tokens for day in await bench.service.reader.usage(tenant_id, days=1))


async def test_question_asked_again_is_not_embedded_again_and_counts_as_saved(bench: Bench) -> None:
    tenant_id = await bench.tenant()
    for _ in range(3):
        await bench.found(tenant_id, QUESTION)
    assert bench.embedded_texts() == [QUESTION]
    assert await saved(bench, tenant_id) > 0


async def test_question_is_paid_for_once(bench: Bench) -> None:
    tenant_id = await bench.tenant()
    for _ in range(3):
        await bench.found(tenant_id, QUESTION)
    await bench.service.meter.flush()
    [today] = await bench.service.reader.usage(tenant_id, days=1)
    assert today.embedded_tokens > 0 == today.embedded_chunks
    assert today.cache_saved_tokens == 2 * today.embedded_tokens
    assert today.embedding_usd > 0


async def test_tenant_does_not_learn_what_another_one_asked(bench: Bench) -> None:
    one, other = await bench.tenant(), await bench.tenant()
    await bench.found(one, QUESTION)
    await bench.found(other, QUESTION)
    assert bench.embedded_texts() == [QUESTION, QUESTION]
    assert await saved(bench, other) == 0


async def test_least_recently_asked_question_is_forgotten_first(bench: Bench) -> None:
    service, tenant_id = bench.service, await bench.tenant()
    questions = Questions(service.embedders, service.meter, limit=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        await questions.vector(tenant_id, service.space_id, text)
    assert bench.embedded_texts() == ["a", "b", "c", "b"]


async def test_spaces_do_not_share_a_question(bench: Bench) -> None:
    service, tenant_id = bench.service, await bench.tenant()
    twice = Embedders({1: service.embedder, 2: service.embedder}, home_id=1)
    questions = Questions(twice, service.meter)
    for space_id in (1, 2, 1):
        await questions.vector(tenant_id, space_id, QUESTION)
    assert bench.embedded_texts() == [QUESTION, QUESTION]


async def test_model_that_hangs_is_waited_for_briefly_and_asked_again(bench: Bench) -> None:
    service, tenant_id = bench.service, await bench.tenant()
    questions = Questions(service.embedders, service.meter, patience_seconds=0.1)
    bench.fake.fail(Fault(path="/embeddings", hangs=True))
    with pytest.raises(errors.ProviderUnavailable, match="in time"):
        await questions.vector(tenant_id, service.space_id, QUESTION)
    assert len(await questions.vector(tenant_id, service.space_id, QUESTION)) > 0


async def test_model_with_vectors_of_another_length_is_as_good_as_none(bench: Bench) -> None:
    service, tenant_id = bench.service, await bench.tenant()
    questions = Questions(service.embedders, service.meter)
    bench.fake.embedded = lambda _text, length: np.ones(length + 1, dtype=np.float32)
    with pytest.raises(errors.ProviderRefused, match="length"):
        await questions.vector(tenant_id, service.space_id, QUESTION)
    found = await bench.found(tenant_id, QUESTION)
    assert (found.mode, bool(found.degraded_reason)) == (Mode.FULL_TEXT, True)
