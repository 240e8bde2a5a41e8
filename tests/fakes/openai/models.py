"""GET /v1/models."""

from __future__ import annotations

from aiohttp import web

from tests.fakes.openai import wire

MODELS = ("gpt-5.4-mini", "text-embedding-3-small", "text-embedding-3-large")


async def list_models(request: web.Request) -> web.Response:
    models = [{"id": name, "object": "model", "created": wire.CREATED, "owned_by": "fake"} for name in MODELS]
    return web.json_response({"object": "list", "data": models})


ROUTES = [web.get("/v1/models", list_models)]
