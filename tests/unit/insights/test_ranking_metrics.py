"""Ranking metrics against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from retrieval_service.domain.insights import ranking_metrics
from retrieval_service.domain.insights.ranking_metrics import Scores

GRADES = {"a": 3.0, "b": 2.0, "c": 1.0}


def test_perfect_ranking_scores_one() -> None:
    assert ranking_metrics.ndcg(["a", "b", "c"], GRADES, depth=10) == pytest.approx(1.0)


def test_ndcg_discounts_by_the_logarithm_of_the_rank() -> None:
    gained = 1 / math.log2(2) + 3 / math.log2(4)  # c first, a third
    best = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert ranking_metrics.ndcg(["c", "x", "a"], GRADES, depth=10) == pytest.approx(gained / best)
    assert gained / best == pytest.approx(2.5 / 4.761859507142915)


def test_single_relevant_document_at_rank_two_has_the_known_ndcg() -> None:
    assert ranking_metrics.ndcg(["x", "a"], {"a": 1.0}, depth=10) == pytest.approx(0.6309297535714575)


def test_ndcg_sees_nothing_below_its_depth() -> None:
    ranking = [f"x{place}" for place in range(10)] + ["a"]
    assert ranking_metrics.ndcg(ranking, {"a": 1.0}, depth=10) == 0.0
    assert ranking_metrics.ndcg(ranking, {"a": 1.0}, depth=11) == pytest.approx(1 / math.log2(12))


def test_best_ranking_is_cut_at_the_depth_too() -> None:
    relevance = {f"d{place}": 1.0 for place in range(20)}
    assert ranking_metrics.ndcg([f"d{place}" for place in range(10)], relevance, depth=10) == pytest.approx(
        1.0
    )


def test_recall_is_the_share_of_relevant_documents_found() -> None:
    assert ranking_metrics.recall(["x", "a", "y", "c"], GRADES, depth=4) == pytest.approx(2 / 3)
    assert ranking_metrics.recall(["x", "a", "y", "c"], GRADES, depth=1) == 0.0


def test_documents_judged_irrelevant_count_for_nothing() -> None:
    relevance = {"a": 1.0, "z": 0.0}
    assert ranking_metrics.recall(["a"], relevance, depth=5) == 1.0
    assert ranking_metrics.reciprocal_rank(["z", "a"], relevance, depth=10) == 0.5


def test_reciprocal_rank_is_of_the_first_relevant_document() -> None:
    assert ranking_metrics.reciprocal_rank(["x", "y", "b", "a"], GRADES, depth=10) == pytest.approx(1 / 3)
    assert ranking_metrics.reciprocal_rank(["x", "y", "b"], GRADES, depth=2) == 0.0


def test_empty_ranking_scores_zero() -> None:
    zero = Scores(ndcg_at_10=0, recall_at_1=0, recall_at_5=0, recall_at_10=0, mrr_at_10=0)
    assert ranking_metrics.score([], GRADES) == zero


def test_mean_is_over_queries_not_over_documents() -> None:
    one = ranking_metrics.score(["a"], {"a": 1.0})
    none = ranking_metrics.score(["x"], {"a": 1.0, "b": 1.0, "c": 1.0})
    half = Scores(ndcg_at_10=0.5, recall_at_1=0.5, recall_at_5=0.5, recall_at_10=0.5, mrr_at_10=0.5)
    assert ranking_metrics.mean([one, none]) == half


def test_document_ranks_by_its_best_hit() -> None:
    assert ranking_metrics.unique(["a", "b", "a", "c", "b"]) == ["a", "b", "c"]
