"""DocumentService on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from kladez.v1 import document_service_pb2 as pb
from kladez.v1 import document_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, convert, fields
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.domain.records import DocumentKey
from retrieval_service.services.importing import Importer
from retrieval_service.services.reading import Reader

MAX_CHUNK = 500
MAX_SHOP_ERRORS = 1_000
STATUS_NAMES = {number: name for name, number in convert.SYNC_STATUSES.items()}


class DocumentServicer(pb_grpc.DocumentServiceServicer):
    """One service call per method; an import makes one for each chunk."""

    def __init__(self, importer: Importer, reader: Reader, page_tokens: PageTokens) -> None:
        self._importer = importer
        self._reader = reader
        self._page_tokens = page_tokens

    async def UpsertDocument(
        self, request: pb.UpsertDocumentRequest, context: Any
    ) -> pb.UpsertDocumentResponse:
        row, outcome = await self._importer.upsert(calls.tenant_id(), convert.draft(request.document))
        return pb.UpsertDocumentResponse(document=convert.document(row), outcome=convert.OUTCOMES[outcome])

    async def BatchUpsertDocuments(
        self, request: pb.BatchUpsertDocumentsRequest, context: Any
    ) -> pb.BatchUpsertDocumentsResponse:
        check_count("documents", len(request.documents))
        drafts = [convert.draft(document) for document in request.documents]
        items = await self._importer.upsert_batch(calls.tenant_id(), drafts)
        results = [convert.result(index, item) for index, item in enumerate(items)]
        return pb.BatchUpsertDocumentsResponse(results=results)

    async def ImportDocuments(
        self, request_iterator: AsyncIterator[pb.ImportDocumentsRequest], context: Any
    ) -> AsyncIterator[pb.ImportDocumentsResponse]:
        tenant_id = calls.tenant_id()
        import_id = await import_config(request_iterator)
        progress = await self._importer.import_begun(tenant_id, import_id)
        yield ack(progress.next_sequence)
        async for request in request_iterator:
            chunk = import_chunk(request)
            drafts = [convert.draft(document) for document in chunk.documents]
            progress, items = await self._importer.import_chunk(
                tenant_id, import_id, chunk.first_sequence, drafts
            )
            failures = [convert.result(sequence, item) for sequence, item in items if item.violations]
            if failures:
                yield pb.ImportDocumentsResponse(item_errors=pb.ImportItemErrors(errors=failures))
            yield ack(progress.next_sequence)
        yield pb.ImportDocumentsResponse(summary=convert.summary(progress))

    async def ImportShop(self, request: pb.ImportShopRequest, context: Any) -> pb.ImportShopResponse:
        if not request.shop_json:
            raise fields.refuse("shop_json", "is required")
        language = fields.language("language", request.language)
        report = await self._importer.import_shop(calls.tenant_id(), request.shop_json, language)
        return pb.ImportShopResponse(
            summary=convert.summary(report.progress),
            errors=[
                pb.ShopRowError(
                    list=row.list,
                    index=row.index,
                    line=row.line,
                    field=row.field,
                    description=row.description,
                )
                for row in report.errors[:MAX_SHOP_ERRORS]
            ],
            metadata_fields=report.metadata_fields,
        )

    async def GetDocument(self, request: pb.GetDocumentRequest, context: Any) -> pb.GetDocumentResponse:
        row = await self._reader.document(calls.tenant_id(), selector(request))
        return pb.GetDocumentResponse(document=convert.document(row, with_content=True))

    async def ListDocuments(self, request: pb.ListDocumentsRequest, context: Any) -> pb.ListDocumentsResponse:
        tenant_id = calls.tenant_id()
        size = page_size(request.page_size, default=50, largest=500)
        read = self._page_tokens.read(request.page_token, request, str(tenant_id))
        rows = await self._reader.documents(
            tenant_id,
            after=fields.position(read, fields.BEGINNING),
            source_type=fields.optional_text("source_type", request.source_type, limit=64),
            sync_status=STATUS_NAMES.get(request.sync_status, ""),
            limit=size + 1,
        )
        page, more = rows[:size], len(rows) > size
        place = fields.place(page[-1].created_at, page[-1].id) if more else ()
        return pb.ListDocumentsResponse(
            documents=[convert.document(row) for row in page],
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if more else "",
        )

    async def DeleteDocument(
        self, request: pb.DeleteDocumentRequest, context: Any
    ) -> pb.DeleteDocumentResponse:
        await self._reader.delete_document(calls.tenant_id(), selector(request))
        return pb.DeleteDocumentResponse()


def selector(request: pb.GetDocumentRequest | pb.DeleteDocumentRequest) -> UUID | DocumentKey:
    kind = request.WhichOneof("selector")
    if kind is None:
        raise fields.refuse("selector", "document_id or key is required")
    if kind == "document_id":
        return fields.uuid("document_id", request.document_id)
    return DocumentKey(
        source_type=fields.text("key.source_type", request.key.source_type, limit=64),
        external_id=fields.text("key.external_id", request.key.external_id, limit=256),
    )


async def import_config(requests: AsyncIterator[pb.ImportDocumentsRequest]) -> UUID:
    """The import's id, from the first message."""
    first = await anext(aiter(requests), None)
    if first is None or first.WhichOneof("payload") != "config":
        raise fields.refuse("config", "must be the first message")
    return fields.uuid("config.import_id", first.config.import_id)


def import_chunk(request: pb.ImportDocumentsRequest) -> pb.ImportChunk:
    if request.WhichOneof("payload") != "chunk":
        raise fields.refuse("chunk", "must be every message but the first")
    if request.chunk.first_sequence < 0:
        raise fields.refuse("chunk.first_sequence", "must not be negative")
    check_count("chunk.documents", len(request.chunk.documents))
    return request.chunk


def check_count(field: str, count: int) -> None:
    """Before anything is made of them: a small message may hold millions of empty documents."""
    if not 1 <= count <= MAX_CHUNK:
        raise fields.refuse(field, f"must be 1-{MAX_CHUNK}, are {count:,}")


def ack(next_sequence: int) -> pb.ImportDocumentsResponse:
    return pb.ImportDocumentsResponse(ack=pb.ImportAck(next_sequence=next_sequence))
