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
from retrieval_service.cli.connection import Target, dialled, unanswered
from retrieval_service.cli.up import ports
from retrieval_service.cli.up.credentials import mint_operator_key
from retrieval_service.cli.up.supervising import Kept, kept_running, kept_up
from retrieval_service.config import Settings
from retrieval_service.postgres.embedded import Embedded, embedded_postgres
from retrieval_service.postgres.folder import DataFolder
from retrieval_service.postgres.log import MEBIBYTE, LogLimits, ServerLog, kept_short
from retrieval_service.postgres.processes import Command

READY_TIMEOUT_SECONDS = 60.0
GRACE_SECONDS = 20.0
_POLL_SECONDS = 0.05
_NOT_FOR_SERVICE = ("KLADEZ_ADMIN_DATABASE_URL",)
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@asynccontextmanager
async def database(
    data_dir: Path,
    database_url: str | None,
    admin_url: str | None = None,
    *,
    durable: bool = True,
    limits: LogLimits | None = None,
) -> AsyncIterator[str]:
    """The DSN of the database's owner, with the newest schema; `data_dir` is ours alone meanwhile in any case."""
    async with server(data_dir, database_url, durable=durable, limits=limits) as dsn:
        yield await _brought_forward(dsn, admin_url)


async def _brought_forward(dsn: str, admin_url: str | None) -> str:
    """What faces requests later is given the owner's login, and never a superuser's."""
    from retrieval_service.stores.access import logins
    from retrieval_service.stores.schema import schema  # loads the whole database layer

    await schema.upgrade(dsn, admin_dsn=admin_url)
    return (await logins.doors(dsn)).owner


@asynccontextmanager
async def server(
    data_dir: Path, database_url: str | None, *, durable: bool = True, limits: LogLimits | None = None
) -> AsyncIterator[str]:
    """The DSN of the database as it is; an embedded server runs as long as the block, and again when it ends."""
    if database_url is None:
        async with (
            embedded_postgres(data_dir, durable=durable) as embedded,
            kept_postgres(embedded, data_dir, limits),
        ):
            yield embedded.dsn
    else:
        with await asyncio.to_thread(DataFolder.at(data_dir).claim):
            yield database_url


@asynccontextmanager
async def kept_postgres(embedded: Embedded, data_dir: Path, limits: LogLimits | None) -> AsyncIterator[None]:
    log = await asyncio.to_thread(ServerLog.opened, DataFolder.at(data_dir).log, limits)
    kept = Kept(name="postgres", log=log, settled=asyncio.Event())
    kept.settled.set()
    async with kept_short(log), kept_up(kept, embedded.again, embedded.server):
        yield


@asynccontextmanager
async def service(settings: Settings, dsn: str, port: int, logs: Path) -> AsyncIterator[str]:
    """The address of a running service that answers, with a worker inside; one that ends is started again.

    Raises `ChildEnded` when it ends before it has answered for the first time.
    """
    host = reachable(settings.host)
    address = f"{'https://' if settings.tls_cert else ''}{host_and_port(host, port)}"
    variables = {
        "DATABASE_URL": dsn,
        "KLADEZ_HOST": f"[{settings.host}]"
        if ":" in settings.host and "[" not in settings.host
        else settings.host,
        "KLADEZ_PORT": str(port),
        "KLADEZ_WORKERS": str(max(1, settings.workers)),
        "KLADEZ_TLS_CERT": str(settings.tls_cert or ""),
        "KLADEZ_TLS_KEY": str(settings.tls_key or ""),
        "KLADEZ_TLS_CLIENT_CA": str(settings.tls_client_ca or ""),
    }
    command = python_module(
        "service", "retrieval_service.cli.main", "serve", variables=variables, without=_NOT_FOR_SERVICE
    )
    async with kept_running(command, logs, log_limits(settings)) as settled:
        await until_listening(host, port)
        await _until_serving(address)
        settled.set()
        yield address


def log_limits(settings: Settings) -> LogLimits:
    return LogLimits(file_bytes=settings.log_file_megabytes * MEBIBYTE, files=settings.log_files)


def host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def temporary_service(settings: Settings) -> AsyncIterator[Target]:
    """A whole installation in a temporary folder, with an operator's key; nothing of it is left."""
    plain = {"tls_cert": None, "tls_key": None, "tls_client_ca": None}
    settings = settings.model_copy(update={"host": "127.0.0.1", **plain})
    with tempfile.TemporaryDirectory(prefix="kladez-") as folder:
        data_dir = Path(folder)
        port = ports.any_free(settings.host)
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
    return "127.0.0.1" if host in _EVERY_ADDRESS else host.strip("[]")


async def until_listening(host: str, port: int) -> None:
    """Returns once something takes connections there. Raises `Unavailable` after a minute."""
    if not await listens_within(host, port, READY_TIMEOUT_SECONDS):
        raise errors.Unavailable(f"Nothing listens on {host_and_port(host, port)} yet; giving up.")


async def listens_within(host: str, port: int, seconds: float) -> bool:
    """Whether something takes connections there, as soon as it does."""
    try:
        async with asyncio.timeout(seconds):
            while not await is_listening(host, port):  # noqa: ASYNC110 - other processes give no event
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return False
    return True


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
