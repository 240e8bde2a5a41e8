"""The gate on a real server: who gets in, what is let in, and what an error tells."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection_pb2
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb
from kladez.v1 import tenant_service_pb2_grpc as tenants_grpc

from retrieval_service import server
from retrieval_service.api.access.policies import OPERATOR, POLICIES, SCOPES
from retrieval_service.api.messages import tenant_messages
from tests.kits.gate_kit import BATCH, IMPORT, OURS, assert_explained, ended, raw, search, streamed
from tests.kits.service_kit import Running, Shop, bearer, new_key, new_shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    """Without a worker: what is only stored need not be embedded."""
    return {"workers": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_shop(running: Running) -> Shop:
    return await new_shop(running)


# --- who gets in


@pytest.mark.parametrize("method", OURS)
async def test_nobody_gets_in_without_a_key(running: Running, method: str) -> None:
    for metadata in ((), (("authorization", "Basic YTpi"),), (("authorization", "Bearer "),)):
        answer = await raw(running.channel, method, b"", metadata)
        assert (answer.code, answer.reason) == ("UNAUTHENTICATED", "KEY_MISSING")
        assert_explained(answer)


@pytest.mark.parametrize("method", OURS)
async def test_nobody_gets_in_with_an_unknown_key(running: Running, method: str) -> None:
    answer = await raw(running.channel, method, b"", bearer("kld_unknown"))
    assert (answer.code, answer.reason) == ("UNAUTHENTICATED", "KEY_INVALID")
    assert_explained(answer)


@pytest.mark.parametrize("method", OURS)
async def test_key_with_every_scope_but_the_right_one_is_refused(
    running: Running, one_shop: Shop, method: str
) -> None:
    wrong = [tenant_messages.SCOPE_NUMBERS[name] for name in SCOPES if name not in POLICIES[method].scopes]
    key = await new_key(running, wrong)
    answer = await raw(running.channel, method, b"", bearer(key, ("x-tenant-id", one_shop.tenant_id)))
    assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "NOT_ALLOWED")
    assert_explained(answer)
    assert any(scope in answer.text for scope in POLICIES[method].scopes)


@pytest.mark.parametrize("method", OURS)
async def test_each_scope_that_suffices_gets_in(running: Running, one_shop: Shop, method: str) -> None:
    for scope in POLICIES[method].scopes:
        tenant_id = "" if scope == OPERATOR else one_shop.tenant_id
        key = await new_key(running, [tenant_messages.SCOPE_NUMBERS[scope]], tenant_id=tenant_id)
        answer = await raw(running.channel, method, b"", bearer(key))
        # Past the gate an empty request may lack a field, or this service a retrieval provider.
        assert answer.code in ("OK", "INVALID_ARGUMENT", "FAILED_PRECONDITION"), answer


async def test_every_method_has_a_policy() -> None:
    methods = {f"/{one.full_name}/{name}" for one in server.SERVICES for name in one.methods_by_name}
    assert methods == set(OURS)


async def test_revoked_key_is_refused_once_forgotten(running: Running) -> None:
    shop = await new_shop(running)
    assert (await ended(search(running.channel, bearer(shop.key)))).code == "OK"
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(
            "UPDATE api_keys SET revoked_at = now() WHERE tenant_id = %(tenant_id)s",
            {"tenant_id": shop.tenant_id},
        )
    assert (await ended(search(running.channel, bearer(shop.key)))).code == "OK"  # for 30 seconds at most
    running.service.authenticator.forget()
    answer = await ended(search(running.channel, bearer(shop.key)))
    assert (answer.code, answer.reason) == ("UNAUTHENTICATED", "KEY_INVALID")


async def test_deleted_tenants_key_stops_working(running: Running) -> None:
    shop = await new_shop(running)
    assert (await ended(search(running.channel, bearer(shop.key)))).code == "OK"
    await running.client.delete_tenant(tenants_pb.DeleteTenantRequest(tenant_id=shop.tenant_id))
    assert (await ended(search(running.channel, bearer(shop.key)))).reason == "KEY_INVALID"


async def test_tenants_key_cannot_name_another_tenant(running: Running, one_shop: Shop) -> None:
    other = await new_shop(running)
    named = bearer(one_shop.key, ("x-tenant-id", other.tenant_id))
    answer = await ended(search(running.channel, named))
    assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "NOT_ALLOWED")
    own = bearer(one_shop.key, ("x-tenant-id", one_shop.tenant_id))
    assert (await ended(search(running.channel, own))).code == "OK"


@pytest.mark.parametrize("method", [method for method in OURS if POLICIES[method].needs_tenant])
async def test_key_of_no_tenant_must_name_one_that_exists(running: Running, method: str) -> None:
    answer = await raw(running.channel, method, b"", bearer(running.key))
    assert (answer.code, answer.reason) == ("INVALID_ARGUMENT", "TENANT_MISSING")
    unknown = bearer(running.key, ("x-tenant-id", str(uuid.uuid4())))
    answer = await raw(running.channel, method, b"", unknown)
    assert answer.code == "NOT_FOUND"
    assert_explained(answer)


# --- what is let in


@pytest.mark.parametrize("method", OURS)
async def test_malformed_bytes_are_an_invalid_argument(running: Running, one_shop: Shop, method: str) -> None:
    metadata = bearer(running.key, ("x-tenant-id", one_shop.tenant_id))
    answer = await raw(running.channel, method, b"\x0a\xff\xff", metadata)
    assert (answer.code, answer.reason) == ("INVALID_ARGUMENT", "MALFORMED")
    assert_explained(answer)


@pytest.mark.parametrize("method", OURS)
async def test_message_too_large_for_its_method_is_refused_by_size(
    running: Running, one_shop: Shop, method: str
) -> None:
    limit = POLICIES[method].max_request_bytes
    metadata = bearer(running.key, ("x-tenant-id", one_shop.tenant_id))
    answer = await raw(running.channel, method, b"\x00" * (limit + 1), metadata)
    assert (answer.code, answer.reason) == ("INVALID_ARGUMENT", "REQUEST_TOO_LARGE")
    assert str(limit) in answer.text
    assert_explained(answer)


@pytest.mark.parametrize("size", [4_200_000, 4_000_000])
async def test_millions_of_empty_messages_are_refused(running: Running, one_shop: Shop, size: int) -> None:
    answer = await raw(running.channel, BATCH, b"\x0a\x00" * (size // 2), bearer(one_shop.key))
    assert answer.code == "INVALID_ARGUMENT"
    assert_explained(answer)


async def test_second_message_of_an_import_is_checked_like_the_first(
    running: Running, one_shop: Shop
) -> None:
    config = documents_pb.ImportConfig(import_id=str(uuid.uuid4()))
    first = documents_pb.ImportDocumentsRequest(config=config).SerializeToString()
    second = b"\x00" * (POLICIES[IMPORT].max_request_bytes + 1)
    answer = await streamed(running.channel, [first, second], bearer(one_shop.key))
    assert (answer.code, answer.reason) == ("INVALID_ARGUMENT", "REQUEST_TOO_LARGE")
    assert_explained(answer)


async def test_unknown_method_is_unimplemented(running: Running) -> None:
    assert (await raw(running.channel, "/kladez.v1.SearchService/Guess", b"")).code == "UNIMPLEMENTED"
    assert (await raw(running.channel, "/nobody.v1.Service/Method", b"")).code == "UNIMPLEMENTED"


# --- what an error tells


async def test_violations_are_cut_below_what_metadata_can_carry(running: Running) -> None:
    greetings = {f"язык{number}" * 7: "Здравствуйте" for number in range(500)}
    settings = tenants_pb.TenantSettings(greetings=greetings)
    request = tenants_pb.CreateTenantRequest(tenant=tenants_pb.Tenant(name="Чай", settings=settings))
    stub = tenants_grpc.TenantServiceStub(running.channel)
    for _ in range(20):  # metadata that is too large is dropped at random
        answer = await ended(stub.CreateTenant(request, metadata=bearer(running.key)))
        assert answer.code == "INVALID_ARGUMENT"
        violations = answer.detail(error_details_pb2.BadRequest()).field_violations
        assert 1 <= len(violations) <= 20
        assert_explained(answer)


@pytest.mark.parametrize("letter", ["x", "ж", "茶", "🫖"])
async def test_longest_message_fits_into_the_metadata(running: Running, letter: str) -> None:
    settings = tenants_pb.TenantSettings(greetings={letter * 5_000 + str(n): "" for n in range(2)})
    request = tenants_pb.CreateTenantRequest(tenant=tenants_pb.Tenant(name="Чай", settings=settings))
    stub = tenants_grpc.TenantServiceStub(running.channel)
    for _ in range(20):
        answer = await ended(stub.CreateTenant(request, metadata=bearer(running.key)))
        assert answer.code == "INVALID_ARGUMENT"
        assert answer.detail(error_details_pb2.BadRequest()).field_violations
        assert_explained(answer)


async def test_clients_request_id_is_kept_when_it_is_harmless(running: Running, one_shop: Shop) -> None:
    for asked, kept in (("order-4711.a", True), ("short", False), ("x" * 65, False), ("a b c d e f", False)):
        metadata = bearer(one_shop.key, ("x-request-id", asked))
        for query in ("tea", ""):
            answer = await ended(search(running.channel, metadata, query=query))
            assert (answer.trailing["x-request-id"] == asked) is kept


async def test_error_of_a_method_names_its_field(running: Running, one_shop: Shop) -> None:
    answer = await ended(search(running.channel, bearer(one_shop.key), query=" "))
    [violation] = answer.detail(error_details_pb2.BadRequest()).field_violations
    assert (violation.field, answer.code) == ("query", "INVALID_ARGUMENT")
    assert_explained(answer)


# --- what clients of other makes ask for


async def test_health_lists_what_it_knows_without_a_key(running: Running) -> None:
    answer = await running.channel.unary_unary("/grpc.health.v1.Health/List")(b"")
    names = [f"kladez.v1.{one.name}" for one in server.SERVICES]
    assert [name for name in names if name.encode() not in answer] == []


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_is_served_under_both_of_its_names(running: Running, version: str) -> None:
    method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    asked = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    [answer] = [one async for one in running.channel.stream_stream(method)(iter([asked]))]
    listed = reflection_pb2.ServerReflectionResponse.FromString(answer).list_services_response.service
    assert {one.full_name for one in server.SERVICES} <= {one.name for one in listed}
