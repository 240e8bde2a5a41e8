"""How large a passage is for a model that reads word pieces of Latin script and nothing else well."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from retrieval_service.domain.languages import character_script

UNITS_PER_FOREIGN_WORD = 2

# No word counts less than its length asks for: a model may call a thousand letters one unknown word.
_LETTERS_PER_UNIT = 16
_BLANKS_PER_UNIT = 64

# Written without spaces between words, so every letter is counted.
UNSEGMENTED_SCRIPTS = frozenset({"Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"})

_CACHED_WORDS = 65_536
_LONGEST_CACHED_WORD = 64
_WORD = re.compile(r"\w+")


def local_units(count_pieces: Callable[[str], int]) -> Callable[[str], int]:
    """The size of a text: word pieces for Latin script, about two units a word for others.

    The model does not embed other scripts; there the size only sets how much text a passage holds.
    """

    def measure(word: str) -> int:
        return _word_units(word, count_pieces)

    cached = lru_cache(maxsize=_CACHED_WORDS)(measure)

    def units(text: str) -> int:
        words = text.split()
        blanks = len(text) - sum(map(len, words))
        counts = (cached(word) if len(word) <= _LONGEST_CACHED_WORD else measure(word) for word in words)
        return sum(counts) + blanks // _BLANKS_PER_UNIT

    return units


def _word_units(word: str, count_pieces: Callable[[str], int]) -> int:
    by_length = -(-len(word) // _LETTERS_PER_UNIT)
    scripts = [character_script(letter) for letter in word] if not word.isascii() else []
    if not set(scripts) <= {"", "Latin"}:
        unsegmented = sum(script in UNSEGMENTED_SCRIPTS for script in scripts)
        return max(by_length, unsegmented or UNITS_PER_FOREIGN_WORD * len(_WORD.findall(word)))
    return max(by_length, count_pieces(word))
