"""The retrieval service on a free port with tenants of its own, for tests that call it as clients do."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import pytest
from grpc_health.v1 import health_pb2
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import sync_service_pb2 as sync_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service import server
from retrieval_service.api import tls
from retrieval_service.api.access.gate import Gate
from retrieval_service.api.access.policies import POLICIES, SCOPES, Policy
from retrieval_service.api.health import Health
from retrieval_service.client import CallFailed, Client, connecting
from retrieval_service.composition import opening
from retrieval_service.composition.services import Service
from retrieval_service.config import Settings, load
from retrieval_service.domain.indexing.calibration import SCRIPTS, Calibration
from retrieval_service.domain.indexing.spaces import Scale
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.services.answering import small_talk
from retrieval_service.services.retrieval import query_correction
from retrieval_service.services.tenants.first_key import mint_key
from tests.conftest import temporary_database

Value = TypeVar("Value")

TENANT_SCOPES = (tenants_pb.SCOPE_TENANT_WRITE, tenants_pb.SCOPE_TENANT_READ, tenants_pb.SCOPE_CHANNEL)
WAIT_SECONDS = 20.0

PLAIN = Calibration(texts="", scale=Scale(alike={"": 0.72}), languages=frozenset(SCRIPTS))
"""Cosines as they are: those of the fakes' bags of words."""

_names = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Running:
    """A service that answers; `client` has a key of every scope that belongs to no tenant."""

    client: Client
    channel: grpc.aio.Channel
    service: Service
    port: int
    key: str
    dsn: str


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A tenant, and a client with a key of its own and every scope a tenant may have."""

    tenant: tenants_pb.Tenant
    client: Client
    key: str

    @property
    def tenant_id(self) -> str:
        return self.tenant.tenant_id


@asynccontextmanager
async def running_service(dsn: str, **changes: Any) -> AsyncIterator[Running]:
    """The whole service with its worker, without OpenAI unless `changes` say so."""
    settings = await asyncio.to_thread(settings_for_tests, **changes)
    async with (
        measured_service(settings, dsn) as service,
        server.background(service),
        serving(service) as port,
    ):
        key = await mint_key(dsn, scopes=SCOPES, display_name="tests")
        async with channel_to(port) as channel:
            anyone = Client(channel, bearer(key))
            await anyone.wait_until_ready(WAIT_SECONDS)
            yield Running(client=anyone, channel=channel, service=service, port=port, key=key, dsn=dsn)


@asynccontextmanager
async def measured_service(settings: Settings, dsn: str) -> AsyncIterator[Service]:
    """As `wiring.open_service`; how the cosines of spaces are read is known, so that no fake is asked for them."""
    async with opening.open_service(settings, dsn) as service:
        for space_id in service.embedders.uncalibrated_ids:
            service.embedders.calibrate(space_id, PLAIN)
        yield service


@asynccontextmanager
async def shared_service(postgres: Embedded, template: str, **changes: Any) -> AsyncIterator[Running]:
    """A service for all tests of a module, on a database of its own; every test makes tenants of its own."""
    with temporary_database(postgres, template=template) as dsn, unhurried():
        async with in_one_task(running_service(dsn, **changes)) as running:
            yield running


@contextmanager
def unhurried() -> Iterator[None]:
    """A busy machine changes no answer: a test that is about one sets less patience itself."""
    with pytest.MonkeyPatch.context() as patched:
        for module in (small_talk, query_correction):
            patched.setattr(module, "PATIENCE_SECONDS", 60.0)
        yield


@asynccontextmanager
async def serving(
    service: Service,
    policies: Mapping[str, Policy] = POLICIES,
    extend: Callable[[grpc.aio.Server], None] = lambda _: None,
) -> AsyncIterator[int]:
    """A server with the product's gate and services that ends at once; `extend` may add servicers."""
    gate = Gate(policies, service.authenticator, service.limiter)
    running = grpc.aio.server(interceptors=[gate], options=server.OPTIONS)
    health = Health()
    server.add_services(running, service, health)
    extend(running)
    port = server.listen(
        running, service.settings, await asyncio.to_thread(tls.credentials, service.settings)
    )
    await running.start()
    await server.report(health, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield port
    finally:
        health.end_watches()
        await running.stop(0)


@asynccontextmanager
async def in_one_task(manager: AbstractAsyncContextManager[Value]) -> AsyncIterator[Value]:
    """Enters and leaves in the same task, as task groups demand; fixtures are left in another one."""
    entered: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        async with manager as value:
            entered.set_result(value)
            await leave.wait()

    task = asyncio.create_task(hold())
    await asyncio.wait([task, entered], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield entered.result()
    finally:
        leave.set()
        await task


def settings_for_tests(**changes: Any) -> Settings:
    """Defaults that depend on nobody's environment; no rebuild comes in between, and no breaker."""
    quiet = {
        "answer_breaker_failures": 1_000,
        "port": 0,
        "embedder": "local",
        "local_model": "minilm",  # starts in the least time; tests of the others ask for them
        "answerer": "extractive",
        "openai_api_key": None,
    }
    without_openai = {"openai_base_url": None, "use_openai_retrieval": False}
    return load().model_copy(
        update={**quiet, **without_openai, "schedule_rebuild": "", "migrate": True, **changes}
    )


async def new_shop(running: Running, **settings: Any) -> Shop:
    """A fresh tenant; `settings` are fields of TenantSettings."""
    wanted = tenants_pb.Tenant(name=f"Shop {next(_names)}", settings=tenants_pb.TenantSettings(**settings))
    created = await running.client.create_tenant(tenants_pb.CreateTenantRequest(tenant=wanted))
    key = await new_key(running, TENANT_SCOPES, tenant_id=created.tenant.tenant_id)
    return Shop(tenant=created.tenant, client=Client(running.channel, bearer(key)), key=key)


async def new_key(
    running: Running, scopes: Sequence[tenants_pb.Scope.ValueType], *, tenant_id: str = ""
) -> str:
    """The secret."""
    wanted = tenants_pb.ApiKey(scopes=scopes, tenant_id=tenant_id, display_name="tests")
    created = await running.client.create_api_key(tenants_pb.CreateApiKeyRequest(api_key=wanted))
    return created.secret


def channel_to(port: int) -> grpc.aio.Channel:
    """A connection as the product's client makes it."""
    return grpc.aio.insecure_channel(f"dns:///127.0.0.1:{port}", options=connecting.channel_options())


def bearer(key: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"), *more)


async def upsert(shop: Shop, external_id: str, content: str, **fields: Any) -> documents_pb.Document:
    """Stores a document of the source type "article" unless `fields` say otherwise."""
    document = documents_pb.Document(
        **{"source_type": "article", "external_id": external_id, "content": content, **fields}
    )
    response = await shop.client.upsert_document(documents_pb.UpsertDocumentRequest(document=document))
    return response.document


async def wait_until_indexed(shop: Shop) -> sync_pb.GetSyncStatusResponse:
    """Returns once no document waits for the worker."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            status = await shop.client.get_sync_status(sync_pb.GetSyncStatusRequest())
            if not status.pending_count + status.processing_count:
                return status
            await asyncio.sleep(0.02)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that happens in the same event loop."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def failure_of(call: Awaitable[object]) -> CallFailed:
    """The error a call ends with; a call that succeeds fails the test."""
    with pytest.raises(CallFailed) as caught:
        await call
    return caught.value


@contextmanager
def refused(code: str, *, field: str = "") -> Iterator[pytest.ExceptionInfo[CallFailed]]:
    """Expects a `CallFailed` with this code, for INVALID_ARGUMENT also naming this field."""
    with pytest.raises(CallFailed) as caught:
        yield caught
    assert caught.value.code == code, f"{caught.value.code}: {caught.value}"
    assert not field or field in [one.field for one in caught.value.violations]
