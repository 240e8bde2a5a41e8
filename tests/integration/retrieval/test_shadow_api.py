"""Searches that both backends do: what is recorded, and that nobody who searches notices."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from kladez.v1 import common_pb2
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import sync_service_pb2 as sync_pb
from structlog.testing import capture_logs

from retrieval_service.cli import main
from retrieval_service.cli.failures import ExitCode
from retrieval_service.domain.retrieval.circuit import CircuitLimits
from retrieval_service.services.retrieval.circuit_breaker import Breaker
from retrieval_service.services.retrieval.openai_search import RemoteSearcher
from retrieval_service.services.retrieval.search import Query
from retrieval_service.services.retrieval.shadow import WAITING, Served, Shadow
from tests.fakes.openai import FakeOpenAI, Fault
from tests.kits.backends_kit import (
    OPENAI,
    PGVECTOR,
    SEARCH,
    choose,
    fees,
    found,
    hold,
    openai_settings,
    search,
)
from tests.kits.openai_stores_kit import stores_at
from tests.kits.service_kit import WAIT_SECONDS, Running, Shop, in_one_task, new_shop, upsert

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = {
    "en": "A brass lamp may be returned within thirty days.",
    "ru": "Латунную лампу можно вернуть в течение тридцати дней.",
    "pt": "Uma luminária de latão pode ser devolvida em trinta dias.",
}


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    return openai_settings(shared_fake, openai_breaker_failures=100, openai_search_usd=4.0)


@pytest_asyncio.fixture(loop_scope="module")
async def searched_twice(running: Running, fake: FakeOpenAI) -> Shop:
    """Searched here, and by OpenAI too, every time."""
    shop = await new_shop(running)
    for language, text in TEXTS.items():
        await upsert(shop, language, text, language=language)
    await hold(running, shop, fake)
    await choose(running, shop, PGVECTOR, shadow_share=1.0)
    fake.journal.exchanges.clear()
    return shop


async def compared(shop: Shop, count: int) -> sync_pb.GetBackendComparisonResponse:
    """Comparisons are written a moment after the reply."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            report = await shop.client.get_backend_comparison(sync_pb.GetBackendComparisonRequest())
            if report.count >= count:
                return report
            await asyncio.sleep(0.02)


async def test_both_search_and_the_figures_are_real(
    running: Running, searched_twice: Shop, fake: FakeOpenAI
) -> None:
    fake.fail(Fault(path=SEARCH, delay_seconds=0.15))
    response = await search(searched_twice, TEXTS["ru"])
    assert (response.backend, response.degraded) == (PGVECTOR, False)
    report = await compared(searched_twice, 1)
    assert (report.count, report.failed_count) == (1, 0)
    assert report.overlap_mean == report.overlap_p10 == 1.0
    assert report.openai.p50_ms == report.openai.p95_ms >= 150
    assert 0 < report.pgvector.p50_ms < 2_000
    assert report.cost_usd == pytest.approx(0.004)
    assert await fees(running, searched_twice) == (1, pytest.approx(0.004))
    [example] = report.examples
    assert (example.query, example.served_by) == (TEXTS["ru"], PGVECTOR)
    assert example.pgvector_count == example.openai_count == len(TEXTS)
    assert len(fake.journal.to(SEARCH)) == 1


async def test_least_overlap_comes_first(searched_twice: Shop, fake: FakeOpenAI) -> None:
    await search(searched_twice, TEXTS["en"])
    await compared(searched_twice, 1)
    fake.storage.entries = {
        key: entry
        for key, entry in fake.storage.entries.items()
        if entry.attributes["tenant_id"] != searched_twice.tenant_id or entry.attributes["language"] == "pt"
    }
    await search(searched_twice, TEXTS["pt"])
    report = await compared(searched_twice, 2)
    assert [one.query for one in report.examples] == [TEXTS["pt"], TEXTS["en"]]
    assert report.examples[0].overlap == pytest.approx(1 / 3)
    assert report.examples[0].openai_count == 1
    assert report.overlap_mean == pytest.approx(2 / 3)


@pytest.mark.parametrize("served_by", [PGVECTOR, OPENAI])
async def test_overlap_does_not_depend_on_the_page_that_was_asked_for(
    running: Running, searched_twice: Shop, fake: FakeOpenAI, served_by: common_pb2.RetrievalBackend.ValueType
) -> None:
    """One document of three is missing at OpenAI, and is the first one here."""
    await choose(running, searched_twice, served_by)
    fake.storage.entries = {
        key: entry
        for key, entry in fake.storage.entries.items()
        if entry.attributes["tenant_id"] != searched_twice.tenant_id or entry.attributes["language"] != "en"
    }
    sizes = (1, 2, 3, 30)
    for number, size in enumerate(sizes, start=1):
        await search(searched_twice, TEXTS["en"], page_size=size)
        await compared(searched_twice, number)
    report = await compared(searched_twice, len(sizes))
    assert [one.overlap for one in report.examples] == [pytest.approx(2 / 3)] * len(sizes)


async def test_reply_is_the_same_with_and_without_a_shadow(running: Running, searched_twice: Shop) -> None:
    shadowed = await search(searched_twice, TEXTS["pt"])
    await compared(searched_twice, 1)
    await choose(running, searched_twice, PGVECTOR, shadow_share=0.0)
    assert await search(searched_twice, TEXTS["pt"]) == shadowed
    assert (await compared(searched_twice, 1)).count == 1


async def test_postgres_shadows_openai_as_well(running: Running, searched_twice: Shop) -> None:
    await choose(running, searched_twice, OPENAI)
    assert (await search(searched_twice, TEXTS["en"])).backend == OPENAI
    [example] = (await compared(searched_twice, 1)).examples
    assert (example.served_by, example.overlap) == (OPENAI, 1.0)


async def test_failing_shadow_fails_no_reply_and_is_counted(searched_twice: Shop, fake: FakeOpenAI) -> None:
    fake.fail(Fault(path=SEARCH, times=9, status=500))
    response = await search(searched_twice, TEXTS["en"])
    assert (response.degraded, found(response)[0]) == (False, "en")
    report = await compared(searched_twice, 1)
    assert (report.count, report.failed_count, report.cost_usd) == (1, 1, 0)
    assert not report.examples
    assert not report.HasField("overlap_mean")


async def test_later_pages_and_full_text_are_not_compared(searched_twice: Shop, fake: FakeOpenAI) -> None:
    first = await search(searched_twice, TEXTS["en"], page_size=1)
    await compared(searched_twice, 1)
    await search(searched_twice, TEXTS["en"], page_size=1, page_token=first.next_page_token)
    await search(searched_twice, TEXTS["en"], mode=search_pb.SEARCH_MODE_FULL_TEXT)
    await search(searched_twice, TEXTS["ru"])
    assert (await compared(searched_twice, 2)).count == 2
    assert len(fake.journal.to(SEARCH)) == 2


async def test_share_is_kept_and_what_does_not_fit_is_dropped(
    running: Running, searched_twice: Shop, fake: FakeOpenAI
) -> None:
    drawn = itertools.cycle([0.1, 0.6])
    async with stores_at(fake) as stores:
        database, searcher = running.service.database, running.service.searcher
        breaker = Breaker(CircuitLimits())
        remote = RemoteSearcher(
            database, stores, breaker, running.service.meter, seconds=5.0, usd_per_thousand=1.0
        )
        shadow = Shadow(database, searcher, remote, usd_per_thousand=1.0, sample=lambda: next(drawn))
        offer = await offering(running, searched_twice, shadow)
        offer(6)
        async with in_one_task(working(shadow)):
            assert (await compared(searched_twice, 3)).count == 3
            offer(100)
            await compared(searched_twice, 3 + WAITING)
            offer(2)
            assert (await compared(searched_twice, 3 + WAITING + 1)).count == 3 + WAITING + 1


async def offering(running: Running, shop: Shop, shadow: Shadow) -> Callable[[int], None]:
    """Offers the same search, answered here, so many times; half of them are to be taken."""
    tenant_id = uuid.UUID(shop.tenant_id)
    query = Query(text=TEXTS["en"])
    answered = await running.service.searcher.search(tenant_id, query)
    served = Served(tenant_id=tenant_id, query=query, found=answered, took_ms=1.0)
    chosen = replace(await running.service.retrieval.chooser.chosen(tenant_id), shadow_share=0.5)

    def offer(times: int) -> None:
        for _ in range(times):
            shadow.offer(served, chosen)

    return offer


@asynccontextmanager
async def working(shadow: Shadow) -> AsyncIterator[None]:
    task = asyncio.create_task(shadow.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_comparisons_are_forgotten_after_a_month(running: Running, searched_twice: Shop) -> None:
    await search(searched_twice, TEXTS["en"])
    await compared(searched_twice, 1)
    statement = (
        "UPDATE backend_comparisons SET compared_at = now() - interval '31 days' WHERE tenant_id = %(id)s"
    )
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(statement, {"id": searched_twice.tenant_id})
        await running.service.comparer.forget_old()
        rows = await connection.execute(
            "SELECT count(*) FROM backend_comparisons WHERE tenant_id = %(id)s",
            {"id": searched_twice.tenant_id},
        )
        assert await rows.fetchone() == (0,)


async def command(running: Running, shop: Shop, *arguments: str) -> int:
    """The exit code, with a key of every scope."""
    where = ("--address", f"127.0.0.1:{running.port}", "--key", running.key, "--tenant", shop.tenant_id)
    with capture_logs():  # the service's own, which would stand between the command's lines
        return await asyncio.to_thread(main.run, [*arguments, *where])


async def test_command_line_switches_and_compares(
    running: Running, searched_twice: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert (
        await command(running, searched_twice, "sync", "backend", "openai", "--shadow", "1", "--json")
        == ExitCode.OK
    )
    switched = json.loads(capsys.readouterr().out)
    assert switched["effective_backend"] == "RETRIEVAL_BACKEND_OPENAI"
    assert switched["mirrored"]
    await search(searched_twice, TEXTS["ru"])
    await compared(searched_twice, 1)
    capsys.readouterr()
    assert await command(running, searched_twice, "sync", "backend") == ExitCode.OK
    assert "searches now\topenai" in capsys.readouterr().out
    assert await command(running, searched_twice, "sync", "compare", "--days", "1") == ExitCode.OK
    told = capsys.readouterr().out
    assert "overlap@10, mean\t1.00" in told
    assert TEXTS["ru"] in told
    assert await command(running, searched_twice, "sync", "compare", "--json") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["count"] == "1"
