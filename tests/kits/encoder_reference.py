"""The networks of the local models in plain NumPy, one text at a time: what the graphs must agree with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval_service.providers.local import e5
from retrieval_service.providers.local.e5_file import HIDDEN, E5File

Array = NDArray[np.float64]

_erf = np.vectorize(math.erf, otypes=[np.float64])


class Reference:
    """Forward pass in double precision."""

    def __init__(self, weights: Mapping[str, Array], layers: int) -> None:
        self._weights = weights
        self._layers = layers

    @classmethod
    def minilm(cls, weights: Path) -> Reference:
        return cls(_read(weights), layers=6)

    @classmethod
    def e5(cls, file: E5File) -> Reference:
        return cls(_dequantised(file), layers=12)

    def embed(self, ids: Sequence[int]) -> Array:
        """Unit vector of shape (384,)."""
        words = self._weights["embeddings.word_embeddings.weight"][list(ids)]
        positions = self._weights["embeddings.position_embeddings.weight"][: len(ids)]
        token_type = self._weights["embeddings.token_type_embeddings.weight"][0]
        hidden = self._normalised("embeddings.LayerNorm", words + positions + token_type)
        for layer in range(self._layers):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden)
        mean = hidden.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def _layer(self, prefix: str, hidden: Array) -> Array:
        attended = self._linear(f"{prefix}attention.output.dense", self._attention(prefix, hidden))
        hidden = self._normalised(f"{prefix}attention.output.LayerNorm", hidden + attended)
        inner = self._linear(f"{prefix}intermediate.dense", hidden)
        activated = inner * 0.5 * (1 + _erf(inner / math.sqrt(2)))
        output = self._linear(f"{prefix}output.dense", activated)
        return self._normalised(f"{prefix}output.LayerNorm", hidden + output)

    def _attention(self, prefix: str, hidden: Array) -> Array:
        query, key, value = (
            self._linear(f"{prefix}attention.self.{role}", hidden).reshape(-1, 12, 32).transpose(1, 0, 2)
            for role in ("query", "key", "value")
        )
        scores = np.exp(query @ key.transpose(0, 2, 1) / math.sqrt(32))
        shares = scores / scores.sum(axis=-1, keepdims=True)
        return (shares @ value).transpose(1, 0, 2).reshape(-1, 384)

    def _linear(self, name: str, inputs: Array) -> Array:
        return inputs @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normalised(self, name: str, inputs: Array) -> Array:
        centred = inputs - inputs.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return centred / deviation * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _read(path: Path) -> dict[str, Any]:
    """Views into the safetensors file; only the float32 tensors, which are all the network has."""
    content = np.memmap(path, np.uint8, "r")
    header_length = int(content[:8].view("<u8")[0])
    header = json.loads(content[8 : 8 + header_length].tobytes())
    data = content[8 + header_length :]
    return {
        name: data[slice(*entry["data_offsets"])].view("<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }


def _dequantised(file: E5File) -> dict[str, Any]:
    """By the names of the network that the file was made from."""
    found: dict[str, Any] = {
        "embeddings.word_embeddings.weight": e5.dequantised(file.blocks("emb.word", HIDDEN)),
        "embeddings.position_embeddings.weight": file.floats("emb.pos").reshape(-1, HIDDEN),
        "embeddings.token_type_embeddings.weight": file.floats("emb.type").reshape(-1, HIDDEN),
        **_pair(file, "embeddings.LayerNorm", "emb.ln"),
    }
    for layer in range(12):
        here, there = f"encoder.layer.{layer}.", f"l{layer}."
        for name, (stored, columns) in e5.MATRICES.items():
            blocks = file.blocks(f"{there}{stored}.w", columns)
            found[f"{here}{name}.weight"] = e5.dequantised(blocks).astype(np.float64)
            found[f"{here}{name}.bias"] = file.floats(f"{there}{stored}.b")
        for name, stored in e5.NORMS.items():
            found |= _pair(file, here + name, there + stored)
    return found


def _pair(file: E5File, name: str, stored: str) -> dict[str, Any]:
    return {f"{name}.weight": file.floats(f"{stored}.w"), f"{name}.bias": file.floats(f"{stored}.b")}
