"""What classic machine learning (`ai.onnx.ml`: trees, linear models, support vectors) holds and costs.

These operators keep their numbers in attributes, not in constants.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

DOMAIN = "ai.onnx.ml"
# Attributes that a sample is multiplied with, each once.
_FACTORS = ("coefficients", "support_vectors", "scale")
_LEARNED = (*_FACTORS, "intercepts", "offset", "rho", "prob_a", "prob_b", "base_values")
_LEAF_VALUES = ("class_weights", "target_weights", "leaf_weights")
_ITEM_BYTES = 4  # of float32; wider numbers of attributes are indices


def is_classic(node: onnx.NodeProto) -> bool:
    """Whether a node is of `ai.onnx.ml`."""
    return node.domain == DOMAIN


def classic_macs(node: onnx.NodeProto) -> int:
    """Multiply-accumulates for one sample: of weights, support vectors and scales. Trees compare, and have none."""
    return sum(len(numbers) for name, numbers in _floats(node) if name in _FACTORS)


def classic_parameters(node: onnx.NodeProto) -> int:
    """Learned numbers: weights, biases, support vectors; of trees one threshold per branch, and values of leaves."""
    learned = sum(len(numbers) for name, numbers in _floats(node) if name in (*_LEARNED, *_LEAF_VALUES))
    return learned + sum(mode != b"LEAF" for mode in _texts(node, "nodes_modes"))


def classic_bytes(node: onnx.NodeProto) -> int:
    """Bytes of the learned numbers, as float32."""
    return classic_parameters(node) * _ITEM_BYTES


def _floats(node: onnx.NodeProto) -> Iterable[tuple[str, list[float]]]:
    """Attributes that are lists of floats, by the name that the operator gives them."""
    import onnx

    for attribute in node.attribute:
        name = attribute.name.removesuffix("_as_tensor")
        if attribute.floats:
            yield name, list(attribute.floats)
        elif attribute.HasField("t"):
            yield name, onnx.numpy_helper.to_array(attribute.t).ravel().tolist()


def _texts(node: onnx.NodeProto, name: str) -> list[bytes]:
    return [text for attribute in node.attribute if attribute.name == name for text in attribute.strings]
