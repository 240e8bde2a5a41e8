"""Embeds texts through `/v1/embeddings`, at OpenAI or at a server that speaks its protocol."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import numpy as np
from openai import AsyncOpenAI, omit
from openai.types import CreateEmbeddingResponse

from retrieval_service import errors
from retrieval_service.domain.indexing.spaces import Embedded, Space
from retrieval_service.domain.retrieval.query_readings import Familiarity
from retrieval_service.providers.openai import failures, vectors
from retrieval_service.providers.openai.batching import BatchLimits, batches
from retrieval_service.providers.openai.client import OpenAISettings, open_client

NATIVE_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
PROBE_TEXT = "dimensions"


@dataclass(frozen=True, kw_only=True)
class EmbeddingSettings:
    """Which model, and how hard to press the server.

    `dimensions` is sent only when set: most models know one length. `revision` is for the operator to change
    when a server starts to serve other weights under the same name. `deadline_seconds` ends one request with
    all its retries.
    """

    model: str = "text-embedding-3-small"
    revision: str = "api"
    dimensions: int | None = None
    max_tokens: int = 8191
    query_prefix: str = ""
    passage_prefix: str = ""
    concurrency: int = 4
    deadline_seconds: float = 120.0
    limits: BatchLimits = field(default_factory=BatchLimits)


async def open_openai_embedder(access: OpenAISettings, settings: EmbeddingSettings) -> OpenAIEmbedder:
    """Embeds one word to learn the vectors' length when neither the settings nor the model's name tell it.

    A known length is not verified here, so that a start needs no network: every answer is.
    """
    async with AsyncExitStack() as on_failure:
        # The SDK loads its transport and the trusted certificates from disk here.
        client = await asyncio.to_thread(open_client, access)
        on_failure.push_async_callback(client.close)
        dimensions = settings.dimensions or NATIVE_DIMENSIONS.get(settings.model)
        if dimensions is None:
            response = await _requested(client, settings, [PROBE_TEXT])
            dimensions = vectors.decoded(response, count=1).shape[1]
        on_failure.pop_all()
        return OpenAIEmbedder(client, settings, space_of(access.provider, settings, dimensions))


def space_of(provider: str, settings: EmbeddingSettings, dimensions: int) -> Space:
    """Prefixes change the vectors, so a fingerprint of them is part of the revision."""
    return Space(
        provider=provider,
        model=settings.model,
        revision=settings.revision + _prefix_fingerprint(settings),
        dimensions=dimensions,
        max_tokens=settings.max_tokens,
        query_prefix=settings.query_prefix,
        passage_prefix=settings.passage_prefix,
    )


class OpenAIEmbedder:
    """An `Embedder`; owns the client and closes it. A wrong vector length raises `errors.SpaceMismatch`."""

    def __init__(self, client: AsyncOpenAI, settings: EmbeddingSettings, space: Space) -> None:
        self._client = client
        self._settings = settings
        self._space = space
        self._slots = asyncio.Semaphore(settings.concurrency)
        # One slot is left to those who are not patient; where there is only one, they take turns.
        self._patient_slots = asyncio.Semaphore(max(1, settings.concurrency - 1))

    @property
    def space(self) -> Space:
        return self._space

    def familiarity(self, word: str) -> Familiarity:  # noqa: ARG002
        """Its vocabulary is not here, so any word may be one."""
        return Familiarity.POSSIBLE

    async def embed_passages(self, texts: Sequence[str], *, patiently: bool = False) -> Embedded:
        return await self._embed_many([self._space.passage_prefix + text for text in texts], patiently)

    async def embed_queries(self, texts: Sequence[str]) -> Embedded:
        return await self._embed_many([self._space.query_prefix + text for text in texts], patiently=False)

    async def embed_query(self, text: str) -> Embedded:
        # A person waits for this one: it does not queue behind the batches of an import.
        return await self._embed([self._space.query_prefix + text])

    async def close(self) -> None:
        await self._client.close()

    async def _embed_many(self, prefixed: Sequence[str], patiently: bool) -> Embedded:
        runs = batches(prefixed, self._settings.limits, window_tokens=self._space.max_tokens)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._embed_in_turn(run, patiently)) for run in runs]
        except ExceptionGroup as failed:
            # The first failure cancels the others, and it alone is what the caller can act on.
            raise failed.exceptions[0] from None
        return self._joined([task.result() for task in tasks])

    async def _embed_in_turn(self, texts: Sequence[str], patiently: bool) -> Embedded:
        async with self._patient_slots if patiently else contextlib.nullcontext(), self._slots:
            return await self._embed(texts)

    async def _embed(self, texts: Sequence[str]) -> Embedded:
        response = await _requested(self._client, self._settings, texts)
        # About a millisecond for a full batch: not worth a thread.
        rows = vectors.decoded(response, count=len(texts))
        self._check_length(rows.shape[1])
        return Embedded(vectors=vectors.normalized(rows), tokens=vectors.paid_tokens(response))

    def _check_length(self, returned: int) -> None:
        expected = self._space.dimensions
        if returned != expected:
            raise errors.SpaceMismatch(
                f"{self._space.model} returned vectors of length {returned}, its space has {expected}.",
                model=self._space.model,
                returned=str(returned),
                expected=str(expected),
            )

    def _joined(self, parts: Sequence[Embedded]) -> Embedded:
        nothing = np.empty((0, self._space.dimensions), dtype=np.float32)
        rows = np.concatenate([nothing, *(part.vectors for part in parts)])
        return Embedded(vectors=rows, tokens=sum(part.tokens for part in parts))


async def _requested(
    client: AsyncOpenAI, settings: EmbeddingSettings, texts: Sequence[str]
) -> CreateEmbeddingResponse:
    with failures.translated():
        async with asyncio.timeout(settings.deadline_seconds):
            return await client.embeddings.create(
                model=settings.model,
                input=list(texts),
                dimensions=settings.dimensions or omit,
                # Asked for by name, the SDK hands the base64 over instead of unpacking it into Python floats.
                encoding_format="base64",
            )


def _prefix_fingerprint(settings: EmbeddingSettings) -> str:
    prefixes = f"{settings.query_prefix}\0{settings.passage_prefix}"
    return "" if prefixes == "\0" else "-" + hashlib.sha256(prefixes.encode()).hexdigest()[:8]
