"""How large a passage is for a model on this machine: one of Latin script, or one of every script."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from retrieval_service.text.languages import UNSEGMENTED_SCRIPTS, character_script

UNITS_PER_FOREIGN_WORD = 2

# No word counts less than its length asks for: a model may call a thousand letters one unknown word.
_LETTERS_PER_UNIT = 16
_BLANKS_PER_UNIT = 64

_CACHED_WORDS = 65_536
_LONGEST_CACHED_WORD = 32
_WORD = re.compile(r"\w+")


def local_units(count_pieces: Callable[[str], int]) -> Callable[[str], int]:
    """The size of a text for a model of Latin script: its word pieces, about two units a word for other scripts.

    The model does not embed these; there the size only sets how much text a passage holds.
    """
    return _units(lambda word: _latin_units(word, count_pieces))


def multilingual_units(count_pieces: Callable[[str], int]) -> Callable[[str], int]:
    """The size of a text for a model that reads every script: its pieces."""
    return _units(lambda word: max(_least_units(word), count_pieces(word)))


def _units(measure: Callable[[str], int]) -> Callable[[str], int]:
    """By words, whose sizes are remembered: the splitter asks for the same ones again and again."""
    cached = lru_cache(maxsize=_CACHED_WORDS)(measure)

    def units(text: str) -> int:
        words = text.split()
        blanks = len(text) - sum(map(len, words))
        counts = (cached(word) if len(word) <= _LONGEST_CACHED_WORD else measure(word) for word in words)
        return sum(counts) + blanks // _BLANKS_PER_UNIT

    return units


def _latin_units(word: str, count_pieces: Callable[[str], int]) -> int:
    scripts = [character_script(letter) for letter in word] if not word.isascii() else []
    if not set(scripts) <= {"", "Latin"}:
        unsegmented = sum(script in UNSEGMENTED_SCRIPTS for script in scripts)
        by_words = UNITS_PER_FOREIGN_WORD * len(_WORD.findall(word))
        return max(_least_units(word), unsegmented or by_words)
    return max(_least_units(word), count_pieces(word))


def _least_units(word: str) -> int:
    return -(-len(word) // _LETTERS_PER_UNIT)
