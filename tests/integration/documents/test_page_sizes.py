"""The largest pages that may be asked for, read by a client that nobody has told of larger messages."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.struct_pb2 import Struct
from kladez.v1 import document_service_pb2 as pb
from kladez.v1 import document_service_pb2_grpc as pb_grpc
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import search_service_pb2_grpc as search_grpc

from tests.kits.service_kit import Running, Shop, bearer, new_shop

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

DOCUMENTS = 500
DEFAULT_LIMIT = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    """Without a worker: what is only stored need not be embedded."""
    return {"workers": 0}


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(running: Running) -> AsyncIterator[grpc.aio.Channel]:
    """A channel with gRPC's own defaults."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        yield channel


async def stocked(running: Running) -> Shop:
    """500 documents with about 15 KiB of metadata each, which is allowed."""
    shop = await new_shop(running)
    for first in range(0, DOCUMENTS, 100):
        documents = [large(number) for number in range(first, first + 100)]
        await shop.client.batch_upsert_documents(pb.BatchUpsertDocumentsRequest(documents=documents))
    return shop


def large(number: int) -> pb.Document:
    metadata = Struct()
    metadata.update({f"key_{part}": "x" * 1_000 for part in range(15)})
    return pb.Document(
        source_type="article", external_id=f"{number:03}", title="T", content="Tea.", metadata=metadata
    )


async def test_listing_of_large_documents_is_read_whole_by_any_client(
    running: Running, stranger: grpc.aio.Channel
) -> None:
    shop = await stocked(running)
    stub = pb_grpc.DocumentServiceStub(stranger)
    request = pb.ListDocumentsRequest(page_size=DOCUMENTS)
    found: list[str] = []
    sizes: list[int] = []
    while True:
        page = await stub.ListDocuments(request, metadata=bearer(shop.key))
        found += [document.external_id for document in page.documents]
        sizes.append(page.ByteSize())
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert sorted(found) == [f"{number:03}" for number in range(DOCUMENTS)]
    assert len(sizes) > 1
    assert max(sizes) < DEFAULT_LIMIT


async def test_small_pages_are_as_long_as_asked_for(running: Running, stranger: grpc.aio.Channel) -> None:
    shop = await new_shop(running)
    documents = [
        pb.Document(source_type="article", external_id=f"{number:03}", title="T", content="Tea.")
        for number in range(120)
    ]
    await shop.client.batch_upsert_documents(pb.BatchUpsertDocumentsRequest(documents=documents))
    stub = pb_grpc.DocumentServiceStub(stranger)
    page = await stub.ListDocuments(pb.ListDocumentsRequest(page_size=100), metadata=bearer(shop.key))
    assert len(page.documents) == 100
    rest = await stub.ListDocuments(
        pb.ListDocumentsRequest(page_size=100, page_token=page.next_page_token), metadata=bearer(shop.key)
    )
    assert (len(rest.documents), rest.next_page_token) == (20, "")


async def test_message_that_the_method_does_not_take_is_refused_by_name(
    running: Running, stranger: grpc.aio.Channel
) -> None:
    """Never with the code that elsewhere means "wait and repeat"."""
    shop = await new_shop(running)
    stub = pb_grpc.DocumentServiceStub(stranger)
    content = base64.b64encode(bytes(30_000)).decode()
    documents = [pb.Document(source_type="a", external_id=str(n), content=content) for n in range(150)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.BatchUpsertDocuments(
            pb.BatchUpsertDocumentsRequest(documents=documents), metadata=bearer(shop.key)
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "this method accepts 4194304" in (caught.value.details() or "")
    assert "x-request-id" in dict(caught.value.trailing_metadata() or ())


async def test_message_that_grpc_itself_refuses_is_named_by_our_client(running: Running) -> None:
    shop = await new_shop(running)
    documents = [pb.Document(source_type="a", external_id=str(n), content="x" * 40_000) for n in range(500)]
    with pytest.raises(Exception, match="larger than the service reads") as caught:
        await shop.client.batch_upsert_documents(pb.BatchUpsertDocumentsRequest(documents=documents))
    assert caught.value.code == "INVALID_ARGUMENT"
    assert caught.value.reason == "REQUEST_TOO_LARGE"
    assert caught.value.retry_after_seconds is None


async def test_search_reads_on_where_the_page_was_cut(running: Running, stranger: grpc.aio.Channel) -> None:
    shop = await new_shop(running)
    await shop.client.upsert_document(
        pb.UpsertDocumentRequest(document=pb.Document(source_type="a", external_id="1", content="Tea."))
    )
    stub = search_grpc.SearchServiceStub(stranger)
    answer = await stub.Search(search_pb.SearchRequest(query="tea", page_size=100), metadata=bearer(shop.key))
    assert answer.next_page_token == ""
