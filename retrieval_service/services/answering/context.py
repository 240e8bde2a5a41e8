"""Gathers what an answer is made from; a follow-up that was read by rule is held to its own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from retrieval_service.domain.answering.answers import Question
from retrieval_service.domain.answering.conversation import FollowUp, Reworded
from retrieval_service.domain.answering.question_parts import askings
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.services.answering.follow_up_choice import fitting
from retrieval_service.services.answering.question_splitting import FRAGMENTS, Gathered, divided, look_up
from retrieval_service.services.retrieval.relevance import PRODUCT, Sifted, Support, varied
from retrieval_service.services.retrieval.retriever import Retriever
from retrieval_service.services.retrieval.search import Query

# Of a follow-up's own words, by their rarity: what the best passage has to have, and what no document may know.
LEAST_SUPPORT = 0.3
MOST_UNKNOWN = 0.55
WHOLE = 0.95
# "Is it very loud?"
MOST_WORDS_OF_A_THING = 4


class Gatherer:
    """Searches with the tenant's backend; one that has just failed, as `degraded_reason` says, is not asked again."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    async def gather(
        self, tenant_id: UUID, question: Question, text: str, degraded_reason: str = ""
    ) -> Gathered:
        """For each question of a text that asks several; where nothing is found, for what of it asks."""
        gathered = await divided(
            text, lambda reading: self._gather_or_guess(tenant_id, question, reading, degraded_reason)
        )
        for asking in () if gathered.sifted.answers or gathered.askings else askings(text):
            again = await self._gather_or_guess(tenant_id, question, asking, degraded_reason)
            if again.sifted.answers:
                return again
            gathered = again if again.sifted.hits and not gathered.sifted.hits else gathered
        return gathered

    async def _gather_or_guess(
        self, tenant_id: UUID, question: Question, text: str, degraded_reason: str
    ) -> Gathered:
        """What a mistyped question may mean is asked for when it finds no answer as it stands.

        A doubtful guess may be of something else altogether: what it finds is offered, and not stated.
        """
        gathered = await self._gather(tenant_id, question, text, degraded_reason)
        guess = gathered.found.guess
        if gathered.sifted.answers or not guess:
            return gathered
        guessed = await self._gather(tenant_id, question, guess, degraded_reason)
        if not (guessed.sifted.answers or (guessed.sifted.hits and not gathered.sifted.hits)):
            return gathered
        sifted = offered(guessed.sifted) if gathered.found.guess_is_doubtful else guessed.sifted
        found = replace(guessed.found, read_as=guessed.found.read_as or guess)
        return replace(guessed, found=found, sifted=sifted)

    async def _gather(self, tenant_id: UUID, question: Question, text: str, degraded_reason: str) -> Gathered:
        query = Query(text=text, conditions=question.conditions, limit=FRAGMENTS * 2)
        if degraded_reason:
            found = await self._retriever.search_in_postgres(tenant_id, query, degraded_reason)
        else:
            found = await self._retriever.search(tenant_id, query)
        return Gathered(found=found, sifted=await self._retriever.relevant(tenant_id, found, text))

    async def entries(
        self, tenant_id: UUID, question: Question, titles: Sequence[str], degraded_reason: str = ""
    ) -> Gathered | None:
        """The documents of these titles, in their order; None when none is found again."""

        async def search(text: str) -> Gathered:
            return await self._gather(tenant_id, question, text, degraded_reason)

        looked = await look_up(titles, search)
        hits = [
            hit
            for title in titles
            for hit in looked[title].found.hits
            if hit.passage.title.strip() == title.strip()
        ]
        if not hits:
            return None
        first = looked[titles[0]]
        sifted = replace(first.sifted, hits=varied(hits), verdict=Verdict.ANSWERS)
        return replace(first, found=replace(first.found, hits=hits), sifted=sifted)

    async def gather_for_follow_up(
        self, tenant_id: UUID, question: Question, reworded: Reworded, degraded_reason: str = ""
    ) -> Gathered:
        """What it was taken for may be wrong: its own words alone count where they find what is surer."""
        reading = reworded.reading
        if reading and reading.entry and (entry := await self.entries(tenant_id, question, [reading.entry])):
            return entry
        understood = await self.gather(tenant_id, question, reworded.text, degraded_reason)
        literal = await self.gather(tenant_id, question, question.text, degraded_reason)
        if reading and reading.left_open:
            # Nobody knows whether what is found answers what was asked before, of which some words may be forgotten.
            return as_offered(understood if understood.sifted.hits else literal)
        if reworded.text == question.text:
            settled = understood
        else:
            settled = await self._settled(tenant_id, question, understood, literal, reading, degraded_reason)
        if reading is None or settled.verdict is Verdict.NOTHING:
            return settled
        together = await self._gather(
            tenant_id, question, f"{reading.subject} {question.text}", degraded_reason
        )
        return await fitting(self._retriever, tenant_id, settled, (understood, literal, together), reading)

    async def _settled(
        self,
        tenant_id: UUID,
        question: Question,
        understood: Gathered,
        literal: Gathered,
        reading: FollowUp | None,
        degraded_reason: str,
    ) -> Gathered:
        support = await self._support(tenant_id, understood, reading)
        may_differ = reading is not None and reading.may_change_subject
        if understood.sifted.answers and not may_differ and is_supported(support):
            return understood
        if await self._is_surer(tenant_id, literal, understood, reading):
            return replace(literal, is_literal=True)
        if reading is None:
            return understood
        if not understood.sifted.answers and reading.has_proper_name:
            # No document names the town: what was asked before is said of it too, unless that was about another one.
            before = await self.gather(tenant_id, question, reading.subject, degraded_reason)
            return as_offered(before) if reading.had_proper_name else before
        if reading.has_proper_name and reading.had_proper_name and not is_supported(support):
            return as_offered(understood)
        if reading.must_be_known and not is_supported(support) and support.unknown > MOST_UNKNOWN:
            if reading.keeps_subject and not (
                reading.points_back and not _is_of_a_product(understood, question, reading)
            ):
                # "Is it loud?", "from what age?": what is asked for has other words in an answer than in the question.
                return as_offered(understood)
            return replace(understood, sifted=Sifted(), is_literal=not reading.points_back)
        return understood

    async def _support(self, tenant_id: UUID, gathered: Gathered, reading: FollowUp | None) -> Support:
        """What is known of the follow-up's own words."""
        words = reading.own_words if reading else ""
        supports = await self._retriever.supports(tenant_id, gathered.sifted.hits[:1], words)
        return supports[0] if supports else Support()

    async def _is_surer(
        self, tenant_id: UUID, literal: Gathered, understood: Gathered, reading: FollowUp | None
    ) -> bool:
        """A town is known only by its whole name: many words are spelled like one."""
        if not literal.sifted.answers or literal.sifted.certainty <= understood.sifted.certainty:
            return False
        if not (understood.sifted.answers and reading and reading.has_proper_name):
            return True
        return (await self._support(tenant_id, literal, reading)).passage >= WHOLE


def _is_of_a_product(gathered: Gathered, question: Question, reading: FollowUp) -> bool:
    """Whether one word is asked of a thing that was spoken of: its description may have another word for it."""
    first = next(iter(gathered.sifted.hits), None)
    return (
        first is not None
        and first.passage.source_type == PRODUCT
        and first.passage.title == reading.title
        and len(reading.own_words.split()) == 1
        and len(question.text.split()) <= MOST_WORDS_OF_A_THING
    )


def as_offered(gathered: Gathered) -> Gathered:
    return replace(gathered, sifted=offered(gathered.sifted), askings=())


def offered(sifted: Sifted) -> Sifted:
    """The same hits, as an offer."""
    return replace(sifted, verdict=Verdict.PERHAPS) if sifted.answers else sifted


def is_supported(support: Support) -> bool:
    return support.passage >= LEAST_SUPPORT
