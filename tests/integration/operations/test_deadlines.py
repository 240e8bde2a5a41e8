"""Who is asked gives up before who asks: then the caller hears why, and what was written is not lost."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc

import widget_gateway.config
from retrieval_service import config
from retrieval_service.api.access.policies import POLICIES
from retrieval_service.api.health import Health
from retrieval_service.cli.up import parts
from retrieval_service.client import CallFailed, Client
from retrieval_service.client.calls import ANSWER_TIMEOUT_SECONDS
from retrieval_service.server import report
from tests.house.repository import rpc_methods
from tests.kits.service_kit import bearer, channel_to

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = rpc_methods()
# Enough for the way there and back.
MARGIN_SECONDS = 2.0
ANSWERING = "/kladez.v1.AnswerService/StreamAnswer"


class Recorder(grpc.GenericRpcHandler):
    """Refuses every call of the contract, and keeps how long the caller would have waited."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        path = handler_call_details.method
        if path not in METHODS:
            return None
        return handler_of(METHODS[path], lambda context: self._refuse(path, context))

    async def _refuse(self, path: str, context: grpc.aio.ServicerContext) -> None:
        self.seconds[path] = context.time_remaining()
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "only the deadline is looked at")


def handler_of(method: MethodDescriptor, refuse: Any) -> grpc.RpcMethodHandler:
    async def once(_: Any, context: grpc.aio.ServicerContext) -> bytes:
        await refuse(context)
        return b""

    async def many(_: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        await refuse(context)
        yield b""

    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(many)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(many)
    return grpc.unary_unary_rpc_method_handler(once)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorded() -> AsyncIterator[dict[str, float]]:
    """By method, how long the product's client waits."""
    recorder, server = Recorder(), grpc.aio.server()
    server.add_generic_rpc_handlers((recorder,))
    health = Health()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await report(health, health_pb2.HealthCheckResponse.SERVING)
    async with channel_to(port) as channel:
        client = Client(channel, bearer("nobody's"))
        for method in METHODS.values():
            await called(client, method)
    health.end_watches()
    await server.stop(0)
    yield recorder.seconds


async def called(client: Client, method: MethodDescriptor) -> None:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower()
    request = message_factory.GetMessageClass(method.input_type)()
    given = requests(request) if method.client_streaming else request
    outcome = getattr(client, name)(given)
    with pytest.raises(CallFailed, match="only the deadline"):
        await (anext(outcome) if inspect.isasyncgen(outcome) else outcome)


async def requests(request: Any) -> AsyncIterator[Any]:
    yield request


@pytest.mark.parametrize("path", METHODS)
async def test_service_gives_up_before_its_client(recorded: dict[str, float], path: str) -> None:
    assert recorded[path] > POLICIES[path].max_seconds + MARGIN_SECONDS


async def test_answer_ends_before_anybody_who_waits_for_it_gives_up() -> None:
    service, gateway = defaults(config.Settings), defaults(widget_gateway.config.Settings)
    patience = [
        service["openai_search_seconds"],
        service["openai_timeout_seconds"],
        service["answer_seconds"],
        POLICIES[ANSWERING].max_seconds,
        ANSWER_TIMEOUT_SECONDS,
    ]
    assert patience == sorted(set(patience))
    assert gateway["answer_seconds"] > POLICIES[ANSWERING].max_seconds
    assert service["summary_seconds"] < POLICIES["/kladez.v1.SearchService/SummarizeSearch"].max_seconds


async def test_parts_end_before_who_stops_them_kills_them() -> None:
    service, gateway = defaults(config.Settings), defaults(widget_gateway.config.Settings)
    graces = [service["shutdown_seconds"], gateway["drain_seconds"]]
    assert max(graces) < parts.GRACE_SECONDS


def defaults(settings: Any) -> dict[str, Any]:
    return {name: field.default for name, field in settings.model_fields.items()}
