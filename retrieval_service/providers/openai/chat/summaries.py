"""Writes summaries with a chat model, over whichever endpoint its answers come from."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from retrieval_service.domain.fragments import Prompt, SpokenPart
from retrieval_service.domain.summaries.html import MAX_DRAFT
from retrieval_service.domain.summaries.summaries import Draft
from retrieval_service.providers.openai.chat.prompting import ModelInput, summary_input
from retrieval_service.providers.openai.chat.streaming import collected
from retrieval_service.providers.openai.chat.thoughts import without_thoughts


class Writer(Protocol):
    """`ResponsesAnswerer` and `ChatCompletionsAnswerer` are such."""

    @property
    def name(self) -> str: ...

    def write(self, said: ModelInput) -> AsyncGenerator[SpokenPart, None]: ...

    async def close(self) -> None: ...


class ModelSummarizer:
    """A `Summarizer`; it owns the writer and closes it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    @property
    def name(self) -> str:
        return self._writer.name

    async def summarize(self, prompt: Prompt) -> Draft:
        text, ending = await collected(self._writer.write(summary_input(prompt)), MAX_DRAFT)
        return Draft(html=without_thoughts(text), ending=ending)

    async def close(self) -> None:
        await self._writer.close()
