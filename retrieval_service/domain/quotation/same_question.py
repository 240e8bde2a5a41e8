"""Tells whether a customer asks nearly word for word what a question and its answer are called.

"Yes, for any amount" answers its own question, and not one that only shares its words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from retrieval_service.text.function_words import DENIALS, FUNCTION_WORDS
from retrieval_service.text.words import stem, words

# Each may be a word of grammar that the other leaves out: "нужна ли предоплата", "нужна предоплата".
_MOST_MORE = 1
# What is longer tells a story, and is no title.
_LONGEST = 500


def is_same_question(asked: str, title: str, language: str) -> bool:
    """In whatever order and form the words stand; `language` is the title's, ISO 639-1."""
    if max(len(asked), len(title)) > _LONGEST:
        return False
    differing = _stems(_words(asked), language) ^ _stems(_words(title), language)
    return len(differing) <= _MOST_MORE and differing <= _grammar(language)


@lru_cache
def _grammar(language: str) -> frozenset[str]:
    """Words that say nothing of their own: "not" and "without" do."""
    said = _words(" ".join(FUNCTION_WORDS.get(language, frozenset())))
    return _stems(said, language) - _stems(_words(" ".join(DENIALS)), language)


def _stems(given: Iterable[str], language: str) -> frozenset[str]:
    return frozenset(stem(word, language)[1] for word in given)


def _words(text: str) -> list[str]:
    """Without accents, which many do not type."""
    letters = unicodedata.normalize("NFD", text)
    return words("".join(letter for letter in letters if unicodedata.category(letter) != "Mn"))
