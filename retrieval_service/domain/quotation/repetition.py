"""Whether a sentence says again what another one has said."""

from __future__ import annotations

from difflib import SequenceMatcher

from retrieval_service.domain.quotation.topics import stems
from retrieval_service.text.function_words import DENIALS
from retrieval_service.text.words import stem, words

# Of the new one's words with a meaning.
_LEAST_SHARE = 0.7
# Each word is compared with each, and no sentence has more.
_MOST_WORDS = 100
_MOST_CHARACTERS = 1_000


def says_again(new: str, known: str, language: str) -> bool:
    """In other words too; another number, a "not" or the same sentence of something else makes a new fact."""
    mine, others = stems(new, language), stems(known, language)
    if not mine or len(mine & others) < _LEAST_SHARE * len(mine):
        return False
    if _denials(new) != _denials(known) or _numbers(mine) - others:
        return False
    return mine <= others or others <= mine or not is_variation(new, known, language)


def is_variation(one: str, other: str, language: str) -> bool:
    """Words stand in the places of others, and nothing else is more or less: "the red lamp", "the dark blue lamp"."""
    changes = SequenceMatcher(
        None, _stems(one, language), _stems(other, language), autojunk=False
    ).get_opcodes()
    return {change for change, *_ in changes} == {"equal", "replace"}


def _stems(text: str, language: str) -> list[str]:
    return [stem(word, language)[1] for word in words(text[:_MOST_CHARACTERS])[:_MOST_WORDS]]


def _denials(text: str) -> frozenset[str]:
    return DENIALS.intersection(words(text))


def _numbers(said: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in said if any(map(str.isdigit, word)))
