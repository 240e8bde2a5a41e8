"""What TLS and the figures for operators add to a Search RPC: plain, TLS and mutual TLS side by side."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from kladez.v1 import search_service_pb2 as pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from benchmarks import filling, installation, measuring
from benchmarks.command import Benchmark, main
from benchmarks.processes import ServicePlan, running, serve_retrieval
from benchmarks.reporting import Figure, at_most
from benchmarks.synthetic import WORDS_PER_CHUNK, SyntheticEmbedder, Writer
from retrieval_service import metrics
from retrieval_service.client import Client, Tls, connect
from retrieval_service.services.tenants.first_key import mint_key

PLAIN, TLS, MUTUAL = "plain", "TLS", "mutual TLS"
SEARCH = "/kladez.v1.SearchService/Search"
CHUNKS = 100


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How often each is called."""

    rounds: int
    calls: int
    connections: int
    counted: int


FULL = Sizes(rounds=9, calls=60, connections=8, counted=100_000)
QUICK = Sizes(rounds=1, calls=5, connections=2, counted=100)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A way to a service with the same documents as the others."""

    address: str
    key: str
    tenant_id: str
    tls: Tls

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with connect(self.address, self.key, tenant_id=self.tenant_id, tls=self.tls) as client:
            yield client


async def run(sizes: Sizes) -> list[Figure]:
    async with AsyncExitStack() as stack:
        lines = await stack.enter_async_context(opened())
        clients = {name: await stack.enter_async_context(line.client()) for name, line in lines.items()}
        calls = {name: search_of(client) for name, client in clients.items()}
        spent = await measuring.latencies(calls, warm_up=10, rounds=sizes.rounds, calls=sizes.calls)
        first = await measuring.latencies(
            {name: first_call(line) for name, line in lines.items()},
            warm_up=1,
            rounds=sizes.rounds,
            calls=sizes.connections,
        )
    plain = spent[PLAIN].p50
    counting = counting_ms(sizes.counted)
    return [
        Figure(what="Search, plain, p50", value=plain, unit="ms"),
        *(
            Figure(what=f"Search over {name}", value=spent[name].p50 / plain, bar=at_most(1.1))
            for name in (TLS, MUTUAL)
        ),
        *(
            Figure(what=f"connection and first call, {name}", value=one.p50, unit="ms")
            for name, one in first.items()
        ),
        Figure(what="counting one Search", value=counting * 1_000, unit="µs"),
        Figure(what="counting, share of a Search", value=100 * counting / plain, unit="%", bar=at_most(1.0)),
    ]


@asynccontextmanager
async def opened() -> AsyncIterator[dict[str, Line]]:
    """Three services over one database."""
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(installation.temporary_postgres())
        service = await stack.enter_async_context(
            installation.synthetic_service(installation.settings(), dsn)
        )
        tenant_id = await installation.new_tenant(service, "shop")
        texts = filling.texts(CHUNKS, Writer(seed=1), WORDS_PER_CHUNK)
        await filling.fill(service, tenant_id, texts, SyntheticEmbedder())
        await installation.settle(service)
        key = await mint_key(dsn, scopes=["operator", "tenant:read"], display_name="bench")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kladez-bench-")))
        yield {
            name: Line(
                address=f"{'http' if name == PLAIN else 'https'}://localhost:{await port(stack, dsn, told)}",
                key=key,
                tenant_id=str(tenant_id),
                tls=tls,
            )
            for name, (told, tls) in ways(folder).items()
        }


async def port(stack: AsyncExitStack, dsn: str, told: dict[str, Any]) -> int:
    plan = ServicePlan(dsn=dsn, settings=installation.settings(**told), synthetic=True)
    return await stack.enter_async_context(running(serve_retrieval, plan))


def ways(folder: Path) -> dict[str, tuple[dict[str, Any], Tls]]:
    """What the service is told and what the client is told, by the name of the way."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("server", "client"):
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        (folder / f"{name}.key").touch(0o600)
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    served = {"tls_cert": folder / "server.pem", "tls_key": folder / "server.key"}
    believing = Tls(ca=folder / "ca.pem")
    own = Tls(ca=folder / "ca.pem", certificate=folder / "client.pem", key=folder / "client.key")
    return {
        PLAIN: ({}, Tls()),
        TLS: (served, believing),
        MUTUAL: ({**served, "tls_client_ca": folder / "ca.pem"}, own),
    }


def search_of(client: Client) -> Callable[[], Awaitable[object]]:
    return lambda: client.search(pb.SearchRequest(query="tea", page_size=10))


def first_call(line: Line) -> Callable[[], Awaitable[object]]:
    """A connection of its own for one call that costs next to nothing."""

    async def call() -> None:
        async with line.client() as client:
            await client.list_tenants(tenants_pb.ListTenantsRequest(page_size=1))

    return call


def counting_ms(times: int) -> float:
    """All that is counted for one Search, in milliseconds of the processor."""
    started = time.process_time()
    for _ in range(times):
        metrics.RPCS_RUNNING.inc()
        metrics.note_search("hybrid", "pgvector", is_degraded=False)
        metrics.note_embedded("questions", 4)
        metrics.RPCS_RUNNING.dec()
        metrics.note_rpc(SEARCH, "OK", 0.004)
    return 1_000 * (time.process_time() - started) / times


BENCHMARK = Benchmark(title="What TLS and counting add to a call", run=run, full=FULL, quick=QUICK)

if __name__ == "__main__":
    main(BENCHMARK)
