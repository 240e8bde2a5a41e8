"""The gate's limits on a real server: keys and tenants a minute, and keys that nobody has."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import uuid
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service import errors
from retrieval_service.api.access import open_streams
from retrieval_service.api.access.open_streams import OF_A_CONNECTION
from retrieval_service.client import connecting
from retrieval_service.services.tenants.authentication import CACHE_SIZE, Authenticator, new_secret
from tests.kits.gate_kit import (
    PATIENCE_SECONDS,
    SEARCH,
    Ended,
    assert_explained,
    drained,
    ended,
    raw,
    search,
    streamed,
)
from tests.kits.service_kit import Running, bearer, new_key, new_shop, running_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSION = "/kladez.v1.AnswerService/CreateSession"
NETWORK = "203.0.113.9"


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    return {"wrong_keys_per_minute": 20}


def assert_limited(answer: Ended, reason: str) -> None:
    assert (answer.code, answer.reason) == ("RESOURCE_EXHAUSTED", reason)
    retry = answer.detail(error_details_pb2.RetryInfo())
    assert 0 < retry.retry_delay.ToTimedelta().total_seconds() <= 60
    assert_explained(answer)


async def test_connection_has_a_few_streams_without_a_key_and_checks_go_on(running: Running) -> None:
    async with lone_channel(running) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(OF_A_CONNECTION)]
        for watch in watches:
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        surplus = await ended(stub.Watch(health_pb2.HealthCheckRequest()))
        # Clients of gRPC know by this code alone that they may go on without health.
        assert (surplus.code, surplus.reason) == ("UNIMPLEMENTED", "NOT_WATCHED")
        assert_explained(surplus)
        for name in ("v1", "v1alpha"):
            assert_limited(await ended(reflection(channel, name)(iter([LIST_SERVICES]))), "TOO_MANY")
        assert (await ended(stub.Check(health_pb2.HealthCheckRequest()))).code == "OK"
        watches[0].cancel()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await one_more(stub)) != "OK":  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(("connections", "on_each"), [(1, 80), (80, 1)])
async def test_who_watches_again_and_again_keeps_no_client_from_its_network(
    running: Running, connections: int, on_each: int
) -> None:
    shop = await new_shop(running)
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        earlier = await stack.enter_async_context(lone_channel(running, connecting.channel_options()))
        assert (await ended(search(earlier, bearer(shop.key)))).code == "OK"
        channels = [await stack.enter_async_context(lone_channel(running)) for _ in range(connections)]
        watching = [group.create_task(watch_again(one)) for one in channels for _ in range(on_each)]
        await asyncio.sleep(1.0)
        newcomers = [
            await stack.enter_async_context(lone_channel(running, connecting.channel_options()))
            for _ in range(3)
        ]
        for channel in [earlier, *newcomers] * 10:
            assert (await ended(search(channel, bearer(shop.key)))).code == "OK"
            assert (await ended(reflection(channel, "v1")(iter([LIST_SERVICES])))).code == "OK"
            await asyncio.sleep(0.02)
        for task in watching:
            task.cancel()


async def test_client_whose_watch_is_refused_calls_without_it(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await new_shop(running)
    monkeypatch.setattr(open_streams, "OF_A_CONNECTION", 0)
    async with lone_channel(running, connecting.channel_options()) as channel:
        for _ in range(10):
            assert (await ended(search(channel, bearer(shop.key)))).code == "OK"
            await asyncio.sleep(0.05)


LIST_SERVICES = reflection_pb2.ServerReflectionRequest(list_services="")


def lone_channel(running: Running, options: Sequence[tuple[str, str | int]] = ()) -> grpc.aio.Channel:
    """On a connection that it shares with no other channel of this process."""
    lone = ("grpc.use_local_subchannel_pool", 1)
    return grpc.aio.insecure_channel(f"dns:///127.0.0.1:{running.port}", options=[*options, lone])


def reflection(channel: grpc.aio.Channel, version: str) -> Any:
    return channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )


async def watch_again(channel: grpc.aio.Channel) -> None:
    """Holds a stream, and opens another one when it ends."""
    stub = health_pb2_grpc.HealthStub(channel)
    while True:
        with contextlib.suppress(grpc.aio.AioRpcError):
            await drained(stub.Watch(health_pb2.HealthCheckRequest()))
        await asyncio.sleep(0.2)


async def one_more(stub: health_pb2_grpc.HealthStub) -> str:
    """Whether there is room for another one, which is left at once."""
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    try:
        await watch.read()
    except grpc.aio.AioRpcError as error:
        return error.code().name
    watch.cancel()
    return "OK"


async def test_key_that_asks_too_often_is_told_how_long_to_wait(database_dsn: str) -> None:
    async with running_service(database_dsn, workers=0, key_requests_per_minute=30) as service:
        shop, other = await new_shop(service), await new_shop(service)
        told = [await ended(search(service.channel, bearer(shop.key))) for _ in range(30)]
        assert [one.code for one in told] == ["OK"] * 30
        # One more every two seconds, which a busy machine may take for them.
        for _ in range(30):
            if (last := await ended(search(service.channel, bearer(shop.key)))).code != "OK":
                break
        assert_limited(last, "RATE_LIMITED")
        assert (await ended(search(service.channel, bearer(other.key)))).code == "OK"


async def test_all_keys_of_a_tenant_together_are_held_to_its_rate(database_dsn: str) -> None:
    async with running_service(database_dsn, workers=0, tenant_requests_per_minute=6) as service:
        shop, other = await new_shop(service), await new_shop(service)
        keys = [await new_key(service, [3], tenant_id=shop.tenant_id) for _ in range(4)]
        told = [await ended(search(service.channel, bearer(key))) for key in keys * 2]
        assert [one.code for one in told[:6]] == ["OK"] * 6
        assert_limited(told[7], "RATE_LIMITED")
        assert (await ended(search(service.channel, bearer(other.key)))).code == "OK"


async def test_stolen_key_of_a_tenant_leaves_its_other_keys_half_of_its_bytes(database_dsn: str) -> None:
    async with running_service(database_dsn, workers=0, tenant_bytes_per_minute=4_000_000) as service:
        shop = await new_shop(service)
        stolen = bearer(await new_key(service, [tenants_pb.SCOPE_CHANNEL], tenant_id=shop.tenant_id))
        junk = b"\x0a" + b"\0" * 3_900_000
        async with lone_channel(service) as thief:
            first = await raw(thief, SESSION, junk, stolen)
            assert first.reason == "REQUEST_TOO_LARGE"
            # Not the 3.9 million bytes, but what the method takes at most.
            told = [await raw(thief, SESSION, b"\x0a" + b"\0" * 70_000, stolen) for _ in range(40)]
        assert [one.reason for one in told[:25]] == ["REQUEST_TOO_LARGE"] * 25
        assert_limited(told[-1], "RATE_LIMITED")
        body = search_pb.SearchRequest(query="tea" * 10_000).SerializeToString()
        honest = [await raw(service.channel, SEARCH, body, bearer(shop.key)) for _ in range(50)]
        assert "RATE_LIMITED" not in {one.reason for one in honest}


async def test_stolen_key_of_a_tenant_leaves_its_other_keys_half_of_its_requests(database_dsn: str) -> None:
    async with running_service(database_dsn, workers=0, tenant_requests_per_minute=40) as service:
        shop = await new_shop(service)
        stolen = bearer(await new_key(service, [tenants_pb.SCOPE_TENANT_READ], tenant_id=shop.tenant_id))
        told = [await ended(search(service.channel, stolen)) for _ in range(60)]
        assert_limited(told[-1], "RATE_LIMITED")
        honest = [await ended(search(service.channel, bearer(shop.key))) for _ in range(19)]
        assert {one.code for one in honest} == {"OK"}


async def test_bytes_of_a_key_are_counted_in_streams_too(database_dsn: str) -> None:
    async with running_service(database_dsn, workers=0, key_bytes_per_minute=40_000) as service:
        shop = await new_shop(service)
        answer = await streamed(service.channel, import_of(messages=8, letters=10_000), bearer(shop.key))
        assert_limited(answer, "RATE_LIMITED")


async def test_messages_of_a_stream_are_requests_too(database_dsn: str) -> None:
    async with running_service(database_dsn, workers=0, tenant_requests_per_minute=5) as service:
        shop = await new_shop(service)
        answer = await streamed(service.channel, import_of(messages=8, letters=1), bearer(shop.key))
        assert_limited(answer, "RATE_LIMITED")


def import_of(*, messages: int, letters: int) -> list[bytes]:
    config = documents_pb.ImportConfig(import_id=str(uuid.uuid4()))
    chunks = [
        documents_pb.ImportChunk(
            documents=[
                documents_pb.Document(source_type="faq", external_id=str(number), content="x" * letters)
            ]
        )
        for number in range(messages)
    ]
    requests = [
        documents_pb.ImportDocumentsRequest(config=config),
        *(documents_pb.ImportDocumentsRequest(chunk=chunk) for chunk in chunks),
    ]
    return [one.SerializeToString() for one in requests]


async def test_health_is_never_limited(database_dsn: str) -> None:
    async with running_service(database_dsn, workers=0, key_requests_per_minute=1) as service:
        check = service.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        for _ in range(20):
            assert (
                await check(health_pb2.HealthCheckRequest())
            ).status == health_pb2.HealthCheckResponse.SERVING


async def test_wrong_keys_are_looked_up_so_often_and_right_ones_always(running: Running) -> None:
    shop, later = await new_shop(running), await new_shop(running)
    assert (await ended(search(running.channel, bearer(shop.key)))).code == "OK"
    told = [await ended(search(running.channel, bearer(new_secret()))) for _ in range(40)]
    assert {one.code for one in told[:20]} == {"UNAUTHENTICATED"}
    assert_limited(told[-1], "WRONG_KEYS")
    for right in (shop, later):
        assert (await ended(search(running.channel, bearer(right.key)))).code == "OK"


async def authenticator_of(running: Running, *, wrong_keys: int = 3) -> tuple[Authenticator, list[float]]:
    """One of its own, and its clock."""
    now = [0.0]
    authenticator = Authenticator(
        running.service.database, wrong_keys_per_minute=wrong_keys, clock=lambda: now[0]
    )
    return authenticator, now


async def test_right_keys_pass_while_their_network_is_refused(running: Running) -> None:
    """Behind a proxy everybody comes from one address: keys of long ago, of just now, and those made meanwhile."""
    authenticator, now = await authenticator_of(running)
    old, new = await new_shop(running), await new_shop(running)
    await authenticator.identify(old.key, None, NETWORK)
    await guess_until_refused(authenticator)
    now[0] += 40.0
    await guess_until_refused(authenticator)
    made_meanwhile = await new_shop(running)
    now[0] += 1.1
    for shop in (old, new, made_meanwhile):
        caller = await authenticator.identify(shop.key, None, NETWORK)
        assert caller.tenant_id == uuid.UUID(shop.tenant_id)
        await guess_until_refused(authenticator)


async def guess(authenticator: Authenticator) -> bool:
    """Whether it was looked up."""
    try:
        await authenticator.identify(new_secret(), None, NETWORK)
    except errors.WrongKeys:
        return False
    except errors.KeyInvalid:
        return True
    raise AssertionError("a guess was right")


async def guess_until_refused(authenticator: Authenticator) -> None:
    for _ in range(10):
        if not await guess(authenticator):
            return
    raise AssertionError("guesses are never refused")


async def test_other_networks_are_not_held_to_a_guessers_rate(running: Running) -> None:
    authenticator, _ = await authenticator_of(running)
    await guess_until_refused(authenticator)
    with pytest.raises(errors.KeyInvalid):
        await authenticator.identify(new_secret(), None, "198.51.100.1")


async def test_guesses_that_are_refused_read_the_database_once_a_second(running: Running) -> None:
    authenticator, now = await authenticator_of(running)
    await guess_until_refused(authenticator)
    authenticator._database = Untouchable()  # pyright: ignore[reportAttributeAccessIssue]
    for _ in range(50):
        with pytest.raises(errors.WrongKeys):
            await authenticator.identify(new_secret(), None, NETWORK)
    now[0] += 1.1
    with pytest.raises(AssertionError):
        await authenticator.identify(new_secret(), None, NETWORK)


async def test_key_that_was_made_a_moment_ago_passes_while_guesses_come(running: Running) -> None:
    for _ in range(4):
        for _ in range(25):
            await ended(search(running.channel, bearer(new_secret())))
        shop = await new_shop(running)
        assert (await ended(search(running.channel, bearer(shop.key)))).code == "OK"


async def test_revoked_key_is_a_guess_like_others(running: Running) -> None:
    authenticator, _ = await authenticator_of(running)
    shop = await new_shop(running)
    keys = await running.client.list_api_keys(tenants_pb.ListApiKeysRequest(tenant_id=shop.tenant_id))
    request = tenants_pb.RevokeApiKeyRequest(api_key_id=keys.api_keys[0].api_key_id)
    await running.client.revoke_api_key(request)
    await guess_until_refused(authenticator)
    with pytest.raises(errors.WrongKeys):
        await authenticator.identify(shop.key, None, NETWORK)


async def test_right_keys_that_come_together_are_one_look_and_no_guess(running: Running) -> None:
    authenticator, _ = await authenticator_of(running, wrong_keys=1)
    shops = [await new_shop(running) for _ in range(3)]
    for shop in shops:
        told = await asyncio.gather(*(authenticator.identify(shop.key, None, NETWORK) for _ in range(30)))
        assert {one.tenant_id for one in told} == {uuid.UUID(shop.tenant_id)}


async def test_guess_that_hangs_up_before_its_answer_is_a_guess(running: Running) -> None:
    authenticator, _ = await authenticator_of(running, wrong_keys=5)
    for _ in range(6):
        guess = asyncio.create_task(authenticator.identify(new_secret(), None, NETWORK))
        await asyncio.sleep(0)
        guess.cancel()
        await asyncio.wait([guess])
    with pytest.raises(errors.WrongKeys):
        await authenticator.identify(new_secret(), None, NETWORK)


async def test_wrong_key_that_comes_again_is_no_new_guess(running: Running) -> None:
    authenticator, _ = await authenticator_of(running, wrong_keys=1)
    wrong = new_secret()
    for _ in range(20):
        with pytest.raises(errors.KeyInvalid):
            await authenticator.identify(wrong, None, NETWORK)


class Untouchable:
    """Stands where a database stands, and must not be asked."""

    def operator(self) -> object:
        raise AssertionError("the database was asked")


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "x",
        "kld_",
        "kld_unknown",
        "kld_" + "x" * 42,
        "kld_" + "x" * 44,
        "kld_" + "ж" * 43,
        "KLD_" + "x" * 43,
    ]
    + ["kld_" + "x" * 42 + end for end in ("\n", "=", "+", "/", " ")],
)
async def test_what_is_not_spelled_as_a_key_is_never_looked_up(secret: str) -> None:
    authenticator = Authenticator(Untouchable(), wrong_keys_per_minute=1)  # pyright: ignore[reportArgumentType]
    for _ in range(3):
        with pytest.raises(errors.KeyInvalid):
            await authenticator.identify(secret, None, NETWORK)


async def test_every_key_we_make_is_spelled_as_a_key(running: Running) -> None:
    authenticator, _ = await authenticator_of(running, wrong_keys=0)
    for _ in range(50):
        with pytest.raises(errors.KeyInvalid):
            await authenticator.identify(new_secret(), None, NETWORK)
    assert len(authenticator._unknown) == 50


async def test_wrong_keys_never_push_right_ones_out_of_memory(running: Running) -> None:
    authenticator, _ = await authenticator_of(running, wrong_keys=0)
    shop = await new_shop(running)
    await authenticator.identify(shop.key, None, NETWORK)
    for _ in range(CACHE_SIZE + 50):  # as if each had been looked up
        authenticator._unknown[secrets.token_bytes(32)] = True
    with pytest.raises(errors.KeyInvalid):
        await authenticator.identify(new_secret(), None, NETWORK)
    assert len(authenticator._unknown) <= CACHE_SIZE
    authenticator._database = Untouchable()  # pyright: ignore[reportAttributeAccessIssue]
    assert await authenticator.identify(shop.key, None, NETWORK)


async def test_metadata_given_twice_is_refused(running: Running) -> None:
    shop, other = await new_shop(running), await new_shop(running)
    for tenants in ([shop, other], [other, shop], [shop, shop]):
        named = tuple(("x-tenant-id", one.tenant_id) for one in tenants)
        answer = await ended(search(running.channel, bearer(running.key, *named)))
        assert answer.code == "INVALID_ARGUMENT"
        assert "x-tenant-id" in answer.text
    twice = (*bearer(shop.key), *bearer(other.key))
    assert (await ended(search(running.channel, twice))).reason == "KEY_MISSING"


async def test_scheme_of_the_key_may_be_written_small(running: Running) -> None:
    shop = await new_shop(running)
    for scheme in ("bearer", "BEARER"):
        metadata = (("authorization", f"{scheme} {shop.key}"),)
        assert (await ended(search(running.channel, metadata))).code == "OK"
