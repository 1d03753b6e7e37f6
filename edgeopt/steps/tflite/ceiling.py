"""Pools that round their number of windows up, written so that whoever reads the model counts the same ones.

With `ceil_mode`, a last window that would start in the padding behind is none, for ONNX Runtime as for PyTorch. onnx's
own inference of shapes counts it (seen in onnx 1.23.2), and all shapes that follow are wrong. Where that makes a
difference, rounding down over other padding says the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeopt.steps.tflite.families.windows import Window, window_of
from edgeopt.steps.tflite.source import Node

if TYPE_CHECKING:
    import onnx

_POOLS = frozenset({"AveragePool", "LpPool", "MaxPool"})


def settle_ceilings(model: onnx.ModelProto) -> None:
    """Write, in place, pools of fewer windows than inference says without `ceil_mode`, padded to match."""
    left = [node for node in model.graph.node if _attributes(node).get("ceil_mode")]
    while left and (changed := _settle_first(left, _shapes(model))) is not None:
        left = left[changed + 1 :]  # those before it were found right, those behind have other lengths now


def _settle_first(nodes: list[onnx.NodeProto], shapes: dict[str, tuple[int, ...]]) -> int | None:
    """Place of the first of `nodes` that had to be written otherwise; None where none had."""
    for place, node in enumerate(nodes):
        shape = shapes.get(node.input[0])
        if shape is not None and len(shape) > 2 and _settle(node, shape[2:]):
            return place
    return None


def _settle(node: onnx.NodeProto, lengths: tuple[int, ...]) -> bool:
    """Whether a pool over `lengths` had to be written otherwise."""
    import onnx

    attributes = _attributes(node)
    if attributes.get("auto_pad", "NOTSET") != "NOTSET" or len(attributes.get("kernel_shape", ())) != len(lengths):
        return False
    plain = Node(name="", operator=node.op_type, domain="", inputs=(), outputs=(), attributes=attributes)
    window = window_of(plain, attributes["kernel_shape"], lengths)
    if window.outputs == _rounded_up(window):
        return False
    after = tuple(map(max, window.after, window.needed_after))
    if attributes.get("count_include_pad") and after != window.after:
        return False  # what pads would count in the mean, and what a window reaches beyond them does not
    kept = [each for each in node.attribute if each.name not in ("ceil_mode", "pads")]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("pads", [*window.before, *after])])
    return True


def _rounded_up(window: Window) -> tuple[int, ...]:
    parts = zip(window.lengths, window.before, window.after, window.extents, window.strides, strict=True)
    return tuple(-(-(length + before + after - span) // step) + 1 for length, before, after, span, step in parts)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    import onnx

    if node.op_type not in _POOLS or node.domain not in ("", "ai.onnx"):
        return {}
    values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes by name of all values whose shapes can be told."""
    import onnx

    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError):  # above 2 GiB
        return {}
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if dims and all(each.dim_value > 0 for each in dims):
            found[value.name] = tuple(each.dim_value for each in dims)
    return found
