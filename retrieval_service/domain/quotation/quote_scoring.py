"""How much of a question a quote speaks about, by its words: rarer ones among the quotes count more."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from retrieval_service.domain.quotation.quotes import Quote, Source
from retrieval_service.text.function_words import FUNCTION_WORDS, content_words
from retrieval_service.text.lexicon.synonyms import synonyms
from retrieval_service.text.words import grams, stem, words

# How much it helps that the question above an answer, or a product's name, has the word.
_TOPIC_WEIGHTS: Mapping[Source, float] = {Source.PRODUCT: 0.9, Source.FAQ: 0.9, Source.ARTICLE: 0.5}
# An answer says what matters first.
_TOPIC_FADES = 0.1
_LEAST_TOPIC_WEIGHT = 0.5
# Words that share this much of their letter groups are forms, misspellings or transliterations of one word.
_LEAST_LIKENESS = 0.5
_LIKENESS_WEIGHT = 0.7
_SHORTEST_ALIKE = 4
# Each word of the question is looked for in each sentence; what comes after so many asks for nothing new.
_MOST_ASKED = 64
_NUMBER_BONUS = 1.25
_CACHED_WORDS = 16_384

_ASKS_FOR_NUMBER = re.compile(
    r"\b(?:сколько|скок|поч[её]м|когда|цен[аыу]|до скольки|"
    r"как(?:ая|ой|ую) (?:сумм\w+|температур\w+|скидк\w+)|"
    r"how (?:much|many|long|soon|often)|when|price|cost|discount|"
    r"quant[oa]s?|qto|quando|pre[çc]o|custa|demora|desconto|temperatura)\b",
    re.IGNORECASE,
)
_LONGEST_WORD = 100
_LONGEST_TEXT = 2_000


def score_quotes(question: str, language: str, quotes: Sequence[Quote]) -> list[float]:
    """One score for each quote, 0 when it has no word in common with the question, about 1 when it has all."""
    asked = list(dict.fromkeys(content_words(words(question), [language])))[:_MOST_ASKED]
    likenesses = list(zip(*(_likenesses(asked, language, quote) for quote in quotes), strict=True))
    rarities = [_rarity(row) for row in likenesses]
    whole = sum(rarities) or 1.0
    weighed = [(rarity / whole, row) for rarity, row in zip(rarities, likenesses, strict=True)]
    wants_number = asks_for_number(question)
    best_fragment = max((quote.fragment.score for quote in quotes), default=0.0)
    return [
        sum(weight * row[place] for weight, row in weighed)
        * _standing(quote, best_fragment)
        * (_NUMBER_BONUS if wants_number and any(map(str.isdigit, quote.text)) else 1.0)
        for place, quote in enumerate(quotes)
    ]


def asks_for_number(question: str) -> bool:
    return _ASKS_FOR_NUMBER.search(question) is not None


def said_shares(asked: Sequence[str], language: str, texts: Sequence[str]) -> list[list[float]]:
    """For each text how much of each word it says, in [0, 1]; all in one language.

    Only the beginnings of texts and words count, and the first words: what comes after them is said by none.
    """
    said = [word[:_LONGEST_WORD] for word in asked[:_MOST_ASKED]]
    unread = [0.0] * (len(asked) - len(said))
    shares = ([_likeness(word, language, text[:_LONGEST_TEXT], language) for word in said] for text in texts)
    return [row + unread for row in shares]


def are_alike(one: Quote, other: Quote, least_share: float) -> bool:
    """Whether so much of the shorter one's words is in the other one."""
    mine, others = (_stems(quote.sentence, quote.fragment.language) for quote in (one, other))
    shorter = min(len(mine), len(others))
    return shorter > 0 and len(mine & others) >= least_share * shorter


def _likenesses(asked: Sequence[str], language: str, quote: Quote) -> list[float]:
    """From 0 to 1 for each word: the sentence itself counts more than its topic."""
    return [
        max(
            _likeness(word, language, quote.sentence, quote.fragment.language),
            _topic_weight(quote) * _likeness(word, language, quote.topic, quote.fragment.language),
        )
        for word in asked
    ]


def _topic_weight(quote: Quote) -> float:
    weight = _TOPIC_WEIGHTS[quote.source]
    if quote.source is Source.FAQ:
        return max(_LEAST_TOPIC_WEIGHT, weight - _TOPIC_FADES * quote.position)
    return weight


def _rarity(likenesses: Sequence[float]) -> float:
    return math.log(1 + len(likenesses) / (1 + sum(likenesses)))


def _standing(quote: Quote, best_fragment: float) -> float:
    """Half is the words', half is where retrieval put the fragment."""
    return 0.4 + 0.6 * quote.fragment.score / best_fragment if best_fragment > 0 else 1.0


def _likeness(word: str, language: str, text: str, text_language: str) -> float:
    stemming = text_language or language
    if stem(word, stemming)[1] in _stems(text, stemming):
        return 1.0
    if synonyms(word, stemming) & _stems(text, stemming):
        return _LIKENESS_WEIGHT
    if len(word) < _SHORTEST_ALIKE:
        return 0.0
    best = max((_shared(_grams(word), _grams(other)) for other in _long_words(text, stemming)), default=0.0)
    return _LIKENESS_WEIGHT * best if best >= _LEAST_LIKENESS else 0.0


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))


@lru_cache(maxsize=256)
def _stems(text: str, language: str) -> frozenset[str]:
    return frozenset(stem(word, language)[1] for word in words(text))


@lru_cache(maxsize=256)
def _long_words(text: str, language: str) -> frozenset[str]:
    dropped = FUNCTION_WORDS.get(language, frozenset())
    return frozenset(word for word in words(text) if len(word) >= _SHORTEST_ALIKE and word not in dropped)


@lru_cache(maxsize=_CACHED_WORDS)
def _grams(word: str) -> frozenset[str]:
    return frozenset(grams(word))
