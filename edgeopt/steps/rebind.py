"""An ONNX model with fixed shapes, or in another opset, proven to compute what it did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.agreement import Verdict, agreement
from edgeopt.graph.fixed import Axes, fix_inputs, require_known_inputs
from edgeopt.graph.load import load_onnx, onnx_artifact
from edgeopt.graph.runtime import first_line
from edgeopt.graph.save import fits_one_message, save_onnx
from edgeopt.steps.protocol import StepReport

if TYPE_CHECKING:
    import onnx

SMALLEST_OPSET, LARGEST_OPSET = 7, 23  # what ONNX Runtime takes, and what its oldest supported version here knows


def rebind_onnx(source: Path, output: Path, *, axes: Mapping[str, Axes], opset: int | None) -> StepReport:
    """Write the ONNX model `source` to `output` with other shapes of inputs, another opset, or both.

    Args:
        source: An ONNX model.
        output: Where the result goes; written whole or not at all.
        axes: Shape by name of the input: a length fixes a free axis.
        opset: The version of the ONNX operators; None leaves it.

    Raises:
        InputError: The model cannot be read, or a shape is for no input of it.
        Unsupported: The opset cannot be reached, or the result is not proven to compute the same.
    """
    where = str(source)
    model = load_onnx(source)
    require_known_inputs(onnx_artifact(source).inputs, axes, where=where)
    before = _copy(model, where)
    fix_inputs(before, axes)
    after = before if opset is None else _in_opset(before, opset, where)
    found = agreement(before, after)
    if found.verdict is not Verdict.EQUAL:
        raise Unsupported(
            f"`{where}` is not proven to compute the same afterwards: {found.reason}; nothing is written",
            hint="export it again in the opset and with the shapes that you need",
        )
    save_onnx(after, output)
    version = next(entry.version for entry in after.opset_import if entry.domain in ("", "ai.onnx"))
    return StepReport(details={"opset": version, "proof": {"told": "outputs equal on random inputs", "outputs": []}})


def _copy(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    import onnx

    if not fits_one_message(model):
        raise Unsupported(f"`{where}` is above 2 GiB, which cannot be proven here", hint="export it again instead")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _in_opset(model: onnx.ModelProto, opset: int, where: str) -> onnx.ModelProto:
    import onnx

    if not SMALLEST_OPSET <= opset <= LARGEST_OPSET:
        raise InputError(f"opset `{opset}` is not known", hint=f"one from {SMALLEST_OPSET} to {LARGEST_OPSET}")
    try:
        return onnx.version_converter.convert_version(model, opset)
    except (RuntimeError, ValueError, onnx.version_converter.ConvertError) as error:
        raise Unsupported(
            f"`{where}` cannot be brought to opset {opset}: {first_line(error)}",
            hint="export it again in that opset",
        ) from error
