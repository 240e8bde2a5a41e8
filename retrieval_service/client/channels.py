"""The line to the service: plain, or TLS whose files are read again when they change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from retrieval_service import certificates, errors
from retrieval_service.client import tls as trusting
from retrieval_service.client.addresses import Address
from retrieval_service.client.tls import Tls, Trust

log = logging.getLogger("kladez.client")

Options = Sequence[tuple[str, str | int]]

LOOK_AGAIN_SECONDS = 5.0


class _Line:
    """One connection with its calls; once it is retired it closes behind the last of them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self._methods: dict[tuple[str, str], Any] = {}
        self._open_calls = 0
        self._drained = asyncio.Event()
        self._drained.set()

    def start(self, kind: str, method: str, made_with: _Made, *request: Any, **how: Any) -> Any:
        known = self._methods.get((kind, method))
        if known is None:
            known = getattr(self.channel, kind)(method, *made_with.arguments, **made_with.options)
            self._methods[(kind, method)] = known
        call = known(*request, **how)
        self._open_calls += 1
        self._drained.clear()
        call.add_done_callback(self._ended)
        return call

    async def retire(self) -> None:
        await self._drained.wait()
        await self.channel.close()

    def _ended(self, _call: object) -> None:
        self._open_calls -= 1
        if not self._open_calls:
            self._drained.set()


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What a stub told of a method: its serializers."""

    arguments: tuple[Any, ...]
    options: Mapping[str, Any]


class RenewableChannel(grpc.aio.Channel):
    """Stands for whichever line is the newest; calls in flight end on the one they began on."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._line = _Line(channel)
        self._retiring: dict[asyncio.Task[None], _Line] = {}

    def replace(self, channel: grpc.aio.Channel) -> None:
        """The next call goes over this one."""
        before, self._line = self._line, _Line(channel)
        retiring = asyncio.create_task(before.retire())
        self._retiring[retiring] = before
        retiring.add_done_callback(lambda task: self._retiring.pop(task, None))

    @property
    def retiring(self) -> int:
        """Lines that only wait for the end of their calls."""
        return len(self._retiring)

    async def __aenter__(self) -> RenewableChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        lines = [self._line, *self._retiring.values()]
        for task in tuple(self._retiring):
            task.cancel()
        for line in lines:
            await line.channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._line.channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._line.channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._line.channel.channel_ready()

    def unary_unary(self, method: str, *arguments: Any, **options: Any) -> Any:
        return self._latest("unary_unary", method, _Made(arguments=arguments, options=options))

    def unary_stream(self, method: str, *arguments: Any, **options: Any) -> Any:
        return self._latest("unary_stream", method, _Made(arguments=arguments, options=options))

    def stream_unary(self, method: str, *arguments: Any, **options: Any) -> Any:
        return self._latest("stream_unary", method, _Made(arguments=arguments, options=options))

    def stream_stream(self, method: str, *arguments: Any, **options: Any) -> Any:
        return self._latest("stream_stream", method, _Made(arguments=arguments, options=options))

    def _latest(self, kind: str, method: str, made_with: _Made) -> Callable[..., Any]:
        """Stubs are made once and live long: the line is looked up when a call is made."""

        def call(*request: Any, **how: Any) -> Any:
            return self._line.start(kind, method, made_with, *request, **how)

        return call


@contextlib.asynccontextmanager
async def opened(address: Address, tls: Tls, options: Options) -> AsyncIterator[grpc.aio.Channel]:
    """Raises `Misconfigured` for files that cannot be used; the connection itself is made at the first call."""
    if not address.is_secure:
        async with grpc.aio.insecure_channel(address.target, options=options) as line:
            yield line
        return
    seen = await asyncio.to_thread(certificates.signature, tls.files)
    trust = await asyncio.to_thread(trusting.read, tls)
    async with RenewableChannel(secure_line(address, tls, trust, options)) as channel:
        renewing = asyncio.create_task(_renew(channel, address, tls, options, seen))
        try:
            yield channel
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)


def secure_line(address: Address, tls: Tls, trust: Trust, options: Options) -> grpc.aio.Channel:
    named = [("grpc.ssl_target_name_override", tls.server_name)] if tls.server_name else []
    return grpc.aio.secure_channel(address.target, trust.credentials, options=[*options, *named])


async def _renew(
    channel: RenewableChannel,
    address: Address,
    tls: Tls,
    options: Options,
    seen: certificates.Signature,
) -> None:
    """Until cancelled; files that are wrong, or half written, leave the line as it is until they change again."""
    while tls.files:
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        now = await asyncio.to_thread(certificates.signature, tls.files)
        if now == seen:
            continue
        seen = now
        try:
            trust = await asyncio.to_thread(trusting.read, tls)
        except errors.Misconfigured as error:
            log.warning("The renewed certificates are not used: %s", error)
            continue
        channel.replace(secure_line(address, tls, trust, options))
