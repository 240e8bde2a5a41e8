"""Tells "with" from "without": what a text affirms and what it denies, in English, Russian and Portuguese.

To a model of meaning and to character grams "lactose-free" and "with lactose" are nearly the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from retrieval_service.domain import words as analysis
from retrieval_service.domain.function_words import FUNCTION_WORDS, NEGATIONS, telling_words
from retrieval_service.domain.wording import SAME_WORD, Wording, term, wording

# What ends the reach of a "not": a mark, or a word that turns the sentence.
_CLAUSE = re.compile(r"[.,;:!?()\n/—–]|\b(?:but|and|или|и|но|зато|а|mas|e|ou|or)\b", re.IGNORECASE)
# A "not" is about the next words that carry meaning: "does not contain any lactose".
_REACH = 2
_ABSENCE: Mapping[str, frozenset[str]] = {
    "en": frozenset({"without"}),
    "ru": frozenset({"без"}),
    "pt": frozenset({"sem"}),
}
_GRAMMAR = frozenset[str]().union(*FUNCTION_WORDS.values())
_FREE = frozenset({"free"})
_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "en": ("un", "in", "im", "non"),
    "ru": ("не", "без", "бес"),
    "pt": ("in", "im", "des"),
}
_SHORTEST_REST = 4
# Descriptions say early what a thing has; more would take the time of a search.
_MOST_CHARACTERS = 4_000
_CACHED_TEXTS = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class Polarity:
    """Words of a text as `words()` has them, in order: what it affirms, what it says is absent, what it only negates.

    "No pulp" is an absence, "not shipped today" is not; a word may be in several.
    """

    affirmed: Sequence[str]
    absent: Sequence[str]
    negated: Sequence[str]


def polarity(text: str, language: str) -> Polarity:
    """`language` is ISO 639-1; a text in one that is not known here affirms all."""
    affirmed: list[str] = []
    absent: list[str] = []
    negated: list[str] = []
    for clause in _CLAUSE.split(text[:_MOST_CHARACTERS]):
        for word, kind in _told_apart(analysis.words(clause), language):
            rests = _without_prefix(word, language)
            (absent if kind == "absent" else negated if kind else affirmed).append(word)
            (affirmed if kind else absent).extend(rests)
    return Polarity(affirmed=affirmed, absent=absent, negated=negated)


def opposed(question: str, texts: Sequence[str], language: str) -> list[bool]:
    """For each text whether it lacks what the question wants, or has what it does not want, and another text does not.

    Where all texts are of the opposite, that is what there is to say.
    """
    asked = polarity(question, language)
    unwanted = frozenset(asked.absent) | frozenset(asked.negated)
    telling = frozenset(telling_words([*asked.affirmed, *unwanted], language))
    parts = [_parts(text, language) for text in texts]
    found = [False] * len(texts)
    for word in sorted(telling - (unwanted & frozenset(asked.affirmed))):
        sides = [_sides(one, word, language, is_wanted=word not in unwanted) for one in parts]
        if any(fits for fits, _ in sides):
            found = [
                known or (opposes and not fits) for known, (fits, opposes) in zip(found, sides, strict=True)
            ]
    return found


def _told_apart(words: Sequence[str], language: str) -> Iterator[tuple[str, str]]:
    """Each word of a clause but the "not"s themselves, and whether it is "absent", "negated" or neither."""
    absence, negations = _ABSENCE.get(language, frozenset()), NEGATIONS.get(language, frozenset())
    reach, kind = 0, ""
    for word, following in pairwise([*words, ""]):
        if word in absence or word in negations:
            reach, kind = _REACH, "absent" if word in absence else "negated"
        elif word not in _FREE:
            yield word, "absent" if following in _FREE else kind if reach > 0 else ""
            reach -= word not in _GRAMMAR


def _without_prefix(word: str, language: str) -> list[str]:
    rests = (word.removeprefix(prefix) for prefix in _PREFIXES.get(language, ()) if word.startswith(prefix))
    return [rest for rest in rests if len(rest) >= _SHORTEST_REST]


@lru_cache(maxsize=_CACHED_TEXTS)
def _parts(text: str, language: str) -> Wording:
    """What is affirmed, what is absent and what is negated."""
    one = polarity(text, language)
    return wording([" ".join(words) for words in (one.affirmed, one.absent, one.negated)], language)


def _sides(text: Wording, word: str, language: str, *, is_wanted: bool) -> tuple[bool, bool]:
    """Whether the text fits a wish for the word, or against it, and whether it opposes the wish."""
    shares = text.has(term(word, language)) or (0.0, 0.0, 0.0)
    affirmed, absent, negated = (share >= SAME_WORD for share in shares)
    return (affirmed, absent) if is_wanted else (absent or negated, affirmed)
