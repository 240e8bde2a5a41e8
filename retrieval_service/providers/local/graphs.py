"""Builds the encoder that the local models have in common, as an ONNX graph without weights.

For developers: it needs the package onnx, which the service itself does not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

HIDDEN = 384
_HEADS, _HEAD_SIZE = 12, 32
_EPSILON = 1e-12
_MASKED = -1e9
_OPSET, _IR_VERSION = 20, 9  # what onnxruntime 1.21 understands

ATTENTION_MASK = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["B", "S"])


class Graph(ABC):
    """Collects nodes and initialisers; every method returns the name of the tensor it made."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._initialisers: dict[str, TensorProto] = {}

    @abstractmethod
    def linear(self, name: str, inputs: str) -> str:
        """`inputs` × weightᵀ + bias."""

    @abstractmethod
    def weight(self, name: str) -> str: ...

    def node(
        self,
        operator: str,
        inputs: list[str],
        output: str,
        domain: str | None = None,
        **attributes: int | float | list[int],
    ) -> str:
        node = helper.make_node(operator, inputs, [output], domain=domain)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)
        return output

    def constant(self, name: str, value: ArrayLike) -> str:
        self._initialisers[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def external(self, name: str, kind: int, shape: tuple[int, ...], place: dict[str, str]) -> str:
        """A weight that is elsewhere; `place` is where."""
        tensor = TensorProto(name=name, data_type=kind, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in place.items():
            tensor.external_data.add(key=key, value=value)
        self._initialisers[name] = tensor
        return name

    def normalised(self, name: str, inputs: str) -> str:
        weights = [self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.node(
            "LayerNormalization", [inputs, *weights], f"{name}.output", axis=-1, epsilon=_EPSILON
        )

    def serialised(self, title: str, inputs: list[ValueInfoProto], *domains: str) -> bytes:
        """Byte for byte the same each time; `domains` are those of operators beside ONNX's own."""
        graph = helper.make_graph(
            self._nodes,
            title,
            inputs,
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", HIDDEN])],
            list(self._initialisers.values()),
        )
        opsets = [helper.make_opsetid("", _OPSET), *(helper.make_opsetid(domain, 1) for domain in domains)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return model.SerializeToString(deterministic=True)


def encode(graph: Graph, layers: int, hidden: str, mask: str) -> None:
    """From embedded tokens to the output `embedding`."""
    attention_bias = _attention_bias(graph, mask)
    for layer in range(layers):
        hidden = _attention(graph, f"encoder.layer.{layer}.attention.", hidden, attention_bias)
        hidden = _feed_forward(graph, f"encoder.layer.{layer}.", hidden)
    _mean_pooling(graph, hidden, mask)


def _attention_bias(graph: Graph, mask: str) -> str:
    """(B, 1, 1, S): 0 where a token stands, a large negative number where padding does."""
    padding = graph.node("Sub", [graph.constant("present", np.float32(1)), mask], "padding")
    axes = graph.constant("bias_axes", np.array([1, 2]))
    bias = graph.node("Mul", [padding, graph.constant("masked", np.float32(_MASKED))], "bias")
    return graph.node("Unsqueeze", [bias, axes], "attention_bias")


def _attention(graph: Graph, prefix: str, hidden: str, attention_bias: str) -> str:
    query = _heads(graph, f"{prefix}self.query", hidden, [0, 2, 1, 3])
    key = _heads(graph, f"{prefix}self.key", hidden, [0, 2, 3, 1])
    value = _heads(graph, f"{prefix}self.value", hidden, [0, 2, 1, 3])
    scale = graph.constant("scale", np.float32(_HEAD_SIZE**-0.5))
    products = graph.node("MatMul", [query, key], f"{prefix}products")
    scaled = graph.node("Mul", [products, scale], f"{prefix}scaled")
    scores = graph.node("Add", [scaled, attention_bias], f"{prefix}scores")
    shares = graph.node("Softmax", [scores], f"{prefix}shares", axis=-1)
    context = graph.node("MatMul", [shares, value], f"{prefix}context")
    joined = _joined_heads(graph, prefix, context)
    output = graph.linear(f"{prefix}output.dense", joined)
    residual = graph.node("Add", [output, hidden], f"{prefix}residual")
    return graph.normalised(f"{prefix}output.LayerNorm", residual)


def _heads(graph: Graph, name: str, hidden: str, order: list[int]) -> str:
    shape = graph.constant("split_shape", np.array([0, 0, _HEADS, _HEAD_SIZE]))
    split = graph.node("Reshape", [graph.linear(name, hidden), shape], f"{name}.split")
    return graph.node("Transpose", [split], f"{name}.heads", perm=order)


def _joined_heads(graph: Graph, prefix: str, context: str) -> str:
    by_token = graph.node("Transpose", [context], f"{prefix}by_token", perm=[0, 2, 1, 3])
    shape = graph.constant("joined_shape", np.array([0, 0, HIDDEN]))
    return graph.node("Reshape", [by_token, shape], f"{prefix}joined")


def _feed_forward(graph: Graph, prefix: str, hidden: str) -> str:
    inner = graph.linear(f"{prefix}intermediate.dense", hidden)
    activated = graph.node("Gelu", [inner], f"{prefix}activated")
    output = graph.linear(f"{prefix}output.dense", activated)
    residual = graph.node("Add", [output, hidden], f"{prefix}residual")
    return graph.normalised(f"{prefix}output.LayerNorm", residual)


def _mean_pooling(graph: Graph, hidden: str, mask: str) -> str:
    """The sum is enough: bringing it to unit length makes it the mean's direction."""
    axes = graph.constant("mask_axes", np.array([2]))
    column = graph.node("Unsqueeze", [mask, axes], "mask_column")
    kept = graph.node("Mul", [hidden, column], "kept")
    summed = graph.node("ReduceSum", [kept, graph.constant("one", np.array([1]))], "summed", keepdims=0)
    return graph.node("LpNormalization", [summed], "embedding", axis=-1, p=2)
