"""What the services ask of a provider: vectors for texts, words for a prompt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from retrieval_service.domain.fragments import AnswerPart, Prompt
from retrieval_service.domain.spaces import Embedded, Space


class Embedder(Protocol):
    """Turns texts into vectors of one space; raises `errors.ProviderUnavailable` or `errors.ProviderRefused`."""

    @property
    def space(self) -> Space: ...

    async def embed_passages(self, texts: Sequence[str]) -> Embedded:
        """Any number of non-empty texts; rows come back in the same order."""
        ...

    async def embed_query(self, text: str) -> Embedded:
        """One row."""
        ...

    async def close(self) -> None: ...


class Answerer(Protocol):
    """Writes an answer from fragments; `name` is what the chat log keeps, for example `openai/gpt-5.4-mini`."""

    @property
    def name(self) -> str: ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[AnswerPart, None]:
        """Text parts, then exactly one `Ending`; closing the iterator stops the model call at once."""
        ...

    async def close(self) -> None: ...
