"""DocumentService on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from kladez.v1 import document_service_pb2 as pb
from kladez.v1 import document_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, fields, pages, selections
from retrieval_service.api.messages import document_messages
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.api.update_masks import masked
from retrieval_service.domain.documents.stored import DocumentKey
from retrieval_service.services.documents.editing import Editor
from retrieval_service.services.documents.importing import Importer
from retrieval_service.services.documents.reading import Reader

MAX_CHUNK = 500
MAX_SHOP_ERRORS = 1_000
MAX_SKIPPED = 100
MASK_PATHS = (
    "title",
    "section",
    "tags",
    "content",
    "content_type",
    "language",
    "url",
    "metadata",
    "parent_key",
)
STATUS_NAMES = {number: name for name, number in document_messages.SYNC_STATUSES.items()}


class DocumentServicer(pb_grpc.DocumentServiceServicer):
    """One service call per method; an import makes one for each chunk."""

    def __init__(self, importer: Importer, editor: Editor, reader: Reader, page_tokens: PageTokens) -> None:
        self._importer = importer
        self._editor = editor
        self._reader = reader
        self._page_tokens = page_tokens

    async def UpsertDocument(
        self, request: pb.UpsertDocumentRequest, context: Any
    ) -> pb.UpsertDocumentResponse:
        row, outcome = await self._importer.upsert(
            calls.tenant_id(), document_messages.draft(request.document)
        )
        return pb.UpsertDocumentResponse(
            document=document_messages.document(row), outcome=document_messages.OUTCOMES[outcome]
        )

    async def BatchUpsertDocuments(
        self, request: pb.BatchUpsertDocumentsRequest, context: Any
    ) -> pb.BatchUpsertDocumentsResponse:
        check_count("documents", len(request.documents))
        drafts = [document_messages.draft(document) for document in request.documents]
        items = await self._importer.upsert_batch(calls.tenant_id(), drafts)
        results = [document_messages.result(index, item) for index, item in enumerate(items)]
        return pb.BatchUpsertDocumentsResponse(results=results)

    async def ImportDocuments(
        self, request_iterator: AsyncIterator[pb.ImportDocumentsRequest], context: Any
    ) -> AsyncIterator[pb.ImportDocumentsResponse]:
        tenant_id = calls.tenant_id()
        import_id = await import_config(request_iterator)
        progress = await self._importer.import_begun(tenant_id, import_id)
        yield ack(progress.next_sequence)
        if progress.failed_count:
            async for page in self._importer.refused_before(tenant_id, import_id):
                yield document_messages.refused_before(page)
        async for request in request_iterator:
            chunk = import_chunk(request)
            drafts = [document_messages.draft(document) for document in chunk.documents]
            progress, items = await self._importer.import_chunk(
                tenant_id, import_id, chunk.first_sequence, drafts
            )
            failures = [
                document_messages.result(sequence, item) for sequence, item in items if item.violations
            ]
            if failures:
                yield pb.ImportDocumentsResponse(item_errors=pb.ImportItemErrors(errors=failures))
            yield ack(progress.next_sequence)
        yield pb.ImportDocumentsResponse(summary=document_messages.summary(progress))

    async def ImportShop(self, request: pb.ImportShopRequest, context: Any) -> pb.ImportShopResponse:
        if not request.shop_json:
            raise fields.refuse("shop_json", "is required")
        language = fields.language("language", request.language)
        report = await self._importer.import_shop(calls.tenant_id(), request.shop_json, language)
        return pb.ImportShopResponse(
            summary=document_messages.summary(report.progress),
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
        return pb.GetDocumentResponse(document=document_messages.document(row, with_content=True))

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
        page = pages.cut(rows, size, document_messages.document)
        place = fields.place(page.last.created_at, page.last.id) if page.last else ()
        return pb.ListDocumentsResponse(
            documents=page.items,
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if page.last else "",
        )

    async def UpdateDocument(
        self, request: pb.UpdateDocumentRequest, context: Any
    ) -> pb.UpdateDocumentResponse:
        row = await self._editor.update(
            calls.tenant_id(),
            identity(request.document),
            version=fields.version("document.etag", request.document.etag),
            given=document_messages.draft(request.document),
            names=mask_paths(request),
        )
        return pb.UpdateDocumentResponse(document=document_messages.document(row))

    async def DeleteDocument(
        self, request: pb.DeleteDocumentRequest, context: Any
    ) -> pb.DeleteDocumentResponse:
        version = fields.version("etag", request.etag)
        await self._reader.delete_document(calls.tenant_id(), selector(request), version=version)
        return pb.DeleteDocumentResponse()

    async def BatchDeleteDocuments(
        self, request: pb.BatchDeleteDocumentsRequest, context: Any
    ) -> pb.BatchDeleteDocumentsResponse:
        selection = selections.selection(request.selector)
        act = self._editor.delete if request.confirm else self._editor.count
        affected = await act(calls.tenant_id(), selection)
        return pb.BatchDeleteDocumentsResponse(
            document_count=affected.count, sample_document_ids=map(str, affected.sample)
        )

    async def ReindexDocuments(
        self, request: pb.ReindexDocumentsRequest, context: Any
    ) -> pb.ReindexDocumentsResponse:
        selection = selections.selection(request.selector)
        affected = await self._editor.reindex(calls.tenant_id(), selection)
        return pb.ReindexDocumentsResponse(document_count=affected.count)

    async def PurgeDocuments(
        self, request: pb.PurgeDocumentsRequest, context: Any
    ) -> pb.PurgeDocumentsResponse:
        selection = selections.purged(request)
        if request.confirm:
            affected, receipt = await self._editor.purge(calls.tenant_id(), selection)
        else:
            affected, receipt = await self._editor.count(calls.tenant_id(), selection), []
        return pb.PurgeDocumentsResponse(
            document_count=affected.count,
            sample_document_ids=map(str, affected.sample),
            tables=[document_messages.purged_table(table) for table in receipt],
        )

    async def UndoImport(self, request: pb.UndoImportRequest, context: Any) -> pb.UndoImportResponse:
        import_id = fields.uuid("import_id", request.import_id)
        undone = await self._editor.undo_import(calls.tenant_id(), import_id)
        return pb.UndoImportResponse(
            deleted_count=undone.deleted_count,
            restored_count=undone.restored_count,
            skipped_count=len(undone.skipped),
            skipped_document_ids=map(str, undone.skipped[:MAX_SKIPPED]),
        )


def selector(request: pb.GetDocumentRequest | pb.DeleteDocumentRequest) -> UUID | DocumentKey:
    kind = request.WhichOneof("selector")
    if kind is None:
        raise fields.refuse("selector", "document_id or key is required")
    if kind == "document_id":
        return fields.uuid("document_id", request.document_id)
    return document_key("key", request.key)


def identity(document: pb.Document) -> UUID | DocumentKey:
    """Which document an update is about."""
    if document.document_id:
        return fields.uuid("document.document_id", document.document_id)
    return document_key("document", document)


def document_key(path: str, named: pb.DocumentKey | pb.Document) -> DocumentKey:
    return DocumentKey(
        source_type=fields.text(f"{path}.source_type", named.source_type, limit=64),
        external_id=fields.text(f"{path}.external_id", named.external_id, limit=256),
    )


def mask_paths(request: pb.UpdateDocumentRequest) -> set[str]:
    """The paths to change; `metadata_json` is another spelling of the metadata."""
    held = {field.name.removesuffix("_json") for field, _ in request.document.ListFields()}
    return masked(request.update_mask, allowed=MASK_PATHS, populated=held, whole=MASK_PATHS)


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
    """Checked before the documents are built: a small message may hold millions of empty ones."""
    if not 1 <= count <= MAX_CHUNK:
        raise fields.refuse(field, f"must be 1-{MAX_CHUNK}, are {count:,}")


def ack(next_sequence: int) -> pb.ImportDocumentsResponse:
    return pb.ImportDocumentsResponse(ack=pb.ImportAck(next_sequence=next_sequence))
