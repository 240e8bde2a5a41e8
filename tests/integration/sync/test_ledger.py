"""What a tenant's use cost, written down as it happens."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from uuid import UUID

import pytest

from retrieval_service import errors
from retrieval_service.config import load
from retrieval_service.domain.usage import DailyUsage, Usage
from retrieval_service.services.usage import total_of
from tests.kits.indexing_kit import Bench, open_bench, working

ANSWER = Usage(answers=1, input_tokens=1_000_000, output_tokens=100_000)


async def days_of(bench: Bench, tenant_id: UUID) -> list[DailyUsage]:
    await bench.service.meter.flush()
    return await bench.service.reader.usage(tenant_id, days=1)


async def test_embedded_and_saved_tokens_are_priced_as_they_are_used(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench, working(bench.service):
        tenant_id = await bench.tenant()
        for url in ("/old", "/new"):
            await bench.put(tenant_id, "1", "Assam is strong.", url=url)
            await bench.indexed(tenant_id)
        [today] = await days_of(bench, tenant_id)
    million = Decimal(1_000_000)
    assert (today.embedded_chunks, today.unchanged_chunks) == (1, 1)
    assert today.embedding_usd == today.embedded_tokens * Decimal("0.02") / million > 0
    assert today.hash_saved_usd == today.hash_saved_tokens * Decimal("0.02") / million > 0
    assert today.unpriced_tokens == 0


async def test_answers_keep_the_price_of_their_moment(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        bench.service.meter.count_answer(tenant_id, "openai/gpt-5.4-mini", ANSWER)
        await bench.service.meter.flush()
    cheaper = '{"gpt-5.4-mini": {"input": 0.1, "output": 1}}'
    async with open_bench(database_dsn, prices=cheaper) as bench:
        bench.service.meter.count_answer(tenant_id, "openai/gpt-5.4-mini", ANSWER)
        [today] = await days_of(bench, tenant_id)
    assert today.answering_usd == Decimal("1.2") + Decimal("0.2")
    assert (today.answers, today.input_tokens, today.output_tokens) == (2, 2_000_000, 200_000)
    assert total_of([today, today]).answering_usd == Decimal("2.8")


async def test_tokens_without_a_known_price_are_told_apart(database_dsn: str) -> None:
    async with open_bench(database_dsn, embedding_model="bge-m3") as bench, working(bench.service):
        tenant_id = await bench.tenant()
        await bench.put(tenant_id, "1", "Assam is strong.")
        await bench.indexed(tenant_id)
        bench.service.meter.count_answer(tenant_id, "openai/unheard-of", Usage(answers=1, input_tokens=7))
        [today] = await days_of(bench, tenant_id)
    assert today.unpriced_tokens == today.embedded_tokens + 7
    assert (today.embedding_usd, today.answering_usd) == (0, 0)


async def test_what_is_being_written_is_waited_for(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        bench.service.meter.count(tenant_id, Usage(answers=1))
        async with bench.sql.transaction():
            await bench.sql.execute("LOCK TABLE usage_daily")
            begun = asyncio.create_task(bench.service.meter.flush())
            await asyncio.sleep(0.1)
            second = asyncio.create_task(bench.service.meter.flush())
            await asyncio.sleep(0.1)
            assert not second.done()
        await asyncio.gather(begun, second)
        [today] = await days_of(bench, tenant_id)
    assert today.answers == 1


def test_wrong_prices_are_named_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLADEZ_PRICES", '{"m": {"input": "much"}}')
    with pytest.raises(errors.Misconfigured, match=r"KLADEZ_PRICES.*m\.input"):
        load()
