"""Bodies and events as OpenAI's API writes them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

TOKEN = re.compile(r"\w+|[^\w\s]")
CREATED = 1_790_000_000


def new_id(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:24]}"


def count_tokens(text: str) -> int:
    """Words and signs, at least 1: not OpenAI's number, but one that grows with the text."""
    return max(1, len(TOKEN.findall(text)))


def error(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    code: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return web.json_response(body, status=status, headers=headers)


async def open_events(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
    response = web.StreamResponse(headers=headers | {"x-request-id": new_id("req_")})
    await response.prepare(request)
    return response


async def send_event(
    response: web.StreamResponse, data: Mapping[str, Any], *, name: str | None = None
) -> None:
    head = f"event: {name}\n" if name else ""
    await response.write(f"{head}data: {json.dumps(data)}\n\n".encode())


def abort(request: web.Request) -> None:
    """The client sees the connection die."""
    if request.transport is not None:
        request.transport.abort()
