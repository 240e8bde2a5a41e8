"""Embeds texts with a network on this machine, beside the event loop and fairly between callers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, Protocol, TypeVar

import numpy as np
import onnxruntime

from retrieval_service import errors
from retrieval_service.domain.indexing.chunking import ChunkPolicy
from retrieval_service.domain.indexing.spaces import Embedded, Space, Vectors
from retrieval_service.domain.retrieval.query_readings import Familiarity

DEFAULT_WORKERS = max(1, (os.cpu_count() or 1) - 1)
# One long passage or a few short ones: more is hardly faster, and this is what callers wait for when they take turns.
_PADDED_TOKENS_PER_BATCH = 256
_PATIENT_THREADS = 2
_PATIENT_NICENESS = 10
_TEXTS_PER_WINDOW = 256  # sorted by length together; bounds the ids held for a long import

_Encoded = TypeVar("_Encoded", bound=Sized)
_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


class Network(Protocol[_Encoded]):
    """A model with its tokenizer; `len()` of an encoded text is its number of tokens.

    Its methods are called by several threads at once.
    """

    @property
    def space(self) -> Space: ...

    @property
    def chunk_policy(self) -> ChunkPolicy:
        """How documents are cut for it; made once, for it remembers the sizes of words."""
        ...

    def encode_passage(self, text: str) -> _Encoded:
        """Never more tokens than the model's window."""
        ...

    def encode_query(self, text: str) -> _Encoded: ...

    def familiarity(self, word: str) -> Familiarity: ...

    def infer(self, batch: Sequence[_Encoded]) -> Vectors:
        """Rows of unit length in the same order; leaves the interpreter's lock to others while it computes."""
        ...


class LocalEmbedder(Generic[_Encoded]):
    """An `Embedder`; texts beyond the window are cut. Concurrent calls take turns batch by batch."""

    def __init__(self, network: Network[_Encoded], workers: int = DEFAULT_WORKERS) -> None:
        """`workers` threads embed passages; queries have one more thread of their own."""
        self._network = network
        self._closed = False
        self._passage_threads = ThreadPoolExecutor(workers, "local-passages")
        # A person waits for a query: it must not queue behind an import.
        self._query_threads = ThreadPoolExecutor(1, "local-queries")
        # Where there is only one core, the kernel gives it to all other threads first.
        self._patient_threads = ThreadPoolExecutor(
            min(workers, _PATIENT_THREADS), "local-patient", initializer=_give_way
        )

    @property
    def space(self) -> Space:
        return self._network.space

    @property
    def chunk_policy(self) -> ChunkPolicy:
        return self._network.chunk_policy

    def familiarity(self, word: str) -> Familiarity:
        return self._network.familiarity(word)

    async def embed_passages(self, texts: Sequence[str], *, patiently: bool = False) -> Embedded:
        return await self._embedded(texts, self._network.encode_passage, patiently)

    async def embed_queries(self, texts: Sequence[str]) -> Embedded:
        return await self._embedded(texts, self._network.encode_query, patiently=False)

    async def embed_query(self, text: str) -> Embedded:
        encoded = await self._in_thread(self._query_threads, self._network.encode_query, text)
        vectors = await self._in_thread(self._query_threads, self._network.infer, [encoded])
        return Embedded(vectors=vectors, tokens=len(encoded))

    async def close(self) -> None:
        """Waits for the batches in flight; calls that still had more to do end with
        `errors.ProviderUnavailable`."""
        self._closed = True
        await asyncio.to_thread(self._passage_threads.shutdown)
        await asyncio.to_thread(self._query_threads.shutdown)
        await asyncio.to_thread(self._patient_threads.shutdown)

    async def _embedded(
        self, texts: Sequence[str], encode: Callable[[str], _Encoded], patiently: bool
    ) -> Embedded:
        vectors = np.empty((len(texts), self.space.dimensions), np.float32)
        tokens = 0
        for start in range(0, len(texts), _TEXTS_PER_WINDOW):
            window = slice(start, start + _TEXTS_PER_WINDOW)
            # Not by a thread that gives way: it would keep the interpreter's lock while it waits for a core. Nor by
            # one that others' batches wait for.
            encoded = await self._in_thread(None, partial(_each, encode), texts[window])
            await self._infer_window(encoded, vectors[window], patiently)
            tokens += sum(map(len, encoded))
        return Embedded(vectors=vectors, tokens=tokens)

    async def _infer_window(self, encoded: Sequence[_Encoded], vectors: Vectors, patiently: bool) -> None:
        """Fills `vectors`."""
        threads = self._patient_threads if patiently else self._passage_threads
        for batch in _batches_of_similar_length([len(one) for one in encoded]):
            rows = [encoded[position] for position in batch]
            vectors[batch] = await self._in_thread(threads, self._network.infer, rows)

    async def _in_thread(
        self, threads: ThreadPoolExecutor | None, work: Callable[[_Argument], _Result], argument: _Argument
    ) -> _Result:
        if self._closed:
            raise errors.ProviderUnavailable("The embedded model is closed.")
        return await asyncio.get_running_loop().run_in_executor(threads, work, argument)


def session_options() -> onnxruntime.SessionOptions:
    """One thread a run: threads inside one run fight with each other on a busy machine."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return options


def _each(encode: Callable[[str], _Encoded], texts: Sequence[str]) -> list[_Encoded]:
    return [encode(text) for text in texts]


def _give_way() -> None:
    """For the calling thread alone, which only Linux can do."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PATIENT_NICENESS)


def _batches_of_similar_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Positions of the texts, short ones first; a batch stays within its padded tokens."""
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[position] > _PADDED_TOKENS_PER_BATCH:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
