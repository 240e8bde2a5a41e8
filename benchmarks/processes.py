"""Servers in processes of their own, so that client and server share no interpreter."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TextIO, TypeVar

import structlog
import uvloop
from kladez.v1 import tenant_service_pb2 as pb

from benchmarks import installation
from benchmarks.installation import synthetic_service
from retrieval_service import server
from retrieval_service.client import Client, connect
from retrieval_service.composition.opening import open_service
from retrieval_service.config import Settings
from retrieval_service.services.tenants.first_key import mint_key

START_SECONDS = 120.0
STOP_SECONDS = 15.0

Plan = TypeVar("Plan")
Announce = Callable[[int], None]
Serve = Callable[[Plan, Announce], Coroutine[None, None, None]]


@dataclass(frozen=True, kw_only=True)
class ServicePlan:
    """What the service is to be; `synthetic` gives it the embedder that costs nothing."""

    dsn: str
    settings: Settings
    synthetic: bool


async def serve_retrieval(plan: ServicePlan, announce: Announce) -> None:
    """`kladez serve`, but for the embedder."""
    stop = server.stop_signals()
    opening = synthetic_service if plan.synthetic else open_service
    async with (
        opening(plan.settings, plan.dsn) as service,
        server.background(service),
        server.running_server(service) as port,
    ):
        server.settle_memory()
        announce(port)
        await stop.wait()


@contextlib.asynccontextmanager
async def running(
    serve: Serve[Plan],
    plan: Plan,
    *,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> AsyncIterator[int]:
    """The port of `serve(plan, announce)` in another process, which is asked to stop at the end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(serve, plan, theirs, new_loop), daemon=True)
    await asyncio.to_thread(process.start)
    theirs.close()
    try:
        yield await asyncio.to_thread(_port, ours)  # pyright: ignore[reportArgumentType] - of Windows alone
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, STOP_SECONDS)
        ours.close()


@contextlib.asynccontextmanager
async def running_service(
    dsn: str, *, synthetic: bool, settings: Settings | None = None
) -> AsyncIterator[Client]:
    """An operator's client of a service in another process, with one worker unless the settings say otherwise."""
    plan = ServicePlan(dsn=dsn, settings=settings or installation.settings(workers=1), synthetic=synthetic)
    async with running(serve_retrieval, plan) as port:
        key = await mint_key(dsn, scopes=["operator", "tenant:write", "tenant:read"], display_name="bench")
        async with connect(f"127.0.0.1:{port}", key) as client:
            await client.wait_until_ready(START_SECONDS)
            yield client


async def new_shop(operator: Client) -> Client:
    """The same client for a new tenant."""
    request = pb.CreateTenantRequest(tenant=pb.Tenant(name="shop"))
    return operator.for_tenant((await operator.create_tenant(request)).tenant.tenant_id)


def _port(pipe: Connection) -> int:
    if not pipe.poll(START_SECONDS):
        raise TimeoutError("the server did not start in time")
    return pipe.recv()


def _child(
    serve: Serve[Plan], plan: Plan, pipe: Connection, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        _log_to(nowhere)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve(plan, pipe.send))


def _log_to(file: TextIO) -> None:
    """Lines are made as in production, at its level."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file),
        cache_logger_on_first_use=True,
    )
