"""One ranking out of semantic and lexical scores."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain.fusion import Candidate, alpha, fuse
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
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        chunk_id=st.text("abc", min_size=1, max_size=3),
        similarity=st.none() | st.floats(min_value=-1, max_value=1),
        stems=SCORES,
        grams=SCORES,
    ),
    max_size=12,
)


def candidate(chunk_id: str, similarity: float | None, stems: float, grams: float) -> Candidate:
    return Candidate(chunk_id=chunk_id, similarity=similarity, stems=stems, grams=grams)


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
    scored = fuse([candidate("a", 0.8, 10, 4), candidate("b", 0.4, 5, 8)], 0.5)
    assert [one.candidate.chunk_id for one in scored] == ["a", "b"]
    assert [one.lexical for one in scored] == pytest.approx([0.75, 0.75])
    assert [one.score for one in scored] == pytest.approx([0.875, 0.625])


def test_blind_vectors_are_not_heard() -> None:
    scored = fuse([candidate("lexical", -0.2, 9, 9), candidate("blind", 0.9, 0, 0)], 0.0)
    assert [one.candidate.chunk_id for one in scored] == ["lexical", "blind"]
    assert scored[1].score == 0


def test_equal_scores_are_ordered_by_chunk_id() -> None:
    scored = fuse([candidate(chunk_id, 0.5, 1, 1) for chunk_id in ("c", "a", "b")], 0.5)
    assert [one.candidate.chunk_id for one in scored] == ["a", "b", "c"]


def test_arm_that_found_nothing_adds_nothing() -> None:
    scored = fuse([candidate("a", 0.6, 0, 0), candidate("b", 0.3, 0, 0)], 0.5)
    assert [one.score for one in scored] == pytest.approx([0.5, 0.25])


def test_candidates_without_vectors_are_ranked_by_their_words() -> None:
    scored = fuse([candidate("a", None, 1, 1), candidate("b", None, 2, 2)], 0.5)
    assert [one.candidate.chunk_id for one in scored] == ["b", "a"]


def test_nothing_to_fuse_gives_an_empty_ranking() -> None:
    assert fuse([], 0.5) == []


@settings(max_examples=40, deadline=None, database=None)
@given(CANDIDATES, st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_every_candidate_comes_back_once_with_a_falling_score_in_0_to_1(
    candidates: list[Candidate], share: float
) -> None:
    scored = fuse(candidates, share)
    assert sorted(map(id, candidates)) == sorted(id(one.candidate) for one in scored)
    assert all(0 <= one.score <= 1 and 0 <= one.lexical <= 1 for one in scored)
    assert [one.score for one in scored] == sorted((one.score for one in scored), reverse=True)
