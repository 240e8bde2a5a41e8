"""What all calls have in common: one connection, one key, and failures that are `CallFailed`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, Self, TypeVar

import grpc
from google.protobuf import message
from grpc_health.v1 import health_pb2

from retrieval_service.client.failures import CallFailed, translated

Response = TypeVar("Response", covariant=True)
Metadata = tuple[tuple[str, str], ...]

# The service ends a call by itself a few seconds before, and says why: api/access/policies.py.
UNARY_TIMEOUT_SECONDS = 35.0
WRITE_TIMEOUT_SECONDS = 65.0
# For calls about any number of documents.
MANY_TIMEOUT_SECONDS = 305.0
ANSWER_TIMEOUT_SECONDS = 125.0


Diagnose = Callable[[], Awaitable[str]]


async def nothing_known() -> str:
    return ""


class UnaryMethod(Protocol[Response]):
    """A unary method of a generated stub."""

    def __call__(self, request: Any, /, *, metadata: Metadata, timeout: float) -> Awaitable[Response]: ...


class Calls:
    """Calls with one key, for one tenant when the key serves many."""

    def __init__(
        self, channel: grpc.aio.Channel, metadata: Metadata, diagnose: Diagnose = nothing_known
    ) -> None:
        self._channel = channel
        self._metadata = metadata
        self._diagnose = diagnose

    def for_tenant(self, tenant_id: str) -> Self:
        """The same connection and key, speaking for one tenant."""
        others = tuple(pair for pair in self._metadata if pair[0] != "x-tenant-id")
        return type(self)(self._channel, (*others, ("x-tenant-id", tenant_id)), self._diagnose)

    async def fault(self, timeout_seconds: float) -> str:
        """Why the service does not serve, in words for its operator; empty when it does."""
        try:
            await self.wait_until_ready(timeout_seconds)
        except CallFailed:
            return (
                await self._diagnose() or "the retrieval service does not answer, or is starting or stopping"
            )
        return ""

    async def why_unreachable(self) -> str:
        """What is wrong with the line to a service that does not answer; empty when nothing more is known."""
        return await self._diagnose()

    async def wait_until_ready(self, timeout_seconds: float) -> None:
        """Returns once the service says it is serving; raises `CallFailed` when it does not in time."""
        check = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        async with translated():
            response = await check(
                health_pb2.HealthCheckRequest(), timeout=timeout_seconds, wait_for_ready=True
            )
        if response.status != health_pb2.HealthCheckResponse.SERVING:
            raise CallFailed("the retrieval service is starting or stopping", code="UNAVAILABLE")

    async def _unary(
        self,
        method: UnaryMethod[Response],
        request: message.Message,
        *,
        timeout_seconds: float = UNARY_TIMEOUT_SECONDS,
    ) -> Response:
        async with translated():
            return await method(request, metadata=self._metadata, timeout=timeout_seconds)
