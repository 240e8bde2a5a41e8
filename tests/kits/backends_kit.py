"""A service that may search at the loopback OpenAI server, and tenants whose documents are held there."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import insight_service_pb2 as insight_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import sync_service_pb2 as sync_pb

from retrieval_service.api.messages import metadata_messages
from retrieval_service.domain.sync.remote_files import RemoteDocument, Replacement
from retrieval_service.stores.sync import document_files, remote_documents, vector_store_ids
from retrieval_service.stores.sync.document_files import DocumentFile
from tests.fakes.openai import FakeOpenAI
from tests.kits.openai_stores_kit import stores_at
from tests.kits.service_kit import Running, Shop, wait_until_indexed

PGVECTOR = common_pb2.RETRIEVAL_BACKEND_PGVECTOR
OPENAI = common_pb2.RETRIEVAL_BACKEND_OPENAI
DEFAULT = common_pb2.RETRIEVAL_BACKEND_DEFAULT
SEARCH = "/search"


def openai_settings(fake: FakeOpenAI, **changes: Any) -> dict[str, Any]:
    """Of a service that embeds here and searches, when asked to, at the fake."""
    return {"openai_base_url": fake.base_url, "answerer": "responses", **changes}


async def hold(running: Running, shop: Shop, fake: FakeOpenAI) -> str:
    """Every document of the tenant stands at the fake as a worker would have put it there; returns the store."""
    await wait_until_indexed(shop)
    wanted = [remote_document(shop, one) for one in await own_documents(shop)]
    async with stores_at(fake) as stores:
        store_id = await stores.ensure_store(f"kladez-{shop.tenant_id}", {"tenant_id": shop.tenant_id})
        replaced = await stores.replace(store_id, [Replacement(document=one) for one in wanted])
    files = {one.document_id: one.file_id for one in replaced}
    async with running.service.database.tenant(uuid.UUID(shop.tenant_id)) as scope:
        await vector_store_ids.put(scope, store_id)
        for document in wanted:
            file = document_file(document, store_id, files[document.document_id])
            await document_files.set_primary(scope, file)
            await remote_documents.mark_synced(scope, document.document_id, file.version, file.file_id)
    return store_id


async def own_documents(shop: Shop) -> Sequence[documents_pb.Document]:
    """With their texts."""
    listed = await shop.client.list_documents(documents_pb.ListDocumentsRequest(page_size=100))
    requests = [documents_pb.GetDocumentRequest(document_id=one.document_id) for one in listed.documents]
    return [(await shop.client.get_document(request)).document for request in requests]


def remote_document(shop: Shop, document: documents_pb.Document) -> RemoteDocument:
    return RemoteDocument(
        tenant_id=uuid.UUID(shop.tenant_id),
        document_id=uuid.UUID(document.document_id),
        source_type=document.source_type,
        title=document.title,
        section=document.section,
        tags=list(document.tags),
        language=document.language,
        text=document.content,
        metadata=metadata_messages.read(document),
    )


def document_file(document: RemoteDocument, store_id: str, file_id: str, version: int = 1) -> DocumentFile:
    digest = hashlib.sha256(document.text.encode()).hexdigest()
    return DocumentFile(
        file_id=file_id,
        document_id=document.document_id,
        store_id=store_id,
        role=document_files.PRIMARY,
        version=version,
        content_digest=digest,
        attributes_digest=digest,
        byte_count=len(document.text),
        created_at=datetime.now(UTC),
    )


async def choose(
    running: Running, shop: Shop, backend: common_pb2.RetrievalBackend.ValueType, **fields: float
) -> sync_pb.SetBackendResponse:
    request = sync_pb.SetBackendRequest(backend=backend, **fields)
    return await running.client.for_tenant(shop.tenant_id).set_backend(request)


async def search(shop: Shop, query: str, **fields: Any) -> search_pb.SearchResponse:
    return await shop.client.search(search_pb.SearchRequest(query=query, **fields))


async def fees(running: Running, shop: Shop) -> tuple[int, float]:
    """How often OpenAI has searched for the shop, and the dollars it takes for that."""
    await running.service.meter.flush()
    total = (await shop.client.get_usage(insight_pb.GetUsageRequest())).total
    return total.remote_search_count, total.searching_usd


def found(response: search_pb.SearchResponse) -> list[str]:
    """The external ids, best first."""
    return [hit.external_id for hit in response.hits]
