"""DocumentService over the wire: what its comments in document_service.proto promise."""

from __future__ import annotations

import math
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import struct_pb2
from kladez.v1 import document_service_pb2 as pb
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import search_service_pb2 as search_pb

import retrieval_service
from retrieval_service.postgres.embedded import Embedded
from tests.kits.documents_kit import TEXT, document, got, listed
from tests.kits.service_kit import (
    Running,
    Shop,
    new_shop,
    refused,
    shared_service,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEMO = Path(retrieval_service.__file__).parent / "demo"


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    """Without a worker: what is only stored need not be embedded."""
    return {"workers": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def indexing(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Running]:
    async with shared_service(postgres_server, migrated_template) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def indexed_shop(indexing: Running) -> Shop:
    """One whose documents are soon found."""
    return await new_shop(indexing)


def struct(**values: object) -> struct_pb2.Struct:
    message = struct_pb2.Struct()
    message.update(values)
    return message


async def outcome(shop: Shop, wanted: pb.Document) -> int:
    response = await shop.client.upsert_document(pb.UpsertDocumentRequest(document=wanted))
    return response.outcome


async def found(shop: Shop, query: str) -> list[str]:
    response = await shop.client.search(
        search_pb.SearchRequest(query=query, mode=search_pb.SEARCH_MODE_FULL_TEXT)
    )
    return [hit.external_id for hit in response.hits]


# --- upsert


async def test_upsert_creates_updates_and_leaves_alone(shop: Shop) -> None:
    whole = document(
        "assam",
        title="Assam",
        section="Black tea",
        tags=["morning", "strong"],
        url="https://shop.example/assam",
        metadata=struct(price=12.5, organic=True, origin={"country": "India"}),
        language="en",
    )
    assert await outcome(shop, whole) == pb.UPSERT_OUTCOME_CREATED
    assert await outcome(shop, whole) == pb.UPSERT_OUTCOME_UNCHANGED
    whole.tags.reverse()
    assert await outcome(shop, whole) == pb.UPSERT_OUTCOME_UNCHANGED
    whole.title = "Assam Second Flush"
    assert await outcome(shop, whole) == pb.UPSERT_OUTCOME_UPDATED
    stored = await got(shop, "assam")
    assert (stored.title, stored.content, stored.url) == (whole.title, TEXT, whole.url)
    assert stored.metadata == whole.metadata
    assert list(await listed(shop)) == ["assam"]


async def test_upsert_answers_without_the_content(shop: Shop) -> None:
    stored = await upsert(shop, "a", TEXT)
    assert stored.content == ""
    assert stored.content_type == "text/plain"
    assert len(stored.content_hash) == 64
    assert stored.sync_status == pb.SYNC_STATUS_PENDING
    assert stored.HasField("create_time")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Чай собирают вручную на рассвете, пока не высохла роса.", "ru"),
        ("The leaves are picked by hand before the dew has dried.", "en"),
        ("As folhas são colhidas à mão antes de o orvalho secar.", "pt"),
        ("<p>Чай собирают вручную на рассвете.</p>", "ru"),
    ],
)
async def test_language_is_detected_from_the_content(shop: Shop, text: str, language: str) -> None:
    content_type = "text/html" if text.startswith("<") else ""
    stored = await upsert(shop, "a", text, content_type=content_type)
    assert stored.language == language


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"source_type": "Not A Type"}, "document.source_type"),
        ({"external_id": ""}, "document.external_id"),
        ({"external_id": "x" * 257}, "document.external_id"),
        ({"external_id": "nul\0"}, "document.external_id"),
        ({"title": "x" * 501}, "document.title"),
        ({"section": "x" * 201}, "document.section"),
        ({"tags": ["x"] * 51}, "document.tags"),
        ({"content": " \n "}, "document.content"),
        ({"content": "x" * (1024 * 1024 + 1)}, "document.content"),
        ({"content_type": "application/pdf"}, "document.content_type"),
        ({"language": "rus"}, "document.language"),
        ({"url": "javascript:alert(1)"}, "document.url"),
        ({"metadata": struct(text="x" * 17_000)}, "document.metadata"),
        ({"metadata": struct(number=math.nan)}, "document.metadata.number"),
        ({"metadata": struct(number=math.inf)}, "document.metadata.number"),
        ({"metadata": struct(text="nul\0")}, "document.metadata.text"),
    ],
)
async def test_wrong_document_is_refused_by_field(shop: Shop, fields: dict[str, object], wrong: str) -> None:
    with refused("INVALID_ARGUMENT", field=wrong):
        await outcome(shop, document(**{"external_id": "a", **fields}))
    assert await listed(shop) == []


async def test_largest_document_is_accepted(shop: Shop) -> None:
    large = "x" * (1024 * 1024 - len(TEXT)) + TEXT
    assert await outcome(shop, document("a", content=large)) == pb.UPSERT_OUTCOME_CREATED
    assert (await got(shop, "a")).content == large


async def test_metadata_of_every_kind_comes_back_as_it_was(shop: Shop) -> None:
    metadata = struct(
        n=None, yes=True, one=1, half=0.5, big=1e300, text="ж", list=[1, [2, {"a": None}]], empty={}
    )
    await outcome(shop, document("a", metadata=metadata))
    assert (await got(shop, "a")).metadata == metadata


# --- batches


async def test_batch_stores_good_documents_and_names_bad_ones_in_order(shop: Shop) -> None:
    await upsert(shop, "same", TEXT)
    batch = [
        document("new"),
        document("bad", content="", title="x" * 501),
        document("same"),
        document("new", content="Another text under the same id."),
        document("worse", metadata=struct(number=math.nan)),
    ]
    response = await shop.client.batch_upsert_documents(pb.BatchUpsertDocumentsRequest(documents=batch))
    results = response.results
    assert [one.index for one in results] == [0, 1, 2, 3, 4]
    assert [one.external_id for one in results] == ["new", "bad", "same", "new", "worse"]
    assert results[0].outcome == pb.UPSERT_OUTCOME_CREATED
    assert results[2].outcome == pb.UPSERT_OUTCOME_UNCHANGED
    assert {one.field for one in results[1].error.fields} == {"title", "content"}
    assert results[3].error.fields[0].field == "external_id"
    assert results[4].error.fields[0].field == "metadata.number"
    assert results[1].error.reason == "INVALID_FIELDS"
    assert sorted(await listed(shop)) == ["new", "same"]
    assert (await got(shop, "new")).content == TEXT


@pytest.mark.parametrize("count", [0, 501])
async def test_batch_of_none_or_too_many_is_refused(shop: Shop, count: int) -> None:
    batch = [document(str(number)) for number in range(count)]
    with refused("INVALID_ARGUMENT", field="documents"):
        await shop.client.batch_upsert_documents(pb.BatchUpsertDocumentsRequest(documents=batch))


async def test_largest_batch_is_stored_at_once(shop: Shop) -> None:
    batch = [document(str(number), content=f"{TEXT} {number}", language="en") for number in range(500)]
    response = await shop.client.batch_upsert_documents(pb.BatchUpsertDocumentsRequest(documents=batch))
    assert {one.outcome for one in response.results} == {pb.UPSERT_OUTCOME_CREATED}


# --- reading and deleting


async def test_document_is_read_by_id_and_by_key(shop: Shop) -> None:
    stored = await upsert(shop, "a", TEXT)
    by_id = await shop.client.get_document(pb.GetDocumentRequest(document_id=stored.document_id))
    assert by_id.document.content == TEXT
    assert by_id.document.external_id == "a"
    assert (await got(shop, "a")).document_id == stored.document_id


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (pb.GetDocumentRequest(), "INVALID_ARGUMENT"),
        (pb.GetDocumentRequest(document_id="a"), "INVALID_ARGUMENT"),
        (pb.GetDocumentRequest(key=pb.DocumentKey(source_type="article")), "INVALID_ARGUMENT"),
        (pb.GetDocumentRequest(key=pb.DocumentKey(source_type="a", external_id="\0")), "INVALID_ARGUMENT"),
        (pb.GetDocumentRequest(key=pb.DocumentKey(source_type="article", external_id="x")), "NOT_FOUND"),
        (pb.GetDocumentRequest(document_id=str(uuid.UUID(int=9))), "NOT_FOUND"),
    ],
)
async def test_document_that_is_not_there_is_not_found(
    shop: Shop, request_: pb.GetDocumentRequest, code: str
) -> None:
    with refused(code):
        await shop.client.get_document(request_)


async def test_list_is_oldest_first_without_contents_and_pages_do_not_overlap(shop: Shop) -> None:
    for name in "abcde":
        await upsert(shop, name, f"{TEXT} {name}", source_type="faq" if name == "c" else "article")
    assert await listed(shop) == list("abcde")
    assert await listed(shop, source_type="article") == list("abde")
    page = await shop.client.list_documents(pb.ListDocumentsRequest())
    assert not any(one.content for one in page.documents)


async def test_list_by_status_follows_the_index(indexed_shop: Shop) -> None:
    await upsert(indexed_shop, "a", TEXT)
    await wait_until_indexed(indexed_shop)
    assert await listed(indexed_shop, sync_status=pb.SYNC_STATUS_SYNCED) == ["a"]
    assert await listed(indexed_shop, sync_status=pb.SYNC_STATUS_ERROR) == []
    stored = await got(indexed_shop, "a")
    assert stored.sync_status == pb.SYNC_STATUS_SYNCED
    assert stored.chunk_count == 1
    assert stored.HasField("last_sync_time")


@pytest.mark.parametrize(
    ("conditions", "wrong"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_token": "x"}, "page_token"),
        ({"source_type": "\0"}, "source_type"),
    ],
)
async def test_wrong_listing_is_refused(shop: Shop, conditions: dict[str, object], wrong: str) -> None:
    with refused("INVALID_ARGUMENT", field=wrong):
        await shop.client.list_documents(pb.ListDocumentsRequest(**conditions))


async def test_deleted_document_is_not_found_from_the_moment_of_the_response(indexed_shop: Shop) -> None:
    stored = await upsert(indexed_shop, "assam", TEXT)
    await upsert(indexed_shop, "mate", "Mate is a strong drink of the morning.")
    await wait_until_indexed(indexed_shop)
    assert set(await found(indexed_shop, "strong morning")) == {"assam", "mate"}
    await indexed_shop.client.delete_document(pb.DeleteDocumentRequest(document_id=stored.document_id))
    assert await found(indexed_shop, "strong morning") == ["mate"]
    assert await listed(indexed_shop) == ["mate"]
    with refused("NOT_FOUND"):
        await got(indexed_shop, "assam")
    with refused("NOT_FOUND"):
        await indexed_shop.client.delete_document(pb.DeleteDocumentRequest(document_id=stored.document_id))


async def test_deleted_document_comes_back_with_the_next_upsert(indexed_shop: Shop) -> None:
    stored = await upsert(indexed_shop, "assam", TEXT)
    await indexed_shop.client.delete_document(pb.DeleteDocumentRequest(document_id=stored.document_id))
    assert await outcome(indexed_shop, document("assam")) != pb.UPSERT_OUTCOME_UNCHANGED
    await wait_until_indexed(indexed_shop)
    assert await found(indexed_shop, "strong morning") == ["assam"]


async def test_counts_of_index_and_usage_follow_the_documents(indexed_shop: Shop) -> None:
    await upsert(indexed_shop, "a", TEXT)
    await upsert(indexed_shop, "b", "Green tea is steamed.")
    status = await wait_until_indexed(indexed_shop)
    assert (status.synced_count, status.error_count, status.chunk_count) == (2, 0, 2)
    assert not status.HasField("oldest_pending_age")
    await found(indexed_shop, "tea")
    await upsert(indexed_shop, "a", TEXT, url="/elsewhere")
    await wait_until_indexed(indexed_shop)
    [today] = (await indexed_shop.client.get_usage(insights_pb.GetUsageRequest())).days
    assert (today.embedded_chunk_count, today.unchanged_chunk_count, today.search_count) == (2, 1, 1)
    assert today.embedded_token_count > 2
    with refused("INVALID_ARGUMENT", field="days"):
        await indexed_shop.client.get_usage(insights_pb.GetUsageRequest(days=93))
