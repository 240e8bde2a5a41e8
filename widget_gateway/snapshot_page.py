"""The page of a snapshot: plain HTML without scripts, for everybody who has its link."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC
from html import escape
from string import Template

from aiohttp import web
from kladez.v1.search_service_pb2 import ResolveSnapshotRequest, Snapshot, SnapshotHit

from retrieval_service.client import CallFailed
from widget_gateway import assets
from widget_gateway.gateway import GATEWAY, Gateway
from widget_gateway.snapshot_texts import Texts, texts_for
from widget_gateway.websocket import address_of

RESOLVE_TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 5
SNIPPET_CHARACTERS = 320

# Read on import: no file is opened while the event loop runs.
TEMPLATE = Template(assets.read("snapshot.html"))
STYLE = assets.load("snapshot.css")

# No scripts, no resources but the style, no framing, and no referrer.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


class Unknown(Exception):
    """No snapshot has this token, or it has expired."""


class Unavailable(Exception):
    """The service could not be asked."""


def add_routes(app: web.Application) -> None:
    app.router.add_get("/s/{token}", handle)
    app.router.add_get("/snapshot.css", STYLE.handle)


async def handle(request: web.Request) -> web.Response:
    gateway = request.app[GATEWAY]
    texts = texts_for("", request.headers.get("Accept-Language", ""))
    wait_seconds = gateway.pages.take(address_of(request, gateway), time.monotonic())
    if wait_seconds:
        return failed(texts, texts.too_often_title, texts.too_often, status=429, retry_after=wait_seconds)
    try:
        snapshot = await resolved(gateway, request.match_info["token"])
    except Unknown:
        return failed(texts, texts.missing_title, texts.missing, status=404)
    except Unavailable:
        return failed(
            texts, texts.unavailable_title, texts.unavailable, status=503, retry_after=RETRY_SECONDS
        )
    texts = texts_for(snapshot.language, request.headers.get("Accept-Language", ""))
    return page(texts, snapshot.query, content(snapshot, texts))


async def resolved(gateway: Gateway, token: str) -> Snapshot:
    """Raises `Unknown` or `Unavailable`."""
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_SECONDS):
            response = await gateway.client.resolve_snapshot(ResolveSnapshotRequest(token=token))
    except TimeoutError as error:
        raise Unavailable from error
    except CallFailed as error:
        raise (Unknown if error.code in ("NOT_FOUND", "INVALID_ARGUMENT") else Unavailable) from error
    return response.snapshot


def page(texts: Texts, title: str, body: str, *, status: int = 200) -> web.Response:
    text = TEMPLATE.substitute(lang=texts.language, title=escape(title), content=body)
    return web.Response(text=text, content_type="text/html", status=status, headers=HEADERS)


def failed(
    texts: Texts, title: str, told: str, *, status: int, retry_after: float | None = None
) -> web.Response:
    response = page(texts, title, f"<h1>{escape(title)}</h1><p>{escape(told)}</p>", status=status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(retry_after))
    return response


def content(snapshot: Snapshot, texts: Texts) -> str:
    items = "".join(source(hit) for hit in snapshot.hits)
    sources = (
        f'<ol class="sources">{items}</ol>' if items else f'<p class="quiet">{escape(texts.nothing)}</p>'
    )
    return (
        f'<header><p class="quiet">{escape(texts.kind)}</p><h1>{escape(snapshot.query)}</h1></header>'
        f'<section class="summary">{summary(snapshot, texts)}</section>'
        f"<section><h2>{escape(texts.sources)}</h2>{sources}</section>"
        f'<footer><p class="quiet">{expiry(snapshot, texts)}</p></footer>'
    )


def summary(snapshot: Snapshot, texts: Texts) -> str:
    """The summary's HTML, which the service has sanitised. The page's policy blocks scripts as well."""
    return snapshot.summary_html or f'<p class="quiet">{escape(texts.withdrawn)}</p>'


def source(hit: SnapshotHit) -> str:
    section = f'<p class="quiet">{escape(hit.section)}</p>' if hit.section else ""
    return (
        f'<li><span class="number">[{hit.number}]</span><div><h3>{heading(hit)}</h3>{section}'
        f'<p class="snippet">{escape(shortened(hit.snippet))}</p></div></li>'
    )


def heading(hit: SnapshotHit) -> str:
    """The heading, a link only for a web address: a relative one would lead to the gateway."""
    title = escape(hit.title or hit.external_id)
    if not hit.url.lower().startswith(("https://", "http://")):
        return title
    return f'<a href="{escape(hit.url)}" target="_blank" rel="noopener noreferrer">{title}</a>'


def shortened(text: str) -> str:
    """The beginning, cut between words."""
    if len(text) <= SNIPPET_CHARACTERS:
        return text
    words = text[:SNIPPET_CHARACTERS].rsplit(maxsplit=1)
    return "".join(words[:1]).rstrip(",.;:— ") + "…"


def expiry(snapshot: Snapshot, texts: Texts) -> str:
    moment = snapshot.expire_time.ToDatetime(tzinfo=UTC)
    date = f'<time datetime="{moment.date()}">{moment.strftime(texts.date_format)}</time>'
    return escape(texts.until).replace("{date}", date)
