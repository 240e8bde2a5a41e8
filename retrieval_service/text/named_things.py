"""Which words of a question name one thing among many: numbers, codes and what is written with a capital letter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from retrieval_service.text import words as analysis
from retrieval_service.text.facts.numbers import numbers_of

_TOKEN = re.compile(r"\w+")
_ENDS_SENTENCE = frozenset('.?!…:;\n"«“„(')
# Where more of the words have one, a capital letter says nothing: a title, a shout, a language that writes nouns so.
_MOST_CAPITALS = 0.4
_LEAST_SPELLED = 3


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


def numbers_said(question: str) -> Mapping[str, Decimal]:
    """The number that each word, as `words()` has them, says or is a part of: "seven" and "7" say 7.

    "One" is an article, and two are told in many other words: both sides, a couple, double. A date or a version
    ("1.2.3") says no number, and names all the same.
    """
    return {
        word: number.values[0]
        for number in numbers_of(question)
        if number.values
        for word in analysis.words(question[number.start : number.end])
        if word.isdecimal() or (number.values[0] >= _LEAST_SPELLED and not has_digit(word))
    }


def has_digit(word: str) -> bool:
    return any(map(str.isdigit, word))


def _begins(question: str, before: re.Match[str], token: re.Match[str]) -> bool:
    """Whether a sentence, or what stands in quotation marks, begins with the token."""
    return not _ENDS_SENTENCE.isdisjoint(question[before.end() : token.start()])
