"""The page of a snapshot, over real HTTP: what a reader sees, and what a page may not do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from kladez.v1.search_service_pb2 import Snapshot, SnapshotHit

from tests.fakes.retrieval_server import FakeRetrieval, ScriptedFailure
from tests.kits.running_gateway import RunningGateway, running_gateway, service_with_shop

TOKEN = "t" * 32


def snapshot(**changes: object) -> Snapshot:
    made = Snapshot(
        **{
            "query": "Which lamps <b>glow</b>?",
            "language": "en",
            "summary_html": "<p>Two lamps glow.</p><ul><li>Softly [1]</li><li>Brightly [2]</li></ul>",
            "hits": [
                SnapshotHit(
                    number=1, title="Lamp & co", url="https://shop.example/1?a=1&b=2", snippet="Soft <light>."
                ),
                SnapshotHit(
                    number=2, title="", external_id="lamp-2", url="javascript:alert(1)", section="Lamps"
                ),
            ],
            **changes,
        }
    )
    made.expire_time.FromDatetime(datetime(2027, 3, 9, 23, 30, tzinfo=UTC))
    return made


@pytest.fixture
async def service() -> AsyncIterator[FakeRetrieval]:
    async with service_with_shop() as service:
        service.snapshots[TOKEN] = snapshot()
        yield service


@pytest.fixture
async def gateway(service: FakeRetrieval) -> AsyncIterator[RunningGateway]:
    async with running_gateway(service) as gateway:
        yield gateway


async def opened(
    gateway: RunningGateway, token: str = TOKEN, **headers: str
) -> tuple[int, str, dict[str, str]]:
    async with gateway.http.get(f"{gateway.url}/s/{token}", headers=headers) as response:
        return response.status, await response.text(), dict(response.headers)


async def test_page_shows_query_summary_sources_and_the_end(gateway: RunningGateway) -> None:
    status, shown, _ = await opened(gateway)
    assert status == 200
    assert "<h1>Which lamps &lt;b&gt;glow&lt;/b&gt;?</h1>" in shown
    assert "<p>Two lamps glow.</p><ul><li>Softly [1]</li><li>Brightly [2]</li></ul>" in shown
    assert "Soft &lt;light&gt;." in shown
    assert '<time datetime="2027-03-09">2027-03-09</time>' in shown


async def test_only_addresses_of_the_web_become_links(gateway: RunningGateway) -> None:
    _, shown, _ = await opened(gateway)
    assert re.findall(r"<a [^>]*>", shown) == [
        '<a href="https://shop.example/1?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">'
    ]
    assert "<h3>lamp-2</h3>" in shown


async def test_page_runs_nothing_and_is_found_by_nobody(gateway: RunningGateway) -> None:
    _, shown, headers = await opened(gateway)
    assert "<script" not in shown
    assert " style=" not in shown
    assert '<meta name="robots" content="noindex' in shown
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"].startswith("noindex")
    assert headers["Cache-Control"] == "private, no-store"
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("language", "words", "date"),
    [
        ("ru", ("Сводка по запросу", "Источники"), "09.03.2027"),
        ("en", ("Summary of a search", "Sources"), "2027-03-09"),
        ("pt", ("Resumo de uma busca", "Fontes"), "09/03/2027"),
    ],
)
async def test_page_speaks_the_snapshots_language(
    service: FakeRetrieval, gateway: RunningGateway, language: str, words: tuple[str, ...], date: str
) -> None:
    service.snapshots[TOKEN] = snapshot(language=language)
    _, shown, _ = await opened(gateway)
    assert f'<html lang="{language}">' in shown
    assert [word for word in (*words, date) if word not in shown] == []


@pytest.mark.parametrize(
    ("language", "told"), [("ru", "страницы больше нет"), ("pt-BR", "não existe mais"), ("de", "is gone")]
)
async def test_unknown_token_gets_a_friendly_page_in_the_readers_language(
    gateway: RunningGateway, language: str, told: str
) -> None:
    status, shown, headers = await opened(gateway, "x" * 32, **{"Accept-Language": language})
    assert status == 404
    assert told in shown
    assert headers["X-Robots-Tag"].startswith("noindex")


async def test_withdrawn_summary_is_explained(service: FakeRetrieval, gateway: RunningGateway) -> None:
    service.snapshots[TOKEN] = snapshot(summary_html="", hits=[])
    _, shown, _ = await opened(gateway)
    assert "The summary was withdrawn" in shown
    assert "No sources." in shown


async def test_service_out_of_reach_is_no_missing_page(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    service.resolve_failure = ScriptedFailure(code="INTERNAL")
    status, shown, headers = await opened(gateway)
    assert (status, headers["Retry-After"]) == (503, "5")
    assert "secret detail" not in shown


async def test_guessing_is_slowed_down(service: FakeRetrieval) -> None:
    async with running_gateway(service, address_pages_per_minute=2) as gateway:
        statuses = [(await opened(gateway, f"{number}" * 32))[0] for number in range(3)]
        _, _, headers = await opened(gateway)
    assert statuses == [404, 404, 429]
    assert int(headers["Retry-After"]) >= 1


async def test_style_of_the_page_is_served(gateway: RunningGateway) -> None:
    async with gateway.http.get(f"{gateway.url}/snapshot.css") as response:
        assert response.status == 200
        assert response.content_type == "text/css"
        assert "prefers-color-scheme: dark" in await response.text()
