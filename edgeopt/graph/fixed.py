"""Inputs of free lengths given fixed ones, and what users say of inputs checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgeopt.core.artifact import TensorSpec
from edgeopt.errors import InputError, near_names

if TYPE_CHECKING:
    import onnx

Axes = tuple[int | str, ...]


def require_known_inputs(specs: Sequence[TensorSpec], given: Mapping[str, Axes], *, where: str) -> None:
    """Refuse shapes that do not belong to the inputs of a model.

    Args:
        specs: The model's inputs.
        given: Shape by name of the input, as the user says.
        where: What to call the model.

    Raises:
        InputError: There is no input of that name, or it has another number of axes, or other fixed lengths.
    """
    known = {spec.name: spec for spec in specs}
    for name, axes in given.items():
        if name not in known:
            raise InputError(f"`{where}` has no input `{name}`", hint=near_names(name, known))
        spec = known[name]
        is_other = len(axes) != len(spec.shape) or any(
            isinstance(wanted, int) and isinstance(length, int) and wanted != length
            for wanted, length in zip(spec.shape, axes, strict=False)
        )
        if is_other:
            told = "x".join(map(str, axes)) or "scalar"
            raise InputError(f"shape `{told}` does not fit input `{spec}`", hint="give lengths for its free axes alone")


def fixed_lengths(given: Mapping[str, Axes]) -> dict[str, tuple[int, ...]]:
    """`given`, where every axis is a length: TFLite models have no free ones.

    Raises:
        InputError: An axis is a word.
    """
    for name, axes in given.items():
        word = next((axis for axis in axes if not isinstance(axis, int)), None)
        if word is not None:
            raise InputError(
                f"axis `{word}` of input `{name}` has no length, and TFLite models have fixed shapes",
                hint=f"write a number in the place of `{word}`",
            )
    return {name: tuple(int(axis) for axis in axes) for name, axes in given.items()}


def fix_inputs(model: onnx.ModelProto, given: Mapping[str, Axes]) -> None:
    """Give, in place, free axes of inputs the lengths that `given` says; an axis of the same name gets it everywhere.

    What was inferred of the tensors between is dropped, as it may no longer be true.
    """
    named: dict[str, int] = {}
    for value in model.graph.input:
        axes = value.type.tensor_type.shape.dim
        for axis, length in zip(axes, given.get(value.name, ()), strict=False):
            if isinstance(length, int):
                if axis.dim_param:
                    named[axis.dim_param] = length
                axis.dim_value = length
    for value in (*model.graph.input, *model.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param in named:
                axis.dim_value = named[axis.dim_param]
    del model.graph.value_info[:]
