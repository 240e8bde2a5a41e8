"""The tokenizer of XLM-RoBERTa: of all ways to cut a word into known pieces, the likeliest one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice

from retrieval_service.providers.local.e5_file import Vocabulary

_SPECIAL_TOKENS = 2
_WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"
_UNKNOWN_PENALTY = 10.0
_LONGEST_CACHED_RUN = 64
_CACHED_RUNS = 65_536

# No piece reaches over a space, so each run between ASCII spaces is cut by itself. Endless ones are taken in parts:
# putting a row of accents in order is quadratic, and a text may be all one word.
_RUN = re.compile(r"[^\t\n\r ]{1,1000}")
_SPACES = frozenset("\t\n\r ")


class Unigram:
    """Text to numbers of pieces. User text never yields a special token, however it is spelt.

    Safe to share between threads.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        # The last piece is the mask, which fills gaps when a model is trained.
        special = {
            *(vocabulary.start, vocabulary.end, vocabulary.padding, vocabulary.unknown),
            len(vocabulary.pieces) - 1,
        }
        self._first, self._last, self._unknown = vocabulary.start, vocabulary.end, vocabulary.unknown
        self._characters = vocabulary.characters
        self._scores = vocabulary.scores
        self._unknown_score = min(vocabulary.scores) - _UNKNOWN_PENALTY
        self._numbers = {
            piece: number for number, piece in enumerate(vocabulary.pieces) if number not in special
        }
        self._reach = _reach(self._numbers)
        self._cached_run = lru_cache(_CACHED_RUNS)(self._run)

    def encode(self, text: str, max_tokens: int) -> list[int]:
        """Numbers between the marks of start and end, at most `max_tokens` with these two; the rest is not read."""
        if max_tokens < _SPECIAL_TOKENS:
            raise ValueError(f"max_tokens is {max_tokens}, below the {_SPECIAL_TOKENS} special tokens")
        numbers = islice(chain.from_iterable(self._groups(text)), max_tokens - _SPECIAL_TOKENS)
        return [self._first, *numbers, self._last]

    def count(self, text: str) -> int:
        """Tokens of the whole text, without the two special ones."""
        return sum(map(len, self._groups(text)))

    def likelihood(self, word: str) -> float:
        """The logarithm of how likely the pieces of a word together are; 0.0 for a word that is one known piece."""
        numbers = self._cached_run(word)
        if len(numbers) == 1 and numbers[0] != self._unknown:
            return 0.0
        return sum(self._unknown_score if one == self._unknown else self._scores[one] for one in numbers)

    def _groups(self, text: str) -> Iterator[tuple[int, ...]]:
        """Numbers of a run, in the order of the text, made as they are asked for."""
        for match in _RUN.finditer(text):
            run = match.group()
            starts_word = match.start() == 0 or text[match.start() - 1] in _SPACES
            if starts_word and len(run) <= _LONGEST_CACHED_RUN:
                yield self._cached_run(run)
            else:
                yield self._run(run, starts_word=starts_word)

    def _run(self, run: str, *, starts_word: bool = True) -> tuple[int, ...]:
        return tuple(chain.from_iterable(map(self._word, self._words(run, starts_word))))

    def _words(self, run: str, starts_word: bool) -> list[str]:
        """Composed first, as the vocabulary is; some characters become spaces."""
        read = unicodedata.normalize("NFC", run).translate(self._characters)
        words = [_WORD_START + word for word in read.split(" ") if word]
        if words and not starts_word and not read.startswith(" "):
            words[0] = words[0].removeprefix(_WORD_START)
        return words

    def _word(self, word: str) -> list[int]:
        """The pieces on the best way from the end of the word back to its start."""
        came_from = self._ways(word)
        numbers: list[int] = []
        end = len(word)
        while end:
            end, number = came_from[end]
            # Neighbours that are both unknown are one piece.
            if number != self._unknown or not numbers or numbers[-1] != self._unknown:
                numbers.append(number)
        return numbers[::-1]

    def _ways(self, word: str) -> list[tuple[int, int]]:
        """For each place in the word where the last piece of the best way to it begins, and which one that is."""
        numbers, scores, reach, length = self._numbers, self._scores, self._reach, len(word)
        best = [0.0] + [-float("inf")] * length
        came_from = [(0, self._unknown)] * (length + 1)
        for start in range(length):
            so_far = best[start]
            for end in range(start + 1, min(length, start + reach.get(word[start : start + 2], 1)) + 1):
                number = numbers.get(word[start:end])
                if number is not None and so_far + scores[number] > best[end]:
                    best[end], came_from[end] = so_far + scores[number], (start, number)
            if so_far + self._unknown_score > best[start + 1]:
                best[start + 1], came_from[start + 1] = so_far + self._unknown_score, (start, self._unknown)
        return came_from


def _reach(numbers: dict[str, int]) -> dict[str, int]:
    """How long a piece can be that begins with two given characters: most lookups are spared."""
    reach: dict[str, int] = {}
    for piece in numbers:
        beginning = piece[:2]
        reach[beginning] = max(len(piece), reach.get(beginning, 0))
    return reach
