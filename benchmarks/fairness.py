"""How long a small document of one tenant takes to be found while another tenant's documents fill the queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import sync_service_pb2 as sync_pb

from benchmarks import installation, measuring
from benchmarks.command import Benchmark, main
from benchmarks.freshness import FAQ_WORDS, document, import_all, seconds_until_found
from benchmarks.measuring import Latency
from benchmarks.processes import new_shop, running_service
from benchmarks.reporting import Figure, at_most
from benchmarks.synthetic import Writer
from retrieval_service.client import Client

BATCH = 500
MOST_TIMES_QUIET = 3.0


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of the watched tenant: documents it has and documents watched. Of the other: small ones, and a giant's bytes."""

    documents: int
    watched: int
    small: int
    giant_bytes: int


FULL = Sizes(documents=50, watched=60, small=20_000, giant_bytes=990_000)
QUICK = Sizes(documents=5, watched=3, small=20, giant_bytes=40_000)


async def run(sizes: Sizes) -> list[Figure]:
    return [
        await measured("giants of another tenant wait", sizes, put_giants),
        await measured("small documents of another tenant wait", sizes, put_small),
    ]


async def measured(what: str, sizes: Sizes, put: Callable[[Client, Sizes], Awaitable[str]]) -> Figure:
    """With the local model and one worker; the same tenant, writer and service for both figures."""
    writer = Writer(seed=9)
    async with (
        installation.temporary_postgres() as dsn,
        running_service(dsn, synthetic=False) as operator,
    ):
        watched, other = await new_shop(operator), await new_shop(operator)
        await import_all(watched, [writer.text(FAQ_WORDS) for _ in range(sizes.documents)])
        quiet = await found_after(watched, writer, sizes.watched)
        load = await put(other, sizes)
        busy = await found_after(watched, writer, sizes.watched)
        left = await waiting(other)
    return figure(what, quiet, busy, f"{load}, {left:,} of them not indexed at the end")


async def found_after(shop: Client, writer: Writer, count: int) -> Latency:
    waits = [await seconds_until_found(shop, writer.text(FAQ_WORDS)) for _ in range(count)]
    return measuring.latency([waits])


def figure(what: str, quiet: Latency, busy: Latency, load: str) -> Figure:
    return Figure(
        what=f"committed → searchable, p95, while {what}",
        value=busy.p95 / quiet.p95,
        unit="× the quiet one",
        bar=at_most(MOST_TIMES_QUIET),
        from_what=f"p95 {busy.p95:,.0f} over {quiet.p95:,.0f} ms, p50 {busy.p50:,.0f} over {quiet.p50:,.0f} ms; {load}",
    )


async def put_giants(shop: Client, sizes: Sizes) -> str:
    """Returns what they are; each in a call of its own, as large as a call may be."""
    given = giants(sizes.giant_bytes)
    for one in given:
        await shop.upsert_document(documents_pb.UpsertDocumentRequest(document=one))
    megabytes = sum(len(one.content.encode()) for one in given) / 1_000_000
    return f"{len(given)} documents of {megabytes:.1f} MB"


def giants(size: int) -> list[documents_pb.Document]:
    """What people and machines make that is long: words, headings, lists, and rows of signs without an end."""
    writer = Writer(seed=11)
    words = [writer.text(size // 5)[:size] for _ in range(4)]
    sections = "\n\n".join(
        f"## Part {number}\n\n{words[number % 4][:400]}" for number in range(size // 1_000)
    )
    html = "<ul>" + "".join(f"<li>Item {number}</li>" for number in range(size // 40)) + "</ul>"
    return [
        *(document(text) for text in words),
        document(">" * (size * 2 // 5)),
        document("x" * (size * 2 // 5)),
        document("доставка за три дня и возврат " * (size // 150)),
        typed(sections, "text/markdown"),
        typed("quokka one." + "\n" * (size // 5) + "quokka two.", "text/markdown"),
        typed(html, "text/html"),
    ]


def typed(content: str, content_type: str) -> documents_pb.Document:
    given = document(content)
    given.content_type = content_type
    return given


async def put_small(shop: Client, sizes: Sizes) -> str:
    writer = Writer(seed=12)
    for start in range(0, sizes.small, BATCH):
        count = min(BATCH, sizes.small - start)
        drafts = [document(writer.text(FAQ_WORDS)) for _ in range(count)]
        await shop.batch_upsert_documents(documents_pb.BatchUpsertDocumentsRequest(documents=drafts))
    return f"{sizes.small:,} documents of {FAQ_WORDS} words"


async def waiting(shop: Client) -> int:
    status = await shop.get_sync_status(sync_pb.GetSyncStatusRequest())
    return status.pending_count + status.processing_count


BENCHMARK = Benchmark(title="Fairness between tenants", run=run, full=FULL, quick=QUICK)

if __name__ == "__main__":
    main(BENCHMARK)
