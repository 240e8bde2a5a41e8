"""Gathers what an answer is made from; a follow-up that was read by rule is held to its own words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from retrieval_service.domain.answers import Question
from retrieval_service.domain.asking import askings
from retrieval_service.domain.conversation import Reworded
from retrieval_service.services.retrieving import Retriever
from retrieval_service.services.searching import Found, Query
from retrieval_service.services.sifting import Sifted, Support

FRAGMENTS = 5
# Of a follow-up's own words, by their rarity: what the best passage has to have, and what no document may know.
LEAST_SUPPORT = 0.3
MOST_UNKNOWN = 0.55


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What was found, and what of it to answer from; `is_literal`: by the follow-up's own words alone."""

    found: Found
    sifted: Sifted
    is_literal: bool = False


class Gatherer:
    """Searches with the tenant's backend; one that has just failed, as `degraded_reason` says, is not asked again."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    async def gather(
        self, tenant_id: UUID, question: Question, text: str, degraded_reason: str = ""
    ) -> Gathered:
        """For the question, or for other words of it; where they find nothing, for what of them asks."""
        gathered = await self._gather(tenant_id, question, text, degraded_reason)
        for asking in () if gathered.sifted.hits else askings(text):
            again = await self._gather(tenant_id, question, asking, degraded_reason)
            if again.sifted.hits:
                return again
        return gathered

    async def _gather(self, tenant_id: UUID, question: Question, text: str, degraded_reason: str) -> Gathered:
        query = Query(text=text, conditions=question.conditions, limit=FRAGMENTS * 2)
        if degraded_reason:
            found = await self._retriever.search_in_postgres(tenant_id, query, degraded_reason)
        else:
            found = await self._retriever.search(tenant_id, query)
        return Gathered(found=found, sifted=await self._retriever.relevant(tenant_id, found, text))

    async def gather_for_follow_up(
        self, tenant_id: UUID, question: Question, reworded: Reworded, degraded_reason: str = ""
    ) -> Gathered:
        """What it was taken for may be wrong: its own words alone count where they find what is surer.

        Nothing is answered from when no document knows what it names, however well its subject is known.
        """
        understood = await self.gather(tenant_id, question, reworded.text, degraded_reason)
        support = await self._retriever.support(tenant_id, understood.sifted.hits, reworded.own_words)
        if understood.sifted.hits and not reworded.may_change_subject and is_supported(support):
            return understood
        literal = await self.gather(tenant_id, question, question.text, degraded_reason)
        if literal.sifted.certainty > understood.sifted.certainty:
            return replace(literal, is_literal=True)
        if reworded.must_be_known and not is_supported(support) and support.unknown > MOST_UNKNOWN:
            return replace(understood, sifted=Sifted(), is_literal=True)
        return understood


def is_supported(support: Support) -> bool:
    return support.passage >= LEAST_SUPPORT
