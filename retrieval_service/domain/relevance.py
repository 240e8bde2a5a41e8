"""Weighs, by words and by meaning, how well passages answer a question, and whether any of them does at all.

Scores relative to the best hit cannot tell: the best of nothing is still the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from retrieval_service.domain import words as analysis
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.function_words import telling_words
from retrieval_service.domain.lexical import TermStatistics, indexed_text, stem_index, term_index
from retrieval_service.domain.quotes import quotes_of
from retrieval_service.domain.synonyms import synonyms
from retrieval_service.domain.wording import Term, Wording, term, wording


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A passage that was found; `similarity` is its cosine, None where that says nothing about the language."""

    fragment: Fragment
    heading: str
    similarity: float | None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Shares in [0, 1], words weighed by their rarity in the tenant.

    How much of the question stands in the passage, in its best sentence, in its title; how much title and
    question have in common, seen from the poorer side; how much of the question no document knows.
    """

    passage: float
    sentence: float
    title: float
    mutual: float
    unknown: float
    similarity: float | None


@dataclass(frozen=True, kw_only=True)
class _Weights:
    bias: float
    passage: float
    sentence: float
    title: float
    mutual: float
    unknown: float
    similarity: float


# Logistic regressions over the demo shop's labelled questions and questions of the test sets; cosines are those
# of all-MiniLM-L6-v2. docs/answers.md has what they reach on questions they were not fitted on.
_BY_WORDS = _Weights(
    bias=-2.65, passage=6.6, sentence=3.2, title=1.9, mutual=3.85, unknown=-3.4, similarity=0.0
)
_BY_MEANING = _Weights(
    bias=-4.1, passage=2.65, sentence=1.3, title=3.05, mutual=1.5, unknown=-2.05, similarity=7.75
)
# Which of several answers best: their places in the search's own ranking count too.
_ORDER = _Weights(bias=0.0, passage=2.5, sentence=2.2, title=1.9, mutual=3.8, unknown=0.0, similarity=24.0)
_PLACE = 5.0
_ENOUGH_REMOTE = 0.8

_CACHED_PASSAGES = 512


def weigh(question: str, candidates: Sequence[Candidate], statistics: TermStatistics) -> list[Evidence]:
    """One for each candidate, in their order."""
    texts = [
        wording(indexed_text(one.fragment.title, one.heading, one.fragment.text), one.fragment.language)
        for one in candidates
    ]
    asked = {
        language: _asked(question, language, statistics)
        for language in {one.fragment.language for one in candidates}
    }
    unknown = {language: _unknown(one, texts, statistics) for language, one in asked.items()}
    return [
        _evidence(one, text, asked[one.fragment.language], unknown[one.fragment.language], statistics)
        for one, text in zip(candidates, texts, strict=True)
    ]


def is_relevant(evidence: Evidence) -> bool:
    """Whether the passage has to do with the question at all."""
    weights = _BY_WORDS if evidence.similarity is None else _BY_MEANING
    return weights.bias + _weighed(evidence, weights) > 0


def is_relevant_remotely(score: float, evidence: Evidence) -> bool:
    """`score` is the provider's, in [0, 1], on a scale that we have not measured: it helps words that are there."""
    return is_relevant(evidence) or score + evidence.passage >= _ENOUGH_REMOTE


def standing(evidence: Evidence, score: float) -> float:
    """Higher is better, comparable within one question; `score` is the search's, in [0, 1]."""
    return _PLACE * score + _weighed(evidence, _ORDER)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """The telling words of a text as one language reads them, and how rare each is."""

    words: Sequence[str]
    terms: Sequence[Term]
    rarities: Sequence[float]
    language: str

    def share(self, text: Wording) -> float:
        """How much of it the text has."""
        whole = sum(self.rarities)
        pairs = zip(self.terms, self.rarities, strict=True)
        return sum(rarity * text.has(one) for one, rarity in pairs) / whole if whole else 0.0


def _asked(text: str, language: str, statistics: TermStatistics) -> _Asked:
    words = list(dict.fromkeys(telling_words(analysis.words(text), language)))
    indices = np.array([stem_index(word, language) for word in words], np.int32)
    rarities = statistics.stems.rarity(indices, statistics.chunk_count)
    terms = [term(word, language) for word in words]
    return _Asked(words=words, terms=terms, rarities=rarities.tolist(), language=language)


def _evidence(
    candidate: Candidate, text: Wording, asked: _Asked, unknown: float, statistics: TermStatistics
) -> Evidence:
    fragment = candidate.fragment
    said = _said(fragment.text, fragment.title, fragment.language)
    topic = said.topic or fragment.title
    forth = asked.share(wording(f"{topic} {candidate.heading}", fragment.language))
    back = _asked(topic, fragment.language, statistics).share(wording(_joined(asked), fragment.language))
    return Evidence(
        passage=asked.share(text),
        sentence=max((asked.share(sentence) for sentence in said.sentences), default=0.0),
        title=max(forth, back),
        mutual=min(forth, back),
        unknown=unknown,
        similarity=candidate.similarity,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Said:
    """The question or name above a passage, "" for none, and the wordings of its sentences."""

    topic: str
    sentences: tuple[Wording, ...]


@lru_cache(maxsize=_CACHED_PASSAGES)
def _said(text: str, title: str, language: str) -> _Said:
    fragment = Fragment(
        number=0, document_id="", chunk_id="", title=title, url="", text=text, language=language, score=0.0
    )
    quotes = quotes_of(fragment)
    return _Said(
        topic=quotes[0].topic.partition("\n")[0] if quotes else "",
        sentences=tuple(wording(quote.sentence or quote.text, language) for quote in quotes),
    )


def _joined(asked: _Asked) -> str:
    return " ".join(asked.words)


def _unknown(asked: _Asked, texts: Sequence[Wording], statistics: TermStatistics) -> float:
    whole = sum(asked.rarities)
    pairs = zip(asked.words, asked.rarities, strict=True)
    nowhere = sum(rarity for word, rarity in pairs if not _is_known(word, asked.language, texts, statistics))
    return nowhere / whole if whole else 1.0


def _is_known(word: str, language: str, texts: Sequence[Wording], statistics: TermStatistics) -> bool:
    others = [term_index(other, language) for other in synonyms(word, language)]
    indices = np.array([stem_index(word, language), stem_index(word, ""), *others], np.int32)
    return bool(statistics.stems.of(indices).any()) or any(text.has(term(word, language)) for text in texts)


def _weighed(evidence: Evidence, weights: _Weights) -> float:
    return (
        weights.passage * evidence.passage
        + weights.sentence * evidence.sentence
        + weights.title * evidence.title
        + weights.mutual * evidence.mutual
        + weights.unknown * evidence.unknown
        + weights.similarity * (evidence.similarity or 0.0)
    )
