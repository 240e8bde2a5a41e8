"""Weighs, by words and by meaning, how well passages answer a question, and whether any of them does at all.

Scores relative to the best hit cannot tell: the best of nothing is still the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import islice

import numpy as np

from retrieval_service.domain.documents.entries import Field
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.indexing.lexical import (
    Indices,
    TermStatistics,
    indexed_text,
    stem_index,
    term_index,
)
from retrieval_service.domain.quotation.quotes import quotes_of
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.text import words as analysis
from retrieval_service.text.facts.numbers import numbers_of
from retrieval_service.text.function_words import telling_words
from retrieval_service.text.lexicon.wording import SAME_WORD, Term, Wording, term, wording
from retrieval_service.text.named_things import has_digit, naming_words, numbers_said


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A passage that was found; `closeness` is by its model's scale, None where that says nothing about the language.

    `reads_well` is of the scale, and `distinction` too: None where the scale has no measure of it.
    """

    fragment: Fragment
    heading: str
    closeness: float | None
    reads_well: bool = False
    distinction: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Shares in [0, 1], words weighed by their rarity in the tenant.

    How much of the question stands in the passage, in its best sentence, in its title; how much title and
    question have in common, seen from the poorer side; how much of the question no document knows; how heavy the
    heaviest word is that the passage lacks, beside the heaviest of all. `lacks_name`: what the question names, by a
    number or a capital letter, does not stand in the passage.
    """

    passage: float
    sentence: float
    title: float
    mutual: float
    unknown: float
    closeness: float | None
    reads_well: bool = False
    distinction: float | None = None
    lacks: float = 0.0
    lacks_name: bool = False


@dataclass(frozen=True, kw_only=True)
class _Weights:
    bias: float
    passage: float
    sentence: float
    title: float
    mutual: float
    unknown: float
    closeness: float


# Logistic regressions over the demo shop's labelled questions and questions of the test sets; cosines are those
# of all-MiniLM-L6-v2. docs/answers.md has what they reach on questions they were not fitted on.
_BY_WORDS = _Weights(
    bias=-2.65, passage=6.6, sentence=3.2, title=1.9, mutual=3.85, unknown=-3.4, closeness=0.0
)
_BY_MEANING = _Weights(
    bias=-4.1, passage=2.65, sentence=1.3, title=3.05, mutual=1.5, unknown=-2.05, closeness=7.75
)
# Of models that read every language: over the half of benchmarks/answers that may be looked at. Beside what such a
# model understands, the words that a passage has tell little; those that it lacks tell a neighbour of what was asked.
_BY_CLOSENESS = _Weights(
    bias=-2.25, passage=0.8, sentence=0.0, title=0.0, mutual=0.0, unknown=0.0, closeness=4.43
)
_DISTINCT_ENOUGH = 2.6
_ODDS_OF_A_DEVIATION = 0.88
_ODDS_OF_A_WORD = 1.31
_ODDS_OF_A_NAME = 1.65
# Which of several answers best: their places in the search's own ranking count too.
_ORDER = _Weights(bias=0.0, passage=2.5, sentence=2.2, title=1.9, mutual=3.8, unknown=0.0, closeness=24.0)
_ORDER_BY_CLOSENESS = _Weights(
    bias=0.0, passage=2.5, sentence=2.2, title=1.9, mutual=3.8, unknown=0.0, closeness=13.0
)
_PLACE = 5.0
_ENOUGH_REMOTE = 0.8
# A certainty above these answers, or perhaps helps; and a distinction above this may help whatever is lacking, but for
# what the question names: then one that would answer if all words were there.
_ANSWERS = 0.0
_PERHAPS = -2.0
_DISTINCT = 2.1
# What is in another language than the question, beside documents in that one, is offered above this. Of 15 questions
# of the dev half of benchmarks/answers in another language than all documents, the right one lies above it for 6.
_CLEARLY_DISTINCT = 3.6
_NOTHING_KNOWN = 0.999
# And above this one a model may find an answer that words and meaning do not show.
_READABLE = -4.0

_CACHED_PASSAGES = 512
# Each is looked for in each passage; what comes after so many asks for nothing new.
_MOST_TELLING = 128


def weigh(question: str, candidates: Sequence[Candidate], statistics: TermStatistics) -> list[Evidence]:
    """One for each candidate, in their order."""
    passages = [
        _passage(
            one.fragment.title, one.heading, one.fragment.text, one.fragment.language, one.fragment.fields
        )
        for one in candidates
    ]
    asked = {
        language: _asked(_telling(question, language), statistics)
        for language in {one.fragment.language for one in candidates}
    }
    unknown = {language: _unknown(one, passages, statistics) for language, one in asked.items()}
    named = _Named(words=naming_words(question), numbers=numbers_said(question))
    return [
        _evidence(one, passage, asked[passage.language], unknown[passage.language], named, statistics)
        for one, passage in zip(candidates, passages, strict=True)
    ]


def certainty(evidence: Evidence) -> float:
    """Log-odds that the passage has to do with the question, comparable between questions."""
    if evidence.distinction is not None:
        surplus = _ODDS_OF_A_DEVIATION * (evidence.distinction - _DISTINCT_ENOUGH)
        return surplus - _ODDS_OF_A_WORD * evidence.lacks - _ODDS_OF_A_NAME * evidence.lacks_name
    by_meaning = _BY_CLOSENESS if evidence.reads_well else _BY_MEANING
    weights = _BY_WORDS if evidence.closeness is None else by_meaning
    return weights.bias + _weighed(evidence, weights)


def verdict_of(evidence: Evidence) -> Verdict:
    """Whether the passage answers the question, perhaps helps, or has nothing to do with it."""
    sure = certainty(evidence)
    if sure > _ANSWERS:
        return Verdict.ANSWERS
    if has_all(evidence):
        return Verdict.PERHAPS
    if evidence.distinction is None:
        may_help = sure > _PERHAPS
    else:
        may_help = evidence.distinction > (_DISTINCT_ENOUGH if evidence.lacks_name else _DISTINCT)
    return Verdict.PERHAPS if may_help else Verdict.NOTHING


def has_all(evidence: Evidence) -> bool:
    """Whether every word that tells of something stands in the passage: a model of meaning makes little of one word."""
    return not (evidence.lacks or evidence.lacks_name or evidence.unknown)


def may_be_shown(evidence: Evidence, *, is_brief: bool, is_foreign: bool, is_choice: bool) -> bool:
    """Whether what perhaps helps is near enough to be offered.

    It has to be nearer where no document has a word of a question that `is_brief`, and nearest where it `is_foreign`,
    in another language than the question, though there `is_choice` of documents in that one.
    """
    if evidence.distinction is None or has_all(evidence):
        return True
    if is_foreign:
        return not is_choice or evidence.distinction > _CLEARLY_DISTINCT
    return not is_brief or evidence.unknown < _NOTHING_KNOWN or evidence.distinction > _DISTINCT_ENOUGH


def is_readable(evidence: Evidence) -> bool:
    """Whether a model is to read the passage, whatever the verdict."""
    return certainty(evidence) > _READABLE


def remote_verdict_of(score: float, evidence: Evidence) -> Verdict:
    """`score` is the provider's, in [0, 1], on a scale that we have not measured: it helps words that are there."""
    return Verdict.ANSWERS if score + evidence.passage >= _ENOUGH_REMOTE else verdict_of(evidence)


def standing(evidence: Evidence, score: float) -> float:
    """Higher is better, comparable within one question; `score` is the search's, in [0, 1]."""
    return _PLACE * score + _weighed(evidence, _ORDER_BY_CLOSENESS if evidence.reads_well else _ORDER)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Telling:
    """The telling words of a text as one language reads them, and their stems as the statistics know them."""

    words: tuple[str, ...]
    terms: tuple[Term, ...]
    indices: Indices
    language: str


def _telling(text: str, language: str) -> _Telling:
    words = tuple(islice(dict.fromkeys(telling_words(analysis.words(text), language)), _MOST_TELLING))
    return _Telling(
        words=words,
        terms=tuple(term(word, language) for word in words),
        indices=np.array([stem_index(word, language) for word in words], np.int32),
        language=language,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
    """What a question tells, all of it as something to be told too, and how rare each word is."""

    said: _Telling
    wording: Wording
    rarities: Sequence[float]
    whole: float


def _asked(said: _Telling, statistics: TermStatistics) -> _Asked:
    rarities = statistics.stems.rarity(said.indices, statistics.chunk_count).tolist()
    joined = wording((" ".join(said.words),), said.language)
    return _Asked(said=said, wording=joined, rarities=rarities, whole=sum(rarities))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Passage:
    """`wording` is of all that is indexed, of topic and heading, and of each sentence.

    The topic is the question or the name above the passage, its title where there is none.
    """

    language: str
    topic: _Telling
    wording: Wording
    indexed: str

    @cached_property
    def numbers(self) -> frozenset[Decimal]:
        """In figures and in words; read only where a question says one."""
        return frozenset(value for number in numbers_of(self.indexed) for value in number.values)


@dataclass(frozen=True, kw_only=True)
class _Named:
    """The words of a question that name one thing among many, and those that say a number, with the number."""

    words: frozenset[str]
    numbers: Mapping[str, Decimal]


@lru_cache(maxsize=_CACHED_PASSAGES)
def _passage(title: str, heading: str, text: str, language: str, fields: tuple[Field, ...]) -> _Passage:
    fragment = Fragment(
        number=0,
        document_id="",
        chunk_id="",
        title=title,
        url="",
        text=text,
        language=language,
        score=0.0,
        fields=fields,
    )
    quotes = quotes_of(fragment)
    topic = (quotes[0].topic.partition("\n")[0] if quotes else "") or title
    sentences = [quote.sentence or quote.text for quote in quotes]
    indexed = indexed_text(title, heading, text)
    return _Passage(
        language=language,
        topic=_telling(topic, language),
        wording=wording([indexed, f"{topic} {heading}", *sentences], language),
        indexed=indexed,
    )


def _evidence(
    candidate: Candidate,
    passage: _Passage,
    asked: _Asked,
    unknown: float,
    named: _Named,
    statistics: TermStatistics,
) -> Evidence:
    indexed, forth, *sentences = _shares(asked, passage.wording)
    lacking = _lacking(asked, passage, named.numbers)
    back = _back(passage.topic, asked, statistics)
    return Evidence(
        passage=indexed,
        sentence=max(sentences, default=0.0),
        title=max(forth, back),
        mutual=min(forth, back),
        unknown=unknown,
        closeness=candidate.closeness,
        reads_well=candidate.reads_well,
        distinction=candidate.distinction,
        lacks=max(lacking.values(), default=0.0) / max(asked.rarities, default=1.0),
        lacks_name=any(word in named.words or word in named.numbers for word in lacking),
    )


def _lacking(asked: _Asked, passage: _Passage, numbers: Mapping[str, Decimal]) -> dict[str, float]:
    """How rare each word of the question is that the passage lacks; a number is lacking unless it stands there."""
    return {
        word: rarity
        for word, one, rarity in zip(asked.said.words, asked.said.terms, asked.rarities, strict=True)
        if not (
            next(iter(passage.wording.has(one)), 0.0)
            >= (1.0 if has_digit(word) or word in numbers else SAME_WORD)
            or (word in numbers and numbers[word] in passage.numbers)
        )
    }


def _shares(asked: _Asked, texts: Wording) -> list[float]:
    """How much of the question each of the texts has."""
    sums = [0.0] * len(texts.parts)
    for one, rarity in zip(asked.said.terms, asked.rarities, strict=True):
        for place, share in enumerate(texts.has(one)):
            sums[place] += rarity * share
    return [one / asked.whole for one in sums] if asked.whole else sums


def _back(topic: _Telling, asked: _Asked, statistics: TermStatistics) -> float:
    """How much of the topic the question has; rarities are looked up only where it has any of it."""
    shares = [share for one in topic.terms for share in asked.wording.has(one) or (0.0,)]
    if not any(shares):
        return 0.0
    rarities = statistics.stems.rarity(topic.indices, statistics.chunk_count).tolist()
    whole = sum(rarities)
    pairs = zip(rarities, shares, strict=True)
    return sum(rarity * share for rarity, share in pairs) / whole if whole else 0.0


def _unknown(asked: _Asked, passages: Sequence[_Passage], statistics: TermStatistics) -> float:
    known = statistics.stems.of(asked.said.indices).tolist()
    nowhere = sum(
        rarity
        for word, rarity, count in zip(asked.said.words, asked.rarities, known, strict=True)
        if not (count or _is_known(word, asked.said.language, passages, statistics))
    )
    return nowhere / asked.whole if asked.whole else 1.0


def _is_known(word: str, language: str, passages: Sequence[_Passage], statistics: TermStatistics) -> bool:
    """Unstemmed, by another name or by a similar spelling."""
    one = term(word, language)
    others = [term_index(other, language) for other in one.synonyms]
    indices = np.array([stem_index(word, ""), *others], np.int32)
    return bool(statistics.stems.of(indices).any()) or any(
        any(passage.wording.has(one)[:1]) for passage in passages
    )


def _weighed(evidence: Evidence, weights: _Weights) -> float:
    return (
        weights.passage * evidence.passage
        + weights.sentence * evidence.sentence
        + weights.title * evidence.title
        + weights.mutual * evidence.mutual
        + weights.unknown * evidence.unknown
        + weights.closeness * (evidence.closeness or 0.0)
    )
