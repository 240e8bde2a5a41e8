"""Chooses from the hits of a search what to answer from or to offer; none when nothing is relevant."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from retrieval_service.domain.answering.asked_prices import asks_price, tells_price
from retrieval_service.domain.answering.follow_ups import only_names, own_words
from retrieval_service.domain.documents.product_sizes import size_stances, without_sizes
from retrieval_service.domain.documents.special_days import day_stances
from retrieval_service.domain.indexing.lexical import TermStatistics
from retrieval_service.domain.indexing.spaces import Scale
from retrieval_service.domain.retrieval.backends import Backend
from retrieval_service.domain.retrieval.named_things import are_of_others
from retrieval_service.domain.retrieval.relevance import (
    Candidate,
    Evidence,
    certainty,
    has_all,
    is_readable,
    may_be_shown,
    remote_verdict_of,
    standing,
    verdict_of,
    weigh,
)
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.services.retrieval.references import numbered, stored_fields
from retrieval_service.services.retrieval.search import Found, Hit
from retrieval_service.services.retrieval.term_statistics import Weigher
from retrieval_service.text import words as analysis
from retrieval_service.text.facts.days import days_of, without_days
from retrieval_service.text.polarity import Stance, named, stances, without_wishes

# How many of the best hits are weighed for an answer, whose first word is waited for; and how far behind the best one
# a hit may be to be answered from.
WEIGHED = 10
LEAST_SHARE_OF_BEST = 0.5
PASSAGES_OF_ONE_DOCUMENT = 2
REMEMBERED_QUESTIONS = 200
# How far before the best of the others that stands which says itself what is wished.
_AHEAD = 1.01
# How much of the rest of a question for "today" stands in a title that asks the same; a synonym counts so much.
_CALLED_SO = 0.8
# "As df", "xyz": what has no more words may be none at all.
_MOST_WORDS_OF_A_CRY = 3
# Only products have opposites to choose from.
PRODUCT = "product"


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """A hit and what speaks for it; a higher standing is better. One that is not `may_answer` may help at best.

    One that `tells_hours` answers whatever the model makes of its few words.
    """

    hit: Hit
    evidence: Evidence
    standing: float
    may_answer: bool = True
    tells_hours: bool = False

    @property
    def verdict(self) -> Verdict:
        verdict = Verdict.ANSWERS if self.tells_hours else verdict_of(self.evidence)
        return verdict if self.may_answer or verdict is not Verdict.ANSWERS else Verdict.PERHAPS


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """The hits to answer from, or to offer, as the verdict says, best first; none when they promise nothing.

    `certainty` is the log-odds that the best has to do with the question. `faint` are those that promise nothing, and
    that a model may read all the same; none where there are hits.
    """

    hits: Sequence[Hit] = ()
    certainty: float = -math.inf
    verdict: Verdict = Verdict.NOTHING
    faint: Sequence[Hit] = ()

    @property
    def answers(self) -> bool:
        return self.verdict is Verdict.ANSWERS


@dataclass(frozen=True, kw_only=True)
class Support:
    """How much of some words a passage has, how much its title, and how much no document knows; all in [0, 1]."""

    passage: float = 1.0
    title: float = 1.0
    unknown: float = 0.0


class Sifter:
    """Judges by raw scores, which tell whether there is anything at all; scores of two backends differ."""

    def __init__(self, weigher: Weigher) -> None:
        self._weigher = weigher

    async def relevant(self, tenant_id: UUID, found: Found, text: str, *, most: int = WEIGHED) -> Sifted:
        """What of a search may be answered from or offered; no more than `most` hits are weighed.

        A text without a word asks for nothing.
        """
        if not analysis.words(found.read_as or text):
            return Sifted()
        if found.backend is Backend.OPENAI:
            return await self.remotely_relevant(tenant_id, found.hits, text)
        weights = await self._weigher.latest(tenant_id)
        text = found.read_as or text
        found = replace(found, hits=found.hits[:most])
        return await asyncio.to_thread(relevant, text, found, weights.statistics)

    async def remotely_relevant(self, tenant_id: UUID, hits: Sequence[Hit], text: str) -> Sifted:
        """The same of what a provider found, in its order."""
        weights = await self._weigher.weights(tenant_id)
        return await asyncio.to_thread(relevant_remotely, text, hits, weights.statistics)

    async def supports(self, tenant_id: UUID, hits: Sequence[Hit], words: str) -> list[Support]:
        """What each hit knows of a part of the question; all of it where there is nothing to look for."""
        if not (hits and words):
            return [Support() for _ in hits]
        weights = await self._weigher.latest(tenant_id)
        judged = await asyncio.to_thread(weighed, words, hits, weights.statistics)
        return [
            Support(passage=one.evidence.passage, title=one.evidence.title, unknown=one.evidence.unknown)
            for one in judged
        ]


def relevant(text: str, found: Found, statistics: TermStatistics) -> Sifted:
    """Best first, scores relative to the best. A model that does not declare the language is not heard."""
    judged = weighed(text, found.hits, statistics, scale=scale_of(found), language=found.language)
    fitting = as_sized(text, as_wished(text, judged, statistics, found), statistics, found)
    fitting = as_named(text, as_asked(text, as_dated(text, fitting, statistics, found)))
    ranked = sorted(fitting, key=lambda one: -one.standing)
    told = ranked
    if not (ranked and ranked[0].verdict is Verdict.ANSWERS):
        told = to_offer(
            [one for one in ranked if one.verdict is not Verdict.NOTHING], judged, text, found.language
        )
    if not told:
        return Sifted(faint=nearest([one for one in ranked if is_readable(one.evidence)]))
    verdict = Verdict.ANSWERS if told is ranked else Verdict.PERHAPS
    return Sifted(hits=nearest(told), certainty=certainty(told[0].evidence), verdict=verdict)


def relevant_remotely(text: str, hits: Sequence[Hit], statistics: TermStatistics) -> Sifted:
    """In the provider's own order."""
    best = weighed(text, hits[:WEIGHED], statistics)
    verdict = best_of(remote_verdict_of(one.hit.score, one.evidence) for one in best)
    near = varied([hit for hit in hits if hit.score >= LEAST_SHARE_OF_BEST * hits[0].score])
    if verdict is Verdict.NOTHING:
        return Sifted(faint=near if any(is_readable(one.evidence) for one in best) else ())
    return Sifted(hits=near, certainty=max(certainty(one.evidence) for one in best), verdict=verdict)


def best_of(verdicts: Iterable[Verdict]) -> Verdict:
    """The highest verdict of the hits."""
    return min(verdicts, key=list(Verdict).index, default=Verdict.NOTHING)


def scale_of(found: Found) -> Scale | None:
    """None where the model behind the similarities does not declare the question's language."""
    space = found.space
    is_understood = space is not None and (not space.languages or found.language in space.languages)
    return space.scale if space and is_understood else None


def weighed(
    text: str,
    hits: Sequence[Hit],
    statistics: TermStatistics,
    *,
    scale: Scale | None = None,
    language: str = "",
) -> list[Weighed]:
    """Without a `scale` the similarities are not heard; `language` is the question's."""
    candidates = [
        Candidate(
            fragment=fragment,
            heading=hit.passage.heading,
            closeness=scale.closeness(hit.similarity or 0.0) if scale else None,
            reads_well=scale.reads_well if scale else False,
            distinction=(
                scale.distinction(hit.similarity or 0.0, language, fragment.language) if scale else None
            ),
        )
        for hit, fragment in zip(hits, numbered(hits), strict=True)
    ]
    evidence = weigh(text, candidates, statistics)
    return [
        Weighed(hit=hit, evidence=one, standing=standing(one, hit.score))
        for hit, one in zip(hits, evidence, strict=True)
    ]


def nearest(ranked: Sequence[Weighed]) -> list[Hit]:
    """The best and those near it, scores relative to the best."""
    best = max((one.standing for one in ranked), default=0.0)
    near = [one for one in ranked if one.standing >= LEAST_SHARE_OF_BEST * best]
    return varied(
        [replace(one.hit, score=min(1.0, one.standing / best if best > 0 else 1.0)) for one in near]
    )


def as_wished(
    text: str, judged: Sequence[Weighed], statistics: TermStatistics, found: Found
) -> list[Weighed]:
    """Where products are wanted with or without something: those that say so first, and none that says the opposite.

    One that does not speak of what is not wanted may help, by the rest of the question, and so may those of the
    opposite where nothing else is left. Who names a product may well ask what it is not.
    """
    products = [one for one in judged if one.hit.passage.source_type == PRODUCT]
    language = _usual_language(products)
    said = [f"{one.hit.passage.title}\n{one.hit.passage.text}" for one in products]
    titles = [one.hit.passage.title for one in products]
    told = zip(products, stances(text, said, language), named(text, titles, language), strict=True)
    stance_of = {
        one.hit.passage.chunk_id: Stance.FREE if is_named and stance is Stance.OPPOSES else stance
        for one, stance, is_named in told
    }
    rest = without_wishes(text, language)
    pairs = [
        _told(one, stance_of.get(one.hit.passage.chunk_id, Stance.FREE), rest, statistics, found)
        for one in judged
    ]
    is_choice = any(
        stance is not Stance.OPPOSES and one.verdict is not Verdict.NOTHING
        for one, stance in pairs
        if one.hit.passage.chunk_id in stance_of
    )
    best = max((one.standing for one, _ in pairs), default=0.0)
    kept = [pair for pair in pairs if not (is_choice and pair[1] is Stance.OPPOSES)]
    return [_placed(one, stance, best) for one, stance in kept]


def as_asked(text: str, judged: Sequence[Weighed]) -> list[Weighed]:
    """Where a price is asked, what tells none may help at best, behind what answers; all, where nothing is named."""
    if not asks_price(text):
        return list(judged)
    if not own_words(text):
        return [replace(one, may_answer=False) for one in judged]
    best = max((one.standing for one in judged), default=0.0)
    return [_priced(one, best) for one in judged]


def as_named(text: str, judged: Sequence[Weighed]) -> list[Weighed]:
    """What is about another thing than the one that is named may help at best.

    So may all, where a message only names something, and no document knows a word of it.
    """
    titles = [one.hit.passage.title for one in judged if one.hit.passage.source_type == PRODUCT]
    told = [(one.hit.passage.title, one.hit.passage.text) for one in judged]
    language = judged[0].hit.passage.language if judged else ""
    of_others = are_of_others(text, titles, told, language)
    # A part of a code is no word that a document has, and is found all the same.
    names = only_names(text) and not any(map(str.isdigit, text))
    return [
        replace(one, may_answer=False) if is_other or (names and one.evidence.unknown > 0) else one
        for one, is_other in zip(judged, of_others, strict=True)
    ]


def _priced(one: Weighed, best: float) -> Weighed:
    if not tells_price(f"{one.hit.passage.title}\n{one.hit.passage.text}"):
        return replace(one, may_answer=False)
    return replace(one, standing=one.standing + best) if one.verdict is Verdict.ANSWERS else one


def _told(
    one: Weighed, stance: Stance, rest: str, statistics: TermStatistics, found: Found
) -> tuple[Weighed, Stance]:
    """What does not speak of what is not wanted is weighed by the rest of the question."""
    if stance is not Stance.OPEN or not rest:
        return one, stance
    scale = scale_of(found)
    return weighed(rest, [one.hit], statistics, scale=scale, language=found.language)[0], stance


def _placed(one: Weighed, stance: Stance, best: float) -> Weighed:
    if stance is Stance.FITS and one.verdict is Verdict.ANSWERS:
        return replace(one, standing=max(one.standing, _AHEAD * best))
    return replace(one, may_answer=stance in (Stance.FREE, Stance.FITS))


def as_sized(text: str, judged: Sequence[Weighed], statistics: TermStatistics, found: Found) -> list[Weighed]:
    """Of products those of the size that is asked for first; one of another size may help, where there is no other."""
    products = [one for one in judged if one.hit.passage.source_type == PRODUCT]
    said = [
        (one.hit.passage.title, stored_fields(one.hit.passage), one.hit.passage.language) for one in products
    ]
    told = zip(products, size_stances(text, said), strict=True)
    stance_of = {one.hit.passage.chunk_id: stance for one, stance in told}
    pairs = [(one, stance_of.get(one.hit.passage.chunk_id, Stance.FREE)) for one in judged]
    is_choice = any(stance is Stance.FITS and one.verdict is not Verdict.NOTHING for one, stance in pairs)
    kept = [pair for pair in pairs if not (is_choice and pair[1] is Stance.OPPOSES)]
    rest = without_sizes(text)
    return [_sized(one, stance, rest, statistics, found) for one, stance in kept]


def _sized(one: Weighed, stance: Stance, rest: str, statistics: TermStatistics, found: Found) -> Weighed:
    """What has the size need not have the words for it."""
    if stance is Stance.OPPOSES:
        return replace(one, may_answer=False)
    return one if stance is not Stance.FITS else _weighed_again(one, rest, statistics, found)


def _weighed_again(one: Weighed, rest: str, statistics: TermStatistics, found: Found) -> Weighed:
    """By the rest of the question, where that speaks for it."""
    if one.verdict is Verdict.ANSWERS or not analysis.words(rest):
        return one
    again = weighed(rest, [one.hit], statistics, scale=scale_of(found), language=found.language)[0]
    better = certainty(again.evidence) > certainty(one.evidence)
    return replace(again, standing=one.standing, may_answer=one.may_answer) if better else one


def as_dated(text: str, judged: Sequence[Weighed], statistics: TermStatistics, found: Found) -> list[Weighed]:
    """Of special days the one that is asked for; others may help at best, where they are the surest of all.

    Nor does a special day answer for "today".
    """
    rest = without_days(text)
    if rest == text or not analysis.words(rest):
        return list(judged)
    told = day_stances(text, [f"{one.hit.passage.title}\n{one.hit.passage.text}" for one in judged])
    dated = _asked_of_any_day if not days_of(text) else _asked_of_a_day
    pairs = [
        (dated(one, stance, _weighed_again(one, rest, statistics, found)), stance)
        for one, stance in zip(judged, told, strict=True)
        if stance is not Stance.OPPOSES
    ]
    # What answers for the day: the usual hours say nothing of it.
    if of_day := [one for one, stance in pairs if stance is Stance.FITS and one.verdict is Verdict.ANSWERS]:
        return of_day
    fitting = [one for one, _ in pairs]
    if any(one.verdict is Verdict.ANSWERS for one in fitting):
        return fitting
    surest = max((certainty(one.evidence) for one in fitting), default=-math.inf)
    others = [
        replace(one, may_answer=False)
        for one, stance in zip(judged, told, strict=True)
        if stance is Stance.OPPOSES and certainty(one.evidence) > surest
    ]
    return [*fitting, *others]


def _asked_of_a_day(one: Weighed, stance: Stance, rest: Weighed) -> Weighed:
    """What tells the day need not have the words for it."""
    return rest if stance is Stance.FITS else one


def _asked_of_any_day(one: Weighed, _stance: Stance, rest: Weighed) -> Weighed:
    """What is called as all that is asked besides, and tells a number, tells the hours of every day."""
    evidence = rest.evidence
    is_called_so = has_all(evidence) and evidence.title >= _CALLED_SO
    is_told = is_called_so and any(map(str.isdigit, one.hit.passage.text))
    return replace(rest, tells_hours=True) if is_told else one


def _usual_language(products: Sequence[Weighed]) -> str:
    languages = Counter(one.hit.passage.language for one in products)
    return max(languages, key=languages.__getitem__, default="")


def to_offer(ranked: Sequence[Weighed], judged: Sequence[Weighed], text: str, language: str) -> list[Weighed]:
    """Without what is too far, and what is in another language and no surer than the surest in the question's own."""
    own = [certainty(one.evidence) for one in ranked if one.hit.passage.language == language]
    surest = max(own, default=-math.inf)
    is_choice = any(one.hit.passage.language == language for one in judged)
    is_brief = len(analysis.words(text)) <= _MOST_WORDS_OF_A_CRY
    kept: list[Weighed] = []
    for one in ranked:
        is_foreign = bool(language) and one.hit.passage.language != language
        if is_foreign and certainty(one.evidence) <= surest:
            continue
        if may_be_shown(one.evidence, is_brief=is_brief, is_foreign=is_foreign, is_choice=is_choice):
            kept.append(one)
    return kept


def varied(ranked: Sequence[Hit]) -> list[Hit]:
    """The hits in order, without a long document's third passage and those after it."""
    taken: Counter[UUID] = Counter()
    kept: list[Hit] = []
    for hit in ranked:
        taken[hit.passage.document_id] += 1
        if taken[hit.passage.document_id] <= PASSAGES_OF_ONE_DOCUMENT:
            kept.append(hit)
    return kept
