"""Tells whether two questions ask for the same, by their meaning or by their words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval_service.domain import words as analysis
from retrieval_service.domain.function_words import content_words
from retrieval_service.domain.spaces import Vector

# Measured on near-duplicates and look-alikes in three languages (tests/unit/likeness_table.py): of the pairs that
# ask the same, meaning finds 9 of 10 in English, words find 9 of 10 in Russian and 7 of 10 in Portuguese, and of
# those that do not 1 of 75 is joined.
ENOUGH_MEANING = 0.72
ENOUGH_WORDS = 0.65
# Where the meaning says no, the words must say yes nearly in full.
ENOUGH_WORDS_ALONE = 0.85

# Two words that share this much of their 4-letter pieces are forms or misspellings of one.
SAME_WORD = 0.4

# Words of asking itself: whether one has, sells or may buy a thing, the question is about the thing.
_ASKING = {
    "en": """accept available buy exist find get give have like make need offer please possible purchase sell take
        tell use want""",
    "ru": """возможно давать дайте делать делаете есть имеется иметь купить можно найти наличие наличии нужен нужно
        нужны подскажите пожалуйста покупать принимать принимаете продавать продаете продать продается скажите хочу
        хотел хотела""",
    "pt": """aceita aceitam aceitar comprar disponível existe existem favor fazem fazer gostaria haver há oferecem
        oferecer poderia possível posso preciso quero tem ter têm vende vendem vender""",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A question; `vector` has unit length and is None where no model reads the language."""

    text: str
    language: str
    vector: Vector | None = None


@dataclass(frozen=True, kw_only=True)
class _Word:
    stem: str
    grams: frozenset[str]


def likeness(one: Asked, other: Asked) -> float:
    """From 1 on the two ask the same; questions in two languages never do, for one answer is in one language."""
    if one.language != other.language:
        return 0.0
    if one.vector is None or other.vector is None:
        return wording(one.text, other.text, one.language) / ENOUGH_WORDS
    meaning = float(one.vector @ other.vector) / ENOUGH_MEANING
    return max(meaning, wording(one.text, other.text, one.language) / ENOUGH_WORDS_ALONE)


def nearest(asked: Asked, leaders: Sequence[Asked]) -> int | None:
    """The place of the leader that asks the same, the likest of several; None when there is none."""
    scored = [(likeness(asked, leader), -place) for place, leader in enumerate(leaders)]
    best, place = max(scored, default=(0.0, 0))
    return -place if best >= 1 else None


def wording(one: str, other: str, language: str) -> float:
    """How much of both questions' content words the other has, in [0, 1]."""
    mine, theirs = _content(one, language), _content(other, language)
    if not mine or not theirs or _grams(one, language).isdisjoint(_grams(other, language)):
        return 0.0
    shared = sum(_presence(word, theirs) for word in mine) + sum(_presence(word, mine) for word in theirs)
    return shared / (len(mine) + len(theirs))


@lru_cache(maxsize=8_192)
def _content(text: str, language: str) -> tuple[_Word, ...]:
    given = list(dict.fromkeys(content_words(analysis.words(text), (language,))))
    telling = [
        word for word in given if _stem(word, language) not in _ASKING_STEMS.get(language, frozenset())
    ]
    return tuple(
        _Word(stem=_stem(word, language), grams=frozenset(analysis.grams(word))) for word in telling or given
    )


@lru_cache(maxsize=8_192)
def _grams(text: str, language: str) -> frozenset[str]:
    return frozenset[str]().union(*(word.grams for word in _content(text, language)))


def _presence(word: _Word, others: Sequence[_Word]) -> float:
    if any(word.stem == other.stem for other in others):
        return 1.0
    best = max(len(word.grams & other.grams) / len(word.grams | other.grams) for other in others)
    return best if best >= SAME_WORD else 0.0


def _stem(word: str, language: str) -> str:
    return analysis.stem(word, language)[1]


_ASKING_STEMS: Mapping[str, frozenset[str]] = {
    language: frozenset(_stem(word, language) for word in listed.split())
    for language, listed in _ASKING.items()
}
