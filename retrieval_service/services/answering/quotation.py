"""Quotes the documents when the model is away."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import structlog

from retrieval_service import errors
from retrieval_service.domain.answering import phrases
from retrieval_service.domain.answering.answers import WrittenAnswer
from retrieval_service.domain.answering.checked_stream import CheckedEvent, CheckedText
from retrieval_service.domain.answering.citations import Delta
from retrieval_service.domain.fragments import Ending, FinishReason, Prompt, TextPart
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.providers.ports import Answerer
from retrieval_service.services.answering.sink import AnswerSink

log = structlog.get_logger("kladez.quoting")

PROVIDER_FAILURES = (errors.ProviderUnavailable, errors.ProviderRefused)


class Quoter:
    """`answerer` needs no model."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    @property
    def name(self) -> str:
        return self._answerer.name

    async def stand_in(self, sink: AnswerSink, asked: Prompt, failure: errors.KladezError) -> None:
        """Raises the failure itself when readers have seen words of the model, which cannot be taken back."""
        if sink.written.text:
            raise failure
        note(failure, sink.written)
        sink.written.note_model_away(self._answerer.name)
        await self._quote(sink, asked)

    async def end(self, sink: AnswerSink, asked: Prompt) -> None:
        """What is said behind the model's last word: of a question that it left open what perhaps helps.

        What stays open of a question is said by us: a model would have to say it without a source.
        """
        written = sink.written
        if written.is_open and asked.verdict is Verdict.NOTHING:
            written.end_as(FinishReason.NO_RELEVANT_CONTENT)
        elif written.is_open:
            await self._offer(sink, asked)
        if written.is_partial:
            await sink.add_text(f"\n\n{phrases.partly_text(asked.language, asked.fallback_contact)}")
        if not written.text:
            await sink.add_text(written.text_for_nothing(asked))

    async def _offer(self, sink: AnswerSink, asked: Prompt) -> None:
        if sink.written.text:
            await sink.add_text("\n\n")
        await self._quote(sink, replace(asked, verdict=Verdict.PERHAPS, listing=()))

    async def _quote(self, sink: AnswerSink, asked: Prompt) -> None:
        """Behind what is written already; the tokens are those of the model that wrote before."""
        checked, start = await asyncio.to_thread(CheckedText, asked), len(sink.written.text)
        async with aclosing(self._answerer.stream(asked)) as parts:
            async for part in parts:
                if isinstance(part, Ending):
                    sink.written.end_as(part.finish_reason)
                elif isinstance(part, TextPart):
                    said = await asyncio.to_thread(checked.feed, part.text)
                    await sink.add_all(behind(start, event) for event in said)
        said = await asyncio.to_thread(checked.finish)
        await sink.add_all(behind(start, event) for event in said)


def behind(start: int, event: CheckedEvent) -> CheckedEvent:
    """The event with its offset in the whole text."""
    if isinstance(event, Delta):
        return event
    return replace(event, start=start + event.start, end=start + event.end)


def note(failure: errors.KladezError, written: WrittenAnswer) -> None:
    """Logs a refused key: somebody has to correct it."""
    told = log.error if isinstance(failure, errors.ProviderLocked) else log.warning
    told("answer_quoted", answer_id=str(written.answer_id), reason=failure.reason, error=str(failure))
