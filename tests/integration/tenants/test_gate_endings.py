"""How calls end behind the gate: in a handler's trouble, at a deadline, by a cancel, by a stopping server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

import grpc
import psycopg
import pytest
import pytest_asyncio
import structlog
from google.protobuf import empty_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import answer_service_pb2_grpc as answers_grpc
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import document_service_pb2_grpc as documents_grpc
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import search_service_pb2_grpc as search_grpc

from retrieval_service import client, errors, server
from retrieval_service.api.access.policies import POLICIES, Policy
from tests.kits.gate_kit import (
    ANSWER,
    PATIENCE_SECONDS,
    SEARCH,
    UPSERT,
    assert_explained,
    ended,
    one_by_one,
    raw,
    search,
)
from tests.kits.service_kit import (
    Running,
    Shop,
    bearer,
    channel_to,
    new_shop,
    running_service,
    serving,
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "postgresql://admin:hunter2@db"


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    """Without a worker: what is only stored need not be embedded."""
    return {"workers": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_shop(running: Running) -> Shop:
    return await new_shop(running)


# --- a servicer that misbehaves, behind the same gate

UNARY = "/tests.Trouble/Unary"
STREAM = "/tests.Trouble/Stream"
NO_POLICY = "/tests.Trouble/Forgotten"
OPEN = Policy(scopes=frozenset(), needs_tenant=False, max_seconds=0.3)
TROUBLE_POLICIES = {**POLICIES, UNARY: OPEN, STREAM: OPEN}


class Trouble:
    """`make` is what a call does; `cleanups` tells in which tasks streams were cleaned up."""

    def __init__(self, make: Callable[[], Awaitable[None]]) -> None:
        self._make = make
        self.cleanups: list[bool] = []

    async def unary(self, _request: empty_pb2.Empty, _context: Any) -> empty_pb2.Empty:
        await self._make()
        return empty_pb2.Empty()

    async def stream(
        self, _request: empty_pb2.Empty, _context: Any
    ) -> AsyncIterator[search_pb.SearchResponse]:
        task = asyncio.current_task()
        try:
            yield search_pb.SearchResponse(degraded_reason="first")
            await self._make()
            while True:
                yield search_pb.SearchResponse(degraded_reason="x" * 60_000)
        finally:
            self.cleanups.append(asyncio.current_task() is task)

    def register(self, running: grpc.aio.Server) -> None:
        read, write = empty_pb2.Empty.FromString, lambda message: message.SerializeToString()
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary, read, write),
            "Forgotten": grpc.unary_unary_rpc_method_handler(self.unary, read, write),
            "Stream": grpc.unary_stream_rpc_method_handler(self.stream, read, write),
        }
        running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Trouble", handlers),))


async def leak() -> None:
    raise KeyError(SECRET)


async def leak_as_generator_exit() -> None:
    raise ValueError(SECRET) from KeyError(SECRET)


async def leak_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(leak())


async def cancel_inside() -> None:
    child = asyncio.create_task(asyncio.sleep(60))
    child.cancel()
    await child


async def last_for_ever() -> None:
    await asyncio.Event().wait()


async def time_out_inside() -> None:
    raise TimeoutError(SECRET)


async def be_refused() -> None:
    raise errors.TooMany(retry_after_seconds=1.5)


async def do_nothing() -> None:
    return


@pytest.mark.parametrize(
    ("make", "code", "reason"),
    [
        (leak, "INTERNAL", "INTERNAL"),
        (leak_as_generator_exit, "INTERNAL", "INTERNAL"),
        (leak_in_a_group, "INTERNAL", "INTERNAL"),
        (cancel_inside, "INTERNAL", "INTERNAL"),
        (last_for_ever, "DEADLINE_EXCEEDED", "DEADLINE_PASSED"),
        (time_out_inside, "DEADLINE_EXCEEDED", "DEADLINE_PASSED"),
        (be_refused, "RESOURCE_EXHAUSTED", "TOO_MANY"),
    ],
)
@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_trouble_in_a_handler_ends_the_call_without_its_text(
    running: Running, make: Callable[[], Awaitable[None]], code: str, reason: str, method: str
) -> None:
    trouble = Trouble(make)
    async with (
        serving(running.service, TROUBLE_POLICIES, trouble.register) as port,
        channel_to(port) as channel,
    ):
        call = channel.unary_stream(method) if method == STREAM else channel.unary_unary(method)
        with structlog.testing.capture_logs() as logged:
            answer = await ended(call(b""))
            await until(lambda: len(calls_in(logged, method)) == 1)
    assert (answer.code, answer.reason) == (code, reason)
    assert_explained(answer)
    assert SECRET not in repr(answer)
    assert all(trouble.cleanups)
    lines = [one for one in logged if one.get("request_id") == answer.trailing["x-request-id"]]
    assert [one["log_level"] for one in lines] == (["error", "info"] if code == "INTERNAL" else ["info"])


async def test_refusal_to_wait_for_says_how_long(running: Running) -> None:
    async with (
        serving(running.service, TROUBLE_POLICIES, Trouble(be_refused).register) as port,
        channel_to(port) as channel,
    ):
        answer = await raw(channel, UNARY, b"")
    retry = answer.detail(error_details_pb2.RetryInfo())
    assert retry.retry_delay.ToTimedelta().total_seconds() == 1.5


async def test_method_without_a_policy_is_refused(running: Running) -> None:
    async with (
        serving(running.service, TROUBLE_POLICIES, Trouble(do_nothing).register) as port,
        channel_to(port) as channel,
    ):
        answer = await raw(channel, NO_POLICY, b"", bearer(running.key))
    assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "NOT_ALLOWED")


async def test_cancelling_a_stream_that_is_blocked_in_a_write_cleans_up_in_its_own_task(
    running: Running,
) -> None:
    trouble = Trouble(do_nothing)
    policies = {**TROUBLE_POLICIES, STREAM: replace(OPEN, max_seconds=30.0)}
    async with serving(running.service, policies, trouble.register) as port, channel_to(port) as channel:
        call = channel.unary_stream(STREAM)(b"")
        await call.read()
        await asyncio.sleep(0.1)  # the window of the connection is full by now
        assert not trouble.cleanups
        call.cancel()
        await until(lambda: trouble.cleanups == [True])


def calls_in(logged: Iterable[Any], method: str) -> list[Any]:
    """The lines about calls of a method; one is written after the client has its answer."""
    return [one for one in logged if one["event"] == "rpc" and one["method"] == method]


# --- what ends with a call

# Long enough for the pool to open all its connections on a busy machine.
SOON = 1.5

ACTIVE = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%documents%'
"""


async def active_statements(connection: psycopg.AsyncConnection) -> int:
    cursor = await connection.execute(ACTIVE)
    row = await cursor.fetchone()
    return row[0] if row else 0


async def until_active(
    connection: psycopg.AsyncConnection, *, at_least: int = 0, at_most: int = 1_000
) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if at_least <= await active_statements(connection) <= at_most:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("ending", ["client deadline", "server deadline", "client cancel"])
async def test_end_of_a_call_ends_its_sql_and_gives_the_connection_back(
    running: Running, one_shop: Shop, ending: str
) -> None:
    slow = replace(POLICIES[UPSERT], max_seconds=SOON if ending == "server deadline" else 30.0)
    document = documents_pb.Document(source_type="faq", external_id="1", content="x")
    request = documents_pb.UpsertDocumentRequest(document=document)
    async with (
        serving(running.service, {**POLICIES, UPSERT: slow}) as port,
        channel_to(port) as channel,
        await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as observer,
        await psycopg.AsyncConnection.connect(running.dsn) as blocker,
    ):
        await blocker.execute("LOCK TABLE documents IN ACCESS EXCLUSIVE MODE")
        stub = documents_grpc.DocumentServiceStub(channel)
        seconds = SOON if ending == "client deadline" else 30.0
        pool_size = running.service.settings.pool_size
        calls = [
            stub.UpsertDocument(request, metadata=bearer(one_shop.key), timeout=seconds)
            for _ in range(pool_size + 2)
        ]
        await until_active(observer, at_least=1)
        if ending == "client cancel":
            for call in calls:
                call.cancel()
            assert all(isinstance(one, asyncio.CancelledError) for one in await gathered(calls))
        else:
            assert {(await ended(call)).code for call in calls} == {"DEADLINE_EXCEEDED"}
        await until_active(observer, at_most=0)
        await blocker.rollback()
        again = await asyncio.gather(
            *(stub.UpsertDocument(request, metadata=bearer(one_shop.key)) for _ in calls)
        )
    assert len(again) == pool_size + 2


async def gathered(calls: Iterable[Any]) -> list[Any]:
    async def finish(call: Any) -> Any:
        return await call

    return await asyncio.gather(*(finish(call) for call in calls), return_exceptions=True)


# --- public methods


async def test_health_is_public_and_tells_of_each_service(running: Running) -> None:
    stub = health_pb2_grpc.HealthStub(running.channel)
    for name in ("", *(one.full_name for one in server.SERVICES)):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert (await ended(stub.Check(health_pb2.HealthCheckRequest(service="nobody")))).code == "NOT_FOUND"


async def test_health_watch_tells_that_the_server_stops_and_then_ends(running: Running) -> None:
    seen: list[int] = []

    async def watch(channel: grpc.aio.Channel) -> None:
        nonlocal seen
        request = health_pb2.HealthCheckRequest()
        async for answer in health_pb2_grpc.HealthStub(channel).Watch(request):
            seen += [answer.status]

    states = health_pb2.HealthCheckResponse
    async with server.running_server(running.service) as port:
        channel = channel_to(port)
        watching = asyncio.create_task(watch(channel))
        await until(lambda: seen == [states.SERVING])
    await asyncio.wait([watching], timeout=PATIENCE_SECONDS)
    assert seen == [states.SERVING, states.NOT_SERVING]
    assert watching.done()
    assert watching.exception() is None or isinstance(watching.exception(), grpc.aio.AioRpcError)
    await channel.close()


async def test_second_server_cannot_share_the_port(running: Running) -> None:
    taken = replace(
        running.service, settings=running.service.settings.model_copy(update={"port": running.port})
    )
    with pytest.raises(errors.Misconfigured, match=str(running.port)):
        async with server.running_server(taken):
            pass


async def test_reflection_is_public_and_lists_every_service(running: Running) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(running.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    [answer] = [one async for one in stub.ServerReflectionInfo(iter([request]))]
    names = {one.name for one in answer.list_services_response.service}
    assert names >= {one.full_name for one in server.SERVICES}


async def test_reflection_can_be_switched_off(running: Running) -> None:
    quiet = replace(
        running.service, settings=running.service.settings.model_copy(update={"reflection": False})
    )
    async with serving(quiet) as port, channel_to(port) as channel:
        method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        call = channel.stream_stream(method)(one_by_one([b""]))
        assert (await ended(call)).code == "UNIMPLEMENTED"


# --- the log


async def test_every_call_is_logged_once_without_question_or_key(running: Running, one_shop: Shop) -> None:
    with structlog.testing.capture_logs() as logged:
        await ended(search(running.channel, bearer(one_shop.key), query="secret recipe"))
        await ended(search(running.channel, bearer("kld_wrong"), query="secret recipe"))
        request = answers_pb.StreamAnswerRequest(question="secret recipe")
        stub = answers_grpc.AnswerServiceStub(running.channel)
        await ended(stub.StreamAnswer(request, metadata=bearer(one_shop.key)))
        await until(lambda: len(calls_in(logged, SEARCH)) == 2 and len(calls_in(logged, ANSWER)) == 1)
    lines = [*calls_in(logged, SEARCH), *calls_in(logged, ANSWER)]
    assert [(one["method"], one["code"]) for one in lines] == [
        (SEARCH, "OK"),
        (SEARCH, "UNAUTHENTICATED"),
        (ANSWER, "OK"),
    ]
    assert lines[0]["tenant_id"] == one_shop.tenant_id
    text = json.dumps(logged, default=str)
    assert "recipe" not in text
    assert "kld_" not in text


async def test_client_turns_a_refusal_into_its_own_error(running: Running, one_shop: Shop) -> None:
    with pytest.raises(client.CallFailed) as caught:
        await one_shop.client.search(search_pb.SearchRequest())
    failure = caught.value
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "INVALID_FIELDS")
    assert failure.violations[0].field == "query"
    assert len(failure.request_id) >= 8


async def test_call_during_the_start_of_a_database_outage_is_unavailable(database_dsn: str) -> None:
    async with running_service(database_dsn, workers=0, pool_size=2) as running:
        shop = await new_shop(running)
        running.service.authenticator.forget()
        async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        stub = search_grpc.SearchServiceStub(running.channel)
        codes = [
            (await ended(stub.Search(search_pb.SearchRequest(query="x"), metadata=bearer(shop.key)))).code
            for _ in range(3)
        ]
    assert codes[-1] == "OK"
    assert set(codes) <= {"OK", "UNAVAILABLE"}
