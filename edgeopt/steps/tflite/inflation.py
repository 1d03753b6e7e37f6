"""Constants that a few bytes of a model blow up beyond any file: found before a runtime computes them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.refusal import Refusal, refused_together

if TYPE_CHECKING:
    import onnx

MOST_ELEMENTS = 2**29  # of a constant: 2 GiB of float32, which is what a TFLite file can hold
_FEW = 64  # elements of what says a shape or a bound


def refuse_inflation(model: onnx.ModelProto, *, where: str) -> None:
    """Refuse constants that would have more than `MOST_ELEMENTS` elements.

    Raises:
        Unsupported: There are such; all of them are told.
    """
    small = _small_constants(model.graph)
    refusals = [
        Refusal(
            node=node.name or node.output[0],
            operator=node.op_type,
            reason=f"makes {count:,} elements, and a TFLite file holds 2 GiB",
            rewrite="a smaller shape",
        )
        for node in model.graph.node
        if not node.domain and (count := _elements(node, small)) > MOST_ELEMENTS
    ]
    if refusals:
        raise refused_together(refusals, where=where)


def _elements(node: onnx.NodeProto, small: dict[str, NDArray[Any]]) -> int:
    """Least number of elements that a node makes of constants; 0 where it is none of those that inflate."""
    known = [small.get(name) for name in node.input]
    if node.op_type == "ConstantOfShape" and known[0] is not None:
        return _product(known[0])
    if node.op_type in ("Expand", "Tile") and len(known) > 1 and known[1] is not None:
        return _product(known[1])
    if node.op_type == "Range" and len(known) == 3:
        start, limit, delta = (None if each is None or not each.size else float(each.flat[0]) for each in known)
        if start is not None and limit is not None and delta:
            return int(min(max((limit - start) / delta, 0.0), 2.0**62))
    return 0


def _product(lengths: NDArray[Any]) -> int:
    return prod(max(int(each), 1) for each in lengths.reshape(-1)) if lengths.dtype.kind in "iu" else 0


def _small_constants(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    import onnx

    found = [tensor for tensor in graph.initializer if prod(tensor.dims) <= _FEW]
    values = {tensor.name: tensor for tensor in found if tensor.data_type != onnx.TensorProto.STRING}
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value" and prod(attribute.t.dims) <= _FEW:
                values[node.output[0]] = attribute.t
    return {
        name: np.asarray(onnx.numpy_helper.to_array(tensor))
        for name, tensor in values.items()
        if tensor.data_location != onnx.TensorProto.EXTERNAL
    }
