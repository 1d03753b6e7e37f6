"""Models of old opsets brought to one that knows scales per channel, and proven to compute what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeopt.errors import Unsupported
from edgeopt.graph.agreement import Verdict, agreement
from edgeopt.graph.runtime import first_line
from edgeopt.graph.save import fits_one_message
from edgeopt.graph.subgraphs import subgraphs

if TYPE_CHECKING:
    import onnx

# Per-channel DequantizeLinear came with opset 13; 17 is what torch exports and every current runtime reads.
SMALLEST_OPSET = 13
UPGRADE_OPSET = 17
_MODE = "coordinate_transformation_mode"
_RESIZE_OPSET = 11  # from which on Resize says how it maps coordinates


def upgraded(
    model: onnx.ModelProto, *, where: str, needed_by: str = "int8 per channel"
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """`model` in an opset of at least `SMALLEST_OPSET`, and what was said about it; it stays as it is.

    The version converter of `onnx` is not trusted: the result must agree with the original on random inputs.

    Args:
        model: A model with its data in memory.
        where: What to call it in an error.
        needed_by: What needs the newer opset, for people.

    Raises:
        Unsupported: The converter fails, or what it gives computes something else.
    """
    import onnx

    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), UPGRADE_OPSET)
    if opset >= SMALLEST_OPSET:
        return model, ()
    if not fits_one_message(model):
        raise _failed(where, opset, "it is above 2 GiB", needed_by)
    try:
        result = onnx.version_converter.convert_version(model, UPGRADE_OPSET)
    except (RuntimeError, ValueError, onnx.version_converter.ConvertError) as error:
        raise _failed(where, opset, first_line(error), needed_by) from error
    found = agreement(model, result)
    if found.verdict is Verdict.DIFFERENT and opset < _RESIZE_OPSET:
        _keep_resize(result.graph)
        found = agreement(model, result)
    if found.verdict is Verdict.DIFFERENT:
        raise _failed(where, opset, found.reason, needed_by)
    told = [f"the model was brought from opset {opset} to {UPGRADE_OPSET}: {needed_by} needs {SMALLEST_OPSET}"]
    if found.verdict is Verdict.UNKNOWN:
        told.append(f"the upgrade from opset {opset} is not proven to compute the same: {found.reason}")
    return result, tuple(told)


def _keep_resize(graph: onnx.GraphProto) -> None:
    """Let every Resize map coordinates as Upsample and the first Resize did; the converter leaves the new default."""
    import onnx

    for node in graph.node:
        if node.op_type == "Resize" and not any(entry.name == _MODE for entry in node.attribute):
            node.attribute.append(onnx.helper.make_attribute(_MODE, "asymmetric"))
            node.attribute.append(onnx.helper.make_attribute("nearest_mode", "floor"))
        for inner in subgraphs(node):
            _keep_resize(inner)


def _failed(where: str, opset: int, reason: str, needed_by: str) -> Unsupported:
    return Unsupported(
        f"`{where}` has opset {opset}; {needed_by} needs {SMALLEST_OPSET} and the upgrade failed: {reason}",
        hint=f"export it again with opset {UPGRADE_OPSET}",
    )
