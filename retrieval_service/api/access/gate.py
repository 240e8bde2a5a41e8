"""One interceptor for the whole life of a call; it takes raw bytes, so that nothing is parsed unasked.

Policy, request id, key and scope, size, parsing, deadline, handler, one map of errors, one log line. A
method without a policy is refused. grpc.aio alone would send the text of any exception to the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import grpc
import structlog
from google.protobuf import message

from retrieval_service import errors, metrics
from retrieval_service.api import calls, enums, status
from retrieval_service.api.access import credentials
from retrieval_service.api.access.open_streams import OpenStreams, Place
from retrieval_service.api.access.policies import Policy
from retrieval_service.api.calls import Call
from retrieval_service.services.tenants.authentication import Authenticator, Caller
from retrieval_service.services.tenants.rate_limits import Limiter

log = structlog.get_logger("kladez.rpc")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# The greatest difference between the clocks of gRPC and of Python.
CLOCK_SECONDS = 0.01

Context = Any
Handler = Any
Parse = Callable[[bytes], message.Message]


class Gate(grpc.aio.ServerInterceptor):
    """Wraps every method once, when it is first called."""

    def __init__(
        self, policies: Mapping[str, Policy], authenticator: Authenticator, limiter: Limiter
    ) -> None:
        self._policies = policies
        self._authenticator = authenticator
        self._limiter = limiter
        self._open_streams = OpenStreams()
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        method = handler_call_details.method
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            self._wrapped[method] = self._wrap(method, handler)
        return self._wrapped[method]

    def _wrap(self, method: str, handler: Handler) -> Handler:
        serialize = handler.response_serializer
        if not handler.request_streaming and not handler.response_streaming:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler), None, serialize)
        if not handler.request_streaming:
            return grpc.unary_stream_rpc_method_handler(self._server_stream(method, handler), None, serialize)
        if not handler.response_streaming:
            raise TypeError(f"{method}: client streaming without server streaming is not offered")
        return grpc.stream_stream_rpc_method_handler(self._bidirectional(method, handler), None, serialize)

    def _unary(self, method: str, handler: Handler) -> Handler:
        async def serve(raw: bytes, context: Context) -> Any:
            async with self._life(method, context) as policy:
                request = self._parse(raw, policy, handler.request_deserializer)
                return await handler.unary_unary(request, context)

        return serve

    # Streams are written here instead of yielded: a generator would be cleaned up in another task.
    def _server_stream(self, method: str, handler: Handler) -> Handler:
        async def serve(raw: bytes, context: Context) -> None:
            async with self._life(method, context) as policy, self._room(policy, context):
                request = self._parse(raw, policy, handler.request_deserializer)
                await drive(handler.unary_stream, request, context)

        return serve

    def _bidirectional(self, method: str, handler: Handler) -> Handler:
        async def serve(raw_requests: AsyncIterator[bytes], context: Context) -> None:
            async with self._life(method, context) as policy, self._room(policy, context):
                requests = self._parsed(raw_requests, policy, handler.request_deserializer)
                await drive(handler.stream_stream, requests, context)

        return serve

    @contextlib.asynccontextmanager
    async def _life(self, method: str, context: Context) -> AsyncIterator[Policy]:
        call = begin(method, context)
        started = time.perf_counter()
        metrics.RPCS_RUNNING.inc()
        try:
            policy = await self._admit(call, context)
            async with asyncio.timeout_at(call.deadline):
                yield policy
        except errors.KladezError as error:
            await refuse(context, call, error)
        except (grpc.aio.AbortError, grpc.aio.InternalError):
            call.outcome = gone(context)  # the client has gone
            raise
        except TimeoutError:
            await refuse(context, call, errors.DeadlinePassed())
        except asyncio.CancelledError:
            if cancelled_from_outside():
                call.outcome = gone(context)
                raise
            log.exception("inner_cancellation", method=method, request_id=call.request_id)
            await refuse(context, call, errors.KladezError())  # otherwise the client waits for ever
        except Exception:
            log.exception("unhandled", method=method, request_id=call.request_id)
            await refuse(context, call, errors.KladezError())
        finally:
            metrics.RPCS_RUNNING.dec()
            note_call(call, time.perf_counter() - started, context.peer())

    async def _admit(self, call: Call, context: Context) -> Policy:
        policy = self._policies.get(call.method)
        if policy is None:
            raise errors.NotAllowed("this method has no access policy")
        call.deadline = deadline(policy, context.time_remaining())
        if policy.scopes:
            call.caller = await self._identify(context)
            self._limiter.count_request(call.caller)
            if not policy.scopes & call.caller.scopes:
                raise errors.NotAllowed(f"this key lacks the scope {' or '.join(sorted(policy.scopes))}")
            if policy.needs_tenant:
                await self._authenticator.check_tenant(calls.tenant_of(call))
                self._limiter.count_tenants_request(call.caller)
        return policy

    @contextlib.asynccontextmanager
    async def _room(self, policy: Policy, context: Context) -> AsyncIterator[None]:
        """Counts an open stream of a caller without a key."""
        if policy.scopes:
            yield
            return
        peer = context.peer()
        place = Place(network=credentials.network_of(peer), connection=peer)
        try:
            async with self._open_streams.held(place):
                yield
        except errors.TooMany as error:
            if policy.watches_health:
                raise errors.NotWatched from error
            raise

    async def _identify(self, context: Context) -> Caller:
        shown = credentials.read(context.invocation_metadata())
        network = credentials.network_of(context.peer())
        return await self._authenticator.identify(shown.secret, shown.tenant_id, network)

    def _parse(self, raw: bytes, policy: Policy, deserialize: Parse) -> message.Message:
        caller = calls.current().caller
        if caller is not None:
            # A message that is too large is charged like the largest allowed message.
            self._limiter.count_bytes(caller, min(len(raw), policy.max_request_bytes))
        return parse(raw, policy, deserialize)

    async def _parsed(
        self, raw_requests: AsyncIterator[bytes], policy: Policy, deserialize: Parse
    ) -> AsyncIterator[message.Message]:
        """Counts each message as a request, in addition to the call itself."""
        caller = calls.current().caller
        async for raw in raw_requests:
            if caller is not None:
                self._limiter.count_request(caller)
                self._limiter.count_tenants_request(caller)
            yield self._parse(raw, policy, deserialize)


def begin(method: str, context: Context) -> Call:
    """Gives the call a request id; the client's own id is kept when it is well-formed."""
    asked = dict(context.invocation_metadata()).get("x-request-id", "")
    usable = isinstance(asked, str) and REQUEST_ID.fullmatch(asked)
    call = Call(method=method, request_id=asked if usable else uuid4().hex)
    calls.CURRENT.set(call)
    context.set_trailing_metadata((("x-request-id", call.request_id),))
    return call


def deadline(policy: Policy, remaining_seconds: float | None) -> float | None:
    """When the service ends the call, in the loop's time; None when the client's deadline is earlier.

    A call must not be cancelled twice at the same moment: psycopg would drop its connection instead of ending its
    SQL.
    """
    if remaining_seconds is not None and remaining_seconds <= policy.max_seconds:
        return None
    return asyncio.get_running_loop().time() + policy.max_seconds


def gone(context: Context) -> str:
    """Whether the client cancelled or its deadline passed. gRPC reports both alike, so the clock decides."""
    remaining_seconds = context.time_remaining()
    is_late = remaining_seconds is not None and remaining_seconds < CLOCK_SECONDS
    return "DEADLINE_EXCEEDED" if is_late else "CANCELLED"


def parse(raw: bytes, policy: Policy, deserialize: Parse) -> message.Message:
    if len(raw) > policy.max_request_bytes:
        raise errors.RequestTooLarge(
            f"the message has {len(raw)} bytes, this method accepts {policy.max_request_bytes}"
        )
    try:
        request = deserialize(raw)
    except message.DecodeError as error:
        raise errors.Malformed from error
    enums.check(request)
    return request


async def drive(behaviour: Handler, argument: Any, context: Context) -> None:
    """Runs a stream of either style: an async generator, or a coroutine that writes (health Watch)."""
    if inspect.iscoroutinefunction(behaviour):
        await behaviour(argument, context)
        return
    async with contextlib.aclosing(behaviour(argument, context)) as responses:
        async for response in responses:
            await context.write(response)


async def refuse(context: Context, call: Call, error: errors.KladezError) -> None:
    """Ends the call with the error's status; always raises `grpc.aio.AbortError`."""
    call.outcome = status.code_of(error).name
    call.reason = error.reason
    answer = status.status_of(error, call.request_id)
    # abort() replaces the trailing metadata that was set before, the request id among it.
    trailing = (*context.trailing_metadata(), *answer.trailing_metadata)
    await context.abort(answer.code, answer.details, trailing)


def cancelled_from_outside() -> bool:
    """Whether the client or a stopping server cancelled the call, and not the handler itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def note_call(call: Call, seconds: float, peer: str) -> None:
    """Logs one line for each call. The key is logged by its id only, which `ListApiKeys` shows."""
    tenant_id = call.caller.tenant_id if call.caller else None
    metrics.note_rpc(call.method, call.outcome, seconds, reason=call.reason)
    log.info(
        "rpc",
        method=call.method,
        code=call.outcome,
        reason=call.reason,
        milliseconds=round(seconds * 1_000, 2),
        request_id=call.request_id,
        tenant_id=str(tenant_id) if tenant_id else "",
        key_id=str(call.caller.key_id) if call.caller else "",
        peer=host_of(peer),
    )


def host_of(peer: str) -> str:
    """The host of a peer without the port, which differs in each connection: "ipv4:10.0.0.7:5123" is 10.0.0.7."""
    kind, _, place = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return kind  # a Unix socket has no host
    return place.rpartition(":")[0].strip("[]")
