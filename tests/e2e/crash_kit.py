"""An installation of real processes, each of which can be killed at any moment and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from kladez.v1 import sync_service_pb2 as sync_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service import client as service_client
from retrieval_service.cli.up.ports import any_free
from retrieval_service.client import CallFailed, Client
from retrieval_service.domain.indexing.calibration import topics
from retrieval_service.postgres import processes
from retrieval_service.postgres.embedded import Embedded, embedded_postgres
from retrieval_service.postgres.processes import Child, Command
from retrieval_service.services.tenants.first_key import mint_key
from retrieval_service.stores.schema import schema
from tests.fakes.openai.fake import FakeOpenAI
from tests.fakes.openai.journal import Exchange
from tests.fakes.openai.server import running_openai

BATCH = 32
DIMENSIONS = 32
LEASE_SECONDS = 2
READY_SECONDS = 30.0
MEASURED_WITH = {text for ones in topics().values() for one in ones for text in astuple(one)}
SCOPES = ("operator", "tenant:read", "tenant:write", "channel")


class Process:
    """A command that can be killed at any moment and started again."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._child: Child | None = None

    async def start(self) -> None:
        self._child = await processes.start(self._command)

    async def kill(self) -> None:
        child = self._running()
        os.kill(child.pid, signal.SIGKILL)
        assert await child.wait() == -signal.SIGKILL

    async def stop(self) -> int:
        """The exit code after SIGTERM."""
        return await self._running().stop()

    def _running(self) -> Child:
        assert self._child is not None
        return self._child


class Postgres:
    """The embedded server on one port, which can be killed at any moment and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = any_free("127.0.0.1")
        self._stack = AsyncExitStack()
        self._embedded: Embedded | None = None

    @property
    def dsn(self) -> str:
        assert self._embedded is not None
        return self._embedded.dsn

    async def start(self) -> None:
        self._embedded = await self._stack.enter_async_context(embedded_postgres(self._folder, self._port))

    async def kill(self) -> None:
        assert self._embedded is not None
        os.kill(self._embedded.server.pid, signal.SIGKILL)
        await self._embedded.server.wait()
        await self.stop()

    async def stop(self) -> None:
        await self._stack.aclose()
        self._stack = AsyncExitStack()


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Everything that runs, and how to call it."""

    postgres: Postgres
    service: Process
    worker: Process
    fake: FakeOpenAI
    address: str
    key: str
    tenant_id: str

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with service_client.connect(self.address, self.key, tenant_id=self.tenant_id) as connected:
            yield connected

    async def status(self) -> sync_pb.GetSyncStatusResponse:
        """As soon as the service answers; a fresh connection each time, for gRPC pauses longer and longer."""
        async with asyncio.timeout(READY_SECONDS):
            while True:
                with contextlib.suppress(CallFailed):
                    async with self.client() as connected:
                        await connected.wait_until_ready(1)
                        return await connected.get_sync_status(sync_pb.GetSyncStatusRequest())
                await asyncio.sleep(0.1)


@asynccontextmanager
async def installation(
    folder: Path, *, separate_worker: bool, answerer: str = "extractive"
) -> AsyncIterator[Installation]:
    async with running_openai() as fake, AsyncExitStack() as stack:
        postgres = Postgres(folder / "data")
        await postgres.start()
        stack.push_async_callback(postgres.stop)
        await schema.upgrade(postgres.dsn)
        key = await mint_key(postgres.dsn, scopes=SCOPES, display_name="crashes")
        port = any_free("127.0.0.1")
        own_workers = 0 if separate_worker else 1
        variables = environment(postgres.dsn, fake, port, own_workers, answerer)
        service = Process(command("serve", folder, variables))
        worker = Process(command("work", folder, variables))
        for process in (service, worker) if separate_worker else (service,):
            await process.start()
            stack.push_async_callback(process.stop)
        address = f"127.0.0.1:{port}"
        tenant_id = await new_tenant(address, key)
        yield Installation(
            postgres=postgres,
            service=service,
            worker=worker,
            fake=fake,
            address=address,
            key=key,
            tenant_id=tenant_id,
        )


def command(verb: str, folder: Path, variables: dict[str, str]) -> Command:
    return Command(
        name=verb,
        arguments=(
            sys.executable,
            "-m",
            "retrieval_service.cli.main",
            verb,
            "--data-dir",
            str(folder / "data"),
        ),
        environment={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        log=folder / f"{verb}.log",
        grace_seconds=20,
    )


def environment(
    dsn: str, fake: FakeOpenAI, port: int, workers: int, answerer: str = "extractive"
) -> dict[str, str]:
    return {
        "DATABASE_URL": dsn,
        "KLADEZ_PORT": str(port),
        "KLADEZ_WORKERS": str(workers),
        "KLADEZ_EMBEDDER": "openai",
        "KLADEZ_EMBEDDING_DIMENSIONS": str(DIMENSIONS),
        "KLADEZ_ANSWERER": answerer,
        "KLADEZ_SHUTDOWN_SECONDS": "3",
        "OPENAI_API_KEY": "test",
        "OPENAI_BASE_URL": fake.base_url,
        "KLADEZ_JOB_BATCH": str(BATCH),
        "KLADEZ_JOB_LEASE_SECONDS": str(LEASE_SECONDS),
        "KLADEZ_JOB_POLL_SECONDS": "0.5",
        "KLADEZ_SCHEDULE_REBUILD": "",
    }


def embedded_documents(exchanges: Iterable[Exchange]) -> list[str]:
    """What was sent to be embedded, request by request, without the texts that an unknown model is measured with."""
    return [text for one in exchanges for text in one.body["input"] if text not in MEASURED_WITH]


async def new_tenant(address: str, key: str) -> str:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            with contextlib.suppress(CallFailed):
                async with service_client.connect(address, key) as operator:
                    await operator.wait_until_ready(1)
                    wanted = tenants_pb.CreateTenantRequest(tenant=tenants_pb.Tenant(name="Tea shop"))
                    return (await operator.create_tenant(wanted)).tenant.tenant_id
            await asyncio.sleep(0.1)
