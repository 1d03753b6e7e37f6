"""A float model made ready for quantization: read, refused or upgraded, folded and simplified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.errors import InputError
from edgeopt.graph.fold import folded
from edgeopt.graph.load import load_onnx
from edgeopt.graph.outputs import name_split_outputs
from edgeopt.graph.padding import merge_padding
from edgeopt.graph.shapes import write_types
from edgeopt.graph.simplify import simplified
from edgeopt.graph.upgrade import upgraded
from edgeopt.steps.quantize.refuse import odd_float, require_evaluation_mode, require_finite_weights, require_float

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A model that can be quantized.

    Attributes:
        model: It, with its data in memory, of an opset that knows scales per channel, folded and simplified, with the
            types of its tensors.
        warnings: What the user should know of what was done to it.
    """

    model: onnx.ModelProto
    warnings: tuple[str, ...] = ()


def prepared(source: Path) -> Prepared:
    """The float model at `source`, ready to be quantized.

    Raises:
        InputError: It cannot be read, ONNX Runtime does not take it, or it is quantized already.
        Unsupported: It holds classic machine learning operators, or an opset that cannot be upgraded.
    """
    where = str(source)
    model = load_onnx(source)
    require_float(model, where=where)
    require_evaluation_mode(model, where=where)  # ONNX Runtime merges a norm in training mode as if it were not
    name_split_outputs(model.graph)
    model, warnings = upgraded(model, where=where)
    model = _folded(model, where)
    require_evaluation_mode(model, where=where)  # the mode of a Dropout can be a constant that was computed
    require_finite_weights(model, where=where)
    merge_padding(model.graph)
    result = simplified(model, where=where)
    write_types(result.model)
    return Prepared(model=result.model, warnings=(*warnings, *result.warnings))


def _folded(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    kind = odd_float(model)
    try:
        model = folded(model, where=where)
        if _has_cast_constants(model):
            # ONNX Runtime widens float16 weights behind its constant folding; the next one folds the casts.
            model = folded(model, where=where)
    except InputError as error:
        if not kind:
            raise
        hint = f"it computes in {kind}: export it in float32 (in torch, `model.float()` first)"
        raise InputError(error.message, hint=hint) from error
    return model


def _has_cast_constants(model: onnx.ModelProto) -> bool:
    constants = {tensor.name for tensor in model.graph.initializer}
    return any(node.op_type == "Cast" and node.input[0] in constants for node in model.graph.node)
