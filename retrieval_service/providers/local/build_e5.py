"""Writes `e5.onnx`, the network of multilingual-e5-small without weights, byte for byte the same each time.

`python -m retrieval_service.providers.local.build_e5`; needs the developer extra.
"""

from __future__ import annotations

from math import prod

import numpy as np
from onnx import TensorProto, helper

from retrieval_service.providers.local import e5, graphs
from retrieval_service.providers.local.e5_file import HIDDEN, INNER, LAYERS, WEIGHTS_IN_BLOCK

_OPERATORS_OF_ONNXRUNTIME = "com.microsoft"
_BITS = 4
# Weights are unpacked and multiplied as float32. Eight-bit integers (level 4) save a short question 4 ms, but take a
# third longer for a passage on processors with AMX, and round differently on each kind of processor.
_ACCURACY_LEVEL = 0

_SIZES: dict[int, int] = {TensorProto.FLOAT: 4, TensorProto.UINT8: 1}
_ROWS = {"intermediate.dense": INNER}


def build() -> bytes:
    """The serialised graph: `words` (float32, B×S×384, the rows of the word table) and `attention_mask`
    (int64, B×S) to `embedding` (float32, B×384)."""
    graph = _Graph()
    mask = graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    graphs.encode(graph, LAYERS, _embeddings(graph), mask)
    words = helper.make_tensor_value_info("words", TensorProto.FLOAT, ["B", "S", HIDDEN])
    return graph.serialised(e5.SPACE.model, [words, graphs.ATTENTION_MASK], _OPERATORS_OF_ONNXRUNTIME)


def main() -> None:
    e5.GRAPH.write_bytes(build())


class _Graph(graphs.Graph):
    """The weights are handed to the session by their names."""

    def weight(self, name: str) -> str:
        layer, _, part = name.rpartition(".")
        is_wide = part == "bias" and layer.endswith("intermediate.dense")
        return self._given(name, TensorProto.FLOAT, (INNER if is_wide else HIDDEN,))

    def linear(self, name: str, inputs: str) -> str:
        matrix = name.split(".", maxsplit=3)[-1]
        columns = e5.MATRICES[matrix][1]
        rows, blocks = _ROWS.get(matrix, HIDDEN), columns // WEIGHTS_IN_BLOCK
        weights = [
            self._given(f"{name}.weight", TensorProto.UINT8, (rows, blocks, WEIGHTS_IN_BLOCK // 2)),
            self._given(f"{name}.scales", TensorProto.FLOAT, (rows * blocks,)),
        ]
        product = self.node(
            "MatMulNBits",
            [inputs, *weights],
            f"{name}.product",
            domain=_OPERATORS_OF_ONNXRUNTIME,
            K=columns,
            N=rows,
            bits=_BITS,
            block_size=WEIGHTS_IN_BLOCK,
            accuracy_level=_ACCURACY_LEVEL,
        )
        return self.node("Add", [product, self.weight(f"{name}.bias")], f"{name}.output")

    def places(self) -> str:
        return self._given("places", TensorProto.FLOAT, (e5.SPACE.max_tokens, HIDDEN))

    def _given(self, name: str, kind: int, shape: tuple[int, ...]) -> str:
        place = {"location": "given", "offset": "0", "length": str(prod(shape) * _SIZES[kind])}
        return self.external(name, kind, shape, place)


def _embeddings(graph: _Graph) -> str:
    """Word + place, normalised."""
    zero = graph.constant("zero", np.array([0]))
    length = graph.node("Shape", ["attention_mask"], "length", start=1, end=2)
    places = graph.node("Slice", [graph.places(), zero, length, zero], "first_places")
    return graph.normalised("embeddings.LayerNorm", graph.node("Add", ["words", places], "embedded"))


if __name__ == "__main__":
    main()
