"""Answers by quoting when the model is away: customers get what the documents say instead of an apology."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

import structlog

from retrieval_service import errors
from retrieval_service.domain.answering.answers import WrittenAnswer
from retrieval_service.domain.answering.checked_stream import CheckedEvent, CheckedText
from retrieval_service.domain.answering.citations import Delta
from retrieval_service.domain.fragments import Ending, FinishReason, Prompt, TextPart
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.providers.ports import Answerer

log = structlog.get_logger("kladez.quoting")

PROVIDER_FAILURES = (errors.ProviderUnavailable, errors.ProviderRefused)


class Quoter:
    """`answerer` needs no model; `clock` is monotonic, in seconds."""

    def __init__(self, answerer: Answerer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._answerer = answerer
        self._clock = clock

    @property
    def name(self) -> str:
        return self._answerer.name

    async def events(
        self, written: WrittenAnswer, asked: Prompt, failure: errors.KladezError
    ) -> AsyncGenerator[CheckedEvent, None]:
        """Raises the failure itself when the reader has seen words of the model: those are not taken back."""
        if written.text:
            raise failure
        note(failure, written)
        written.note_model_away(self._answerer.name)
        async with aclosing(self._quotes(written, asked)) as events:
            async for event in events:
                yield event

    async def ended(self, written: WrittenAnswer, asked: Prompt) -> AsyncGenerator[CheckedEvent, None]:
        """What is said behind the model's last word: of a question that it left open what perhaps helps."""
        if written.is_open and asked.verdict is Verdict.NOTHING:
            written.end_as(FinishReason.NO_RELEVANT_CONTENT)
        elif written.is_open:
            async with aclosing(self._offers(written, asked)) as events:
                async for event in events:
                    yield event
        if written.is_partial:
            yield written.note_partly(asked, self._clock())
        if not written.text:
            yield written.note_nothing(asked, self._clock())

    async def _offers(self, written: WrittenAnswer, asked: Prompt) -> AsyncGenerator[CheckedEvent, None]:
        if written.text:
            yield written.note(Delta(text="\n\n"), self._clock())
        offered = replace(asked, verdict=Verdict.PERHAPS, listing=())
        async with aclosing(self._quotes(written, offered)) as events:
            async for event in events:
                yield event

    async def _quotes(self, written: WrittenAnswer, asked: Prompt) -> AsyncGenerator[CheckedEvent, None]:
        """Behind what is written already; the tokens are those of the model that wrote before."""
        checked, start = await asyncio.to_thread(CheckedText, asked), len(written.text)
        async with aclosing(self._answerer.stream(asked)) as parts:
            async for part in parts:
                if isinstance(part, Ending):
                    written.end_as(part.finish_reason)
                elif isinstance(part, TextPart):
                    for event in await asyncio.to_thread(checked.feed, part.text):
                        yield written.note(behind(start, event), self._clock())
        for event in await asyncio.to_thread(checked.finish):
            yield written.note(behind(start, event), self._clock())


def behind(start: int, event: CheckedEvent) -> CheckedEvent:
    """The event with its place in the whole text."""
    if isinstance(event, Delta):
        return event
    return replace(event, start=start + event.start, end=start + event.end)


def note(failure: errors.KladezError, written: WrittenAnswer) -> None:
    """A key that is refused does not mend itself: somebody has to see it."""
    told = log.error if isinstance(failure, errors.ProviderLocked) else log.warning
    told("answer_quoted", answer_id=str(written.answer_id), reason=failure.reason, error=str(failure))
