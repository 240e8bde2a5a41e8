"""Certificates made on the spot: an authority, and files as an operator would lay them down."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trustme

LONG_AGO = (datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, kw_only=True)
class Files:
    """A certificate with its chain, and its key, which nobody else may read."""

    certificate: Path
    key: Path


class Authority:
    """Signs for whoever asks; `path` is what is believed."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.path = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(self.path)

    def issue(self, *hosts: str, name: str = "server", is_expired: bool = False) -> Files:
        """Written over what stood under the name before, each file in one go."""
        span = dict(zip(("not_before", "not_after"), LONG_AGO, strict=True)) if is_expired else {}
        issued = self._authority.issue_cert(*hosts, **span)
        chain = b"".join(one.bytes() for one in issued.cert_chain_pems)
        return Files(
            certificate=self._written(f"{name}.pem", chain),
            key=self._written(f"{name}.key", issued.private_key_pem.bytes()),
        )

    def _written(self, name: str, content: bytes) -> Path:
        scratch, path = self._folder / f"{name}.new", self._folder / name
        scratch.touch(0o600)
        scratch.write_bytes(content)
        return scratch.replace(path)


@contextlib.asynccontextmanager
async def terminating_proxy(
    files: Files, port: int, protocols: Sequence[str] = ("h2",)
) -> AsyncIterator[int]:
    """A front that speaks TLS to the world and plain HTTP/2 to a port of loopback, as nginx or Envoy do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols(protocols)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(copied(reader, inner_writer))
                group.create_task(copied(inner_reader, writer))
        finally:
            writer.transport.abort()
            inner_writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()
