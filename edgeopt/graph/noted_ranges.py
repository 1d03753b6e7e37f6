"""Ranges of float results that a calibration saw and no quantize node says, noted in the model.

ONNX Runtime writes the result of an integer Gemm or MatMul as floats where no integer node reads it; runtimes for
microcontrollers have no such kernel, and need its scale. The ranges lie under `edgeopt.ranges` in the model's
`metadata_props`, as JSON: name of a tensor -> [smallest, largest value].
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

KEY = "edgeopt.ranges"
Bounds = tuple[float, float]


def write_noted_ranges(model: onnx.ModelProto, ranges: Mapping[str, Bounds]) -> None:
    """Note `ranges` in `model`, in place; nothing where there are none."""
    if not ranges:
        return
    entry = model.metadata_props.add()
    entry.key = KEY
    entry.value = json.dumps({name: list(bounds) for name, bounds in ranges.items()}, sort_keys=True)


def noted_ranges_in(model: onnx.ModelProto) -> dict[str, Bounds]:
    """(smallest, largest value) per tensor that `model` notes; what cannot be read is not there."""
    notes = [entry.value for entry in model.metadata_props if entry.key == KEY]
    try:
        told = json.loads(notes[-1])
        found = {str(name): (float(low), float(high)) for name, (low, high) in told.items()}
    except (IndexError, TypeError, ValueError, AttributeError):
        return {}
    return {name: (low, high) for name, (low, high) in found.items() if low <= high and math.isfinite(high - low)}


def with_noted_pairs(model: onnx.ModelProto, noted: Mapping[str, Mapping[str, Any]]) -> onnx.ModelProto:
    """A copy of `model` that rounds the tensors of `noted` to int8: what a conversion of it to integers computes.

    Args:
        model: A model.
        noted: `scale` and `zero_point` per name of a tensor.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    made = {name: node for node in copy.graph.node for name in node.output}
    for name in noted.keys() & made.keys():
        outputs = made[name].output
        outputs[list(outputs).index(name)] = f"{name}/exact"
        scale, point = f"{name}/scale", f"{name}/zero_point"
        copy.graph.initializer.extend(
            [
                onnx.numpy_helper.from_array(np.array(noted[name]["scale"], np.float32), scale),
                onnx.numpy_helper.from_array(np.array(noted[name]["zero_point"], np.int8), point),
            ]
        )
        place = list(copy.graph.node).index(made[name]) + 1
        pair = [
            onnx.helper.make_node("QuantizeLinear", [f"{name}/exact", scale, point], [f"{name}/integers"]),
            onnx.helper.make_node("DequantizeLinear", [f"{name}/integers", scale, point], [name]),
        ]
        for offset, node in enumerate(pair):
            copy.graph.node.insert(place + offset, node)
    return copy
