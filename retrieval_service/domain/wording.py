"""The words of a text, ready to be asked whether one of them, or one that means the same, is there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from retrieval_service.domain import words as analysis
from retrieval_service.domain.synonyms import synonyms

SYNONYM = 0.8
# Two words that share this much of their 4-letter pieces are forms or misspellings of one.
SAME_WORD = 0.5

_CACHED_TEXTS = 512
_CACHED_WORDS = 65_536


@dataclass(frozen=True, kw_only=True, eq=False)
class Term:
    """A word that texts are asked for: its stem, the stems that may stand for it, and its pieces."""

    stem: str
    synonyms: frozenset[str]
    pieces: frozenset[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Wording:
    """A text's stems, how many pieces each of its words has, and in which words each piece is."""

    language: str
    stems: frozenset[str]
    sizes: tuple[int, ...]
    places: Mapping[str, tuple[int, ...]]

    def has(self, word: Term) -> float:
        """From 0 to 1: in full when the word's stem is there, in part for a synonym or a similar spelling."""
        if word.stem in self.stems:
            return 1.0
        if not self.stems.isdisjoint(word.synonyms):
            return SYNONYM
        if self.places.keys().isdisjoint(word.pieces):
            return 0.0
        best = self._best_likeness(word.pieces)
        return best if best >= SAME_WORD else 0.0

    def _best_likeness(self, pieces: frozenset[str]) -> float:
        """How much of all their pieces both have, the word and the one of the text that has most of them."""
        shared = Counter(place for piece in pieces for place in self.places.get(piece, ()))
        return max(count / (len(pieces) + self.sizes[place] - count) for place, count in shared.items())


@lru_cache(maxsize=_CACHED_WORDS)
def term(word: str, language: str) -> Term:
    """`word` is one of `words()`, `language` as a text's."""
    return Term(
        stem=analysis.stem(word, language)[1], synonyms=synonyms(word, language), pieces=pieces_of(word)
    )


@lru_cache(maxsize=_CACHED_TEXTS)
def wording(text: str, language: str) -> Wording:
    """`language` is ISO 639-1, "" when unknown."""
    words = frozenset(analysis.words(text))
    pieces = tuple(pieces_of(word) for word in words)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, of_word in enumerate(pieces):
        for piece in of_word:
            places[piece].append(place)
    return Wording(
        language=language,
        stems=frozenset(analysis.stem(word, language)[1] for word in words),
        sizes=tuple(map(len, pieces)),
        places={piece: tuple(several) for piece, several in places.items()},
    )


@lru_cache(maxsize=_CACHED_WORDS)
def pieces_of(word: str) -> frozenset[str]:
    return frozenset(analysis.grams(word))
