"""Limits the connections of one address, also those that never send a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from widget_gateway import metrics
from widget_gateway.access import Network, address_group, is_trusted
from widget_gateway.limits import Seats


class CountingRunner(web.AppRunner):
    """aiohttp's runner with a limit on connections. Connections of trusted proxies do not count."""

    def __init__(
        self,
        app: web.Application,
        *,
        connections_per_address: int,
        trusted_proxies: tuple[Network, ...],
        **options: Any,
    ) -> None:
        super().__init__(app, **options)
        self._seats = Seats(connections_per_address)
        self._trusted_proxies = trusted_proxies

    @property
    def server(self) -> web.Server | None:
        """What a listener asks for the protocol of each connection."""
        server = super().server
        return (
            None if server is None else cast("web.Server", lambda: Door(server(), self._enter, self._leave))
        )

    def _enter(self, address: str) -> bool:
        return is_trusted(address, self._trusted_proxies) or self._seats.take(address_group(address))

    def _leave(self, address: str) -> None:
        if not is_trusted(address, self._trusted_proxies):
            self._seats.leave(address_group(address))


class Door(asyncio.Protocol):
    """Passes a connection to aiohttp's protocol, or closes it before any memory is used for it."""

    def __init__(
        self, inner: asyncio.Protocol, enter: Callable[[str], bool], leave: Callable[[str], None]
    ) -> None:
        self._inner = inner
        self._enter = enter
        self._leave = leave
        self._address: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else ""
        if not self._enter(address):
            metrics.CONNECTIONS_REFUSED.inc()
            cast("asyncio.Transport", transport).abort()
            return
        self._address = address
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._address is not None:
            self._leave(self._address)
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._address is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._address is not None else None

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
