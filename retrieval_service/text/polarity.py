"""Tells "with" from "without": what a text affirms and what it denies, in English, Russian and Portuguese.

To a model of meaning and to character grams "lactose-free" and "with lactose" are nearly the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

from retrieval_service.text import words as analysis
from retrieval_service.text.function_words import FUNCTION_WORDS, NEGATIONS, telling_words
from retrieval_service.text.lexicon.wording import SAME_WORD, Term, Wording, term, wording

# What ends the reach of a "not": a mark or a word that turns the sentence, or the next one of a list.
_CLAUSE = re.compile(r"[.;:!?()\n/—–]|\b(?:but|но|зато|а|mas)\b", re.IGNORECASE)
_ITEM = re.compile(r"(,|\b(?:and|or|и|или|e|ou)\b)", re.IGNORECASE)
# A "not" is about the next words that carry meaning: "does not contain any lactose".
_REACH = 2
_ABSENCE: Mapping[str, frozenset[str]] = {
    "en": frozenset({"without"}),
    "ru": frozenset({"без"}),
    "pt": frozenset({"sem"}),
}
# "No pulp" is an absence where a thing is asked for.
_ABSENCE_OF_THINGS: Mapping[str, frozenset[str]] = {**_ABSENCE, "en": _ABSENCE["en"] | {"no"}}
_PRESENCE: Mapping[str, frozenset[str]] = {
    "en": frozenset({"with"}),
    "ru": frozenset({"с", "со"}),
    "pt": frozenset({"com"}),
}
_GRAMMAR = frozenset[str]().union(*FUNCTION_WORDS.values())
_NEGATING = frozenset[str]().union(*NEGATIONS.values())
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
        for word, kind in _told_in(clause, language):
            rests = _without_prefix(word, language)
            (absent if kind == "absent" else negated if kind else affirmed).append(word)
            (affirmed if kind else absent).extend(rests)
    return Polarity(affirmed=affirmed, absent=absent, negated=negated)


class Stance(StrEnum):
    """What a text says of the things that a question wants "with" or "without" something."""

    FITS = "fits"
    """Says so itself."""
    OPEN = "open"
    """Does not speak of what is not wanted, which proves nothing."""
    OPPOSES = "opposes"
    FREE = "free"
    """Nothing of the kind was asked, or the question wants what this text does not speak of."""


def stances(question: str, texts: Sequence[str], language: str) -> list[Stance]:
    """One for each text; of several wishes the one that it fulfils least.

    Without a "with" or "without" a text opposes too what it denies of the question, where another text affirms it.
    """
    parts = [_parts(text, language) for text in texts]
    wishes = list(_wishes(question, language))
    found: list[set[Stance]] = [set() for _ in texts]
    for told in (
        *(_stances(wish, parts, language) for wish in wishes),
        *_contrasts(question, parts, language),
    ):
        for known, stance in zip(found, told, strict=True):
            known.add(stance)
    order = (Stance.OPPOSES, Stance.OPEN, Stance.FITS)
    return [next((one for one in order if one in known), Stance.FREE) for known in found]


def _contrasts(question: str, parts: Sequence[Wording], language: str) -> Iterator[list[Stance]]:
    """For each word of the question that some text fits: which texts are of the opposite."""
    asked = polarity(question, language)
    unwanted = frozenset(asked.absent) | frozenset(asked.negated)
    telling = frozenset(telling_words([*asked.affirmed, *unwanted], language))
    for word in sorted(telling - (unwanted & frozenset(asked.affirmed))):
        sides = [_sides(one, word, language, is_wanted=word not in unwanted) for one in parts]
        if any(fits for fits, _ in sides):
            yield [Stance.OPPOSES if opposes and not fits else Stance.FREE for fits, opposes in sides]


def named(question: str, titles: Sequence[str], language: str) -> list[bool]:
    """For each title whether the question is about just this one: it has all the words that no other title has."""
    asked = _telling_stems(without_wishes(question, language), language)
    stems = [_telling_stems(title, language) for title in titles]
    counts = Counter(stem for one in stems for stem in one)
    own = [frozenset(stem for stem in one if counts[stem] == 1) for one in stems]
    return [bool(one) and one <= asked for one in own]


def _telling_stems(text: str, language: str) -> frozenset[str]:
    said = analysis.words(text[:_MOST_CHARACTERS])
    return frozenset(analysis.stem(word, language)[1] for word in telling_words(said, language))


def without_wishes(question: str, language: str) -> str:
    """The words of the question that tell what the thing is, and not what it is to be without."""
    unwanted = {
        word for wish in _wishes(question, language) if wish.kind is not _Kind.WITH for word in wish.words
    }
    return " ".join(word for word in analysis.words(question) if word not in unwanted)


class _Kind(StrEnum):
    WITH = "with"
    WITHOUT = "without"
    NOT = "not"


@dataclass(frozen=True, kw_only=True)
class _Wish:
    """The words behind a "with", a "without" or a "not": "without added sugar" is about the second one too."""

    kind: _Kind
    words: Sequence[str]


def _wishes(question: str, language: str) -> Iterator[_Wish]:
    for clause in _CLAUSE.split(question[:_MOST_CHARACTERS]):
        for item in _ITEM.split(clause)[::2]:
            yield from _wishes_in(analysis.words(item), language)


def _wishes_in(words: Sequence[str], language: str) -> Iterator[_Wish]:
    kind, said = None, list[str]()
    for word, following in pairwise([*words, ""]):
        if following in _FREE and word not in _GRAMMAR:
            yield _Wish(kind=_Kind.WITHOUT, words=(word,))
        if (marked := _kind(word, language)) is not None:
            kind, said = marked, []
        elif kind is not None and word not in _GRAMMAR and len(word) > 1:
            said.append(word)
            if len(said) == (1 if kind is _Kind.NOT else _REACH):
                yield _Wish(kind=kind, words=tuple(said))
                kind, said = None, []
    if kind is not None and said:
        yield _Wish(kind=kind, words=tuple(said))


def _kind(word: str, language: str) -> _Kind | None:
    if word in _ABSENCE_OF_THINGS.get(language, frozenset()):
        return _Kind.WITHOUT
    if word in NEGATIONS.get(language, frozenset()):
        return _Kind.NOT
    return _Kind.WITH if word in _PRESENCE.get(language, frozenset()) else None


def _stances(wish: _Wish, parts: Sequence[Wording], language: str) -> list[Stance]:
    """Of the first of its words that any text speaks of; that a trouble ("does not start") is not spoken of is none."""
    is_wanted = wish.kind is _Kind.WITH
    silent = Stance.OPEN if wish.kind is _Kind.WITHOUT else Stance.FREE
    for word in wish.words:
        sides = [_sides(one, word, language, is_wanted=is_wanted) for one in parts]
        if any(fits or opposes for fits, opposes in sides):
            silent = Stance.FREE if is_wanted else Stance.OPEN
            return [Stance.FITS if fits else Stance.OPPOSES if opposes else silent for fits, opposes in sides]
    return [silent for _ in parts]


def _told_in(clause: str, language: str) -> Iterator[tuple[str, str]]:
    """ "Without nuts, milk and eggs" is a list of what is absent; where no "and" ends it, it may be none."""
    pieces = _ITEM.split(clause)
    items = [list(_told_apart(analysis.words(item), language)) for item in pieces[::2]]
    listed = ""
    for told, is_ended in zip(items, _are_ended(items, pieces[1::2]), strict=True):
        kinds = [kind for word, kind in told if word not in _GRAMMAR]
        if listed and kinds == [""]:
            if is_ended:
                yield from ((word, listed) for word, _ in told)
            continue
        yield from told
        listed = kinds[-1] if kinds else listed


def _are_ended(items: Sequence[Sequence[tuple[str, str]]], joints: Sequence[str]) -> list[bool]:
    """For each item whether an "and" comes before the item, or before one after it, and only single words between."""
    ended = [False] * (len(items) + 1)
    for place in reversed(range(len(items))):
        is_word = sum(word not in _GRAMMAR for word, _ in items[place]) <= 1
        is_last = place > 0 and joints[place - 1] != ","
        ended[place] = is_word and (is_last or ended[place + 1])
    return ended[:-1]


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


def affirmed(text: str) -> str:
    """The clauses without a "not" or "no", of whatever language: "I need a chair" of "I need a chair, not a table"."""
    clauses = _CLAUSE.split(text[:_MOST_CHARACTERS])
    items = (item.strip() for clause in clauses for item in _ITEM.split(clause)[::2])
    return ", ".join(one for one in items if one and _NEGATING.isdisjoint(analysis.words(one)))


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
    shares = text.has(_exactly(word, language)) or (0.0, 0.0, 0.0)
    affirmed, absent, negated = (share >= SAME_WORD for share in shares)
    if is_wanted:
        return affirmed, absent or (negated and not affirmed)
    return absent or negated, affirmed


@lru_cache(maxsize=_CACHED_TEXTS)
def _exactly(word: str, language: str) -> Term:
    """What is found for another word need not be the same thing: "lactose" finds "gluten" too."""
    return replace(term(word, language), synonyms=frozenset())
