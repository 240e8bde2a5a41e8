"""Answers by quoting when the model is away: customers get what the documents say instead of an apology."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog

from retrieval_service import errors
from retrieval_service.domain.answers import WrittenAnswer
from retrieval_service.domain.checked_text import CheckedEvent, CheckedText
from retrieval_service.domain.fragments import Ending, Prompt
from retrieval_service.providers.ports import Answerer

log = structlog.get_logger("kladez.quoting")

PROVIDER_FAILURES = (errors.ProviderUnavailable, errors.ProviderRefused)


class Quoter:
    """`answerer` needs no model; `clock` is monotonic, in seconds."""

    def __init__(self, answerer: Answerer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._answerer = answerer
        self._clock = clock

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

    async def offers(self, written: WrittenAnswer, asked: Prompt) -> AsyncGenerator[CheckedEvent, None]:
        """What perhaps helps, which needs no model."""
        written.answerer = self._answerer.name
        async with aclosing(self._quotes(written, asked)) as events:
            async for event in events:
                yield event

    async def _quotes(self, written: WrittenAnswer, asked: Prompt) -> AsyncGenerator[CheckedEvent, None]:
        checked = await asyncio.to_thread(CheckedText, asked)
        async with aclosing(self._answerer.stream(asked)) as parts:
            async for part in parts:
                if isinstance(part, Ending):
                    written.ending = part
                    continue
                for event in await asyncio.to_thread(checked.feed, part.text):
                    yield written.note(event, self._clock())
        for event in await asyncio.to_thread(checked.finish):
            yield written.note(event, self._clock())


def note(failure: errors.KladezError, written: WrittenAnswer) -> None:
    """A key that is refused does not mend itself: somebody has to see it."""
    told = log.error if isinstance(failure, errors.ProviderLocked) else log.warning
    told("answer_quoted", answer_id=str(written.answer_id), reason=failure.reason, error=str(failure))
