"""multilingual-e5-small in four bits, a network that reads some hundred languages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from retrieval_service.domain.indexing.chunking import ChunkPolicy, multilingual_policy
from retrieval_service.domain.indexing.spaces import Level, Scale, Space, Turns, Vectors
from retrieval_service.domain.retrieval.query_readings import Familiarity
from retrieval_service.providers.local import model_files
from retrieval_service.providers.local.e5_file import HIDDEN, INNER, LAYERS, Blocks, E5File, Floats
from retrieval_service.providers.local.embedding import DEFAULT_WORKERS, LocalEmbedder, session_options
from retrieval_service.providers.local.model_files import E5, E5_FILE
from retrieval_service.providers.local.unigram import Unigram

# The model was trained with these; without them it ranks worse.
QUERY_PREFIX = "query: "
PASSAGE_PREFIX = "passage: "

# Sixty questions and sixty passages of each language, of which those of another trade were compared.
UNRELATED = {
    "ru>ru": Level(mean=0.7825, deviation=0.0248),
    "ru>en": Level(mean=0.7429, deviation=0.0290),
    "ru>pt": Level(mean=0.7374, deviation=0.0273),
    "en>ru": Level(mean=0.7470, deviation=0.0255),
    "en>en": Level(mean=0.7810, deviation=0.0257),
    "en>pt": Level(mean=0.7528, deviation=0.0265),
    "pt>ru": Level(mean=0.7618, deviation=0.0212),
    "pt>en": Level(mean=0.7689, deviation=0.0220),
    "pt>pt": Level(mean=0.8028, deviation=0.0214),
}

# Of questions of the same half that were turned to the language of the passages.
UNRELATED_TURNED = {
    "ru>en": Level(mean=0.7761, deviation=0.0244),
    "ru>pt": Level(mean=0.7895, deviation=0.0226),
    "en>ru": Level(mean=0.7811, deviation=0.0255),
    "en>pt": Level(mean=0.7922, deviation=0.0238),
    "pt>ru": Level(mean=0.7939, deviation=0.0217),
    "pt>en": Level(mean=0.7906, deviation=0.0222),
}
CENTRES_FILE = Path(__file__).with_name("e5_centres.json")
CENTRES = {
    language: np.array(centre, np.float32)
    for language, centre in json.loads(CENTRES_FILE.read_text(encoding="utf-8")).items()
}

SCALE = Scale(floor=0.75, spread=0.18, share=0.75, reads_well=True, alike={"": 0.925}, unrelated=UNRELATED)
SPACE = Space(
    provider="local",
    model="multilingual-e5-small-q4",
    revision=E5.sha256[E5_FILE][:8],
    dimensions=HIDDEN,
    max_tokens=512,
    query_prefix=QUERY_PREFIX,
    passage_prefix=PASSAGE_PREFIX,
    scale=SCALE,
    turns=Turns(centres=CENTRES, unrelated=UNRELATED_TURNED),
)

# Measured in three languages with words of one trade that are near those of another, and with words that were mistyped:
# by the logarithm for each letter, in words of some length, four of five mistyped ones are strange.
MOST_STRANGE = -2.8
SHORTEST_STRANGE = 6

GRAPH = Path(__file__).with_name("e5.onnx")
"""Our own graph of the network; it holds no weights, only their names."""

MATRICES = {
    "attention.self.query": ("q", HIDDEN),
    "attention.self.key": ("k", HIDDEN),
    "attention.self.value": ("v", HIDDEN),
    "attention.output.dense": ("ao", HIDDEN),
    "intermediate.dense": ("fi", HIDDEN),
    "output.dense": ("fo", INNER),
}
"""For the name of each matrix in a layer of the graph: its name in the file, and its columns."""
NORMS = {"attention.output.LayerNorm": "aln", "output.LayerNorm": "oln"}


async def open_e5(model_dir: Path | None = None, workers: int = DEFAULT_WORKERS) -> LocalEmbedder[list[int]]:
    """Checks and loads the model in a thread; raises `errors.Misconfigured` when it is missing or altered."""
    return LocalEmbedder(await asyncio.to_thread(load, model_dir), workers)


class E5Small:
    """A `Network`. Rows of its word table are read from the file's map as they are needed: 54 of 72 MB."""

    def __init__(self, file: E5File, tokenizer: Unigram) -> None:
        self._tokenizer = tokenizer
        self._chunk_policy = multilingual_policy(tokenizer.count)
        self._padding = file.vocabulary.padding
        self._words = file.blocks("emb.word", HIDDEN)
        # The session reads these in place, so they live as long.
        self._weights = _weights(file)
        self._session = _open_session(self._weights)

    @property
    def space(self) -> Space:
        return SPACE

    @property
    def chunk_policy(self) -> ChunkPolicy:
        return self._chunk_policy

    def encode_passage(self, text: str) -> list[int]:
        return self._tokenizer.encode(PASSAGE_PREFIX + text, SPACE.max_tokens)

    def encode_query(self, text: str) -> list[int]:
        return self._tokenizer.encode(QUERY_PREFIX + text, SPACE.max_tokens)

    def familiarity(self, word: str) -> Familiarity:
        likelihood = self._tokenizer.likelihood(word)
        if likelihood == 0.0:
            return Familiarity.KNOWN
        is_strange = len(word) >= SHORTEST_STRANGE and likelihood < MOST_STRANGE * len(word)
        return Familiarity.STRANGE if is_strange else Familiarity.POSSIBLE

    def infer(self, batch: Sequence[Sequence[int]]) -> Vectors:
        shape = len(batch), max(map(len, batch))
        numbers, attention_mask = np.full(shape, self._padding, np.int64), np.zeros(shape, np.int64)
        for row, one in enumerate(batch):
            numbers[row, : len(one)] = one
            attention_mask[row, : len(one)] = 1
        feed = {"words": self._rows(numbers), "attention_mask": attention_mask}
        return cast("Vectors", self._session.run(["embedding"], feed)[0])

    def _rows(self, numbers: NDArray[np.int64]) -> Floats:
        distinct, places = np.unique(numbers, return_inverse=True)
        return dequantised(self._words[distinct])[places.reshape(numbers.shape)]


def load(model_dir: Path | None = None) -> E5Small:
    """Raises `errors.Misconfigured` when the model is missing or altered."""
    file = E5File(model_files.locate(E5, model_dir) / E5_FILE)
    return E5Small(file, Unigram(file.vocabulary))


def dequantised(blocks: Blocks) -> Floats:
    """Of shape (rows, weights in a row)."""
    scales = blocks["scale"].astype(np.float32)[..., None]
    return ((_halves(blocks).astype(np.float32) - 8) * scales).reshape(len(blocks), -1)


def repacked(blocks: Blocks) -> tuple[NDArray[np.uint8], Floats]:
    """The weights and the scales as MatMulNBits wants them: two neighbours in a byte."""
    weights = _halves(blocks)
    packed = weights[..., 0::2] | weights[..., 1::2] << 4
    return packed.astype(np.uint8, copy=False), blocks["scale"].astype(np.float32).reshape(-1)


def _halves(blocks: Blocks) -> NDArray[np.uint8]:
    nibbles = blocks["nibbles"]
    return np.concatenate([nibbles & 15, nibbles >> 4], axis=-1, dtype=np.uint8)


def _weights(file: E5File) -> dict[str, NDArray[Any]]:
    """By their names in the graph."""
    places = file.floats("emb.pos").reshape(-1, HIDDEN)
    # Sentences use one token type, so it is a part of every place.
    found: dict[str, NDArray[Any]] = {"places": places + file.floats("emb.type")[:HIDDEN]}
    found |= _pair(file, "embeddings.LayerNorm", "emb.ln")
    for layer in range(LAYERS):
        here, there = f"encoder.layer.{layer}.", f"l{layer}."
        for name, (stored, columns) in MATRICES.items():
            packed, scales = repacked(file.blocks(f"{there}{stored}.w", columns))
            bias = file.floats(f"{there}{stored}.b")
            found |= {f"{here}{name}.weight": packed, f"{here}{name}.scales": scales}
            found[f"{here}{name}.bias"] = bias
        for name, stored in NORMS.items():
            found |= _pair(file, here + name, there + stored)
    return found


def _pair(file: E5File, name: str, stored: str) -> dict[str, NDArray[Any]]:
    return {f"{name}.weight": file.floats(f"{stored}.w"), f"{name}.bias": file.floats(f"{stored}.b")}


def _open_session(weights: dict[str, NDArray[Any]]) -> onnxruntime.InferenceSession:
    options = session_options()
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in weights.values()]
    options.add_external_initializers(list(weights), values)
    return onnxruntime.InferenceSession(GRAPH.read_bytes(), options, providers=["CPUExecutionProvider"])
