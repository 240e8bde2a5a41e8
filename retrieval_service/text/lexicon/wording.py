"""The words of a text, ready to be asked whether one of them, or one that means the same, is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from retrieval_service.text import words as analysis
from retrieval_service.text.lexicon.synonyms import synonyms

SYNONYM = 0.8
# Two words that share this much of their 4-letter pieces are forms or misspellings of one.
SAME_WORD = 0.5

_CACHED_WORDS = 65_536
_REMEMBERED_WORDS = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class Term:
    """A word that texts are asked for: its stem, the stems that may stand for it, and its pieces."""

    stem: str
    synonyms: frozenset[str]
    pieces: frozenset[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Of a wording: the stems of some of its words, and which words these are."""

    stems: frozenset[str]
    words: frozenset[int]

    def has(self, word: Term, alike: Mapping[int, float]) -> float:
        if word.stem in self.stems:
            return 1.0
        if not self.stems.isdisjoint(word.synonyms):
            return SYNONYM
        return max((likeness for place, likeness in alike.items() if place in self.words), default=0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Wording:
    """Several texts as one: all their stems, how many pieces each word has, and where each piece is.

    Most words that are asked for are nowhere in a passage: that is seen once, and not for each of its sentences.
    """

    parts: tuple[Part, ...]
    stems: frozenset[str]
    sizes: tuple[int, ...]
    places: Mapping[str, tuple[int, ...]]
    _asked: dict[Term, Sequence[float]] = field(default_factory=dict)

    def has(self, word: Term) -> Sequence[float]:
        """For each text, from 0 to 1; empty when none has it.

        In full when the word's stem is there, in part for a synonym or a similar spelling. The words that are asked
        most often are asked of the same passages again and again.
        """
        known = self._asked.get(word)
        if known is None:
            if len(self._asked) >= _REMEMBERED_WORDS:
                self._asked.clear()
            known = self._asked[word] = self._look_for(word)
        return known

    def _look_for(self, word: Term) -> Sequence[float]:
        alike = self._alike(word.pieces)
        if alike or word.stem in self.stems or not self.stems.isdisjoint(word.synonyms):
            return [part.has(word, alike) for part in self.parts]
        return ()

    def _alike(self, pieces: frozenset[str]) -> dict[int, float]:
        """The words that are much like the one of these pieces: how much of all their pieces both have."""
        shared: dict[int, int] = {}
        for piece in pieces & self.places.keys():
            for place in self.places[piece]:
                shared[place] = shared.get(place, 0) + 1
        likenesses = (
            (place, count / (len(pieces) + self.sizes[place] - count)) for place, count in shared.items()
        )
        return {place: likeness for place, likeness in likenesses if likeness >= SAME_WORD}


@lru_cache(maxsize=_CACHED_WORDS)
def term(word: str, language: str) -> Term:
    """`word` is one of `words()`, `language` as a text's."""
    return Term(
        stem=analysis.stem(word, language)[1], synonyms=synonyms(word, language), pieces=pieces_of(word)
    )


def wording(texts: Sequence[str], language: str) -> Wording:
    """`language` is ISO 639-1, "" when unknown."""
    words_of = [frozenset(analysis.words(text)) for text in texts]
    numbers = {word: place for place, word in enumerate(frozenset[str]().union(*words_of))}
    stems = {word: analysis.stem(word, language)[1] for word in numbers}
    places: defaultdict[str, list[int]] = defaultdict(list)
    for word, place in numbers.items():
        for piece in pieces_of(word):
            places[piece].append(place)
    return Wording(
        parts=tuple(
            Part(
                stems=frozenset(stems[word] for word in words),
                words=frozenset(numbers[word] for word in words),
            )
            for words in words_of
        ),
        stems=frozenset(stems.values()),
        sizes=tuple(len(pieces_of(word)) for word in numbers),
        places={piece: tuple(several) for piece, several in places.items()},
    )


@lru_cache(maxsize=_CACHED_WORDS)
def pieces_of(word: str) -> frozenset[str]:
    return frozenset(analysis.grams(word))
