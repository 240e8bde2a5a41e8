"""Rewrites follow-up questions with a chat model, over whichever endpoint its answers come from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from retrieval_service.domain.answering.conversation import Reworded
from retrieval_service.domain.fragments import FinishReason, SpokenPart, Turn
from retrieval_service.providers.openai.chat.prompting import ModelInput, rewriting_input
from retrieval_service.providers.openai.chat.streaming import collected
from retrieval_service.providers.openai.chat.thoughts import without_thoughts

# Twice the longest question that a customer may ask.
MAX_CHARACTERS = 4_000
# With what a model thinks before.
MOST_WRITTEN = 40_000


class Writer(Protocol):
    """`ResponsesAnswerer` and `ChatCompletionsAnswerer` are such."""

    def write(self, said: ModelInput) -> AsyncGenerator[SpokenPart, None]: ...

    async def close(self) -> None: ...


class ModelRewriter:
    """A `Rewriter`; it owns the writer and closes it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def rewrite(self, question: str, history: Sequence[Turn], language: str) -> Reworded:
        """Empty unless the model came to its own end."""
        writing = self._writer.write(rewriting_input(question, history, language))
        written, ending = await collected(writing, MOST_WRITTEN)
        text = without_thoughts(written)
        is_whole = ending.finish_reason is FinishReason.STOP and len(text) <= MAX_CHARACTERS
        return Reworded(
            text=" ".join(text.split()) if is_whole else "",
            language=language,
            input_tokens=ending.input_tokens,
            output_tokens=ending.output_tokens,
        )

    async def close(self) -> None:
        await self._writer.close()
