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
from retrieval_service.cli.connection import Target, dialled, unanswered
from retrieval_service.cli.credentials import mint_operator_key
from retrieval_service.cli.supervising import supervised, watched
from retrieval_service.config import Settings
from retrieval_service.postgres.embedded import embedded_postgres
from retrieval_service.postgres.folder import DataFolder
from retrieval_service.postgres.log import ServerLog
from retrieval_service.postgres.processes import Command

READY_TIMEOUT_SECONDS = 60.0
GRACE_SECONDS = 20.0
_POLL_SECONDS = 0.05
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@asynccontextmanager
async def database(data_dir: Path, database_url: str | None, *, durable: bool = True) -> AsyncIterator[str]:
    """The DSN of the database; `data_dir` is ours alone meanwhile, also when the database is elsewhere."""
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
    address = f"{'https://' if settings.tls_cert else ''}{host}:{port}"
    variables = {
        "DATABASE_URL": dsn,
        "KLADEZ_HOST": settings.host,
        "KLADEZ_PORT": str(port),
        "KLADEZ_WORKERS": str(max(1, settings.workers)),
        "KLADEZ_TLS_CERT": str(settings.tls_cert or ""),
        "KLADEZ_TLS_KEY": str(settings.tls_key or ""),
        "KLADEZ_TLS_CLIENT_CA": str(settings.tls_client_ca or ""),
    }
    command = python_module("service", "retrieval_service.cli.main", "serve", variables=variables)
    async with supervised(command, logs):
        await until_listening(host, port)
        await _until_serving(address)
        yield address


@asynccontextmanager
async def temporary_service(settings: Settings) -> AsyncIterator[Target]:
    """A whole installation in a temporary folder, with an operator's key; nothing of it is left."""
    plain = {"tls_cert": None, "tls_key": None, "tls_client_ca": None}
    settings = settings.model_copy(update={"host": "127.0.0.1", **plain})
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
    async with dialled(address, "") as client:
        if address.startswith("https://") and (fault := await client.why_unreachable()):
            raise errors.Misconfigured(unanswered(address, fault))
        await client.wait_until_ready(READY_TIMEOUT_SECONDS)


async def is_listening(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
