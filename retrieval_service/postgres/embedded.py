"""The embedded Postgres: a private server that lives as long as one `async with`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

import platformdirs

from retrieval_service import errors
from retrieval_service.postgres import accounts, binaries, processes
from retrieval_service.postgres.cluster import Cluster
from retrieval_service.postgres.connection import HOST, Connection
from retrieval_service.postgres.folder import DataFolder
from retrieval_service.postgres.log import ServerLog

READY_TIMEOUT_SECONDS = 60.0

_POLL_SECONDS = 0.02
_PORT_ATTEMPTS = 3
_PORT_TAKEN = "could not create any TCP/IP sockets"


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """The running server: how to connect, and its process (`server.wait()` ends when the server does).

    `again` runs it anew on the same port, after it has ended.
    """

    connection: Connection
    server: processes.Child
    again: Callable[[], AbstractAsyncContextManager[processes.Child]]

    @property
    def dsn(self) -> str:
        return self.connection.dsn


def default_data_dir() -> Path:
    """Where the data live unless told otherwise; root's home is private, so root's lie with the system's."""
    if os.geteuid() == 0:
        return Path("/var/lib/kladez")
    return platformdirs.user_data_path("kladez")


def running_dsn(data_dir: Path) -> str | None:
    """The DSN of the server that another process of this user runs on `data_dir` now; None when none runs.

    Raises errors.Misconfigured when the folder is another user's.
    """
    folder = DataFolder.at(data_dir)
    try:
        connection = folder.recorded_connection()
    except PermissionError as error:
        raise errors.Misconfigured(f"The data folder {folder.root} is another user's: {error}") from error
    return connection.dsn if connection else None


@asynccontextmanager
async def embedded_postgres(
    data_dir: Path,
    port: int | None = None,
    *,
    durable: bool = True,
    ready_timeout_seconds: float = READY_TIMEOUT_SECONDS,
) -> AsyncIterator[Embedded]:
    """Run the server of `data_dir` on this machine's loopback, creating its data at the first time.

    Without a `port` a free one is taken. `durable=False` trades safety in a power cut for speed.
    `ready_timeout_seconds` bounds each wait: for a server that a killed owner left, and for recovery after a
    crash. Raises errors.Misconfigured for what the operator can mend (the folder is in use, of another
    version, not ours) and errors.Unavailable when the server does not come up.
    """
    folder = DataFolder.at(data_dir)
    with await _claimed(folder):
        cluster = await _opened(folder, durable=durable)
        await _outlive_predecessor(cluster, ready_timeout_seconds)
        await cluster.create_unless_there()
        async with _serving(cluster, port, ready_timeout_seconds) as embedded:
            yield embedded


async def _claimed(folder: DataFolder) -> TextIO:
    try:
        return await asyncio.to_thread(folder.claim)
    except OSError as error:
        raise errors.Misconfigured(f"The data folder {folder.root} cannot be used: {error}") from error


async def _opened(folder: DataFolder, *, durable: bool) -> Cluster:
    found = await asyncio.to_thread(binaries.locate)
    account = await asyncio.to_thread(accounts.account_for, folder.server)
    cache = await asyncio.to_thread(platformdirs.site_cache_path, "kladez")
    programs = await binaries.usable_by(found, account, cache)
    return Cluster(folder=folder, binaries=programs, account=account, durable=durable)


async def _outlive_predecessor(cluster: Cluster, timeout_seconds: float) -> None:
    """A killed owner's server may still be stopping: wait for it, having asked once more."""
    postmaster = await asyncio.to_thread(cluster.postmaster)
    if postmaster is None:
        return
    try:
        async with asyncio.timeout(timeout_seconds):
            await _until_gone(cluster, postmaster.pid)
    except TimeoutError as error:
        raise errors.Unavailable(
            f"An earlier server of {cluster.folder.root}, process {postmaster.pid}, does not stop."
        ) from error
    await asyncio.to_thread(cluster.forget_postmaster)


async def _until_gone(cluster: Cluster, postmaster_pid: int) -> None:
    if postmaster_pid in await asyncio.to_thread(cluster.survivors):
        with suppress(ProcessLookupError):
            os.kill(postmaster_pid, signal.SIGINT)
    while await asyncio.to_thread(cluster.survivors):  # noqa: ASYNC110 - other processes give no event
        await asyncio.sleep(_POLL_SECONDS)


@asynccontextmanager
async def _serving(cluster: Cluster, port: int | None, timeout_seconds: float) -> AsyncIterator[Embedded]:
    folder = cluster.folder
    async with AsyncExitStack() as stack:
        embedded = await _started(stack, cluster, port, timeout_seconds)
        stack.push_async_callback(asyncio.to_thread, folder.forget_connection)
        await asyncio.to_thread(folder.remember_connection, embedded.connection)
        yield embedded


async def _started(
    stack: AsyncExitStack, cluster: Cluster, port: int | None, timeout_seconds: float
) -> Embedded:
    """A free port can be lost before the server binds it, so a free port is tried for more than once."""
    for _ in range(_PORT_ATTEMPTS - 1 if port is None else 0):
        with suppress(_PortTaken):
            return await stack.enter_async_context(_server(cluster, _free_port(), timeout_seconds))
    return await stack.enter_async_context(_server(cluster, port or _free_port(), timeout_seconds))


@asynccontextmanager
async def _server(cluster: Cluster, port: int, timeout_seconds: float) -> AsyncIterator[Embedded]:
    log = await asyncio.to_thread(ServerLog.opened, cluster.folder.log)
    password = await asyncio.to_thread(cluster.folder.password)
    command = await asyncio.to_thread(cluster.server, port)
    async with processes.running(command) as child:
        await _wait_until_ready(cluster, child, log, timeout_seconds)
        again = partial(_again, cluster, port, timeout_seconds)
        yield Embedded(connection=Connection(port=port, password=password), server=child, again=again)


@asynccontextmanager
async def _again(cluster: Cluster, port: int, timeout_seconds: float) -> AsyncIterator[processes.Child]:
    """What is left of the server that ended has to end first."""
    await _outlive_predecessor(cluster, timeout_seconds)
    async with _server(cluster, port, timeout_seconds) as embedded:
        yield embedded.server


async def _wait_until_ready(
    cluster: Cluster, child: processes.Child, log: ServerLog, timeout_seconds: float
) -> None:
    try:
        async with asyncio.timeout(timeout_seconds):
            while not await asyncio.to_thread(cluster.is_ready, child.pid):
                if child.returncode is not None:
                    raise _failure(child.returncode, await asyncio.to_thread(log.since_opened))
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise errors.Unavailable(
            f"Postgres was not ready within {timeout_seconds:g} s; see {log.path}"
        ) from error


def _failure(returncode: int, output: str) -> errors.Unavailable:
    kind = _PortTaken if _PORT_TAKEN in output else errors.Unavailable
    return kind(f"Postgres ended with code {returncode} instead of starting: {output.strip()}")


class _PortTaken(errors.Unavailable):
    """Another process listens on the port."""


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return probe.getsockname()[1]
