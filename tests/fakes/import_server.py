"""A document service on loopback that keeps imports in memory and breaks the line when it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import document_service_pb2_grpc as documents_grpc


@dataclass(kw_only=True)
class FakeImports:
    """`break_after` holds, for each connection in turn, after how many chunks it breaks; then none breaks.

    With `refusal` every import is refused at its beginning. Documents with an empty content are reported.
    """

    address: str = ""
    break_after: list[int] = field(default_factory=list)
    refusal: grpc.StatusCode | None = None
    stored: dict[str, list[str]] = field(default_factory=dict)
    connections: int = 0


@asynccontextmanager
async def running_imports(
    *, break_after: Sequence[int] = (), refusal: grpc.StatusCode | None = None
) -> AsyncIterator[FakeImports]:
    fake = FakeImports(break_after=list(break_after), refusal=refusal)
    server = grpc.aio.server()
    documents_grpc.add_DocumentServiceServicer_to_server(Documents(fake), server)
    fake.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield fake
    finally:
        await server.stop(grace=0)


class Documents(documents_grpc.DocumentServiceServicer):
    def __init__(self, fake: FakeImports) -> None:
        self._fake = fake

    async def ImportDocuments(  # noqa: N802 - the contract's name
        self,
        request_iterator: AsyncIterator[documents_pb.ImportDocumentsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[documents_pb.ImportDocumentsResponse]:
        self._fake.connections += 1
        chunks_left = self._fake.break_after.pop(0) if self._fake.break_after else None
        config = (await anext(request_iterator)).config
        if self._fake.refusal:
            await context.abort(self._fake.refusal, "refused")
        stored = self._fake.stored.setdefault(config.import_id, [])
        yield ack(stored)
        async for request in request_iterator:
            if chunks_left == 0:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the line breaks")
            chunks_left = None if chunks_left is None else chunks_left - 1
            yield errors_of(request.chunk)
            keep(stored, request.chunk)
            yield ack(stored)
        yield documents_pb.ImportDocumentsResponse(
            summary=documents_pb.ImportSummary(created_count=len(stored))
        )


def keep(stored: list[str], chunk: documents_pb.ImportChunk) -> None:
    if chunk.first_sequence > len(stored):
        raise AssertionError(f"a gap: {len(stored)} stored, {chunk.first_sequence} sent")
    stored.extend(one.external_id for one in chunk.documents[len(stored) - chunk.first_sequence :])


def ack(stored: Sequence[str]) -> documents_pb.ImportDocumentsResponse:
    return documents_pb.ImportDocumentsResponse(ack=documents_pb.ImportAck(next_sequence=len(stored)))


def errors_of(chunk: documents_pb.ImportChunk) -> documents_pb.ImportDocumentsResponse:
    refused = [
        documents_pb.DocumentResult(
            index=chunk.first_sequence + place,
            error=documents_pb.ItemError(
                fields=[documents_pb.FieldError(field="content", description="is required")]
            ),
        )
        for place, one in enumerate(chunk.documents)
        if not one.content
    ]
    return documents_pb.ImportDocumentsResponse(item_errors=documents_pb.ImportItemErrors(errors=refused))
