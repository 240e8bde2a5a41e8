"""A WebSocket that closes with a reason, drops slow readers, and never raises when it sends."""

from __future__ import annotations

import asyncio

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.abc import AbstractStreamWriter

from widget_gateway import metrics
from widget_gateway.frames import SUBPROTOCOL

RESTARTING = 1012
TRY_LATER = 1013
BAD_MESSAGE = 4400
ORIGIN_REFUSED = 4403
SHOP_UNKNOWN = 4404
HELLO_TIMEOUT = 4408
SLOW_DOWN = 4429

REASONS = {
    WSCloseCode.MESSAGE_TOO_BIG: b"frame too large",
    WSCloseCode.INVALID_TEXT: b"not UTF-8",
    RESTARTING: b"restarting",
}

CLOSE_HANDSHAKE_SECONDS = 2.0
PING_SECONDS = 30.0
WRITE_BUFFER_BYTES = 16_384


class Refused(Exception):
    """The socket must be closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket(web.WebSocketResponse):
    """aiohttp's WebSocket with the gateway's limits. Compression is off: it needs 90 KiB for each connection."""

    def __init__(self, *, frame_bytes: int, send_seconds: float) -> None:
        super().__init__(
            compress=False,
            heartbeat=PING_SECONDS,
            max_msg_size=frame_bytes,
            protocols=(SUBPROTOCOL,),
            timeout=CLOSE_HANDSHAKE_SECONDS,
            writer_limit=WRITE_BUFFER_BYTES,
        )
        self._send_seconds = send_seconds
        self._transport: asyncio.BaseTransport | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        self._transport = request.transport
        return await super().prepare(request)

    async def tell(self, text: str) -> None:
        """Sends a frame. A reader that is too slow loses the socket, and returns for a snapshot."""
        try:
            async with asyncio.timeout(self._send_seconds):
                await self.send_str(text)
            metrics.SENT.inc()
        except TimeoutError:
            self.abort()
        except ConnectionError:
            return  # already closed; its own loop will notice

    async def next_text(self, timeout_seconds: float | None = None) -> str | None:
        """The next frame, or None when the socket has closed. Raises `Refused` and `TimeoutError`."""
        message = await self.receive(timeout=timeout_seconds)
        if message.type is WSMsgType.BINARY:
            raise Refused(BAD_MESSAGE, "frames are text")
        if message.type is not WSMsgType.TEXT:
            return None
        metrics.READ.inc()
        return message.data

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        return await super().close(code=code, message=message or REASONS.get(code, b""), drain=drain)

    def abort(self) -> None:
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()
