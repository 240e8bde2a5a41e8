"""all-MiniLM-L6-v2 in plain NumPy, one text at a time: what the graph must agree with."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_erf = np.vectorize(math.erf, otypes=[np.float64])


class Reference:
    """Forward pass in double precision."""

    def __init__(self, weights: Path) -> None:
        self._weights = _read(weights)

    def embed(self, ids: Sequence[int]) -> Array:
        """Unit vector of shape (384,)."""
        words = self._weights["embeddings.word_embeddings.weight"][list(ids)]
        positions = self._weights["embeddings.position_embeddings.weight"][: len(ids)]
        token_type = self._weights["embeddings.token_type_embeddings.weight"][0]
        hidden = self._normalised("embeddings.LayerNorm", words + positions + token_type)
        for layer in range(6):
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


def _read(path: Path) -> dict[str, NDArray[np.float32]]:
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
