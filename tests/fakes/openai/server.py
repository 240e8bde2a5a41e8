"""The server itself: routes, the key check, faults and the journal around every resource."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from tests.fakes.openai import (
    chat_completions,
    embeddings,
    files,
    models,
    responses,
    store_files,
    vector_stores,
    wire,
)
from tests.fakes.openai.fake import EXCHANGE, FAKE, FakeOpenAI
from tests.fakes.openai.faults import Drop, Fault
from tests.fakes.openai.journal import Exchange

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RESOURCES = (embeddings, responses, chat_completions, models, files, vector_stores, store_files)
SHUTDOWN_SECONDS = 0.1
JSON = "application/json"


@asynccontextmanager
async def running_openai(*, api_key: str | None = None) -> AsyncIterator[FakeOpenAI]:
    """On a free port of 127.0.0.1; with `api_key` every other key is answered 401."""
    fake = FakeOpenAI(api_key=api_key)
    # Without handler_cancellation a hanging handler would never learn that its client has gone.
    runner = web.AppRunner(_app(fake), handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        fake.base_url = f"http://127.0.0.1:{port}/v1"
        yield fake
    finally:
        await runner.cleanup()


def _app(fake: FakeOpenAI) -> web.Application:
    app = web.Application(middlewares=[_recorded, _authorized, _faulted], client_max_size=64 * 2**20)
    app[FAKE] = fake
    for resource in RESOURCES:
        app.add_routes(resource.ROUTES)
    return app


@web.middleware
async def _recorded(request: web.Request, handler: Handler) -> web.StreamResponse:
    exchange = Exchange(
        method=request.method,
        path=request.path,
        headers=dict(request.headers),
        body=json.loads(await request.read() or "{}") if request.content_type == JSON else {},
        client_port=request.get_extra_info("peername", ("", 0))[1],
    )
    request[EXCHANGE] = exchange
    await request.app[FAKE].journal.add(exchange)
    try:
        response = await handler(request)
        if not response.prepared:
            response.headers.setdefault("x-request-id", wire.new_id("req_"))
        return response
    except (asyncio.CancelledError, ConnectionResetError):
        exchange.is_disconnected = True
        raise
    finally:
        exchange.ended.set()


@web.middleware
async def _authorized(request: web.Request, handler: Handler) -> web.StreamResponse:
    expected, given = (
        request.app[FAKE].api_key,
        request.headers.get("Authorization", "").removeprefix("Bearer "),
    )
    if expected is None or given == expected:
        return await handler(request)
    # Ruder than OpenAI, which masks the key: whoever logs this message leaks it.
    return wire.error(
        401, f"Incorrect API key provided: {given}", kind="authentication_error", code="invalid_api_key"
    )


@web.middleware
async def _faulted(request: web.Request, handler: Handler) -> web.StreamResponse:
    fault = request.app[FAKE].faults.take(request.path, request.method)
    if fault is None:
        return await handler(request)
    if fault.drop:
        return await _dropped(request, handler, fault.drop)
    await asyncio.sleep(fault.delay_seconds)
    if fault.hangs:
        await fault.released.wait()
    return _failure(fault) if fault.status else await handler(request)


async def _dropped(request: web.Request, handler: Handler, drop: Drop) -> web.StreamResponse:
    if drop is Drop.AFTER_EFFECT:
        await handler(request)
    wire.abort(request)
    return web.Response()


def _failure(fault: Fault) -> web.Response:
    headers = {"x-request-id": wire.new_id("req_"), **fault.headers}
    status = fault.status or 500
    return wire.error(status, fault.message, kind=fault.kind, code=fault.code, headers=headers)
