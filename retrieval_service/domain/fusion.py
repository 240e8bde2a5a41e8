"""Joins the semantic and the lexical scores of the same candidates into one ranking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval_service.domain.spaces import Space

Scores = NDArray[np.float64]

# How much the vectors count, by what their model says of the question's language. Measured: a model that
# cannot read the language must not be heard at all, or it drowns the lexical scores.
DECLARED_LANGUAGE = 0.5
UNKNOWN_LANGUAGE = 0.3
UNREADABLE_SCRIPT = 0.0

STEM_SHARE = 0.5
GRAM_SHARE = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class RawScores:
    """One row of raw scores for each candidate; a similarity is a cosine, NaN for a passage without a vector."""

    similarities: Scores
    stems: Scores
    grams: Scores


def alpha(query_language: str, query_script: str, space: Space) -> float:
    """The share of the vectors in the score: `query_language` is ISO 639-1, "" when unknown."""
    if space.scripts and query_script not in space.scripts:
        return UNREADABLE_SCRIPT
    if not space.languages or query_language in space.languages:
        return DECLARED_LANGUAGE
    return UNKNOWN_LANGUAGE


def fuse(raw: RawScores, alpha: float) -> Scores:
    """A score in [0, 1] for each candidate, in the same order.

    Each arm is divided by its best score among the candidates, so every candidate must bring exact scores of
    all arms: a missing score is not a zero. An arm that found nothing adds nothing. The scores compare
    candidates of one question only: whether anything was found at all is read from the raw ones.
    """
    lexical = STEM_SHARE * _normalized(raw.stems) + GRAM_SHARE * _normalized(raw.grams)
    return alpha * _normalized(np.nan_to_num(raw.similarities)) + (1 - alpha) * lexical


def _normalized(scores: Scores) -> Scores:
    positive = np.maximum(scores, 0.0)
    best = positive.max(initial=0.0)
    return positive / best if best else positive
