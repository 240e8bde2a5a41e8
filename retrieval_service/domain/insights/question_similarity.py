"""Tells whether two questions ask for the same, by their words and by their meaning.

Customers' questions have frames in common, "can I return …", and a model of meaning sees little else: whether they
ask for the same depends on what each says that the other does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval_service.domain.indexing.spaces import Scale, Vector
from retrieval_service.text import words as analysis
from retrieval_service.text.function_words import FUNCTION_WORDS, TALK
from retrieval_service.text.lexicon.equivalents import Name, named

# Chosen on labelled pairs in three languages (tests/kits/likeness_pairs.py); docs/answers.md has what they reach on
# pairs they were not chosen on.
# Of one word that only one of the questions has, four others must be in both.
ENOUGH_WORDS = 0.86
# The meaning decides where questions are worded so differently that no frame can have brought them together; where
# words are shared it cannot tell one more of them from none: "socks" and "socks for babies" have a cosine of 0.9.
MOST_FRAME = 0.35

# Two words that share this much of their 4-letter pieces are forms or misspellings of one.
SAME_WORD = 0.4

# Each of one question is compared with each of the other; what comes after so many asks for nothing new.
_MOST_WORDS = 100

# Words of asking itself: whether one has, sells or may buy a thing, the question is about the thing.
_ASKING = {
    "en": """accept allowed amount another any anyone available bring buy currently customer different exist find get
        give have issue like make need now offer please possible provide purchase right s see sell service someone
        somebody still stock suitable take tell use want""",
    "ru": """берёте ваш ваша ваши ваших возможно выставить выставляете давать дайте делать делаете другой есть заказать
        идёт имеется иметь клиент купить можно найти наличие наличии нужен нужно нужны оформить подарить подходит
        получить подскажите пожалуйста покупать посмотреть приобрести прийти принимать принимаете продавать продаете
        продать продается пускают сейчас скажите склад складе сумма узнать услуга хочу хотел хотела""",
    "pt": """aceita aceitam aceitar adequado agora ainda alguém cliente comprar dar disponível emitem emitir encomendar
        estoque existe existem favor fazem fazer ganha gostaria haver há levar nome oferecem oferecer outro peço
        poderia possível posso preciso quero receber serviço tem ter têm vejo vende vendem vender""",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A question; `vector` has unit length and is None where no model reads the language.

    `scale` is that of the vector's space; vectors without one say nothing.
    """

    text: str
    language: str
    vector: Vector | None = None
    scale: Scale | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`coverage` is how much of both questions' words the other has, in [0, 1].

    They part when each says something that the other does not ("to Brazil", "to Portugal"), or one asks for a price,
    a time or the like and the other does not.
    """

    coverage: float
    parts: bool


@dataclass(frozen=True, kw_only=True)
class _Word:
    """`stem` is that of the word, or the name that it has in common with its equivalents."""

    stem: str
    weight: float
    is_decisive: bool
    grams: frozenset[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Content:
    """`traces` are stems and pieces: without a common one two questions have no common word."""

    words: Sequence[_Word]
    traces: frozenset[str]
    every_stem: frozenset[str]


_APART = Comparison(coverage=0.0, parts=True)


def likeness(one: Asked, other: Asked) -> float:
    """From 1 on the two ask the same; questions in two languages never do, for one answer is in one language."""
    if one.language != other.language:
        return 0.0
    words = compared(one.text, other.text, one.language)
    by_words = 0.0 if words.parts else words.coverage / ENOUGH_WORDS
    if one.scale is None or one.vector is None or other.vector is None:
        return by_words
    common = max(words.coverage, _frame(one, other))
    cosine = float(one.vector @ other.vector) if common <= MOST_FRAME else 0.0
    return max(by_words, one.scale.likeness(cosine, one.language))


def nearest(asked: Asked, leaders: Sequence[Asked]) -> int | None:
    """The place of the leader that asks the same, the likest of several; None when there is none."""
    scored = [(likeness(asked, leader), -place) for place, leader in enumerate(leaders)]
    best, place = max(scored, default=(0.0, 0))
    return -place if best >= 1 else None


def compared(one: str, other: str, language: str) -> Comparison:
    mine, theirs = _content(one, language), _content(other, language)
    if mine.traces.isdisjoint(theirs.traces):
        return _APART
    mine_missing = _missing(mine.words, theirs.words)
    theirs_missing = _missing(theirs.words, mine.words)
    missing = [*mine_missing, *theirs_missing]
    whole = sum(word.weight for word in (*mine.words, *theirs.words))
    return Comparison(
        coverage=1 - sum(word.weight for word in missing) / whole,
        parts=bool(mine_missing and theirs_missing) or any(word.is_decisive for word in missing),
    )


def _frame(one: Asked, other: Asked) -> float:
    """How much of both wordings, words of asking and all, is the same, in [0, 1]."""
    mine = _content(one.text, one.language).every_stem
    theirs = _content(other.text, other.language).every_stem
    return 2 * len(mine & theirs) / max(1, len(mine) + len(theirs))


@lru_cache(maxsize=8_192)
def _content(text: str, language: str) -> _Content:
    given = analysis.words(text)[:_MOST_WORDS]
    stems = [_stem(word, language) for word in given]
    named_or_not = list(_named(given, stems, language))
    telling = [word for word, tells in named_or_not if tells] or [word for word, _ in named_or_not]
    words = tuple({word.stem: word for word in telling}.values())
    traces = frozenset[str]().union(*(word.grams | {f"={word.stem}"} for word in words))
    return _Content(words=words, traces=traces, every_stem=frozenset(stems))


def _named(given: Sequence[str], stems: Sequence[str], language: str) -> Iterator[tuple[_Word, bool]]:
    """Each word, several that are one name as one, and whether it tells what the question is about."""
    place = 0
    while place < len(given):
        name, length = named(stems, place, language) or (None, 1)
        if name is not None:
            yield _of_name(name), True
        else:
            yield _of_word(given[place], stems[place]), _tells(given[place], stems[place], language)
        place += length


def _of_name(name: Name) -> _Word:
    return _Word(stem=name.group, weight=name.weight, is_decisive=name.is_decisive, grams=frozenset())


def _of_word(word: str, stem: str) -> _Word:
    """Two numbers or article codes are never forms of one."""
    grams = frozenset[str]() if any(map(str.isdigit, word)) else frozenset(analysis.grams(word))
    return _Word(stem=stem, weight=1.0, is_decisive=False, grams=grams)


def _tells(word: str, stem: str, language: str) -> bool:
    nothing = frozenset[str]()
    said = word in FUNCTION_WORDS.get(language, nothing) or word in TALK.get(language, nothing)
    return not said and stem not in _ASKING_STEMS.get(language, nothing)


def _missing(words: Sequence[_Word], others: Sequence[_Word]) -> list[_Word]:
    return [word for word in words if not any(_is_same(word, other) for other in others)]


def _is_same(one: _Word, other: _Word) -> bool:
    if one.stem == other.stem:
        return True
    shared = len(one.grams & other.grams)
    return shared > 0 and shared >= SAME_WORD * len(one.grams | other.grams)


def _stem(word: str, language: str) -> str:
    return analysis.stem(word, language)[1]


def asking_words(language: str) -> frozenset[str]:
    """Words of asking itself, in this language."""
    return frozenset(analysis.words(_ASKING.get(language, "")))


_ASKING_STEMS: Mapping[str, frozenset[str]] = {
    language: frozenset(_stem(word, language) for word in analysis.words(listed))
    for language, listed in _ASKING.items()
}
