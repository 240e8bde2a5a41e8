"""The embedder that needs no key and no network: all-MiniLM-L6-v2 on the CPU."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import onnxruntime

from retrieval_service import errors
from retrieval_service.domain.spaces import Embedded, Space, Vectors
from retrieval_service.providers.local import model_files
from retrieval_service.providers.local.wordpiece import WordPiece

SPACE = Space(
    provider="local",
    model="all-MiniLM-L6-v2",
    revision=model_files.WEIGHTS_SHA256[:8],
    dimensions=384,
    max_tokens=256,
    languages=frozenset({"en"}),
    scripts=frozenset({"Latin"}),
)

DEFAULT_WORKERS = max(1, (os.cpu_count() or 1) - 1)
# One long passage or two short ones: more is slower, and this is what callers wait for when they take turns.
_PADDED_TOKENS_PER_BATCH = 256
_PATIENT_THREADS = 2
_PATIENT_NICENESS = 10
_TEXTS_PER_WINDOW = 256  # sorted by length together; bounds the ids held for a long import

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


async def open_minilm(model_dir: Path | None = None, workers: int = DEFAULT_WORKERS) -> MiniLM:
    """Checks and loads the model in a thread; raises `errors.Misconfigured` when it is missing or altered.

    `workers` threads embed passages; queries have one more thread of their own.
    """
    return await asyncio.to_thread(_load, model_dir, workers)


class MiniLM:
    """An `Embedder`; texts beyond 256 tokens are cut. Concurrent calls take turns batch by batch."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: WordPiece, workers: int) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._closed = False
        self._passage_threads = ThreadPoolExecutor(workers, "minilm-passages")
        # A person waits for a query: it must not queue behind an import.
        self._query_threads = ThreadPoolExecutor(1, "minilm-queries")
        # Where there is only one core, the kernel gives it to all other threads first.
        self._patient_threads = ThreadPoolExecutor(
            min(workers, _PATIENT_THREADS), "minilm-patient", initializer=_give_way
        )

    @property
    def space(self) -> Space:
        return SPACE

    @property
    def tokenizer(self) -> WordPiece:
        """The model's own; its `count` is the length function of a chunker."""
        return self._tokenizer

    async def embed_passages(self, texts: Sequence[str], *, patiently: bool = False) -> Embedded:
        vectors = np.empty((len(texts), SPACE.dimensions), np.float32)
        tokens = 0
        for start in range(0, len(texts), _TEXTS_PER_WINDOW):
            window = slice(start, start + _TEXTS_PER_WINDOW)
            tokens += await self._embed_window(texts[window], vectors[window], patiently)
        return Embedded(vectors=vectors, tokens=tokens)

    async def embed_query(self, text: str) -> Embedded:
        [ids] = await self._in_thread(self._query_threads, self._encode, [text])
        vectors = await self._in_thread(self._query_threads, self._infer, [ids])
        return Embedded(vectors=vectors, tokens=len(ids))

    async def close(self) -> None:
        """Waits for the batches in flight; calls that still had more to do end with
        `errors.ProviderUnavailable`."""
        self._closed = True
        await asyncio.to_thread(self._passage_threads.shutdown)
        await asyncio.to_thread(self._query_threads.shutdown)
        await asyncio.to_thread(self._patient_threads.shutdown)

    async def _embed_window(self, texts: Sequence[str], vectors: Vectors, patiently: bool) -> int:
        """Fills `vectors` and returns the tokens read."""
        # Not by a thread that gives way: it would keep the interpreter's lock while it waits for a core. Nor by
        # one that others' batches wait for.
        ids_by_text = await self._in_thread(None, self._encode, texts)
        threads = self._patient_threads if patiently else self._passage_threads
        for batch in _batches_of_similar_length([len(ids) for ids in ids_by_text]):
            ids = [ids_by_text[position] for position in batch]
            vectors[batch] = await self._in_thread(threads, self._infer, ids)
        return sum(map(len, ids_by_text))

    async def _in_thread(
        self, threads: ThreadPoolExecutor | None, work: Callable[[_Argument], _Result], argument: _Argument
    ) -> _Result:
        if self._closed:
            raise errors.ProviderUnavailable("The embedded model is closed.")
        return await asyncio.get_running_loop().run_in_executor(threads, work, argument)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._tokenizer.encode(text, SPACE.max_tokens) for text in texts]

    def _infer(self, batch: Sequence[Sequence[int]]) -> Vectors:
        shape = len(batch), max(map(len, batch))
        input_ids, attention_mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, ids in enumerate(batch):
            input_ids[row, : len(ids)] = ids
            attention_mask[row, : len(ids)] = 1
        feed = {"input_ids": input_ids, "attention_mask": attention_mask}
        return cast("Vectors", self._session.run(["embedding"], feed)[0])


def _give_way() -> None:
    """For the calling thread alone, which only Linux can do."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PATIENT_NICENESS)


def _load(model_dir: Path | None, workers: int) -> MiniLM:
    files = model_files.locate(model_dir)
    return MiniLM(_open_session(files.weights.parent), WordPiece(files.vocabulary), workers)


def _open_session(weights_folder: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # threads inside one run fight with each other on a busy machine
    options.inter_op_num_threads = 1
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(weights_folder)
    )
    graph = model_files.GRAPH.read_bytes()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


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
