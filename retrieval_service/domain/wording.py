"""The words of a text, ready to be asked whether one of them, or one that means the same, is there."""

from __future__ import annotations

from collections import defaultdict
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
class Wording:
    """A text's stems, its words' pieces, and in which of them each piece is."""

    language: str
    stems: frozenset[str]
    pieces: tuple[frozenset[str], ...]
    places: Mapping[str, tuple[int, ...]]

    def has(self, word: str) -> float:
        """From 0 to 1: in full when the word's stem is there, in part for a synonym or a similar spelling."""
        if analysis.stem(word, self.language)[1] in self.stems:
            return 1.0
        if not self.stems.isdisjoint(synonyms(word, self.language)):
            return SYNONYM
        wanted = pieces_of(word)
        near = {place for piece in wanted for place in self.places.get(piece, ())}
        best = max((likeness(wanted, self.pieces[place]) for place in near), default=0.0)
        return best if best >= SAME_WORD else 0.0


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
        pieces=pieces,
        places={piece: tuple(several) for piece, several in places.items()},
    )


@lru_cache(maxsize=_CACHED_WORDS)
def pieces_of(word: str) -> frozenset[str]:
    return frozenset(analysis.grams(word))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """How much of all their pieces both have."""
    return len(one & other) / len(one | other)
