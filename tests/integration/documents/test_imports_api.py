"""ImportDocuments and ImportShop over the wire: resumable, exact about what was refused."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from kladez.v1 import document_service_pb2 as pb

import retrieval_service
from tests.kits.documents_kit import document, got, listed
from tests.kits.service_kit import Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEMO = Path(retrieval_service.__file__).parent / "demo"


# --- import


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    """Without a worker: what is only stored need not be embedded."""
    return {"workers": 0}


async def imported(
    shop: Shop, requests: Iterable[pb.ImportDocumentsRequest]
) -> list[pb.ImportDocumentsResponse]:
    async def sent() -> AsyncIterator[pb.ImportDocumentsRequest]:
        for request in requests:
            yield request

    return [event async for event in shop.client.import_documents(sent())]


def config(import_id: str) -> pb.ImportDocumentsRequest:
    return pb.ImportDocumentsRequest(config=pb.ImportConfig(import_id=import_id))


def chunk(first_sequence: int, *documents: pb.Document) -> pb.ImportDocumentsRequest:
    return pb.ImportDocumentsRequest(chunk=pb.ImportChunk(first_sequence=first_sequence, documents=documents))


def acknowledged(events: Sequence[pb.ImportDocumentsResponse]) -> list[int]:
    return [event.ack.next_sequence for event in events if event.WhichOneof("event") == "ack"]


async def test_import_acknowledges_each_chunk_and_ends_with_the_summary(shop: Shop) -> None:
    requests = [
        config(str(uuid.uuid4())),
        chunk(0, document("a"), document("b")),
        chunk(2, document("c"), document("bad", content="")),
        chunk(4, document("a")),
    ]
    events = await imported(shop, requests)
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds == ["ack", "ack", "item_errors", "ack", "ack", "summary"]
    assert acknowledged(events) == [0, 2, 4, 5]
    [wrong] = events[2].item_errors.errors
    assert (wrong.index, wrong.external_id, wrong.error.fields[0].field) == (3, "bad", "content")
    assert events[-1].summary == pb.ImportSummary(created_count=3, unchanged_count=1, failed_count=1)


async def test_import_that_goes_on_tells_first_what_was_refused_before(shop: Shop) -> None:
    """Also of what no table could hold: NUL in a name, a key that stands twice."""
    import_id = str(uuid.uuid4())
    bad = (
        document("empty", content=""),
        document("a\0b"),
        document("twice", metadata_json='{"a": 1, "a": 2}'),
        document("nul", title="a\0b", metadata_json='{"a": "\\u0000"}'),
    )
    first = await imported(shop, [config(import_id), chunk(0, document("a"), *bad)])
    [told] = [event.item_errors for event in first if event.HasField("item_errors")]
    again = await imported(shop, [config(import_id), chunk(5, document("b"))])
    assert [event.WhichOneof("event") for event in again] == ["ack", "item_errors", "ack", "summary"]
    said = [(one.index, one.error) for one in again[1].item_errors.errors]
    assert said == [(one.index, one.error) for one in told.errors]
    assert [index for index, _ in said] == [1, 2, 3, 4]
    assert again[-1].summary.failed_count == 4


async def test_many_refused_documents_are_told_in_parts(shop: Shop) -> None:
    import_id = str(uuid.uuid4())
    for start in (0, 400, 800):
        batch = [document(f"{start + number}", content="") for number in range(400)]
        await imported(shop, [config(import_id), chunk(start, *batch)])
    events = await imported(shop, [config(import_id)])
    parts = [event.item_errors.errors for event in events if event.HasField("item_errors")]
    assert [len(part) for part in parts] == [500, 500, 200]
    assert [one.index for part in parts for one in part] == list(range(1_200))


async def test_import_goes_on_where_a_broken_connection_ended(shop: Shop) -> None:
    import_id = str(uuid.uuid4())

    async def broken() -> AsyncIterator[pb.ImportDocumentsRequest]:
        yield config(import_id)
        yield chunk(0, document("a"), document("b"))
        await asyncio.Event().wait()

    async with aclosing(shop.client.import_documents(broken())) as events:
        async for event in events:
            if event.ack.next_sequence == 2:
                break
    again = await imported(
        shop,
        [config(import_id), chunk(0, document("a"), document("b"), document("c")), chunk(3, document("d"))],
    )
    assert acknowledged(again) == [2, 3, 4]
    assert again[-1].summary == pb.ImportSummary(created_count=4)
    last = await imported(shop, [config(import_id)])
    assert acknowledged(last) == [4]
    assert last[-1].summary.created_count == 4


async def test_import_with_a_gap_is_refused_and_nothing_of_the_chunk_is_stored(shop: Shop) -> None:
    import_id = str(uuid.uuid4())
    with refused("INVALID_ARGUMENT", field="chunk.first_sequence"):
        await imported(shop, [config(import_id), chunk(0, document("a")), chunk(2, document("c"))])
    assert await listed(shop) == ["a"]
    assert acknowledged(await imported(shop, [config(import_id)])) == [1]


@pytest.mark.parametrize(
    ("requests", "wrong"),
    [
        ([], "config"),
        ([chunk(0, document("a"))], "config"),
        ([config("mine")], "config.import_id"),
        ([config(str(uuid.UUID(int=1))), config(str(uuid.UUID(int=1)))], "chunk"),
        ([config(str(uuid.UUID(int=1))), chunk(0)], "chunk.documents"),
        ([config(str(uuid.UUID(int=1))), chunk(-1, document("a"))], "chunk.first_sequence"),
    ],
)
async def test_import_out_of_order_is_refused(
    shop: Shop, requests: list[pb.ImportDocumentsRequest], wrong: str
) -> None:
    with refused("INVALID_ARGUMENT", field=wrong):
        await imported(shop, requests)


# --- shop import


async def test_demo_shop_is_imported_whole_and_again_without_a_change(shop: Shop) -> None:
    data = (DEMO / "shop.pt.json").read_bytes()
    rows = {name: len(items) for name, items in json.loads(data).items() if isinstance(items, list)}
    first = await shop.client.import_shop(pb.ImportShopRequest(shop_json=data, language="pt"))
    assert not first.errors
    assert first.summary.created_count == sum(rows.values())
    again = await shop.client.import_shop(pb.ImportShopRequest(shop_json=data, language="pt"))
    assert again.summary == pb.ImportSummary(unchanged_count=sum(rows.values()))


async def test_unknown_product_fields_become_metadata(shop: Shop) -> None:
    row = {"id": "lamp", "name": "Лампа", "description": "Тёплый свет.", "price": 990, "watts": 40}
    data = json.dumps({"products": [row]}).encode()
    response = await shop.client.import_shop(pb.ImportShopRequest(shop_json=data))
    assert list(response.metadata_fields) == ["watts"]
    stored = await got(shop, "lamp", "product")
    assert (stored.metadata["watts"], stored.metadata["price"], stored.language) == (40, 990, "ru")


async def test_bad_shop_rows_are_named_by_list_line_and_field_while_good_ones_are_kept(shop: Shop) -> None:
    data = b"""{"products": [
  {"id": "good", "name": "Lamp", "description": "Warm light."},
  {"id": "bad", "name": 7, "description": "x"},
  "not an object"
],
"faq": [
  {"question": "Where?"}
]}"""
    response = await shop.client.import_shop(pb.ImportShopRequest(shop_json=data, language="en"))
    places = [(one.list, one.index, one.line, one.field) for one in response.errors]
    assert ("products", 1, 3, "name") in places
    assert ("products", 2, 4, "") in places
    assert ("faq", 0, 7, "answer") in places
    assert response.summary == pb.ImportSummary(created_count=1, failed_count=3)
    assert await listed(shop) == ["good"]


async def test_shop_that_is_no_json_is_reported_with_its_line(shop: Shop) -> None:
    data = b'{"products": [\n  {"id": "a", "name": "A", "description": "x"},\n  {"id": \n]}'
    response = await shop.client.import_shop(pb.ImportShopRequest(shop_json=data))
    assert response.errors
    assert response.errors[-1].line >= 3
    with refused("INVALID_ARGUMENT", field="shop_json"):
        await shop.client.import_shop(pb.ImportShopRequest())
