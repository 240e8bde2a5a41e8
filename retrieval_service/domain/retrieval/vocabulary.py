"""The words of a tenant's passages and of its languages, ready to be found by sound, by look and by likeness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from retrieval_service.domain.insights.question_similarity import asking_words
from retrieval_service.text import words as analysis
from retrieval_service.text.function_words import FUNCTION_WORDS, TALK
from retrieval_service.text.lexicon.equivalents import names

# The most frequent ones; who writes more words writes most of them once.
MOST_WORDS = 20_000
# Longer sounds are codes and addresses.
LONGEST_SOUND = 24
SHORTEST_STEM = 4

# A number from 1 for each letter; what is none has one in common, and 0 is for what is not there.
_ALPHABET = b"abcdefghijklmnopqrstuvwxyz0123456789"
_NUMBERS = bytes(0 if byte == 0 else _ALPHABET.find(byte) + 1 or len(_ALPHABET) + 1 for byte in range(256))

Letters = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sounds:
    """Sounds as rows of numbered letters, padded with 0; a bit of `signs` tells which letters are in one."""

    letters: Letters
    lengths: NDArray[np.int16]
    signs: NDArray[np.uint64]

    @classmethod
    def of(cls, sounds: Sequence[str]) -> Sounds:
        """Of at most `LONGEST_SOUND` letters each."""
        rows = b"".join(one.encode("ascii", "replace").ljust(LONGEST_SOUND, b"\0") for one in sounds)
        letters = np.frombuffer(rows.translate(_NUMBERS), np.uint8).reshape(len(sounds), LONGEST_SOUND)
        bits = np.where(letters > 0, np.uint64(1) << letters.astype(np.uint64), np.uint64(0))
        return cls(
            letters=letters,
            lengths=np.array([len(sound) for sound in sounds], np.int16),
            signs=np.bitwise_or.reduce(bits, axis=1, initial=np.uint64(0)),
        )

    def near(self, sound: str, most: int) -> tuple[NDArray[np.intp], NDArray[np.int16]]:
        """Places of those within `most` edits, and how many each takes; two letters that swap are one edit."""
        asked = self.of([sound])
        differing = np.bitwise_count(self.signs ^ asked.signs[0])
        likely = (differing <= 2 * most) & (np.abs(self.lengths - len(sound)) <= most)
        places = np.flatnonzero(likely)
        edits = _edit_distances(asked.letters[0, : len(sound)], self.letters[places], self.lengths[places])
        return places[edits <= most], edits[edits <= most]


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """`counts`: in how many passages a word is, 0 for words of the language itself.

    `by_sound` has the sounds of stems too; `entries` are the words whose sound stands at the same place of `sounds`.
    """

    counts: Mapping[str, int]
    by_sound: Mapping[str, str]
    entries: Sequence[str]
    sounds: Sounds
    codes: Sequence[str]


def counted(texts: Iterable[str]) -> Counter[str]:
    """In how many of the texts each word is."""
    found = Counter[str]()
    for text in texts:
        found.update(set(analysis.words(text)))
    return found


def vocabulary(found: Counter[str], languages: Sequence[str]) -> Vocabulary:
    """Of a tenant's counted words and its languages; slow for many words: call it in a thread."""
    counts = {word: count for word, count in found.most_common(MOST_WORDS) if len(word) <= LONGEST_SOUND}
    counts |= {word: 0 for language in languages for word in spoken(language) if word not in counts}
    entries = {sound: word for sound, word in _by_sound(counts) if 0 < len(sound) <= LONGEST_SOUND}
    return Vocabulary(
        counts=counts,
        by_sound=dict(_by_stem(counts, languages)) | entries,
        entries=tuple(entries.values()),
        sounds=Sounds.of(tuple(entries)),
        codes=tuple(word for word in counts if any(map(str.isdigit, word))),
    )


@lru_cache(maxsize=64)
def spoken(language: str) -> frozenset[str]:
    """Words that anybody who asks may use, whether documents have them or not."""
    nothing = frozenset[str]()
    said = FUNCTION_WORDS.get(language, nothing) | TALK.get(language, nothing)
    return said | asking_words(language) | frozenset(word for name in names(language) for word in name)


def _edit_distances(asked: Letters, letters: Letters, lengths: NDArray[np.int16]) -> NDArray[np.int16]:
    """From one sound to each of the rows: letters put in, left out, replaced, or swapped with the next."""
    steps = np.arange(letters.shape[1] + 1, dtype=np.int16)
    before = row = np.tile(steps, (len(letters), 1))
    for place, letter in enumerate(asked):
        best = np.minimum(row[:, :-1] + (letters != letter), row[:, 1:] + 1)
        if place:
            swapped = (letters[:, 1:] == asked[place - 1]) & (letters[:, :-1] == letter)
            best[:, 1:] = np.where(swapped, np.minimum(best[:, 1:], before[:, :-2] + 1), best[:, 1:])
        started = np.column_stack([np.full(len(letters), place + 1, np.int16), best])
        before, row = row, np.minimum.accumulate(started - steps, axis=1) + steps
    return row[np.arange(len(letters)), lengths].astype(np.int16)


def _by_sound(counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """The most frequent of those that sound alike comes last."""
    return (
        (analysis.fold(word), word) for word in sorted(filter(str.isalpha, counts), key=counts.__getitem__)
    )


def _by_stem(counts: Mapping[str, int], languages: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word in sorted(filter(str.isalpha, counts), key=counts.__getitem__):
        stems = {analysis.stem(word, language)[1] for language in languages}
        yield from ((analysis.fold(stem), word) for stem in stems if len(stem) >= SHORTEST_STEM)


# Made when the module is read, and not by a first question, for which an event loop waits.
for _language in FUNCTION_WORDS:
    spoken(_language)
