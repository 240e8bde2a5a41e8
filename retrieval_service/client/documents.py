"""Documents, one, many and streams of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from functools import cached_property

from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import document_service_pb2_grpc as documents_grpc

from retrieval_service.client.calls import MANY_TIMEOUT_SECONDS, WRITE_TIMEOUT_SECONDS, Calls
from retrieval_service.client.failures import streamed

IMPORT_TIMEOUT_SECONDS = 86_405.0


class DocumentCalls(Calls):
    """Documents, one, many and streams of them."""

    @cached_property
    def _documents(self) -> documents_grpc.DocumentServiceStub:
        return documents_grpc.DocumentServiceStub(self._channel)

    async def upsert_document(
        self, request: documents_pb.UpsertDocumentRequest
    ) -> documents_pb.UpsertDocumentResponse:
        return await self._unary(
            self._documents.UpsertDocument, request, timeout_seconds=WRITE_TIMEOUT_SECONDS
        )

    async def batch_upsert_documents(
        self, request: documents_pb.BatchUpsertDocumentsRequest
    ) -> documents_pb.BatchUpsertDocumentsResponse:
        return await self._unary(
            self._documents.BatchUpsertDocuments, request, timeout_seconds=WRITE_TIMEOUT_SECONDS
        )

    async def import_documents(
        self, requests: AsyncIterator[documents_pb.ImportDocumentsRequest]
    ) -> AsyncGenerator[documents_pb.ImportDocumentsResponse, None]:
        """Bidirectional: acknowledgements arrive while chunks are still being sent."""
        call = self._documents.ImportDocuments(
            requests, metadata=self._metadata, timeout=IMPORT_TIMEOUT_SECONDS
        )
        async with contextlib.aclosing(streamed(call)) as events:
            async for event in events:
                yield event

    async def import_shop(self, request: documents_pb.ImportShopRequest) -> documents_pb.ImportShopResponse:
        return await self._unary(self._documents.ImportShop, request, timeout_seconds=WRITE_TIMEOUT_SECONDS)

    async def get_document(
        self, request: documents_pb.GetDocumentRequest
    ) -> documents_pb.GetDocumentResponse:
        return await self._unary(self._documents.GetDocument, request)

    async def list_documents(
        self, request: documents_pb.ListDocumentsRequest
    ) -> documents_pb.ListDocumentsResponse:
        return await self._unary(self._documents.ListDocuments, request)

    async def update_document(
        self, request: documents_pb.UpdateDocumentRequest
    ) -> documents_pb.UpdateDocumentResponse:
        return await self._unary(
            self._documents.UpdateDocument, request, timeout_seconds=WRITE_TIMEOUT_SECONDS
        )

    async def delete_document(
        self, request: documents_pb.DeleteDocumentRequest
    ) -> documents_pb.DeleteDocumentResponse:
        return await self._unary(
            self._documents.DeleteDocument, request, timeout_seconds=WRITE_TIMEOUT_SECONDS
        )

    async def batch_delete_documents(
        self, request: documents_pb.BatchDeleteDocumentsRequest
    ) -> documents_pb.BatchDeleteDocumentsResponse:
        return await self._unary(
            self._documents.BatchDeleteDocuments, request, timeout_seconds=MANY_TIMEOUT_SECONDS
        )

    async def reindex_documents(
        self, request: documents_pb.ReindexDocumentsRequest
    ) -> documents_pb.ReindexDocumentsResponse:
        return await self._unary(
            self._documents.ReindexDocuments, request, timeout_seconds=MANY_TIMEOUT_SECONDS
        )

    async def purge_documents(
        self, request: documents_pb.PurgeDocumentsRequest
    ) -> documents_pb.PurgeDocumentsResponse:
        return await self._unary(
            self._documents.PurgeDocuments, request, timeout_seconds=MANY_TIMEOUT_SECONDS
        )

    async def undo_import(self, request: documents_pb.UndoImportRequest) -> documents_pb.UndoImportResponse:
        return await self._unary(self._documents.UndoImport, request, timeout_seconds=MANY_TIMEOUT_SECONDS)
