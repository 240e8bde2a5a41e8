"""Static files from memory. The entity tag is a hash of the content, so it is equal on all replicas."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources

from aiohttp import web

CACHE_SECONDS = 300
CONTENT_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# Any page may run the widget.
OPEN_TO_ALL = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file, ready to be sent."""

    plain: bytes
    compressed: bytes
    tag: str
    content_type: str

    async def handle(self, request: web.Request) -> web.Response:
        headers = {
            "Cache-Control": f"public, max-age={CACHE_SECONDS}",
            "ETag": f'W/"{self.tag}"',  # weak: the same for both encodings
            "Vary": "Accept-Encoding",
            **OPEN_TO_ALL,
        }
        if any(tag.value in (self.tag, "*") for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return self._body("gzip" in request.headers.get("Accept-Encoding", ""), headers)

    def _body(self, accepts_gzip: bool, headers: dict[str, str]) -> web.Response:
        encoding = {"Content-Encoding": "gzip"} if accepts_gzip else {}
        return web.Response(
            body=self.compressed if accepts_gzip else self.plain,
            content_type=self.content_type,
            charset="utf-8",
            headers={**headers, **encoding},
        )


def load(name: str) -> Asset:
    """A file of `static/`."""
    plain = read(name).encode()
    return Asset(
        plain=plain,
        compressed=gzip.compress(plain, mtime=0),
        tag=hashlib.sha256(plain).hexdigest()[:32],
        content_type=CONTENT_TYPES[name[name.rindex(".") :]],
    )


def read(name: str) -> str:
    return resources.files("widget_gateway.static").joinpath(name).read_text(encoding="utf-8")
