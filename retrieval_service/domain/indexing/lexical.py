"""Turns passages and questions into sparse vectors whose inner product is a BM25 score.

Two channels: stems know the morphology of one language, grams know none and meet across alphabets.
A passage's weights hold what depends on the passage, a question's what depends on the tenant.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from retrieval_service.text import words as analysis
from retrieval_service.text.function_words import content_words
from retrieval_service.text.lexicon.synonyms import synonyms

Indices = NDArray[np.int32]
Weights = NDArray[np.float32]

# pgvector's sparsevec has at most a billion dimensions and 16,000 elements that are not zero.
DIMENSIONS = 1_000_000_000
MAX_ELEMENTS = 16_000

# BM25. The averages are constants, so that a passage's vector does not change when another one comes:
# a passage of 240 word pieces has about 120 words, and a word about five grams.
SATURATION = 1.2
LENGTH_INFLUENCE = 0.75
AVERAGE_WORDS = 120
AVERAGE_GRAMS = 600

# A stem this rare is worth reading its passages for, whatever else they hold.
RARE_SHARE = 0.02

# What a synonym counts beside the word itself. Measured: .2 to .6 are alike, on the test sets nothing is lost.
SYNONYM_WEIGHT = 0.5

_CACHED_WORDS = 131_072


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseVector:
    """Rising indices below `DIMENSIONS`, counted from 0, and their weights, none of them zero."""

    indices: Indices
    values: Weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """A passage or a question in both channels; either vector may be empty.

    Of a question, `whole_stems` and `whole_grams` are what a passage of usual length scores that has all of it.
    """

    stems: SparseVector
    grams: SparseVector
    whole_stems: float = 0.0
    whole_grams: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Frequencies:
    """In how many passages each term occurs: rising indices and their counts."""

    indices: Indices
    counts: NDArray[np.int64]

    @classmethod
    def from_vectors(cls, vectors: Iterable[Indices]) -> Frequencies:
        """Counts terms over the index arrays of all passages, each of which names a term once."""
        indices, counts = np.unique(np.concatenate([_NO_INDICES, *vectors]), return_counts=True)
        return cls(indices=indices, counts=counts)

    def of(self, indices: Indices) -> NDArray[np.int64]:
        """The counts of these terms, 0 for those that no passage has."""
        if not self.indices.size:
            return np.zeros(len(indices), np.int64)
        places = np.minimum(np.searchsorted(self.indices, indices), self.indices.size - 1)
        return np.where(self.indices[places] == indices, self.counts[places], 0)

    def rarity(self, indices: Indices, chunk_count: int) -> NDArray[np.float64]:
        """BM25's weight of these terms: the rarer, the heavier, and a term that no passage has the heaviest."""
        passages = self.of(indices)
        # A count may be a moment older than the passages; a term in more passages than there are weighs little.
        absent = np.maximum(chunk_count - passages, 0)
        return np.log1p((absent + 0.5) / (passages + 0.5))


@dataclass(frozen=True, kw_only=True, eq=False)
class TermStatistics:
    """What the weights of a question need to know of a tenant."""

    chunk_count: int
    stems: Frequencies
    grams: Frequencies

    @classmethod
    def from_vectors(
        cls, chunk_count: int, stems: Iterable[Indices], grams: Iterable[Indices]
    ) -> TermStatistics:
        """From the index arrays of all passages' vectors."""
        return cls(
            chunk_count=chunk_count,
            stems=Frequencies.from_vectors(stems),
            grams=Frequencies.from_vectors(grams),
        )


def indexed_text(title: str, heading: str, text: str) -> str:
    """What the terms of a passage are made of: title and heading count like words of the passage."""
    return "\n".join(part for part in (title, heading, text) if part)


def passage_terms(text: str, language: str) -> Terms:
    """`language` is the ISO 639-1 code of the whole document, "" when unknown."""
    words = analysis.words(text)
    stems = (stem_index(word, language) for word in words)
    grams = chain.from_iterable(map(_gram_indices, words))
    return Terms(stems=_passage_vector(stems, AVERAGE_WORDS), grams=_passage_vector(grams, AVERAGE_GRAMS))


def query_terms(text: str, languages: Sequence[str], statistics: TermStatistics) -> Terms:
    """The question as each of the languages would be stemmed; terms that no passage has are left out.

    A passage has one language, so a word meets it once however many languages are asked. Function words give
    no stems: measured, they help only as grams.
    """
    words = analysis.words(text)
    content = content_words(words, languages)
    stems = Counter[int](chain.from_iterable(_stem_indices(word, languages) for word in content))
    synonymous = Counter[int](chain.from_iterable(_synonym_indices(word, languages) for word in content))
    weights = {index: stems[index] + SYNONYM_WEIGHT * synonymous[index] for index in stems | synonymous}
    grams = Counter(chain.from_iterable(map(_gram_indices, words)))
    in_grams = _query_vector(grams, statistics.grams, statistics.chunk_count)
    return Terms(
        stems=_query_vector(weights, statistics.stems, statistics.chunk_count),
        grams=in_grams,
        whole_stems=sum(_rarity(word, languages, statistics) for word in content),
        whole_grams=float(in_grams.values.sum()),
    )


def rare_stems(query: Terms, statistics: TermStatistics, share: float = RARE_SHARE) -> Indices:
    """The rarest stems of a question while their passages make at most this share of all; at least one of them.

    For big tenants: passages with none of them are not worth scoring. Stems that no passage is known to have
    are among them, for a newer one may.
    """
    counts = statistics.stems.of(query.stems.indices)
    rarest_first = np.argsort(counts, kind="stable")
    reach = np.cumsum(counts[rarest_first])
    known_to_none = int(np.count_nonzero(counts == 0))
    kept = max(known_to_none + 1, int(np.searchsorted(reach, share * statistics.chunk_count, side="right")))
    return np.sort(query.stems.indices[rarest_first[:kept]])


@lru_cache(maxsize=_CACHED_WORDS)
def stem_index(word: str, language: str) -> int:
    """The term id of a word of `analysis.words`."""
    return _index(":".join(analysis.stem(word, language)))


def term_index(stem: str, language: str) -> int:
    """The term id of a stem of this language."""
    return _index(f"{language}:{stem}")


_NO_INDICES: Indices = np.empty(0, np.int32)


def _passage_vector(terms: Iterable[int], average: int) -> SparseVector:
    found = np.fromiter(terms, np.int32)
    indices, counts = np.unique(found, return_counts=True)
    damping = SATURATION * (1 - LENGTH_INFLUENCE + LENGTH_INFLUENCE * len(found) / average)
    return _vector(indices, counts * (SATURATION + 1) / (counts + damping))


def _query_vector(terms: Mapping[int, float], frequencies: Frequencies, chunk_count: int) -> SparseVector:
    indices = np.array(sorted(terms), np.int32)
    occurrences = np.array([terms[index] for index in sorted(terms)], np.float64)
    return _vector(indices, occurrences * frequencies.rarity(indices, chunk_count))


def _vector(indices: Indices, weights: NDArray[np.float64]) -> SparseVector:
    """Past the limit of pgvector the smallest weights go: in a passage these are the terms it has once."""
    if len(indices) > MAX_ELEMENTS:
        heaviest = np.sort(np.argsort(-weights, kind="stable")[:MAX_ELEMENTS])
        indices, weights = indices[heaviest], weights[heaviest]
    return SparseVector(indices=indices, values=weights.astype(np.float32))


def _stem_indices(word: str, languages: Sequence[str]) -> set[int]:
    # "" finds what was stored unstemmed: documents in an unknown language or in one without a stemmer.
    return {stem_index(word, language) for language in (*languages, "")}


def _rarity(word: str, languages: Sequence[str], statistics: TermStatistics) -> float:
    """Of the word in the languages that know it; the heaviest when none does."""
    indices = np.array(sorted(_stem_indices(word, languages)), np.int32)
    is_known = statistics.stems.of(indices) > 0
    rarities = statistics.stems.rarity(indices, statistics.chunk_count)
    return float(rarities[is_known].max() if is_known.any() else rarities.max())


def _synonym_indices(word: str, languages: Sequence[str]) -> set[int]:
    return {term_index(other, language) for language in languages for other in synonyms(word, language)}


@lru_cache(maxsize=_CACHED_WORDS)
def _gram_indices(word: str) -> tuple[int, ...]:
    return tuple(_index(gram) for gram in analysis.grams(word))


def _index(term: str) -> int:
    """A stable number in 1 … 999,999,999; of 100,000 terms about ten share theirs with another."""
    return zlib.crc32(term.encode()) % (DIMENSIONS - 1) + 1
