"""The gateway's process: settings, routes, readiness, and a stop that loses no answer."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager

import structlog
from aiohttp import web

from retrieval_service import monitoring
from retrieval_service.client import Client, Misconfigured, connect, tls_from_environment
from retrieval_service.monitoring import Check, Watched
from widget_gateway import assets, demo, metrics, snapshot_page, websocket
from widget_gateway.config import Settings, SettingsInvalid, read_settings
from widget_gateway.doors import CountingRunner
from widget_gateway.gateway import GATEWAY, Gateway, opened

READY_TIMEOUT_SECONDS = 1.5
# Handlers whose socket is closed end at once; this limits the others.
HANDLER_SHUTDOWN_SECONDS = 5.0

# Read on import: no file is opened while the event loop runs.
WIDGET = assets.load("widget.js")

_log = structlog.get_logger(__name__)


def main() -> None:
    configure_logging()
    try:
        run(serve(read_settings()))
    except (SettingsInvalid, Misconfigured) as error:
        _log.error("settings_invalid", reason=str(error))
        sys.exit(2)


def build_app(settings: Settings, client: Client) -> web.Application:
    """The whole application; `client` is opened and closed by the caller."""
    app = web.Application()

    async def gateway_context(app: web.Application) -> AsyncIterator[None]:
        async with opened(settings, client) as app[GATEWAY]:
            yield

    app.cleanup_ctx.append(gateway_context)
    app.on_shutdown.append(drain)
    app.on_response_prepare.append(say_little)
    app.router.add_get("/ws", websocket.handle)
    app.router.add_get("/widget.js", WIDGET.handle)
    snapshot_page.add_routes(app)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    if settings.demo_shop:
        demo.add_routes(app, settings)
    return app


async def serve(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT."""
    stop = stop_event()
    tls = await asyncio.to_thread(tls_from_environment)
    async with connect(settings.service_address, settings.channel_key.get_secret_value(), tls=tls) as client:
        app = build_app(settings, client)
        runner = new_runner(app, settings)
        await runner.setup()
        try:
            site = web.TCPSite(runner, settings.host, settings.port)
            await site.start()
            settle_memory()
            _log.info("gateway_ready", address=address(runner), demo=bool(settings.demo_shop))
            async with monitored(settings, app[GATEWAY]):
                await stop.wait()
                await site.stop()
                await drain(app)
        finally:
            await runner.cleanup()
    _log.info("gateway_stopped")


def settle_memory() -> None:
    """Excludes the objects of the start from garbage collection, which would delay visitors."""
    gc.collect()
    gc.freeze()


def new_runner(app: web.Application, settings: Settings) -> web.AppRunner:
    """aiohttp's timeout of idle connections also ends requests that never become complete."""
    return CountingRunner(
        app,
        connections_per_address=settings.connections_per_address,
        trusted_proxies=settings.trusted_proxies,
        access_log=None,
        shutdown_timeout=HANDLER_SHUTDOWN_SECONDS,
        keepalive_timeout=settings.request_seconds,
    )


async def say_little(_request: web.Request, response: web.StreamResponse) -> None:
    """Hides the versions of the server, and forbids caching unless a response allows it."""
    response.headers["Server"] = "kladez"
    response.headers.setdefault("Cache-Control", "no-store")


async def drain(app: web.Application) -> None:
    await app[GATEWAY].drain()


def monitored(settings: Settings, gateway: Gateway) -> AbstractAsyncContextManager[int | None]:
    """Pages for operators on a separate port, which visitors do not reach."""

    async def refresh() -> None:
        metrics.ANSWERS_RUNNING.set(gateway.rooms.running)

    watched = Watched(part="gateway", checks=checks(gateway), refresh=refresh)
    return monitoring.serving(
        settings.metrics_host, settings.metrics_port, watched, setting="KLADEZ_GATEWAY_METRICS_PORT"
    )


def checks(gateway: Gateway) -> dict[str, Check]:
    async def draining() -> str:
        return "the gateway is on its way out" if gateway.is_draining else ""

    return {"gateway": draining, "service": lambda: gateway.client.fault(READY_TIMEOUT_SECONDS)}


async def healthz(_request: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"part": "gateway", "alive": True})


async def readyz(request: web.Request) -> web.Response:
    """The service answers too, and the gateway is not stopping. Anybody may ask, so there are no details."""
    missing = await monitoring.answering(checks(request.app[GATEWAY]))
    return monitoring.ready_answer("gateway", dict.fromkeys(missing, "not ready"))


def stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def address(runner: web.AppRunner) -> str:
    host, port, *_ = runner.addresses[0]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(process: Coroutine[object, object, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(process)
    else:
        import uvloop

        uvloop.run(process)


def configure_logging() -> None:
    """JSON lines on stderr; libraries speak up from warnings on."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


if __name__ == "__main__":
    main()
