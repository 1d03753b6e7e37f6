"""An ONNX model made ready to be lowered: shapes fixed, constants folded, batch norms and paddings merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgeopt.errors import InputError, Unsupported, near_names
from edgeopt.graph.fold import folded
from edgeopt.graph.padding import merge_padding
from edgeopt.graph.simplify import simplified
from edgeopt.graph.transposed_norm import merge_transposed_norms
from edgeopt.steps.tflite.ceiling import settle_ceilings
from edgeopt.steps.tflite.dynamic import with_dynamic_products
from edgeopt.steps.tflite.expand import expanded
from edgeopt.steps.tflite.inflation import refuse_inflation
from edgeopt.steps.tflite.qoperators import without_qoperators

if TYPE_CHECKING:
    import onnx

Shapes = Mapping[str, tuple[int, ...]]
_INLINED = "_inlfunc_"  # how ONNX Runtime calls values from the body of a function
_FREE_CONSTANTS = 4  # the IR version from which constants need not be inputs


def with_fixed_shapes(model: onnx.ModelProto, shapes: Shapes) -> None:
    """Bind, in place, every free axis of the inputs: by `shapes`, else a first axis to 1.

    A length of 0 counts as free unless `shapes` says it.

    Raises:
        InputError: `shapes` names no input, or says another length of a fixed axis.
        Unsupported: Free axes are left; all of them are told.
    """
    _hold_constants(model)
    inputs = {value.name: value for value in model.graph.input}
    for name in shapes:
        if name not in inputs:
            raise InputError(f"the model has no input `{name}`", hint=near_names(name, inputs))
    left: list[str] = []
    for name, value in inputs.items():
        axes = value.type.tensor_type.shape.dim
        given = shapes.get(name)
        if given is not None and len(given) != len(axes):
            raise InputError(
                f"input `{name}` has {len(axes)} axes, `{'x'.join(map(str, given))}` has {len(given)}",
                hint="give a length per axis",
            )
        for place, axis in enumerate(axes):
            fixed = axis.dim_value if axis.HasField("dim_value") and axis.dim_value > 0 else None
            if given is None:
                axis.dim_value = fixed if fixed is not None else 1 if place == 0 else 0
            elif fixed is not None and fixed != given[place]:
                raise InputError(
                    f"axis {place} of input `{name}` is {fixed}, not {given[place]}",
                    hint=f"the model has it fixed: give {fixed} there, or leave `--input` out",
                )
            else:
                axis.dim_value = given[place]
        lengths = [axis.dim_value for axis in axes]
        if 0 in lengths and given is None:
            left.append(f"{name}={'x'.join(str(length or '?') for length in lengths)}")
    if left:
        names = ", ".join(f"`{each.partition('=')[0]}`" for each in left)
        raise Unsupported(
            f"TFLite models have fixed shapes, and inputs have free axes: {names}",
            hint=f"give a length in the place of each `?`: {' '.join(f'`--input {each}`' for each in left)}",
        )
    _forget_types(model)


def _hold_constants(model: onnx.ModelProto) -> None:
    """Take off, in place, inputs that an initializer gives a value: before IR version 4 every constant was one."""
    constants = {tensor.name for tensor in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name not in constants]
    if len(kept) < len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(kept)
        model.ir_version = max(model.ir_version, _FREE_CONSTANTS)


def _forget_types(model: onnx.ModelProto) -> None:
    """Take off, in place, types of inner values and lengths of outputs: they spoke of the free axes."""
    del model.graph.value_info[:]
    for value in model.graph.output:
        if value.type.HasField("tensor_type"):
            for axis in value.type.tensor_type.shape.dim:
                if not axis.dim_value > 0:
                    value.type.tensor_type.ClearField("shape")
                    break


def ready_to_lower(model: onnx.ModelProto, *, where: str) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """(`model` folded, simplified and free of operators that others say, what the user should know of that).

    Args:
        model: A model with its data in memory and fixed shapes.
        where: What to call it in an error.

    Raises:
        InputError: ONNX Runtime does not take the model.
        Unsupported: Constants of it would be larger than a file.
    """
    refuse_inflation(model, where=where)
    settle_ceilings(model)
    model = without_qoperators(model)
    model = folded(model, where=where, keeps_quantization=True)
    if any(name.startswith(_INLINED) for node in model.graph.node for name in node.output):
        # ONNX Runtime writes out the bodies of functions after it has folded constants
        model = folded(model, where=where, keeps_quantization=True)
    merge_padding(model.graph)
    merge_transposed_norms(model.graph)
    result = simplified(model, where=where)
    return expanded(with_dynamic_products(result.model)), result.warnings
