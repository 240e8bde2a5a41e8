"""An honest answer without a model: the best sentences of the fragments, quoted and cited."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import zip_longest

from retrieval_service.domain.answering.offers import offer
from retrieval_service.domain.answering.phrases import (
    named_question,
    offers_lead_in,
    part_not_found_text,
    quotes_lead_in,
)
from retrieval_service.domain.fragments import AnswerPart, Ending, FinishReason, Fragment, Prompt, TextPart
from retrieval_service.domain.quotation.asked_days import of_days_asked
from retrieval_service.domain.quotation.cited_quotes import cited, cited_title, marked
from retrieval_service.domain.quotation.quote_scoring import are_alike, score_quotes
from retrieval_service.domain.quotation.quotes import Quote, Source, quotes_of
from retrieval_service.domain.quotation.same_question import is_same_question
from retrieval_service.domain.quotation.table_rows import with_rows_asked
from retrieval_service.domain.verdicts import Verdict

MAX_ANSWER = 1_200
MAX_QUOTES = 4
MAX_QUOTES_OF_PRODUCT = 2

# A second document is quoted when retrieval is as sure of it, when it has twice the question's words, or when the
# first has so few of them that it may be the wrong one. Chosen on the demo shop's set; docs/answers.md has the figures.
_NEAR = 0.7
_EQUALLY_SURE = 0.97
_TWICE_THE_WORDS = 2.0
_DOUBTFUL = 0.4
_VERY_DOUBTFUL = 0.2
# A quote is worth adding when it comes this close to the best one, one of another document when it comes closer.
_LEAST_SHARE = 0.6
_LEAST_SHARE_ELSEWHERE = 0.7
_LEAST_SHARE_IN_LIST = 0.4
_ALIKE_SHARE = 0.7

_NEXT_LINE = "\n"
_NEXT_QUESTION = "\n\n"
_NEXT_ITEM = "\n- "

_ASKS_FOR_ADVICE = re.compile(
    r"посовет|порекоменд|рекоменду|подскажите как(?:ой|ую|ое|ие)|"
    r"что (?:лучше |бы )?(?:выбрать|взять|купить)|"
    r"\bкак(?:ой|ую|ое|ие)\b.*(?:лучше|выбрать|взять|брать|подойд|пить)|"
    r"recommend|suggest|\b(?:which|what)\b.*\b(?:best|should i|choose|to buy|to drink|good for)\b|"
    r"recomend|suger|me indica|\bqua(?:l|is)\b.*(?:melhor|escolh|compr|indica|tomar|beber)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class _Scored:
    quote: Quote
    score: float


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A document by its surest fragment and by its best quote."""

    document_id: str
    sureness: float
    score: float


class ExtractiveAnswerer:
    """Quotes stay in their own language; only the lead-in is in the question's."""

    name = "extractive"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[AnswerPart, None]:
        """The lead-in, then a sentence or an entry a part; no text where the fragments have none to quote."""
        pieces = prompt.listing or await asyncio.to_thread(_pieces, prompt)
        is_sure = prompt.verdict is Verdict.ANSWERS
        for text in pieces:
            yield TextPart(text=text)
        quoted = FinishReason.STOP if is_sure else FinishReason.NOT_SURE
        yield Ending(finish_reason=quoted if pieces else FinishReason.NO_RELEVANT_CONTENT)

    async def close(self) -> None:
        """Nothing is held open."""


def _pieces(prompt: Prompt) -> list[str]:
    if prompt.verdict is Verdict.NOTHING:
        return []
    return compose(prompt) if prompt.verdict is Verdict.ANSWERS else offer(prompt)


def compose(prompt: Prompt) -> list[str]:
    """The pieces of the answer; empty when the fragments hold no sentence at all.

    Of several questions each is answered in its turn, or said not to be.
    """
    lead_in = quotes_lead_in(prompt.language)
    if prompt.parts:
        return list(_of_several(prompt))
    budget = MAX_ANSWER - len(lead_in)
    lines = _answer(prompt.asked, prompt.language, prompt.fragments, budget, follow_up=prompt.follow_up)
    return [lead_in, *lines] if lines else []


def _of_several(prompt: Prompt) -> Iterator[str]:
    """Where one is sure and another is not, each stands under its question and under what it is."""
    answers = [
        _answer(part.question, prompt.language, part.fragments, MAX_ANSWER, said=part.said)
        for part in prompt.parts
    ]
    if not any(answers):
        return
    told = list(zip(prompt.parts, answers, strict=True))
    is_mixed = any(lines and not part.is_sure for part, lines in told)
    if not is_mixed:
        yield quotes_lead_in(prompt.language)
    for place, (part, lines) in enumerate(told):
        above = (_NEXT_QUESTION if place else "") if is_mixed else _NEXT_LINE
        if not lines:
            yield above + part_not_found_text(prompt.language, part.said)
            continue
        if is_mixed:
            lead_in = (quotes_lead_in if part.is_sure else offers_lead_in)(prompt.language)
            yield f"{above}{named_question(part.said)}{_NEXT_LINE}{lead_in}"
        yield from lines


def _answer(
    question: str,
    language: str,
    fragments: Sequence[Fragment],
    budget: int,
    *,
    said: str = "",
    follow_up: str = "",
) -> list[str]:
    """The lines that answer one question, of at most `budget` characters; it may be `said` in other words than read."""
    asked = {question, said}
    told = [_asked_above(quote, asked) for fragment in fragments for quote in quotes_of(fragment)]
    quotes = of_days_asked(question, told)
    scores = score_quotes(question, language, quotes)
    scored = [_Scored(quote=quote, score=score) for quote, score in zip(quotes, scores, strict=True)]
    is_list = _is_about_choosing(question, quotes)
    ranked = _ranked(_products(scored) if is_list else _near_the_best(scored))
    chosen = with_rows_asked(question, _choose(ranked, budget, is_list=is_list), quotes, budget, follow_up)
    return list(_lines(_in_reading_order(chosen), is_list=is_list))


def _asked_above(quote: Quote, asked: Set[str]) -> Quote:
    """Under the question that it answers, where that is another one than the customer's: a "Yes" is about that."""
    language = quote.fragment.language
    if not quote.question or any(is_same_question(one, quote.question, language) for one in asked):
        return quote
    return replace(quote, heading=quote.question)


def _near_the_best(scored: Sequence[_Scored]) -> list[_Scored]:
    """A model judges by itself what a fragment is worth; sentences quoted for a shared word do harm."""
    sources = _sources(scored)
    least = _NEAR * max((source.sureness for source in sources), default=0.0)
    near = [source for source in sources if source.sureness >= least]
    kept = {source.document_id for source in [*near[:1], *_beside_the_first(near)]}
    return [
        one for one in scored if one.quote.fragment.document_id in kept and one.quote.fragment.score >= least
    ]


def _beside_the_first(sources: Sequence[_Source]) -> list[_Source]:
    """The other documents to quote, of all by sureness: the less of the question the first has, the more."""
    if not sources:
        return []
    first, *others = sources
    likeliest = sorted(others, key=lambda source: -source.sureness * source.score)
    if first.score < _VERY_DOUBTFUL:
        return likeliest[:2]
    if first.score < _DOUBTFUL:
        return likeliest[:1]
    return [other for other in likeliest if _equals(first, other)][:1]


def _equals(first: _Source, other: _Source) -> bool:
    """Neighbours share some words with a question that the first document answers alone."""
    return other.sureness >= _EQUALLY_SURE * first.sureness or other.score >= _TWICE_THE_WORDS * first.score


def _sources(scored: Sequence[_Scored]) -> list[_Source]:
    """Surest first."""
    quotes: dict[str, list[_Scored]] = {}
    for one in scored:
        quotes.setdefault(one.quote.fragment.document_id, []).append(one)
    sources = [
        _Source(
            document_id=document_id,
            sureness=max(one.quote.fragment.score for one in several),
            score=max(one.score for one in several),
        )
        for document_id, several in quotes.items()
    ]
    return sorted(sources, key=lambda source: (-source.sureness, -source.score))


def _is_about_choosing(question: str, quotes: Sequence[Quote]) -> bool:
    products = {quote.fragment.number for quote in quotes if quote.source is Source.PRODUCT}
    return len(products) > 1 and bool(_ASKS_FOR_ADVICE.search(question))


def _products(scored: Sequence[_Scored]) -> list[_Scored]:
    return [candidate for candidate in scored if candidate.quote.source is Source.PRODUCT]


def _ranked(scored: Sequence[_Scored]) -> list[_Scored]:
    """Best first, but before all the best of the fragment that retrieval is surest of.

    It may say in other words what was asked; retrieval knows that, shared words do not.
    """
    ranked = sorted(scored, key=lambda candidate: -candidate.score)
    surest = max(
        ranked, key=lambda candidate: (candidate.quote.fragment.score, candidate.score), default=None
    )
    return [surest, *(candidate for candidate in ranked if candidate is not surest)] if surest else []


def _choose(ranked: Sequence[_Scored], budget: int, *, is_list: bool) -> list[Quote]:
    """The first of the ranked is taken whatever it is worth, the others when they come near the best."""
    best = max((candidate.score for candidate in ranked), default=0.0)
    chosen: list[Quote] = []
    for candidate in ranked:
        length = len(cited(candidate.quote)) + len(_NEXT_ITEM)
        if _is_in_a_unit(candidate.quote, chosen):
            continue
        least = best * (_LEAST_SHARE_IN_LIST if is_list else _least_share(candidate.quote, ranked[0].quote))
        is_wanted = not chosen or candidate.score >= least > 0
        if is_wanted and length <= budget and not _is_repetition(candidate.quote, chosen, is_list=is_list):
            chosen.append(candidate.quote)
            budget -= length
    return chosen[:MAX_QUOTES]


def _is_in_a_unit(quote: Quote, chosen: Sequence[Quote]) -> bool:
    """Whether the paragraph, list or answer that it stands in is quoted already."""
    same = (other for other in chosen if other.fragment.number == quote.fragment.number)
    return bool(quote.unit) and any(other.unit == quote.unit for other in same)


def _least_share(quote: Quote, first: Quote) -> float:
    is_elsewhere = quote.fragment.document_id != first.fragment.document_id
    return _LEAST_SHARE_ELSEWHERE if is_elsewhere else _LEAST_SHARE


def _is_repetition(quote: Quote, chosen: Sequence[Quote], *, is_list: bool) -> bool:
    same_product = [other for other in chosen if _is_same_product(quote, other)]
    allowed = 1 if is_list else MAX_QUOTES_OF_PRODUCT
    is_told = quote.is_told and bool(same_product)
    return (
        is_told
        or len(same_product) >= allowed
        or any(are_alike(quote, other, _ALIKE_SHARE) for other in chosen)
    )


def _is_same_product(quote: Quote, other: Quote) -> bool:
    return quote.source is Source.PRODUCT and quote.fragment.number == other.fragment.number


def _in_reading_order(chosen: Sequence[Quote]) -> list[Quote]:
    """Fragments by their best quote, and within each as it is written there."""
    ranks = {quote.fragment.number: rank for rank, quote in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda quote: (ranks[quote.fragment.number], quote.position))


def _lines(quotes: Sequence[Quote], *, is_list: bool) -> Iterator[str]:
    """What belongs to one product stays on one line, and a product is named once."""
    previous: Quote | None = None
    for quote, following in zip_longest(quotes, quotes[1:]):
        number = quote.fragment.number
        if previous and number == previous.fragment.number and not quote.unit:
            if not quote.is_told:
                yield f" {marked(quote.sentence, number)}"
        else:
            is_told = previous is not None and _have_one_heading(previous, quote)
            said = replace(quote, heading="") if is_told else quote
            if said.heading and quote.table and following and _have_one_heading(quote, following):
                yield _NEXT_LINE + cited_title(said.heading, number)
                said = replace(quote, heading="")
            yield f"{_NEXT_ITEM if is_list else _NEXT_LINE}{cited(said)}"
        previous = quote


def _have_one_heading(one: Quote, other: Quote) -> bool:
    """Whether the second goes on with the same answer or table."""
    is_same = one.fragment.number == other.fragment.number and one.heading == other.heading
    return (
        is_same
        and bool(one.question or one.table)
        and (one.question, one.table) == (other.question, other.table)
    )
