"""Joins the semantic and the lexical scores of the same candidates into one ranking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retrieval_service.domain.spaces import Space

# How much the vectors count, by what their model says of the question's language. Measured: a model that
# cannot read the language must not be heard at all, or it drowns the lexical scores.
DECLARED_LANGUAGE = 0.5
UNKNOWN_LANGUAGE = 0.3
UNREADABLE_SCRIPT = 0.0

STEM_SHARE = 0.5
GRAM_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A passage with the raw scores of every arm; `similarity` is a cosine, None without a vector."""

    chunk_id: str
    similarity: float | None
    stems: float
    grams: float


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A candidate with its place in the ranking's terms; `score` and `lexical` are in [0, 1].

    They compare candidates of one question only; whether anything was found is read from the raw scores.
    """

    candidate: Candidate
    lexical: float
    score: float


def alpha(query_language: str, query_script: str, space: Space) -> float:
    """The share of the vectors in the score: `query_language` is ISO 639-1, "" when unknown."""
    if space.scripts and query_script not in space.scripts:
        return UNREADABLE_SCRIPT
    if not space.languages or query_language in space.languages:
        return DECLARED_LANGUAGE
    return UNKNOWN_LANGUAGE


def fuse(candidates: Sequence[Candidate], alpha: float) -> list[Scored]:
    """Best first, ties by chunk id.

    Each arm is divided by its best score among the candidates, so every candidate must bring exact scores of
    all arms: a missing score is not a zero. An arm that found nothing adds nothing.
    """
    similarities = _normalized(candidate.similarity or 0.0 for candidate in candidates)
    stems = _normalized(candidate.stems for candidate in candidates)
    grams = _normalized(candidate.grams for candidate in candidates)
    scored = [
        _scored(candidate, alpha, similarity, STEM_SHARE * stem + GRAM_SHARE * gram)
        for candidate, similarity, stem, gram in zip(candidates, similarities, stems, grams, strict=True)
    ]
    return sorted(scored, key=lambda one: (-one.score, one.candidate.chunk_id))


def _scored(candidate: Candidate, alpha: float, similarity: float, lexical: float) -> Scored:
    score = min(1.0, alpha * similarity + (1 - alpha) * lexical)  # rounding may pass 1 by a hair
    return Scored(candidate=candidate, lexical=lexical, score=score)


def _normalized(scores: Iterable[float]) -> list[float]:
    positive = [max(0.0, score) for score in scores]
    best = max(positive, default=0.0)
    return [score / best if best else 0.0 for score in positive]
