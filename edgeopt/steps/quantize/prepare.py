"""A float model made ready for quantization: read, refused or upgraded, folded and simplified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.fold import folded
from edgeopt.graph.load import load_onnx
from edgeopt.graph.padding import merge_padding
from edgeopt.graph.quantization import quantization_state
from edgeopt.graph.simplify import simplified
from edgeopt.graph.upgrade import upgraded

if TYPE_CHECKING:
    import onnx

_ML_DOMAIN = "ai.onnx.ml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A model that can be quantized.

    Attributes:
        model: It, with its data in memory, of an opset that knows scales per channel, folded.
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
    model = load_onnx(source)
    _require_float(model, source)
    model, warnings = upgraded(model, where=str(source))
    model = folded(model, where=str(source))
    if _has_cast_constants(model):
        # ONNX Runtime widens float16 weights behind its constant folding; the next one folds the casts.
        model = folded(model, where=str(source))
    merge_padding(model.graph)
    result = simplified(model, where=str(source))
    return Prepared(model=result.model, warnings=(*warnings, *result.warnings))


def _require_float(model: onnx.ModelProto, source: Path) -> None:
    state = quantization_state(model.graph)
    if state.kind != "none":
        raise InputError(
            f"`{source}` is quantized already ({state.kind})", hint="quantize the float model that it was made from"
        )
    if any(node.domain == _ML_DOMAIN for node in model.graph.node):
        raise Unsupported(
            f"`{source}` holds `{_ML_DOMAIN}` operators (trees, scalers), which have no int8 kernels",
            hint="`edgeopt bench` and `edgeopt evaluate` take it as it is",
        )


def _has_cast_constants(model: onnx.ModelProto) -> bool:
    constants = {tensor.name for tensor in model.graph.initializer}
    return any(node.op_type == "Cast" and node.input[0] in constants for node in model.graph.node)
