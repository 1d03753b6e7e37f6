"""An exported model made ready to be shipped: batch norm folded, constants shared, the exporter's notes taken off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeopt.errors import InputError
from edgeopt.graph.fold import folded
from edgeopt.graph.outputs import name_split_outputs
from edgeopt.graph.padding import merge_padding
from edgeopt.graph.quantization import quantization_state
from edgeopt.graph.simplify import simplified
from edgeopt.graph.slim import strip_metadata

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """A model, and what is said of it.

    Attributes:
        model: It computes what the one that was given does; inputs and outputs keep their names.
        warnings: What could not be done.
    """

    model: onnx.ModelProto
    warnings: tuple[str, ...] = ()


def tidied(model: onnx.ModelProto, *, where: str) -> Tidied:
    """`model` with constants and batch norm folded, and without what is computed twice or for nobody.

    One that is quantized keeps its nodes: folding would take its pairs apart.

    Args:
        model: As the exporter wrote it; it may be changed.
        where: What to call it in a warning.
    """
    import onnx

    name_split_outputs(model.graph)
    warnings: tuple[str, ...] = ()
    if quantization_state(model.graph).kind == "none":
        kept = onnx.ModelProto()
        kept.CopyFrom(model)
        try:
            model = folded(model, where=where)
            merge_padding(model.graph)
        except InputError as error:
            model, warnings = kept, (f"the model is not folded: {error.message}",)
        result = simplified(model, where=where)
        model, warnings = result.model, (*warnings, *result.warnings)
    strip_metadata(model)
    model.producer_name, model.producer_version = "edgeopt", ""
    return Tidied(model=model, warnings=warnings)
