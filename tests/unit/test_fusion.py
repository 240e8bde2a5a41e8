"""One ranking out of semantic and lexical scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain.fusion import RawScores, alpha, fuse
from retrieval_service.domain.spaces import Space

ENGLISH_ONLY = Space(
    provider="local",
    model="minilm",
    revision="1",
    dimensions=384,
    max_tokens=256,
    languages=frozenset({"en"}),
    scripts=frozenset({"Latin"}),
)
EVERYTHING = Space(provider="openai", model="small", revision="3", dimensions=1536, max_tokens=8191)

SCORES = st.floats(min_value=0, max_value=1e6)
ROWS = st.lists(st.tuples(st.none() | st.floats(min_value=-1, max_value=1), SCORES, SCORES), max_size=12)


def raw(*rows: tuple[float | None, float, float]) -> RawScores:
    """Rows of similarity, stems and grams."""
    columns = np.array(rows, np.float64).reshape(len(rows), 3)
    return RawScores(similarities=columns[:, 0], stems=columns[:, 1], grams=columns[:, 2])


@pytest.mark.parametrize(
    ("language", "script", "space", "share"),
    [
        ("en", "Latin", ENGLISH_ONLY, 0.5),
        ("pt", "Latin", ENGLISH_ONLY, 0.3),
        ("", "Latin", ENGLISH_ONLY, 0.3),
        ("ru", "Cyrillic", ENGLISH_ONLY, 0.0),
        ("", "", ENGLISH_ONLY, 0.0),
        ("ru", "Cyrillic", EVERYTHING, 0.5),
        ("", "", EVERYTHING, 0.5),
    ],
)
def test_vectors_count_as_much_as_their_model_understands(
    language: str, script: str, space: Space, share: float
) -> None:
    assert alpha(language, script, space) == share


def test_score_is_the_weighted_sum_of_the_arms_over_their_best() -> None:
    assert fuse(raw((0.8, 10, 4), (0.4, 5, 8)), 0.5).tolist() == pytest.approx([0.875, 0.625])


def test_blind_vectors_are_not_heard() -> None:
    assert fuse(raw((-0.2, 9, 9), (0.9, 0, 0)), 0.0).tolist() == [1, 0]


def test_arm_that_found_nothing_adds_nothing() -> None:
    assert fuse(raw((0.6, 0, 0), (0.3, 0, 0)), 0.5).tolist() == pytest.approx([0.5, 0.25])


def test_candidates_without_vectors_are_ranked_by_their_words() -> None:
    assert fuse(raw((None, 1, 1), (None, 2, 2)), 0.5).tolist() == pytest.approx([0.25, 0.5])


def test_nothing_to_fuse_gives_no_scores() -> None:
    assert fuse(raw(), 0.5).tolist() == []


@settings(max_examples=40, deadline=None, database=None)
@given(ROWS, st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_every_candidate_has_a_score_in_0_to_1(
    rows: list[tuple[float | None, float, float]], share: float
) -> None:
    scores = fuse(raw(*rows), share)
    assert len(scores) == len(rows)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)
