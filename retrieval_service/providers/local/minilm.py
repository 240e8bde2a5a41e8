"""All-MiniLM-L6-v2, the small network that reads English."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime

from retrieval_service.domain.indexing.chunking import ChunkPolicy, local_policy
from retrieval_service.domain.indexing.spaces import Scale, Space, Vectors
from retrieval_service.domain.retrieval.query_readings import Familiarity
from retrieval_service.providers.local import model_files
from retrieval_service.providers.local.embedding import DEFAULT_WORKERS, LocalEmbedder, session_options
from retrieval_service.providers.local.model_files import MINILM, MINILM_VOCABULARY, MINILM_WEIGHTS
from retrieval_service.providers.local.wordpiece import WordPiece

SPACE = Space(
    provider="local",
    model="all-MiniLM-L6-v2",
    revision=MINILM.sha256[MINILM_WEIGHTS][:8],
    dimensions=384,
    max_tokens=256,
    languages=frozenset({"en"}),
    scripts=frozenset({"Latin"}),
    # Chosen on labelled pairs in English (tests/kits/likeness_pairs.py).
    scale=Scale(alike={"": 0.72}),
)


GRAPH = Path(__file__).with_name("minilm.onnx")
"""Our own graph of the network; it holds no weights, only their byte offsets in the weights file."""


async def open_minilm(
    model_dir: Path | None = None, workers: int = DEFAULT_WORKERS
) -> LocalEmbedder[list[int]]:
    """Checks and loads the model in a thread; raises `errors.Misconfigured` when it is missing or altered."""
    return LocalEmbedder(await asyncio.to_thread(load, model_dir), workers)


class MiniLM:
    """A `Network`."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: WordPiece) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._chunk_policy = local_policy(tokenizer.count)

    @property
    def space(self) -> Space:
        return SPACE

    @property
    def chunk_policy(self) -> ChunkPolicy:
        return self._chunk_policy

    def encode_passage(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, SPACE.max_tokens)

    def encode_query(self, text: str) -> list[int]:
        return self.encode_passage(text)

    def familiarity(self, word: str) -> Familiarity:
        """Measured: of the words of English texts that are wrongly guessed to be others it knows five of six."""
        if self._tokenizer.is_one_token(word):
            return Familiarity.KNOWN
        return Familiarity.STRANGE if word.isascii() else Familiarity.POSSIBLE

    def infer(self, batch: Sequence[Sequence[int]]) -> Vectors:
        shape = len(batch), max(map(len, batch))
        input_ids, attention_mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, ids in enumerate(batch):
            input_ids[row, : len(ids)] = ids
            attention_mask[row, : len(ids)] = 1
        feed = {"input_ids": input_ids, "attention_mask": attention_mask}
        return cast("Vectors", self._session.run(["embedding"], feed)[0])


def load(model_dir: Path | None = None) -> MiniLM:
    """Raises `errors.Misconfigured` when the model is missing or altered."""
    folder = model_files.locate(MINILM, model_dir)
    return MiniLM(_open_session(folder), WordPiece(folder / MINILM_VOCABULARY))


def _open_session(weights_folder: Path) -> onnxruntime.InferenceSession:
    options = session_options()
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(weights_folder)
    )
    return onnxruntime.InferenceSession(GRAPH.read_bytes(), options, providers=["CPUExecutionProvider"])
