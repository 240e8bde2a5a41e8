"""Calls below the product's client, and everything their ends tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import search_service_pb2_grpc as search_grpc

from retrieval_service.api.access.policies import POLICIES

SEARCH = "/kladez.v1.SearchService/Search"
UPSERT = "/kladez.v1.DocumentService/UpsertDocument"
BATCH = "/kladez.v1.DocumentService/BatchUpsertDocuments"
IMPORT = "/kladez.v1.DocumentService/ImportDocuments"
ANSWER = "/kladez.v1.AnswerService/StreamAnswer"
STREAMS = {IMPORT, ANSWER}
OURS = sorted(method for method in POLICIES if method.startswith("/kladez."))
PATIENCE_SECONDS = 20.0

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a call ended; the details are None where the server sent none."""

    code: str
    text: str
    status: status_pb2.Status | None
    trailing: dict[str, str | bytes]

    @property
    def reason(self) -> str:
        info = self.detail(error_details_pb2.ErrorInfo())
        return info.reason if info else ""

    def detail(self, kind: Any) -> Any:
        """The first detail of the kind, unpacked into `kind`."""
        packed = self.status.details if self.status else ()
        return next((kind for one in packed if one.Unpack(kind)), None)


async def ended(call: Any) -> Ended:
    """Waits for the end of a unary or streaming call, but never for ever."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await drained(call)
    except grpc.aio.AioRpcError as error:
        return of_error(error)
    return Ended(code="OK", text="", status=None, trailing=dict(await call.trailing_metadata() or ()))


async def drained(call: Any) -> None:
    if isinstance(call, grpc.aio.UnaryUnaryCall):
        await call
        return
    async for _ in call:
        pass


def of_error(error: grpc.aio.AioRpcError) -> Ended:
    trailing = dict(error.trailing_metadata() or ())
    packed = trailing.get("grpc-status-details-bin")
    status = status_pb2.Status.FromString(packed) if isinstance(packed, bytes) else None
    return Ended(code=error.code().name, text=error.details() or "", status=status, trailing=trailing)


async def raw(channel: grpc.aio.Channel, method: str, body: bytes, metadata: Metadata = ()) -> Ended:
    """Calls with bytes as they are, unary or as a stream of one message."""
    if method == IMPORT:
        return await streamed(channel, [body], metadata)
    call = channel.unary_stream(method) if method == ANSWER else channel.unary_unary(method)
    return await ended(call(body, metadata=metadata))


async def streamed(channel: grpc.aio.Channel, bodies: Iterable[bytes], metadata: Metadata) -> Ended:
    """An import of these messages, again when grpc.aio's client spoils it.

    It ends a call that the server refuses while a message is being sent with a status of its own.
    """
    while True:
        answer = await ended(channel.stream_stream(IMPORT)(one_by_one(bodies), metadata=metadata))
        if answer.code != "INTERNAL" or answer.status:
            return answer


async def one_by_one(bodies: Iterable[bytes]) -> AsyncIterator[bytes]:
    for body in bodies:
        yield body


def search(channel: grpc.aio.Channel, metadata: Metadata, **fields: Any) -> Any:
    request = search_pb.SearchRequest(**{"query": "tea", **fields})
    return search_grpc.SearchServiceStub(channel).Search(request, metadata=metadata)


def assert_explained(answer: Ended) -> None:
    """Every refusal names its reason and its request, twice, in less than 4 KiB."""
    assert answer.reason
    assert answer.detail(error_details_pb2.ErrorInfo()).domain == "kladez"
    request_id = answer.detail(error_details_pb2.RequestInfo()).request_id
    assert request_id
    assert answer.trailing["x-request-id"] == request_id
    assert answer.status is not None
    assert answer.status.ByteSize() <= 4_096
