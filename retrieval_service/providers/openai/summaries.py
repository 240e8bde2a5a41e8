"""Writes summaries with a chat model, over whichever endpoint its answers come from."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from retrieval_service.domain.fragments import AnswerPart, Ending, FinishReason, Prompt
from retrieval_service.domain.summaries import Draft
from retrieval_service.providers.openai.prompting import ModelInput, summary_input


class Writer(Protocol):
    """`ResponsesAnswerer` and `ChatCompletionsAnswerer` are such."""

    @property
    def name(self) -> str: ...

    def write(self, said: ModelInput) -> AsyncGenerator[AnswerPart, None]: ...

    async def close(self) -> None: ...


class ModelSummarizer:
    """A `Summarizer`; it owns the writer and closes it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    @property
    def name(self) -> str:
        return self._writer.name

    async def summarize(self, prompt: Prompt) -> Draft:
        texts: list[str] = []
        ending = Ending(finish_reason=FinishReason.STOP)
        async with aclosing(self._writer.write(summary_input(prompt))) as parts:
            async for part in parts:
                if isinstance(part, Ending):
                    ending = part
                else:
                    texts.append(part.text)
        return Draft(html="".join(texts), ending=ending)

    async def close(self) -> None:
        await self._writer.close()
