"""How good a ranking is against judged relevance; standard definitions, as trec_eval computes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Each in [0, 1], of one query or averaged over queries."""

    ndcg_at_10: float
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    mrr_at_10: float


def score(ranking: Sequence[str], relevance: Mapping[str, float]) -> Scores:
    """Scores of one query; `ranking` has no repetitions, `relevance` at least one judgement above 0."""
    return Scores(
        ndcg_at_10=ndcg(ranking, relevance, depth=10),
        recall_at_1=recall(ranking, relevance, depth=1),
        recall_at_5=recall(ranking, relevance, depth=5),
        recall_at_10=recall(ranking, relevance, depth=10),
        mrr_at_10=reciprocal_rank(ranking, relevance, depth=10),
    )


def mean(scores: Sequence[Scores]) -> Scores:
    """The average over queries, at least one."""
    return Scores(
        **{one.name: sum(getattr(each, one.name) for each in scores) / len(scores) for one in fields(Scores)}
    )


def ndcg(ranking: Sequence[str], relevance: Mapping[str, float], *, depth: int) -> float:
    """Gain is the relevance itself, discounted by log2(rank + 1), over that of the best possible ranking."""
    gained = _discounted(relevance.get(document, 0.0) for document in ranking[:depth])
    best = _discounted(sorted(relevance.values(), reverse=True)[:depth])
    return gained / best


def recall(ranking: Sequence[str], relevance: Mapping[str, float], *, depth: int) -> float:
    """The share of the relevant documents that stand among the first `depth`."""
    relevant = {document for document, grade in relevance.items() if grade > 0}
    return len(relevant.intersection(ranking[:depth])) / len(relevant)


def reciprocal_rank(ranking: Sequence[str], relevance: Mapping[str, float], *, depth: int) -> float:
    """1 / rank of the first relevant document, 0 when there is none among the first `depth`."""
    ranks = (rank for rank, document in enumerate(ranking[:depth], start=1) if relevance.get(document, 0) > 0)
    return 1 / next(ranks, math.inf)


def unique(documents: Iterable[str]) -> list[str]:
    """Documents in the order of their best hit, each once."""
    return list(dict.fromkeys(documents))


def _discounted(gains: Iterable[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
