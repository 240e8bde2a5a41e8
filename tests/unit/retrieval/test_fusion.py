"""One ranking out of semantic and lexical scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain.indexing.spaces import Scale, Space
from retrieval_service.domain.retrieval.fusion import BY_WORDS, Blend, RawScores, blend, fuse

ENGLISH_ONLY = Space(
    provider="local",
    model="minilm",
    revision="1",
    dimensions=384,
    max_tokens=256,
    languages=frozenset({"en"}),
    scripts=frozenset({"Latin"}),
    scale=Scale(),
)
EVERYTHING = Space(
    provider="openai", model="small", revision="3", dimensions=1536, max_tokens=8191, scale=Scale()
)
MEASURED = Space(
    provider="local",
    model="e5",
    revision="1",
    dimensions=384,
    max_tokens=512,
    scale=Scale(floor=0.75, spread=0.2, share=0.6, reads_well=True),
)

HALVES = Blend(share=0.5)

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
        ("pt", "Latin", MEASURED, 0.6),
    ],
)
def test_vectors_count_as_much_as_their_model_understands(
    language: str, script: str, space: Space, share: float
) -> None:
    assert blend(language, script, space, stems=1.0, grams=1.0).share == share


def test_words_count_by_how_much_of_the_question_they_are_where_the_model_reads_well() -> None:
    by = blend("pt", "Latin", MEASURED, stems=20.0, grams=40.0)
    assert (by.floor, by.whole_stems, by.whole_grams) == (0.75, 20.0, 40.0)
    found = 0.5 * 0.5 + 0.5 * 0.25
    assert fuse(raw((0.75, 10, 10)), by).tolist() == pytest.approx([(0.4 + 0.1 * found) * found])
    beside = blend("en", "Latin", ENGLISH_ONLY, stems=20.0, grams=40.0)
    assert (beside.whole_stems, beside.whole_grams) == (0.0, 0.0)


@pytest.mark.parametrize(("words", "share"), [(0.0, 0.6), (10.0, 0.55), (20.0, 0.5), (90.0, 0.5)])
def test_words_count_the_more_the_more_of_the_question_they_are(words: float, share: float) -> None:
    by = blend("pt", "Latin", MEASURED, stems=20.0, grams=20.0)
    by_meaning, by_words = fuse(raw((0.95, 0, 0), (0.75, words, words)), by).tolist()
    assert by_meaning == pytest.approx(share)
    assert by_words == pytest.approx((1 - share) * min(1.0, words / 20))


def test_what_unrelated_texts_have_in_common_is_nothing() -> None:
    by = Blend(share=1.0, floor=0.75)
    assert fuse(raw((0.95, 0, 0), (0.85, 0, 0), (0.7, 0, 0), (None, 0, 0)), by).tolist() == pytest.approx(
        [1, 0.5, 0, 0]
    )


@pytest.mark.parametrize(("cosine", "closeness"), [(0.5, 0.0), (0.75, 0.0), (0.85, 0.5), (0.95, 1.0)])
def test_closeness_begins_at_the_floor(cosine: float, closeness: float) -> None:
    assert MEASURED.scale.closeness(cosine) == pytest.approx(closeness)


def test_score_is_the_weighted_sum_of_the_arms_over_their_best() -> None:
    assert fuse(raw((0.8, 10, 4), (0.4, 5, 8)), HALVES).tolist() == pytest.approx([0.875, 0.625])


def test_blind_vectors_are_not_heard() -> None:
    assert fuse(raw((-0.2, 9, 9), (0.9, 0, 0)), BY_WORDS).tolist() == [1, 0]


def test_arm_that_found_nothing_adds_nothing() -> None:
    assert fuse(raw((0.6, 0, 0), (0.3, 0, 0)), HALVES).tolist() == pytest.approx([0.5, 0.25])


def test_candidates_without_vectors_are_ranked_by_their_words() -> None:
    assert fuse(raw((None, 1, 1), (None, 2, 2)), HALVES).tolist() == pytest.approx([0.25, 0.5])


def test_nothing_to_fuse_gives_no_scores() -> None:
    assert fuse(raw(), HALVES).tolist() == []


@settings(max_examples=40, deadline=None, database=None)
@given(ROWS, st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from([0.0, 0.7]), st.sampled_from([0.0, 9.0]))
def test_every_candidate_has_a_score_in_0_to_1(
    rows: list[tuple[float | None, float, float]], share: float, floor: float, whole: float
) -> None:
    scores = fuse(raw(*rows), Blend(share=share, floor=floor, whole_stems=whole, whole_grams=whole))
    assert len(scores) == len(rows)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)
