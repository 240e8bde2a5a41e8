"""How many of the true ten nearest passages a semantic search returns, when they lie among other tenants'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from uuid import UUID

import numpy as np

from benchmarks import filling, installation
from benchmarks.command import Benchmark, main
from benchmarks.reporting import Figure, at_least, at_most
from benchmarks.synthetic import SyntheticEmbedder, Writer
from retrieval_service.composition.services import Service
from retrieval_service.services.indexing.own_indexes import Promoter
from retrieval_service.services.retrieval.search import Mode, Query

NEAREST = 10
# Words have no say here; short texts fill the tables faster.
WORDS = 12


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Chunks of each tenant; those above `own_index_chunks` get an HNSW index of their own."""

    tenants: dict[str, int]
    own_index_chunks: int
    questions: int


FULL = Sizes(
    tenants={"small (100)": 100, "middle (5,000)": 5_000, "big (30,000)": 30_000},
    own_index_chunks=10_000,
    questions=150,
)
QUICK = Sizes(tenants={"small (100)": 100, "big (600)": 600}, own_index_chunks=500, questions=10)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Shares of the true nearest that were found, question by question, and how many came back short."""

    recalls: list[float]
    short_count: int


async def run(sizes: Sizes) -> list[Figure]:
    embedder = SyntheticEmbedder()
    async with (
        installation.temporary_postgres() as dsn,
        installation.synthetic_service(installation.settings(), dsn) as service,
    ):
        tenants = {
            name: await filled(service, name, count, embedder) for name, count in sizes.tenants.items()
        }
        promoter = Promoter(service.database, own_index_chunks=sizes.own_index_chunks)
        await promoter.promote_and_demote()
        await installation.settle(service)
        figures: list[Figure] = []
        for name, (tenant_id, texts) in tenants.items():
            asked = [f"{name} question {number}" for number in range(sizes.questions)]
            answers = await ask(service, tenant_id, texts, asked, embedder)
            figures += described(name, answers, foreign_share(tenants, name, asked, embedder))
    return figures


async def filled(
    service: Service, name: str, count: int, embedder: SyntheticEmbedder
) -> tuple[UUID, list[str]]:
    texts = distinct(filling.texts(count, Writer(seed=count), WORDS))
    tenant_id = await installation.new_tenant(service, name)
    await filling.fill(service, tenant_id, texts, embedder)
    return tenant_id, texts


def distinct(texts: Sequence[str]) -> list[str]:
    """Equal texts have equal vectors, and ties have no right order."""
    return [f"{number} {text}" for number, text in enumerate(texts)]


async def ask(
    service: Service, tenant_id: UUID, texts: list[str], asked: Sequence[str], embedder: SyntheticEmbedder
) -> Answers:
    """Compares with exact search, which NumPy does over the tenant's own vectors."""
    vectors, questions = embedder.vectors(texts), embedder.vectors(asked)
    recalls: list[float] = []
    short_count = 0
    for question, vector in zip(asked, questions, strict=True):
        query = Query(text=question, mode=Mode.SEMANTIC, limit=NEAREST)
        found = [hit.passage.text for hit in (await service.searcher.search(tenant_id, query)).hits]
        nearest = {texts[place] for place in np.argsort(-(vectors @ vector))[:NEAREST]}
        recalls.append(len(nearest.intersection(found)) / len(nearest))
        short_count += len(found) < len(nearest)
    return Answers(recalls=recalls, short_count=short_count)


def foreign_share(
    tenants: dict[str, tuple[UUID, list[str]]], name: str, asked: Sequence[str], embedder: SyntheticEmbedder
) -> float:
    """Of the ten nearest passages of all tenants, the share that is not this tenant's."""
    owners = np.array([owner for owner, (_, texts) in tenants.items() for _ in texts])
    vectors = embedder.vectors([text for _, texts in tenants.values() for text in texts])
    shares = []
    for question in embedder.vectors(asked):
        nearest = np.argpartition(-(vectors @ question), NEAREST)[:NEAREST]
        shares.append(float(np.mean(owners[nearest] != name)))
    return fmean(shares)


def described(name: str, answers: Answers, foreign: float) -> list[Figure]:
    return [
        Figure(
            what=f"recall@{NEAREST} against exact search, {name}",
            value=fmean(answers.recalls),
            bar=at_least(0.98),
            from_what=f"worst question {min(answers.recalls):.2f}; "
            f"{foreign:.0%} of the nearest over all tenants are others'",
        ),
        Figure(
            what=f"short results, {name}",
            value=answers.short_count,
            bar=at_most(0),
            from_what=f"of {len(answers.recalls)} questions",
        ),
    ]


BENCHMARK = Benchmark(title="Recall of the semantic arm", run=run, full=FULL, quick=QUICK)

if __name__ == "__main__":
    main(BENCHMARK)
