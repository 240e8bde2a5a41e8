"""Has the model write an answer from fragments, and quotes them when the model is away or too slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from retrieval_service.domain.answering.answers import WrittenAnswer
from retrieval_service.domain.answering.checked_stream import CheckedText
from retrieval_service.domain.fragments import Ending, FinishReason, Prompt, TextPart
from retrieval_service.providers.ports import Answerer
from retrieval_service.services.answering.output_checks import Proofreading
from retrieval_service.services.answering.quotation import PROVIDER_FAILURES, Quoter
from retrieval_service.services.answering.sink import AnswerSink
from retrieval_service.services.retrieval.circuit_breaker import Breaker

# The least time for the model, also when the search took all the patience: a healthy model begins at once.
LEAST_PATIENCE_SECONDS = 3.0


class Composer:
    """`patience_seconds` is how long a customer waits for the first word, the search included.

    An answer has at most `most_characters`; `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        answerer: Answerer,
        quoter: Quoter,
        breaker: Breaker,
        *,
        patience_seconds: float,
        most_characters: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answerer = answerer
        self._quoter = quoter
        self._breaker = breaker
        self._patience_seconds = patience_seconds
        self._most_characters = most_characters
        self._clock = clock

    @property
    def name(self) -> str:
        """The model's."""
        return self._answerer.name

    @property
    def reads(self) -> bool:
        """Whether a model judges by itself what its fragments answer."""
        return self._answerer.name != self._quoter.name

    async def write(self, sink: AnswerSink, asked: Prompt) -> None:
        """The written answer, made safe and compared with its sources. Without fragments the model is not asked."""
        if not asked.fragments:
            await sink.add_text(sink.written.end_as_not_found(asked))
            return
        try:
            await self._write_by_model(sink, asked)
        except PROVIDER_FAILURES as failure:
            await self._quoter.stand_in(sink, asked, failure)
        await self._quoter.end(sink, asked)

    async def _write_by_model(self, sink: AnswerSink, asked: Prompt) -> None:
        sink.written.answerer = self._answerer.name
        # This runs while the model thinks.
        opening = asyncio.ensure_future(asyncio.to_thread(CheckedText, asked))
        proofreading = Proofreading()
        try:
            async with aclosing(self._texts(sink.written, asked)) as texts:
                async for text in texts:
                    await sink.add_all(await proofreading.read((await opening).feed, text))
            await sink.add_all(await asyncio.to_thread((await opening).finish))
        finally:
            opening.cancel()

    async def _texts(self, written: WrittenAnswer, asked: Prompt) -> AsyncGenerator[str, None]:
        """The model's texts. A model that does not end is cut off, and does not delay others."""
        room = self._most_characters
        async with (
            self._breaker.attempt(self._patience(written)) as attempt,
            aclosing(self._answerer.stream(asked)) as parts,
        ):
            async for part in parts:
                attempt.began()
                if not isinstance(part, TextPart):
                    written.note_part(part)
                    continue
                if not written.is_silent:
                    yield part.text[:room]
                room -= len(part.text)
                if room <= 0:
                    written.ending = Ending(finish_reason=FinishReason.LENGTH)
                    return
                await asyncio.sleep(0)

    def _patience(self, written: WrittenAnswer) -> float:
        waited = self._clock() - written.started_at
        return max(self._patience_seconds - waited, min(LEAST_PATIENCE_SECONDS, self._patience_seconds))
