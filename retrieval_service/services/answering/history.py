"""Recalls the earlier turns of a conversation, without the customer's personal data."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from retrieval_service.domain.answering.conversation import PastTurn
from retrieval_service.domain.answering.follow_ups import is_one_thing
from retrieval_service.domain.answering.remembered import remembered
from retrieval_service.services.retrieval.query_correction import known_words
from retrieval_service.services.retrieval.term_statistics import Weigher, Weights
from retrieval_service.text.words import words

LANGUAGES = ("en", "pt", "ru")
# Reading this many characters takes less time than a thread.
SHORT_CHARACTERS = 500


class Recaller:
    """Words are known that some document of the tenant has, as far as the weights tell, or a cited title."""

    def __init__(self, weigher: Weigher) -> None:
        self._weigher = weigher

    async def recalled(self, tenant_id: UUID, history: Sequence[PastTurn]) -> tuple[PastTurn, ...]:
        """The same turns, with only the remembered words of their questions."""
        if not history:
            return ()
        weights = await self._weigher.latest(tenant_id)
        if sum(map(_characters, history)) <= SHORT_CHARACTERS:
            return _recalled(history, weights)
        return await asyncio.to_thread(_recalled, history, weights)


def _characters(turn: PastTurn) -> int:
    return sum(map(len, (turn.question, turn.subject_question, *turn.titles)))


def _recalled(history: Sequence[PastTurn], weights: Weights) -> tuple[PastTurn, ...]:
    titled = {word for turn in history for title in turn.titles for word in words(title)}
    languages = sorted({*LANGUAGES, *weights.languages})

    def known(said: Collection[str]) -> set[str]:
        return titled | known_words(said, languages, weights.statistics)

    kept = remembered([text for turn in history for text in (turn.question, turn.subject_question)], known)
    return tuple(
        replace(
            turn,
            question=kept[turn.question],
            subject_question=kept[turn.subject_question],
            is_of_a_thing=is_one_thing(turn.question),
        )
        for turn in history
    )
