"""Which words of a question name one thing among many: numbers, codes and what is written with a capital letter."""

from __future__ import annotations

import re

from retrieval_service.domain import words as analysis

_TOKEN = re.compile(r"\w+")
_ENDS_SENTENCE = frozenset('.?!…:;\n"«“„(')
# Where more of the words have one, a capital letter says nothing: a title, a shout, a language that writes nouns so.
_MOST_CAPITALS = 0.4


def naming_words(question: str) -> frozenset[str]:
    """As `words()` has them."""
    tokens = list(_TOKEN.finditer(question))
    inside = [
        one for place, one in enumerate(tokens) if place and not _begins(question, tokens[place - 1], one)
    ]
    capitals = [one.group() for one in inside if one.group()[0].isupper()]
    tells = len(capitals) <= _MOST_CAPITALS * len(inside)
    numbers = [one.group() for one in tokens if has_digit(one.group())]
    return frozenset(analysis.words(" ".join([*(capitals if tells else ()), *numbers])))


def has_digit(word: str) -> bool:
    return any(map(str.isdigit, word))


def _begins(question: str, before: re.Match[str], token: re.Match[str]) -> bool:
    """Whether a sentence, or what stands in quotation marks, begins with the token."""
    return not _ENDS_SENTENCE.isdisjoint(question[before.end() : token.start()])
