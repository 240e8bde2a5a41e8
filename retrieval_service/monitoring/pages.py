"""A small HTTP server in the event loop of the part itself: when it answers, the loop does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata

import structlog
from aiohttp import web
from prometheus_client import REGISTRY, Gauge
from prometheus_client.exposition import choose_encoder

from retrieval_service import errors

log = structlog.get_logger("kladez.monitoring")

CHECK_SECONDS = 3.0
# Read on import: no file is opened while the event loop runs.
VERSION = metadata.version("kladez")
BUILD = Gauge("kladez_build_info", "The version that runs; always 1.", ("part", "version"))

# Says in words what is missing, and nothing when nothing is.
Check = Callable[[], Awaitable[str]]


async def nothing_to_refresh() -> None:
    return


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A part, what it cannot serve without, and what brings its figures up to date before they are read."""

    part: str
    checks: Mapping[str, Check] = field(default_factory=dict)
    refresh: Callable[[], Awaitable[None]] = nothing_to_refresh


@contextlib.asynccontextmanager
async def serving(
    host: str, port: int | None, watched: Watched, *, setting: str
) -> AsyncIterator[int | None]:
    """The port the pages are on, None when none is wanted. Raises `Misconfigured` when it is taken."""
    build_info(watched.part)
    if port is None:
        yield None
        return
    runner = web.AppRunner(pages(watched), access_log=None, shutdown_timeout=CHECK_SECONDS)
    await runner.setup()
    try:
        await _listen(runner, host, port, setting)
        bound = int(runner.addresses[0][1])
        log.info("monitoring_ready", part=watched.part, host=host, port=bound)
        yield bound
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int, setting: str) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise errors.Misconfigured(
            f"{setting}: {host}:{port} cannot be listened on; is it in use?"
        ) from error


def pages(watched: Watched) -> web.Application:
    async def ready(_request: web.Request) -> web.Response:
        return ready_answer(watched.part, await answering(watched.checks))

    async def metrics(request: web.Request) -> web.Response:
        await watched.refresh()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # Thousands of lines: other calls get their turn between them.
        text = await asyncio.to_thread(encode, REGISTRY)
        return web.Response(body=text, headers={"Content-Type": content_type})

    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"part": watched.part, "alive": True})

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    return app


async def answering(checks: Mapping[str, Check]) -> dict[str, str]:
    """What is missing, by the name of its check."""
    faults = await asyncio.gather(*(_fault(check) for check in checks.values()))
    return {name: fault for name, fault in zip(checks, faults, strict=True) if fault}


def ready_answer(part: str, missing: Mapping[str, str]) -> web.Response:
    answer = {"part": part, "ready": not missing, "missing": dict(missing)}
    return web.json_response(answer, status=503 if missing else 200)


async def _fault(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"


def build_info(part: str) -> None:
    BUILD.labels(part, VERSION).set(1)
