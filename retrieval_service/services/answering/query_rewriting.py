"""Turns a follow-up into a question that can be searched for, by the model or by rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from retrieval_service import errors
from retrieval_service.domain.answering import follow_ups
from retrieval_service.domain.answering.conversation import PastTurn, Reworded
from retrieval_service.providers.ports import Rewriter
from retrieval_service.services.retrieval.circuit_breaker import Breaker
from retrieval_service.text import languages

log = structlog.get_logger("kladez.rewording")

# The customer waits for this before the search begins.
PATIENCE_SECONDS = 3.0
MOST_CHARACTERS = 500


class Rewording:
    """Without `rewriter`, and when it fails or is left alone, a follow-up keeps what the last turn was about."""

    def __init__(
        self, rewriter: Rewriter | None, breaker: Breaker, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._rewriter = rewriter
        self._breaker = breaker
        self._patience_seconds = patience_seconds

    async def standalone(self, question: str, history: Sequence[PastTurn], own: Sequence[str]) -> Reworded:
        """`history` has at least one turn, oldest first; `own` are the tenant's languages."""
        language = await asyncio.to_thread(language_of, question, history[-1], own)
        reworded = await self._rewritten(question, history, language)
        if reworded.text:
            return reworded
        last = history[-1]
        entry = follow_ups.entry_of(question, last.titles)
        return replace(
            reworded,
            text=entry or follow_ups.with_context(question, last),
            reading=follow_ups.read(question, last, entry),
        )

    async def _rewritten(self, question: str, history: Sequence[PastTurn], language: str) -> Reworded:
        """An empty text when no model wrote what can be a question; what it took is told all the same."""
        nothing = Reworded(text="", language=language)
        if self._rewriter is None or self._breaker.is_open:
            return nothing
        try:
            async with asyncio.timeout(self._patience_seconds):
                reworded = await self._rewriter.rewrite(
                    question, [turn.as_turn for turn in history], language
                )
        except (TimeoutError, errors.ProviderUnavailable, errors.ProviderRefused) as error:
            log.warning("question_not_rewritten", error=str(error) or "no answer in time")
            return nothing
        if 0 < len(reworded.text) <= MOST_CHARACTERS:
            return reworded
        log.warning("question_not_rewritten", error="The model wrote no question.")
        return replace(reworded, text="")


def language_of(question: str, last: PastTurn, own: Sequence[str]) -> str:
    """The language of the follow-up.

    Few words hardly tell it, so the question before counts if the letters are alike.
    """
    is_alike = languages.dominant_script(question) == languages.dominant_script(last.question)
    return languages.language_among(f"{last.question} {question}" if is_alike else question, own)
