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

from benchmarks.installation import synthetic_service
from retrieval_service import server
from retrieval_service.config import Settings
from retrieval_service.wiring import open_service

START_SECONDS = 30.0
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
        announce(port)
        await stop.wait()


@contextlib.asynccontextmanager
async def running(serve: Serve[Plan], plan: Plan) -> AsyncIterator[int]:
    """The port of `serve(plan, announce)` in another process, which is asked to stop at the end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(serve, plan, theirs), daemon=True)
    await asyncio.to_thread(process.start)
    theirs.close()
    try:
        yield await asyncio.to_thread(_port, ours)
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, STOP_SECONDS)
        ours.close()


def _port(pipe: Connection) -> int:
    if not pipe.poll(START_SECONDS):
        raise TimeoutError("the server did not start in time")
    return pipe.recv()


def _child(serve: Serve[Plan], plan: Plan, pipe: Connection) -> None:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        _log_to(nowhere)
        uvloop.run(serve(plan, pipe.send))


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
