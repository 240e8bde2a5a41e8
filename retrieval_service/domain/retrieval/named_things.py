"""Whether a text speaks of another thing than the question names: it does not answer, however near it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from retrieval_service.text.function_words import telling_words
from retrieval_service.text.words import stem, words

# Of a text, whatever its size.
_MOST_WORDS = 64
_MOST_CHARACTERS = 4_000

Stems = frozenset[tuple[str, str]]


def are_of_others(
    question: str, things: Sequence[str], texts: Sequence[tuple[str, str]], language: str
) -> list[bool]:
    """For each title and text whether it is about another thing than the question names: "helmet warranty", "Bike
    warranty". `things` are the names of products, of which the question and the title have a word each.
    """
    asked = _stems(question, language)
    named = [_stems(thing, language) for thing in things]
    return [_is_of_another(asked, named, *text, language) for text in texts]


def _is_of_another(asked: Stems, things: Sequence[Stems], title: str, text: str, language: str) -> bool:
    called = _stems(title, language)
    wanted = frozenset[tuple[str, str]]().union(*things) & asked
    lacking = wanted - called
    if not lacking or lacking & _all_stems(text, language):
        return False
    others = called - asked
    return any(thing & others and lacking.isdisjoint(thing) for thing in things)


def _stems(text: str, language: str) -> Stems:
    said = telling_words(islice(words(text[:_MOST_CHARACTERS]), _MOST_WORDS), language)
    return frozenset(stem(word, language) for word in said)


def _all_stems(text: str, language: str) -> Stems:
    return frozenset(stem(word, language) for word in words(text[:_MOST_CHARACTERS]))
