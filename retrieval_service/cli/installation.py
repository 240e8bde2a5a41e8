"""The service's own parts, run as children: a database that is up to date, and the service on top of it."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from retrieval_service import errors
from retrieval_service.cli import ports
from retrieval_service.cli.connection import Target
from retrieval_service.cli.credentials import mint_operator_key
from retrieval_service.cli.supervising import supervised, watched
from retrieval_service.client import connect
from retrieval_service.config import Settings
from retrieval_service.postgres.embedded import embedded_postgres
from retrieval_service.postgres.folder import DataFolder
from retrieval_service.postgres.log import ServerLog
from retrieval_service.postgres.processes import Command

READY_TIMEOUT_SECONDS = 60.0
GRACE_SECONDS = 20.0
_POLL_SECONDS = 0.05
_NOT_FOR_SERVICE = ("KLADEZ_ADMIN_DATABASE_URL",)
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@asynccontextmanager
async def database(
    data_dir: Path, database_url: str | None, admin_url: str | None = None, *, durable: bool = True
) -> AsyncIterator[str]:
    """The DSN of the database's owner, with the newest schema; `data_dir` is ours alone meanwhile in any case."""
    async with server(data_dir, database_url, durable=durable) as dsn:
        yield await _brought_forward(dsn, admin_url)


async def _brought_forward(dsn: str, admin_url: str | None) -> str:
    """What faces requests later is given the owner's login, and never a superuser's."""
    from retrieval_service.stores import logins, schema  # loads the whole database layer

    await schema.upgrade(dsn, admin_dsn=admin_url)
    return (await logins.doors(dsn)).owner


@asynccontextmanager
async def server(data_dir: Path, database_url: str | None, *, durable: bool = True) -> AsyncIterator[str]:
    """The DSN of the database as it is; the embedded one runs as long as the block does."""
    if database_url is None:
        async with embedded_postgres(data_dir, durable=durable) as embedded:
            log = await asyncio.to_thread(ServerLog.opened, DataFolder.at(data_dir).log)
            async with watched(embedded.server, log):
                yield embedded.dsn
    else:
        with await asyncio.to_thread(DataFolder.at(data_dir).claim):
            yield database_url


@asynccontextmanager
async def service(settings: Settings, dsn: str, port: int, logs: Path) -> AsyncIterator[str]:
    """The address of a running service that answers, with a worker inside."""
    host = reachable(settings.host)
    address = f"{host}:{port}"
    variables = {
        "DATABASE_URL": dsn,
        "KLADEZ_HOST": settings.host,
        "KLADEZ_PORT": str(port),
        "KLADEZ_WORKERS": str(max(1, settings.workers)),
    }
    command = python_module(
        "service", "retrieval_service.cli.main", "serve", variables=variables, without=_NOT_FOR_SERVICE
    )
    async with supervised(command, logs):
        await until_listening(host, port)
        await _until_serving(address)
        yield address


@asynccontextmanager
async def temporary_service(settings: Settings) -> AsyncIterator[Target]:
    """A whole installation in a temporary folder, with an operator's key; nothing of it is left."""
    settings = settings.model_copy(update={"host": "127.0.0.1"})
    with tempfile.TemporaryDirectory(prefix="kladez-") as folder:
        data_dir = Path(folder)
        port = ports.choose(settings.host, settings.port, given=0)
        async with (
            database(data_dir, None, durable=False) as dsn,
            service(settings, dsn, port, data_dir / "logs") as address,
        ):
            yield Target(address=address, key=await mint_operator_key(dsn))


def python_module(
    name: str,
    module: str,
    *arguments: str,
    variables: Mapping[str, str],
    without: Sequence[str] = (),
) -> Command:
    """A module of ours as a child that inherits our environment, `without` some of it, and the variables."""
    inherited = {key: value for key, value in os.environ.items() if key not in without}
    return Command(
        name=name,
        arguments=(sys.executable, "-m", module, *arguments),
        environment={**inherited, **variables},
        grace_seconds=GRACE_SECONDS,
    )


def reachable(host: str) -> str:
    """The address to call a server at that listens on `host`."""
    return "127.0.0.1" if host in _EVERY_ADDRESS else host


async def until_listening(host: str, port: int) -> None:
    """Returns once something takes connections there. Raises `Unavailable` after a minute."""
    try:
        async with asyncio.timeout(READY_TIMEOUT_SECONDS):
            while not await is_listening(host, port):  # noqa: ASYNC110 - other processes give no event
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise errors.Unavailable(f"Nothing listens on {host}:{port} yet; giving up.") from error


async def _until_serving(address: str) -> None:
    """Asked only when the port is open: after a refused connection gRPC would pause for too long."""
    async with connect(address, "") as client:
        await client.wait_until_ready(READY_TIMEOUT_SECONDS)


async def is_listening(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
