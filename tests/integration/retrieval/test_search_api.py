"""SearchService over the wire: what its comments in search_service.proto promise."""

from __future__ import annotations

import asyncio
import math
import uuid

import psycopg
import pytest
import pytest_asyncio
from google.protobuf import struct_pb2
from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as pb

from retrieval_service.services.retrieval.query_vectors import PATIENCE_SECONDS
from tests.fakes.openai import FakeOpenAI, Fault
from tests.kits.service_kit import (
    Running,
    Shop,
    new_shop,
    refused,
    running_service,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODES = (pb.SEARCH_MODE_SEMANTIC, pb.SEARCH_MODE_FULL_TEXT, pb.SEARCH_MODE_HYBRID)
LAMP = "The lamp gives warm light and stands on a desk."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lamps_and_teas(running: Running) -> Shop:
    """Lamps and teas that differ in everything a filter may ask for."""
    shop = await new_shop(running)
    await upsert(
        shop,
        "desk",
        LAMP,
        source_type="product",
        title="Desk lamp",
        section="Lamps",
        tags=["warm", "desk"],
        url="/desk",
        language="en",
        metadata=struct(price=10, organic=False, colour="red"),
    )
    await upsert(
        shop,
        "floor",
        "The lamp gives cold light and stands on the floor.",
        source_type="product",
        section="Lamps",
        tags=["cold"],
        language="en",
        metadata=struct(price=25.5, organic=True, colour="blue"),
    )
    await upsert(
        shop,
        "returns",
        "A lamp may be returned within thirty days.",
        source_type="policy",
        section="Returns",
        language="en",
        metadata=struct(price="free"),
    )
    await upsert(shop, "лампа", "Лампа светит тёплым светом.", source_type="faq", language="ru")
    await wait_until_indexed(shop)
    return shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def large(running: Running) -> Shop:
    """260 documents that all say nearly the same."""
    shop = await new_shop(running)
    batch = [
        documents_pb.Document(
            source_type="article", external_id=str(n), content=f"Lamp number {n} is bright.", language="en"
        )
        for n in range(260)
    ]
    await shop.client.batch_upsert_documents(documents_pb.BatchUpsertDocumentsRequest(documents=batch))
    await wait_until_indexed(shop)
    return shop


def struct(**values: object) -> struct_pb2.Struct:
    message = struct_pb2.Struct()
    message.update(values)
    return message


def any_of(key: str, *values: object) -> common_pb2.MetadataCondition:
    packed = struct_pb2.ListValue()
    packed.extend(values)
    return common_pb2.MetadataCondition(key=key, any_of=common_pb2.MetadataValues(values=packed.values))


def between(key: str, **bounds: float) -> common_pb2.MetadataCondition:
    return common_pb2.MetadataCondition(key=key, range=common_pb2.MetadataRange(**bounds))


async def searched(shop: Shop, query: str = "lamp", **fields: object) -> pb.SearchResponse:
    return await shop.client.search(pb.SearchRequest(query=query, **fields))


async def found(shop: Shop, **conditions: object) -> set[str]:
    """External ids of the hits for "lamp", by whatever mode."""
    response = await searched(shop, "lamp", filter=common_pb2.Filter(**conditions))
    return {hit.external_id for hit in response.hits}


async def pages(shop: Shop, request: pb.SearchRequest) -> list[list[pb.SearchHit]]:
    got: list[list[pb.SearchHit]] = []
    while True:
        page = await shop.client.search(request)
        got.append(list(page.hits))
        if not page.next_page_token:
            return got
        request.page_token = page.next_page_token


async def test_hit_tells_everything_about_its_passage(lamps_and_teas: Shop) -> None:
    hit = (await searched(lamps_and_teas, "warm lamp for a desk")).hits[0]
    assert (hit.external_id, hit.source_type, hit.title) == ("desk", "product", "Desk lamp")
    assert (hit.section, hit.url, hit.language, list(hit.tags)) == ("Lamps", "/desk", "en", ["warm", "desk"])
    assert hit.text == LAMP[hit.start_offset : hit.end_offset] == LAMP
    assert hit.metadata == struct(price=10, organic=False, colour="red")
    assert uuid.UUID(hit.document_id) != uuid.UUID(hit.chunk_id)


REWRITE = """
WITH moved AS (UPDATE chunks SET heading = 'Moved' WHERE tenant_id = %(tenant_id)s)
UPDATE documents SET url = 'https://new.example', metadata = '{"price": 2}' WHERE tenant_id = %(tenant_id)s
"""


async def test_passage_that_was_found_before_is_shown_as_it_is_now(running: Running) -> None:
    """It is remembered only as long as nobody writes to it, by whatever program."""
    shop = await new_shop(running)
    await upsert(shop, "lamp", "A brass lamp.", url="https://old.example")
    await wait_until_indexed(shop)
    request = pb.SearchRequest(query="brass lamp")
    [before] = (await shop.client.search(request)).hits
    assert list((await shop.client.search(request)).hits) == [before]
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        await connection.execute("SET session_replication_role = replica")  # past the worker
        await connection.execute(REWRITE, {"tenant_id": shop.tenant_id})
    [after] = (await shop.client.search(request)).hits
    assert (before.url, before.heading) == ("https://old.example", "")
    assert (after.url, after.heading, after.chunk_id) == ("https://new.example", "Moved", before.chunk_id)
    assert after.metadata["price"] == 2


async def test_offsets_are_code_points_of_the_content(running: Running) -> None:
    shop = await new_shop(running)
    content = (
        "# Фонари 🏮\n\n" + "Фонарь 🏮 светит далеко. " * 120 + "\n\n## Гарантия\n\nГарантия два года 🛠."
    )
    await upsert(shop, "a", content, content_type="text/markdown", language="ru")
    await wait_until_indexed(shop)
    hits = (await searched(shop, "гарантия на фонарь")).hits
    assert len(hits) > 1
    assert all(content[hit.start_offset : hit.end_offset] == hit.text for hit in hits)
    assert any("Гарантия" in hit.heading for hit in hits)


@pytest.mark.parametrize("mode", MODES)
async def test_scores_are_relative_and_best_first_in_every_mode(
    lamps_and_teas: Shop, mode: pb.SearchMode
) -> None:
    response = await searched(lamps_and_teas, "warm lamp for a desk", mode=mode)
    scores = [hit.score for hit in response.hits]
    assert response.hits[0].external_id == "desk"
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    assert (response.mode, response.degraded, response.degraded_reason) == (mode, False, "")


async def test_semantic_score_is_the_cosine_and_full_text_knows_none(lamps_and_teas: Shop) -> None:
    semantic = (await searched(lamps_and_teas, mode=pb.SEARCH_MODE_SEMANTIC)).hits[0]
    assert semantic.score == pytest.approx(semantic.similarity)
    full_text = (await searched(lamps_and_teas, mode=pb.SEARCH_MODE_FULL_TEXT)).hits[0]
    assert not full_text.HasField("similarity")
    assert full_text.lexical_score > 0


async def test_default_mode_is_hybrid_and_the_language_is_told(lamps_and_teas: Shop) -> None:
    response = await searched(lamps_and_teas, "Where can I put the lamp?")
    assert (response.mode, response.language) == (pb.SEARCH_MODE_HYBRID, "en")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"source_types": ["policy"]}, {"returns"}),
        ({"source_types": ["policy", "product"]}, {"returns", "desk", "floor"}),
        ({"sections": ["Lamps"]}, {"desk", "floor"}),
        ({"tags": ["warm"]}, {"desk"}),
        ({"tags": ["warm", "desk"]}, {"desk"}),
        ({"tags": ["warm", "cold"]}, set()),
        ({"languages": ["en"]}, {"desk", "floor", "returns"}),
        ({"languages": ["pt"]}, set()),
        ({"source_types": ["product"], "tags": ["cold"]}, {"floor"}),
        ({"metadata": [any_of("colour", "red", "green")]}, {"desk"}),
        ({"metadata": [any_of("organic", True)]}, {"floor"}),
        ({"metadata": [any_of("price", 10, "free")]}, {"desk", "returns"}),
        ({"metadata": [between("price", lower=10)]}, {"desk", "floor"}),
        ({"metadata": [between("price", upper=10)]}, {"desk"}),
        ({"metadata": [between("price", lower=11, upper=25)]}, set()),
        ({"metadata": [between("price")]}, {"desk", "floor"}),
        ({"metadata": [between("price", lower=1), any_of("colour", "blue")]}, {"floor"}),
        ({"metadata": [any_of("missing", "x")]}, set()),
        ({"sections": ["'; DROP TABLE documents; --"]}, set()),
    ],
)
async def test_filter_keeps_only_documents_that_meet_every_condition(
    lamps_and_teas: Shop, conditions: dict[str, object], expected: set[str]
) -> None:
    assert await found(lamps_and_teas, **conditions) == expected


@pytest.mark.parametrize(
    ("conditions", "wrong"),
    [
        ({"source_types": ["x"] * 51}, "filter.source_types"),
        ({"source_types": [""]}, "filter.source_types"),
        ({"sections": ["nul\0"]}, "filter.sections"),
        ({"tags": [""]}, "filter.tags"),
        ({"tags": ["lamp", "\u200b"]}, "filter.tags"),
        ({"tags": ["\0"]}, "filter.tags"),
        ({"languages": ["\0"]}, "filter.languages"),
        ({"languages": ["en", "xxx"]}, "filter.languages"),
        ({"languages": ["EN"]}, "filter.languages"),
        ({"metadata": [any_of("a", "x")] * 17}, "filter.metadata"),
        ({"metadata": [any_of("", "x")]}, "filter.metadata[0].key"),
        ({"metadata": [any_of("x" * 65, "x")]}, "filter.metadata[0].key"),
        ({"metadata": [any_of("a")]}, "filter.metadata[0].any_of.values"),
        ({"metadata": [any_of("a", None)]}, "filter.metadata[0].any_of.values"),
        ({"metadata": [any_of("a", "nul\0")]}, "filter.metadata[0].any_of.values"),
        ({"metadata": [any_of("a", math.nan)]}, "filter.metadata[0].any_of.values"),
        ({"metadata": [between("a", lower=math.nan)]}, "filter.metadata[0].range"),
        ({"metadata": [between("a", upper=math.inf)]}, "filter.metadata[0].range"),
        ({"metadata": [between("a", lower=2, upper=1)]}, "filter.metadata[0].range"),
        ({"metadata": [between("b"), between("a", lower=0, upper=-0.1)]}, "filter.metadata[1].range"),
        ({"metadata": [common_pb2.MetadataCondition(key="a")]}, "filter.metadata[0]"),
    ],
)
async def test_wrong_filter_is_refused_by_field(
    lamps_and_teas: Shop, conditions: dict[str, object], wrong: str
) -> None:
    with refused("INVALID_ARGUMENT", field=wrong):
        await found(lamps_and_teas, **conditions)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"query": ""}, "query"),
        ({"query": " \n"}, "query"),
        ({"query": "\u200b\u2063"}, "query"),
        ({"query": "x" * 2_001}, "query"),
        ({"query": "nul\0"}, "query"),
        ({"min_score": 1.1}, "min_score"),
        ({"min_score": -0.1}, "min_score"),
        ({"min_score": math.nan}, "min_score"),
        ({"page_size": -1}, "page_size"),
        ({"page_token": "mine"}, "page_token"),
    ],
)
async def test_wrong_request_is_refused_by_field(
    lamps_and_teas: Shop, fields: dict[str, object], wrong: str
) -> None:
    with refused("INVALID_ARGUMENT", field=wrong):
        await lamps_and_teas.client.search(pb.SearchRequest(**{"query": "lamp", **fields}))


@pytest.mark.parametrize("query", ["ламп" * 500, "!!! ???", "🏮", "a", "'; SELECT 1; --", "%_\\"])
async def test_any_text_of_a_legal_length_can_be_searched(lamps_and_teas: Shop, query: str) -> None:
    for mode in MODES:
        await searched(lamps_and_teas, query, mode=mode)


async def test_min_score_leaves_out_exactly_the_hits_below_it(lamps_and_teas: Shop) -> None:
    everything = (await searched(lamps_and_teas, "warm lamp for a desk")).hits
    border = everything[1].score
    kept = (await searched(lamps_and_teas, "warm lamp for a desk", min_score=border)).hits
    assert [hit.chunk_id for hit in kept] == [hit.chunk_id for hit in everything if hit.score >= border]
    assert 0 < len(kept) < len(everything)


@pytest.mark.parametrize("mode", MODES)
async def test_pages_do_not_overlap_and_leave_nothing_out(large: Shop, mode: pb.SearchMode) -> None:
    got = await pages(large, pb.SearchRequest(query="bright lamp", page_size=40, mode=mode))
    ids = [hit.chunk_id for page in got for hit in page]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 80
    assert all(len(page) == 40 for page in got[:-1])
    scores = [hit.score for page in got for hit in page]
    assert scores == sorted(scores, reverse=True)


async def test_pages_of_the_largest_size_reach_200_hits_deep(large: Shop) -> None:
    got = await pages(large, pb.SearchRequest(query="bright lamp", page_size=1_000))
    assert len(got[0]) == 100
    assert sum(map(len, got)) >= 200


async def test_page_size_may_change_between_pages(large: Shop) -> None:
    request = pb.SearchRequest(query="bright lamp", page_size=10)
    first = await large.client.search(request)
    request.page_token, request.page_size = first.next_page_token, 5
    second = await large.client.search(request)
    assert len(second.hits) == 5
    assert not {hit.chunk_id for hit in first.hits} & {hit.chunk_id for hit in second.hits}


async def test_page_token_with_another_filter_is_refused(large: Shop) -> None:
    request = pb.SearchRequest(query="bright lamp", page_size=10)
    request.page_token = (await large.client.search(request)).next_page_token
    request.filter.source_types.append("article")
    with refused("INVALID_ARGUMENT", field="page_token"):
        await large.client.search(request)


async def test_script_the_model_does_not_read_is_searched_by_words_and_said_so(lamps_and_teas: Shop) -> None:
    response = await searched(lamps_and_teas, "тёплая лампа", mode=pb.SEARCH_MODE_SEMANTIC)
    assert response.degraded
    assert "cyrillic" in response.degraded_reason.lower()
    assert response.mode == pb.SEARCH_MODE_FULL_TEXT
    assert response.hits[0].external_id == "лампа"


async def test_search_without_documents_finds_nothing(running: Running) -> None:
    response = await searched(await new_shop(running), "lamp")
    assert not response.hits
    assert not response.next_page_token


async def test_words_answer_while_the_embedding_model_is_down(database_dsn: str, fake: FakeOpenAI) -> None:
    changes = {"embedder": "openai", "openai_base_url": fake.base_url, "openai_timeout_seconds": 2.0}
    async with running_service(database_dsn, **changes) as running:
        shop = await new_shop(running)
        await upsert(shop, "desk", LAMP)
        await wait_until_indexed(shop)
        well = await searched(shop, "desk lamp")
        assert (well.degraded, well.mode) == (False, pb.SEARCH_MODE_HYBRID)
        fake.fail(Fault(path="/embeddings", times=1_000, status=503))
        for mode in (pb.SEARCH_MODE_SEMANTIC, pb.SEARCH_MODE_HYBRID):
            poor = await searched(shop, "light desk", mode=mode)
            assert (poor.degraded, poor.mode) == (True, pb.SEARCH_MODE_FULL_TEXT)
            assert poor.degraded_reason
            assert [hit.external_id for hit in poor.hits] == ["desk"]
        words = await searched(shop, "light desk", mode=pb.SEARCH_MODE_FULL_TEXT)
        assert not words.degraded


async def test_words_answer_while_the_embedding_model_hangs(database_dsn: str, fake: FakeOpenAI) -> None:
    changes = {"embedder": "openai", "openai_base_url": fake.base_url}
    async with running_service(database_dsn, **changes) as running:
        shop = await new_shop(running)
        await upsert(shop, "desk", LAMP)
        await wait_until_indexed(shop)
        fake.fail(Fault(path="/embeddings", times=1_000, hangs=True))
        async with asyncio.timeout(PATIENCE_SECONDS + 5.0):
            poor = await searched(shop, "light desk")
        assert (poor.degraded, poor.mode) == (True, pb.SEARCH_MODE_FULL_TEXT)
        assert [hit.external_id for hit in poor.hits] == ["desk"]
