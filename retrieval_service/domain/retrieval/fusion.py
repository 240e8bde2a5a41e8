"""Joins the semantic and the lexical scores of the same candidates into one ranking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval_service.domain.indexing.spaces import Space

Scores = NDArray[np.float64]

# How much the vectors of a model count in a language that it does not declare, and in a script that it cannot read.
# Measured: a model that cannot read the language must not be heard at all, or it drowns the lexical scores.
UNKNOWN_LANGUAGE = 0.3
# Cosines that nobody has measured may all be near 1: they order only what the words leave even.
UNKNOWN_SCALE = 0.1
UNREADABLE_SCRIPT = 0.0
EVEN_SHARE = 0.5

STEM_SHARE = 0.5
GRAM_SHARE = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class RawScores:
    """One row of raw scores for each candidate; a similarity is a cosine, NaN for a passage without a vector."""

    similarities: Scores
    stems: Scores
    grams: Scores


@dataclass(frozen=True, kw_only=True)
class Blend:
    """How the arms are joined: the vectors' `share` in the score, and the cosine that means nothing.

    `whole_stems` and `whole_grams` are what a passage of usual length scores that has every word of the question. With
    them the words that were found count by how much of the question they are; with 0 the best passage has all of it.
    """

    share: float
    floor: float = 0.0
    whole_stems: float = 0.0
    whole_grams: float = 0.0

    def share_beside(self, lexical: Scores) -> float:
        """The more of a question one passage has in words, the more they count: with all of it, as much as vectors."""
        if not (self.whole_stems or self.whole_grams):
            return self.share
        found = min(1.0, float(lexical.max(initial=0.0)))
        return self.share - max(0.0, self.share - EVEN_SHARE) * found


BY_WORDS = Blend(share=0.0)


def blend(query_language: str, query_script: str, space: Space, *, stems: float, grams: float) -> Blend:
    """`query_language` is ISO 639-1, "" when unknown; `stems` and `grams` are those of the whole question."""
    scale = space.scale
    if space.scripts and query_script not in space.scripts:
        return Blend(share=UNREADABLE_SCRIPT)
    if scale is None:
        return Blend(share=UNKNOWN_SCALE)
    if space.languages and query_language not in space.languages:
        return Blend(share=UNKNOWN_LANGUAGE, floor=scale.floor)
    if not scale.reads_well:
        return Blend(share=scale.share, floor=scale.floor)
    return Blend(share=scale.share, floor=scale.floor, whole_stems=stems, whole_grams=grams)


def fuse(raw: RawScores, by: Blend) -> Scores:
    """A score in [0, 1] for each candidate, in the same order.

    Each arm is divided by its best score among the candidates, or by that of the whole question where it is higher, so
    every candidate must bring exact scores of all arms: a missing score is not a zero. An arm that found nothing adds
    nothing. The scores compare candidates of one question only: whether anything was found at all is read from the
    raw ones.
    """
    stems, grams = _normalized(raw.stems, by.whole_stems), _normalized(raw.grams, by.whole_grams)
    lexical = STEM_SHARE * stems + GRAM_SHARE * grams
    share = by.share_beside(lexical)
    return (
        share * _normalized(np.nan_to_num(raw.similarities, nan=by.floor) - by.floor) + (1 - share) * lexical
    )


def _normalized(scores: Scores, whole: float = 0.0) -> Scores:
    positive = np.maximum(scores, 0.0)
    best = max(positive.max(initial=0.0), whole)
    return positive / best if best else positive
