"""Whether what a product says is what was asked, or only the nearest of what it says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from retrieval_service.domain.answering.asked_prices import asks_price
from retrieval_service.domain.answering.follow_ups import only_names
from retrieval_service.domain.fragments import Fragment, Prompt, PromptPart
from retrieval_service.domain.quotation.asked_field import MOST_ASKED, Statement, telling
from retrieval_service.domain.quotation.quote_scoring import said_shares
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.text.words import stem, words

_LEAST_SAID = 0.5
# In standard deviations of unrelated texts. Measured on 44 questions for what a product does not tell, of which none
# comes so far, and on those of the dev half of benchmarks/answers for what one tells; docs/answers.md has the figures.
_LEAST_DISTINCTION = 2.5
_WORTH_OF_OWN = 0.5
# "in stock", like other short texts, is near to many questions.
_LEAST_AHEAD = 0.6
# The margin of fragments that the search is equally sure of.
_EQUALLY_SURE = 0.97


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """In standard deviations above unrelated texts: what was chosen, and the nearest name that the product has not.

    One that `is_told` is the price or the stock.
    """

    chosen: float
    other: float
    is_told: bool

    @property
    def is_clear(self) -> bool:
        ahead = _LEAST_AHEAD if self.is_told else -_WORTH_OF_OWN
        return self.chosen >= max(_LEAST_DISTINCTION, self.other + ahead)


def is_named(question: str, fragment: Fragment) -> bool:
    """Whether the question has a word of the product's name."""
    language = fragment.language
    called = {stem(word, language) for word in telling(fragment.title, language)}
    return any(stem(word, language) in called for word in words(question))


def asks_only_price(asked: str, language: str) -> bool:
    """ "How much is the", and neither "how much does it weigh" nor "how much is the wooden"."""
    return asks_price(asked) and not telling(asked, language)


def are_said(asked: str, language: str, chosen: Sequence[Statement]) -> bool:
    """Whether these say at least half of what is asked, in its words or with synonyms."""
    said = list(islice(dict.fromkeys(telling(asked, language)), MOST_ASKED))
    shares = said_shares(said, language, [f"{one.meaning}\n{one.sentence}" for one in chosen])
    best = [max(column) for column in zip(*shares, strict=True)]
    return bool(best) and sum(best) >= _LEAST_SAID * len(best)


def names_another(question: str, asked: str, language: str, chosen: Sequence[Statement]) -> bool:
    """ "Red umbrella", where the field that comes nearest says "blue": nothing but a price is asked, and words name."""
    said = list(islice(dict.fromkeys(telling(asked, language)), MOST_ASKED))
    shares = said_shares(said, language, [f"{one.meaning}\n{one.sentence}" for one in chosen])
    is_in_words = any(one.is_field and not any(map(str.isdigit, one.sentence)) for one in chosen)
    is_naming = only_names(question) or asks_price(question)
    return is_in_words and is_naming and not any(map(any, shares))


def of_another_name(labels: Iterable[str], language: str, statements: Sequence[Statement]) -> list[str]:
    """Without the labels that have a word of the name of one of these."""
    own = {stem(word, language) for one in statements for word in words(one.meaning)}
    return [label for label in labels if own.isdisjoint(stem(word, language) for word in words(label))]


def offered(part: PromptPart, unfounded: frozenset[int]) -> PromptPart:
    """The same, sure no more where only products of these numbers would be stated."""
    return replace(part, is_sure=part.is_sure and not is_from(part.fragments, unfounded))


def verdict_of(prompt: Prompt, unfounded: frozenset[int]) -> Verdict:
    """The verdict is `PERHAPS` when nothing is sure any more."""
    if prompt.verdict is not Verdict.ANSWERS:
        return prompt.verdict
    is_open = not any(part.is_sure for part in prompt.parts) and bool(prompt.parts)
    is_doubtful = is_open or (not prompt.parts and is_from(prompt.fragments, unfounded))
    return Verdict.PERHAPS if is_doubtful else Verdict.ANSWERS


def is_from(fragments: Sequence[Fragment], numbers: frozenset[int]) -> bool:
    """Whether there is nothing else that the search is as sure of."""
    best = max((one.score for one in fragments), default=0.0)
    surest = [one for one in fragments if one.score >= _EQUALLY_SURE * best]
    return bool(surest) and all(one.number in numbers for one in surest)
