"""Errors of the service as gRPC statuses with details (AIP-193). No other error text reaches a client."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf import any_pb2, message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from retrieval_service import errors

DOMAIN = "kladez"

# gRPC may drop metadata above 8 KiB. A character of the message takes up to 12 bytes of it.
MAX_DETAIL_BYTES = 4_096
MAX_VIOLATIONS = 20
MAX_MESSAGE_BYTES = 500
# The size that packing adds to a detail: its type URL and lengths.
PACKING_BYTES = 64

CODES: Mapping[type[errors.KladezError], grpc.StatusCode] = {
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.RequestTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Malformed: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.Conflict: grpc.StatusCode.ABORTED,
    errors.AnswerCancelled: grpc.StatusCode.ABORTED,
    errors.NotIndexedYet: grpc.StatusCode.ABORTED,
    errors.KeyMissing: grpc.StatusCode.UNAUTHENTICATED,
    errors.KeyInvalid: grpc.StatusCode.UNAUTHENTICATED,
    errors.NotAllowed: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotWatched: grpc.StatusCode.UNIMPLEMENTED,
    errors.TenantMissing: grpc.StatusCode.INVALID_ARGUMENT,
    errors.TooMany: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DeadlinePassed: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.AnswerInterrupted: grpc.StatusCode.UNAVAILABLE,
    errors.SourceUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.SourceFailed: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ProviderUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.ProviderLocked: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ProviderRefused: grpc.StatusCode.FAILED_PRECONDITION,
    errors.BackendMissing: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotMirrored: grpc.StatusCode.FAILED_PRECONDITION,
    errors.SpaceNotReady: grpc.StatusCode.FAILED_PRECONDITION,
    errors.SpaceMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Misconfigured: grpc.StatusCode.FAILED_PRECONDITION,
    errors.KladezError: grpc.StatusCode.INTERNAL,
}


def code_of(error: errors.KladezError) -> grpc.StatusCode:
    """The code of the error's class, or of its nearest base class."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def status_of(error: errors.KladezError, request_id: str) -> grpc.Status:
    """A status whose details stay below 4 KiB."""
    status = status_pb2.Status(code=code_of(error).value[0], message=shortened(str(error)))
    _pack(status, error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata))
    retry_after_seconds = getattr(error, "retry_after_seconds", None)
    if retry_after_seconds is not None:
        _pack(status, _retry_info(retry_after_seconds))
    _pack(status, error_details_pb2.RequestInfo(request_id=request_id))
    if isinstance(error, errors.Invalid):
        _pack(status, _bad_request(error, MAX_DETAIL_BYTES - PACKING_BYTES - status.ByteSize()))
    return rpc_status.to_status(status)


def shortened(text: str) -> str:
    """Shortens the text to what a status message may hold, without cutting a character."""
    return text.encode()[:MAX_MESSAGE_BYTES].decode(errors="ignore")


def _retry_info(seconds: float) -> error_details_pb2.RetryInfo:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromNanoseconds(int(seconds * 1e9))
    return info


def _bad_request(error: errors.Invalid, room_bytes: int) -> error_details_pb2.BadRequest:
    details = error_details_pb2.BadRequest()
    for violation in error.violations[:MAX_VIOLATIONS]:
        item = details.field_violations.add(
            field=violation.field[:128], description=violation.description[:200]
        )
        if details.ByteSize() > room_bytes:
            details.field_violations.remove(item)
            break
    return details


def _pack(status: status_pb2.Status, detail: message.Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
