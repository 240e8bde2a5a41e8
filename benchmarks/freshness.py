"""How long after its commit a document is found, with an embedder that costs nothing and with the local model."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from uuid import uuid4

from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import sync_service_pb2 as sync_pb

from benchmarks import installation, measuring
from benchmarks.command import Benchmark, main
from benchmarks.processes import new_shop, running_service
from benchmarks.reporting import Figure, at_most
from benchmarks.synthetic import Writer
from retrieval_service.client import Client

POLL_SECONDS = 0.005
GIVE_UP_SECONDS = 120.0
FAQ_WORDS = 60


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many documents the tenant has already, and how many are watched from their commit on."""

    documents: int
    watched: int


FULL = Sizes(documents=200, watched=60)
QUICK = Sizes(documents=5, watched=3)


async def run(sizes: Sizes) -> list[Figure]:
    return [
        await measured("an embedder that costs nothing", sizes, synthetic=True),
        await measured("the local model", sizes, synthetic=False),
    ]


async def measured(embedder: str, sizes: Sizes, *, synthetic: bool) -> Figure:
    writer = Writer(seed=7)
    async with (
        installation.temporary_postgres() as dsn,
        running_service(dsn, synthetic=synthetic) as operator,
    ):
        shop = await new_shop(operator)
        await import_all(shop, [writer.text(FAQ_WORDS) for _ in range(sizes.documents)])
        waits = [await seconds_until_found(shop, writer.text(FAQ_WORDS)) for _ in range(sizes.watched)]
        searches = [await measuring.seconds(lambda: find(shop, "the")) for _ in range(sizes.watched)]
    found, search = measuring.latency([waits]), measuring.latency([searches])
    return Figure(
        what=f"committed → searchable, p95, {embedder}",
        value=found.p95,
        unit="ms",
        bar=at_most(1_000),
        from_what=f"p50 {found.p50:.0f} ms, {found.p50 / search.p50:.1f} × one search ({search.p50:.1f} ms); "
        f"{sizes.watched} documents of {FAQ_WORDS} words",
    )


async def import_all(shop: Client, texts: list[str]) -> None:
    """Returns when all of them are indexed."""
    request = documents_pb.BatchUpsertDocumentsRequest(documents=[document(text) for text in texts])
    await shop.batch_upsert_documents(request)
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            status = await shop.get_sync_status(sync_pb.GetSyncStatusRequest())
            if not status.pending_count + status.processing_count:
                return
            await asyncio.sleep(POLL_SECONDS)


async def seconds_until_found(shop: Client, text: str) -> float:
    """From the reply to the upsert, which is sent after the commit, to the first search that returns it."""
    name = f"freshword{uuid4().hex}"
    request = documents_pb.UpsertDocumentRequest(document=document(f"{name} {text}"))
    await shop.upsert_document(request)
    committed = time.perf_counter()
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not any(  # noqa: ASYNC110 - another process gives no event
            name in hit.text for hit in (await find(shop, name)).hits
        ):
            await asyncio.sleep(POLL_SECONDS)
    return time.perf_counter() - committed


async def find(shop: Client, query: str) -> search_pb.SearchResponse:
    return await shop.search(search_pb.SearchRequest(query=query, page_size=3))


def document(content: str) -> documents_pb.Document:
    return documents_pb.Document(
        source_type="faq", external_id=uuid4().hex, title="Question", content=content, language="en"
    )


BENCHMARK = Benchmark(title="Freshness", run=run, full=FULL, quick=QUICK)

if __name__ == "__main__":
    main(BENCHMARK)
