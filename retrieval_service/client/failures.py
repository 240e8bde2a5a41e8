"""What can go wrong in a call, as the client's callers see it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf import message
from google.rpc import error_details_pb2, status_pb2

# The reason that the service gives for messages that it reads and finds too large.
TOO_LARGE = "REQUEST_TOO_LARGE"

Detail = TypeVar("Detail", bound=message.Message)


@dataclass(frozen=True, kw_only=True)
class FieldViolation:
    """A field of the request that is wrong, and why."""

    field: str
    description: str


class CallFailed(Exception):
    """The service answered with an error, or did not answer; `str()` of it may be shown to a person.

    `code` is the gRPC status name ("NOT_FOUND"), `reason` our own ("KEY_INVALID", empty when no server
    answered), `retry_after_seconds` is set when waiting helps, `request_id` finds the call in the log.
    """

    def __init__(
        self,
        text: str,
        *,
        code: str,
        reason: str = "",
        request_id: str = "",
        retry_after_seconds: float | None = None,
        violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds
        self.violations = violations


async def streamed(call: Any) -> AsyncGenerator[Any, None]:
    """Messages of a streaming call, which is cancelled when the reader leaves."""
    try:
        async with translated():
            async for event in call:
                yield event
    finally:
        call.cancel()


@contextlib.asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turns gRPC's error into ours."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


def from_rpc_error(error: grpc.aio.AioRpcError) -> CallFailed:
    if is_too_large(error):
        return CallFailed(
            f"The message is larger than the service reads: {error.details()}",
            code="INVALID_ARGUMENT",
            reason=TOO_LARGE,
        )
    status = status_of(error)
    info = detail(status, error_details_pb2.ErrorInfo())
    retry = detail(status, error_details_pb2.RetryInfo())
    bad = detail(status, error_details_pb2.BadRequest())
    violations = bad.field_violations if bad else ()
    return CallFailed(
        error.details() or error.code().name,
        code="UNAVAILABLE" if info is None and is_broken_line(error) else error.code().name,
        reason=info.reason if info else "",
        request_id=str(pairs(error).get("x-request-id", "")),
        retry_after_seconds=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
        violations=tuple(FieldViolation(field=v.field, description=v.description) for v in violations),
    )


def is_too_large(error: grpc.aio.AioRpcError) -> bool:
    """gRPC refuses a message by itself with the code that elsewhere means "wait and repeat"."""
    is_exhausted = error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and not status_of(error).details
    return is_exhausted and "larger than max" in (error.details() or "")


def is_broken_line(error: grpc.aio.AioRpcError) -> bool:
    """grpc.aio says INTERNAL or UNKNOWN when the line breaks while it writes; what the service says has an id."""
    vague = error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
    return vague and "x-request-id" not in pairs(error)


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    packed = pairs(error).get("grpc-status-details-bin", b"")
    return status_pb2.Status.FromString(packed if isinstance(packed, bytes) else b"")


def pairs(error: grpc.aio.AioRpcError) -> dict[str, str | bytes]:
    trailing: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()
    return dict(trailing)


def detail(status: status_pb2.Status, kind: Detail) -> Detail | None:
    """The first detail of the kind, unpacked into `kind`."""
    return next((kind for packed in status.details if packed.Unpack(kind)), None)
