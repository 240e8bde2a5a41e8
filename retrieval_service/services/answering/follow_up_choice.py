"""Chooses the hits that fit a follow-up best: by its own words, then by the conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from retrieval_service.domain.answering.asked_prices import tells_price
from retrieval_service.domain.answering.conversation import FollowUp
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.services.answering.question_splitting import Gathered
from retrieval_service.services.retrieval.relevance import Sifted, Support
from retrieval_service.services.retrieval.retriever import Retriever
from retrieval_service.services.retrieval.search import Hit

# Of a follow-up's own words, by their rarity: what a passage has to have.
LEAST_SUPPORT = 0.3
LEAST_SHARE_OF_BEST = 0.85
# Beside its own words: its title tells more than its text, and what was answered last more than what was asked.
TITLE_SHARE = 0.5
ANSWERED_SHARE = 0.5
ASKED_SHARE = 0.25
# How much of what the answer before was called another passage has that is about the same.
LEAST_OF_SUBJECT = 0.5
# How much better it has to fit than what leads already; and a town without this much of the conversation may be the
# name of something else.
LEAST_GAIN = 0.15
LEAST_CONTEXT = 0.2


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """A hit, how much of the follow-up's own words it has, of what was answered last, and of what was asked."""

    hit: Hit
    own: Support
    answered: Support
    asked: Support

    @property
    def context(self) -> float:
        return ANSWERED_SHARE * _whole(self.answered) + ASKED_SHARE * _whole(self.asked)

    @property
    def worth(self) -> float:
        return self.own.passage + TITLE_SHARE * self.own.title + self.context


def _whole(support: Support) -> float:
    """Compares titles: long documents have too many words."""
    return (support.passage + support.title) / 2


async def fitting(
    retriever: Retriever, tenant_id: UUID, gathered: Gathered, others: Iterable[Gathered], reading: FollowUp
) -> Gathered:
    """What was gathered, led by the passage of it or of `others` that fits better than its first.

    What says nothing of its own ("until when?") is no question about another thing: that is only offered.
    """
    if reading.asks_price and not reading.own_words and not _tells_price(gathered):
        return replace(gathered, sifted=Sifted(), askings=())
    fitted = await _fitted(retriever, tenant_id, gathered, others, reading)
    hits = fitted.sifted.hits[:1]
    if reading.own_words or not (reading.title and fitted.sifted.answers):
        return fitted
    supports = await retriever.supports(tenant_id, hits, reading.title)
    is_same = any(hit.passage.title == reading.title for hit in hits)
    if is_same or (supports and supports[0].passage >= LEAST_OF_SUBJECT):
        return fitted
    return replace(fitted, sifted=replace(fitted.sifted, verdict=Verdict.PERHAPS), askings=())


async def _fitted(
    retriever: Retriever, tenant_id: UUID, gathered: Gathered, others: Iterable[Gathered], reading: FollowUp
) -> Gathered:
    hits = {hit.passage.chunk_id: hit for one in (gathered, *others) for hit in one.found.hits}
    if reading.keeps_subject and gathered.sifted.answers and not gathered.askings:
        return gathered
    if gathered.askings or not (reading.asked and hits):
        return gathered
    fits = await _fits(retriever, tenant_id, list(hits.values()), reading)
    if not reading.own_words:  # the same is asked of many things
        fits = of_the_same(fits)
    if reading.has_proper_name:
        fits = [one for one in fits if one.context >= LEAST_CONTEXT]
    most = max((one.own.passage for one in fits), default=0.0)
    equals = [one for one in fits if one.own.passage >= LEAST_SHARE_OF_BEST * most]
    if most < LEAST_SUPPORT:
        return gathered
    best = max(equals, key=lambda one: one.worth)
    first = gathered.sifted.hits[0].passage.chunk_id if gathered.sifted.hits else None
    is_first = next((one for one in equals if one.hit.passage.chunk_id == first), None)
    if is_first and best.worth - is_first.worth < LEAST_GAIN:
        return gathered
    is_sure = gathered.sifted.answers or best.own.passage >= LEAST_SHARE_OF_BEST
    verdict = Verdict.ANSWERS if is_sure else gathered.sifted.verdict
    return replace(gathered, sifted=replace(gathered.sifted, hits=[best.hit], verdict=verdict))


def _tells_price(gathered: Gathered) -> bool:
    return any(tells_price(f"{hit.passage.title}\n{hit.passage.text}") for hit in gathered.sifted.hits)


def of_the_same(fits: Sequence[_Fit]) -> list[_Fit]:
    """Those that are about what was spoken of before."""
    most = max(_whole(one.answered) for one in fits)
    return [one for one in fits if _whole(one.answered) >= LEAST_SHARE_OF_BEST * most]


async def _fits(retriever: Retriever, tenant_id: UUID, hits: Sequence[Hit], reading: FollowUp) -> list[_Fit]:
    own = await retriever.supports(tenant_id, hits, reading.asked)
    answered = await retriever.supports(tenant_id, hits, reading.title)
    asked = await retriever.supports(tenant_id, hits, reading.subject)
    return [
        _Fit(hit=hit, own=one, answered=two, asked=three)
        for hit, one, two, three in zip(hits, own, answered, asked, strict=True)
    ]
