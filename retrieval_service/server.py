"""The gRPC server: starts, serves until it is told to stop, and stops without breaking a call."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kladez.v1 import (
    answer_service_pb2,
    answer_service_pb2_grpc,
    document_service_pb2,
    document_service_pb2_grpc,
    index_job_service_pb2,
    index_job_service_pb2_grpc,
    insight_service_pb2,
    insight_service_pb2_grpc,
    search_service_pb2,
    search_service_pb2_grpc,
    source_service_pb2,
    source_service_pb2_grpc,
    space_service_pb2,
    space_service_pb2_grpc,
    sync_service_pb2,
    sync_service_pb2_grpc,
    tenant_service_pb2,
    tenant_service_pb2_grpc,
)

from retrieval_service import errors
from retrieval_service.api import tls
from retrieval_service.api.access.gate import Gate
from retrieval_service.api.access.policies import POLICIES
from retrieval_service.api.answers import AnswerServicer
from retrieval_service.api.documents import DocumentServicer
from retrieval_service.api.health import Health
from retrieval_service.api.index_jobs import IndexJobServicer
from retrieval_service.api.insights import InsightServicer
from retrieval_service.api.reflection import add_reflection
from retrieval_service.api.searches import SearchServicer
from retrieval_service.api.sources import SourceServicer
from retrieval_service.api.spaces import SpaceServicer
from retrieval_service.api.sync import SyncServicer
from retrieval_service.api.tenants import TenantServicer
from retrieval_service.composition import observability
from retrieval_service.composition.opening import open_service
from retrieval_service.composition.services import Service
from retrieval_service.config import Settings
from retrieval_service.domain.operations.processes import Kind
from retrieval_service.worker.staffing import new_worker

log = structlog.get_logger("kladez.server")

# Clients that watch our health move away within this time, so that stopping breaks no call.
FAREWELL_SECONDS = 0.5
LAST_WORDS_SECONDS = 2.0

SERVICES = (
    tenant_service_pb2.DESCRIPTOR.services_by_name["TenantService"],
    document_service_pb2.DESCRIPTOR.services_by_name["DocumentService"],
    search_service_pb2.DESCRIPTOR.services_by_name["SearchService"],
    answer_service_pb2.DESCRIPTOR.services_by_name["AnswerService"],
    sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"],
    index_job_service_pb2.DESCRIPTOR.services_by_name["IndexJobService"],
    source_service_pb2.DESCRIPTOR.services_by_name["SourceService"],
    space_service_pb2.DESCRIPTOR.services_by_name["SpaceService"],
    insight_service_pb2.DESCRIPTOR.services_by_name["InsightService"],
)

MOST_MESSAGE_BYTES = 8 * 1024 * 1024
OPTIONS = (
    ("grpc.so_reuseport", 0),  # otherwise a second server would silently share the port
    # Twice what any method takes: what is too large by less than that is refused by name, by the gate.
    ("grpc.max_receive_message_length", MOST_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 256),
    # For TLS and the first frame of HTTP/2; otherwise two minutes, in which many more silent lines come together.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # A connection without a call costs a file; no round number, at which programs that call by the clock would meet it.
    ("grpc.max_connection_idle_ms", 100_000),
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", 5 * 60_000),
)


async def serve(settings: Settings, dsn: str, *, on_ready: Callable[[int], None]) -> None:
    """Serves until SIGTERM or SIGINT; `on_ready` is told the port once calls are answered."""
    stop = stop_signals()
    async with (
        open_service(settings, dsn) as service,
        observability.observed(settings, dsn, service.database, "service"),
        background(service),
        running_server(service) as port,
    ):
        settle_memory()
        log.info("serving", host=settings.host, port=port, space=service.embedder.space.key)
        on_ready(port)
        await stop.wait()
        log.info("stopping")


def settle_memory() -> None:
    """What a start has made stays: the collector need not go through it again while callers wait."""
    gc.collect()
    gc.freeze()


@contextlib.asynccontextmanager
async def running_server(service: Service) -> AsyncIterator[int]:
    """The listening server's port; on the way out calls in flight may finish."""
    settings = service.settings
    gate = Gate(POLICIES, service.authenticator, service.limiter)
    server = grpc.aio.server(interceptors=[gate], options=OPTIONS)
    health = Health()
    add_services(server, service, health)
    port = listen(server, settings, await asyncio.to_thread(tls.credentials, settings))
    await server.start()
    await report(health, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield port
    finally:
        await health.enter_graceful_shutdown()
        await asyncio.sleep(FAREWELL_SECONDS)
        health.end_watches()
        await stop(server, service)


async def stop(server: grpc.aio.Server, service: Service) -> None:
    """Calls and answers may finish; answers that do not are stored, and their listeners told, before calls end."""
    seconds = service.settings.shutdown_seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(service.answering.wind_down(seconds))
        group.create_task(server.stop(seconds + LAST_WORDS_SECONDS))


def add_services(server: grpc.aio.Server, service: Service, health: Health) -> None:
    tenant_service_pb2_grpc.add_TenantServiceServicer_to_server(
        TenantServicer(service.manager, service.page_tokens), server
    )
    document_service_pb2_grpc.add_DocumentServiceServicer_to_server(
        DocumentServicer(service.importer, service.editor, service.reader, service.page_tokens), server
    )
    search_service_pb2_grpc.add_SearchServiceServicer_to_server(
        SearchServicer(
            service.retrieval.retriever,
            service.summarizing,
            service.snapshotting,
            service.meter,
            service.page_tokens,
        ),
        server,
    )
    answer_service_pb2_grpc.add_AnswerServiceServicer_to_server(
        AnswerServicer(service.answering, service.conversing, service.surveyor, service.page_tokens), server
    )
    sync_service_pb2_grpc.add_SyncServiceServicer_to_server(
        SyncServicer(
            service.reader,
            service.overseer,
            service.mender,
            service.page_tokens,
            service.retrieval.switcher,
            service.comparer,
        ),
        server,
    )
    index_job_service_pb2_grpc.add_IndexJobServiceServicer_to_server(
        IndexJobServicer(service.reindexer, service.page_tokens), server
    )
    source_service_pb2_grpc.add_SourceServiceServicer_to_server(
        SourceServicer(service.declarer, service.sourcing, service.page_tokens), server
    )
    space_service_pb2_grpc.add_SpaceServiceServicer_to_server(
        SpaceServicer(service.switcher, service.verifier), server
    )
    insight_service_pb2_grpc.add_InsightServiceServicer_to_server(
        InsightServicer(
            service.reader,
            service.meter,
            service.surveyor,
            service.resolver,
            service.evaluations,
            service.presences,
            service.page_tokens,
        ),
        server,
    )
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    if service.settings.reflection:
        names = [descriptor.full_name for descriptor in SERVICES]
        add_reflection(server, [*names, "grpc.health.v1.Health"])


def listen(
    server: grpc.aio.Server, settings: Settings, credentials: grpc.ServerCredentials | None = None
) -> int:
    """The port; raises `Misconfigured` when it is taken."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.port}"
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise errors.Misconfigured(f"KLADEZ_PORT: {address} cannot be listened on; is it in use?") from error


async def report(health: Health, status: int) -> None:
    """For the server as a whole and for each service by name."""
    for name in ("", *(descriptor.full_name for descriptor in SERVICES)):
        await health.set(name, status)


@contextlib.asynccontextmanager
async def background(service: Service) -> AsyncIterator[None]:
    """The worker inside the server, unless it is switched off, the usage counts, and comparisons of backends."""
    async with asyncio.TaskGroup() as group:
        shadow = service.retrieval.shadow
        presence = service.presence
        endless = [
            service.meter.run(),
            service.calibrator.run(),
            *([shadow.run()] if shadow else []),
            *([presence.run()] if presence else []),
        ]
        beside = [group.create_task(one) for one in endless]
        worker = new_worker(service) if service.settings.workers else None
        working = group.create_task(worker.run()) if worker else None
        try:
            yield
        finally:
            if worker and working:
                worker.stop()
                await working
            for one in beside:
                one.cancel()


async def work(settings: Settings, dsn: str) -> None:
    """A worker without a server; runs until SIGTERM or SIGINT.

    Raises `SettingsDiffer` when it may not begin, or not go on, because the installation runs with something else.
    """
    stop = stop_signals()
    async with open_service(settings, dsn, kind=Kind.WORKER) as service:
        worker = new_worker(service)
        pages = observability.observed(
            settings, dsn, service.database, "worker", more={"queue": worker.fault}
        )
        async with pages, asyncio.TaskGroup() as group:
            working = group.create_task(worker.run())
            beside = [group.create_task(service.calibrator.run())]
            beside += [group.create_task(service.presence.run())] if service.presence else []
            settle_memory()
            log.info("working", space=service.embedder.space.key)
            await stop.wait()
            worker.stop()
            await working
            for one in beside:
                one.cancel()


def stop_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
