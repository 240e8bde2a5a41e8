"""Cuts a list of texts into requests that no embeddings server can find too large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from retrieval_service import errors


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """The largest request; OpenAI takes 2,048 texts and 300,000 tokens, smaller batches finish sooner.

    Above a mebibyte aiohttp warns that sending the body holds up the event loop.
    """

    texts: int = 64
    tokens: int = 300_000
    bytes: int = 500_000

    def __post_init__(self) -> None:
        if min(self.texts, self.tokens, self.bytes) < 1:
            raise errors.Misconfigured("Every limit of an embeddings batch must be at least 1.")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a request carries so far; `tokens` is an upper bound."""

    texts: int = 0
    tokens: int = 0
    bytes: int = 0

    def with_text(self, text: str, window_tokens: int) -> Load:
        """Counts without a tokenizer: a token is at least a byte, and texts come cut to the window."""
        size = len(text.encode())
        return Load(
            texts=self.texts + 1,
            tokens=self.tokens + min(size, window_tokens),
            bytes=self.bytes + size,
        )

    def is_within(self, limits: BatchLimits) -> bool:
        return self.texts <= limits.texts and self.tokens <= limits.tokens and self.bytes <= limits.bytes


def batches(texts: Sequence[str], limits: BatchLimits, *, window_tokens: int) -> Iterator[Sequence[str]]:
    """Runs of `texts` in their order; none is empty, and a text above the limits travels alone."""
    start, load = 0, Load()
    for position, text in enumerate(texts):
        heavier = load.with_text(text, window_tokens)
        if position > start and not heavier.is_within(limits):
            yield texts[start:position]
            start, heavier = position, Load().with_text(text, window_tokens)
        load = heavier
    if texts:
        yield texts[start:]
