"""Bodies and events as OpenAI's API writes them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web

TOKEN = re.compile(r"\w+|[^\w\s]")
CREATED = 1_790_000_000
Key = TypeVar("Key")
Kept = TypeVar("Kept")


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


def existing(known: Mapping[Key, Kept], key: Key) -> Kept:
    """Answers 404 for what is not there."""
    if key not in known:
        body = {
            "error": {
                "message": "No such object.",
                "type": "invalid_request_error",
                "param": "id",
                "code": None,
            }
        }
        raise web.HTTPNotFound(text=json.dumps(body), content_type="application/json")
    return known[key]


def page(request: web.Request, items: Sequence[Mapping[str, Any]], *, most: int = 100) -> web.Response:
    """A page of a listing, newest first unless asked otherwise."""
    limit = int(request.query.get("limit", 20))
    if not 1 <= limit <= most:
        return error(400, f"Invalid 'limit': must be from 1 to {most}.", param="limit")
    newest_first = request.query.get("order", "desc") == "desc"
    rest = sorted(items, key=lambda item: item["created_at"], reverse=newest_first)
    ids = [item["id"] for item in rest]
    if (after := request.query.get("after")) in ids:
        rest = rest[ids.index(after) + 1 :]
    shown = rest[:limit]
    return web.json_response(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": len(rest) > limit,
        }
    )


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
