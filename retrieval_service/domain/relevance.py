"""Decides from raw scores whether a passage has anything to do with a question.

Scores relative to the best hit cannot tell: the best of nothing is still the best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retrieval_service.domain import words as analysis
from retrieval_service.domain.function_words import content_words
from retrieval_service.domain.lexical import TermStatistics, stem_index

# Measured on the demo shop's labelled questions and on questions of the test sets asked of the shop: words
# alone keep 9 of 10 answerable questions and refuse 5 of 6 others, words and meaning together do better.
ENOUGH_COVERAGE = 0.32
ENOUGH_MEANING = 0.48
COVERAGE_BESIDE_MEANING = 0.3

# A provider's scores are of a scale of its own that we have not measured: they only help words that are there,
# unless they are near the top of the scale.
ENOUGH_REMOTE = 0.8
COVERAGE_BESIDE_REMOTE = 1.0

# Two words that share this much of their 4-letter pieces are forms or misspellings of one.
SAME_WORD = 0.5


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`coverage` in [0, 1]; `similarity` is a cosine, None where it says nothing about the language."""

    coverage: float
    similarity: float | None


def is_relevant(evidence: Evidence) -> bool:
    if evidence.similarity is None:
        return evidence.coverage >= ENOUGH_COVERAGE
    return evidence.similarity + COVERAGE_BESIDE_MEANING * evidence.coverage >= ENOUGH_MEANING


def is_relevant_remotely(score: float, words_covered: float) -> bool:
    """`score` is the provider's, in [0, 1]."""
    if words_covered >= ENOUGH_COVERAGE:
        return True
    return score + COVERAGE_BESIDE_REMOTE * words_covered >= ENOUGH_REMOTE


def coverage(question: str, passage: str, language: str, statistics: TermStatistics) -> float:
    """How much of the question the passage has, its words weighed by their rarity in the tenant.

    `language` is the passage's. A word counts in full when its stem is there, in part when one is there
    that shares its letters.
    """
    asked = list(dict.fromkeys(content_words(analysis.words(question), (language,))))
    there = set(analysis.words(passage))
    stems = {stem_index(word, language) for word in there}
    pieces = [frozenset(analysis.grams(word)) for word in there]
    indices = np.array([stem_index(word, language) for word in asked], np.int32)
    rarities = statistics.stems.rarity(indices, statistics.chunk_count)
    weighed = list(zip(asked, rarities, strict=True))
    whole = sum(rarity for _, rarity in weighed)
    found = sum(rarity * _presence(word, language, stems, pieces) for word, rarity in weighed)
    return float(found / whole) if whole else 0.0


def _presence(word: str, language: str, stems: set[int], pieces: list[frozenset[str]]) -> float:
    if stem_index(word, language) in stems:
        return 1.0
    wanted = frozenset(analysis.grams(word))
    best = max((len(wanted & found) / len(wanted | found) for found in pieces), default=0.0)
    return best if best >= SAME_WORD else 0.0
