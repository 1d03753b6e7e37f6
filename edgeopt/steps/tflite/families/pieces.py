"""Small operations on tensors, along their memory axes, that several families are put together from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Options, Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.view import View

_MOST_PADDED_AXES = 5  # pad.cc: PadKernelMaxDimensionCount
_ARITHMETIC = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions"}
_COMPARISONS = frozenset({"LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "EQUAL", "NOT_EQUAL"})


def floats(net: Lowering, name: str) -> View:
    """How a value lies that is to be computed with in float32, nothing waiting.

    Raises:
        Refused: It is of another type.
    """
    view = net.numbers(net.unflattened(net.view(name)))
    if view.tensor.dtype != "float32":
        raise Refused(f"computes in `{view.dtype}`; TFLite's kernels have float32", rewrite="a Cast to float before it")
    return view


def gathered(net: Lowering, tensor: Tensor, indices: NDArray[np.integer], axis: int) -> Tensor:
    """`tensor` with memory axis `axis` replaced by the axes of `indices`, elements along it taken by index."""
    if tensor.data is not None and tensor.quantization is None:
        return net.new_constant(np.take(tensor.data, indices, axis=axis), name=tensor.name)
    places = net.new_constant(indices.astype(np.int32), name="indices")
    return gathered_by(net, tensor, places, axis)


def gathered_by(net: Lowering, tensor: Tensor, indices: Tensor, axis: int, *, batch_axes: int = 0) -> Tensor:
    """As `gathered`, by int32 indices that the model computes; the first `batch_axes` axes of both go together."""
    shape = (*tensor.shape[:axis], *indices.shape[batch_axes:], *tensor.shape[axis + 1 :])
    return net.add(
        "GATHER",
        (tensor, indices),
        shape,
        dtype=tensor.dtype,
        quantization=tensor.quantization,
        options=options("GatherOptions", axis=axis, batchDims=batch_axes),
    )


def sliced(net: Lowering, tensor: Tensor, begins: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """A box of `tensor`; itself where it is all of it."""
    if tuple(sizes) == tensor.shape:
        return tensor
    if tensor.data is not None:
        box = tuple(slice(begin, begin + size) for begin, size in zip(begins, sizes, strict=True))
        return net.new_constant(tensor.data[box], like=tensor)
    boxes = [net.new_constant(np.array(each, np.int32), name="box") for each in (begins, sizes)]
    return net.add(
        "SLICE",
        (tensor, *boxes),
        tuple(sizes),
        dtype=tensor.dtype,
        quantization=tensor.quantization,
        options=options("SliceOptions"),
    )


def bordered(
    net: Lowering, tensor: Tensor, widths: Sequence[tuple[int, int]], value: float | int | None = None
) -> Tensor:
    """`tensor` with (before, behind) elements more along each axis.

    Args:
        net: Where to add it.
        tensor: What to widen.
        widths: Elements to add per memory axis, none negative.
        value: What they hold, as the tensor holds it; by default what stands for zero.

    Raises:
        Refused: More axes are told apart than TFLite's kernel knows.
    """
    if not any(any(pair) for pair in widths):
        return tensor
    if tensor.data is not None and (tensor.quantization is None or not any(tensor.quantization.zero_points)):
        return net.new_constant(np.pad(tensor.data, widths, constant_values=value or 0), like=tensor)
    shape = tuple(length + sum(pair) for length, pair in zip(tensor.shape, widths, strict=True))
    groups = _grouped(tensor.shape, widths)
    if len(groups) > _MOST_PADDED_AXES:
        raise Refused(f"pads {len(groups)} axes; TFLite's PAD knows {_MOST_PADDED_AXES}")
    if len(tensor.shape) > _MOST_PADDED_AXES:
        tensor = net.reshape(tensor, tuple(length for length, _ in groups))
        widths = [pair for _, pair in groups]
    inputs = [tensor, net.new_constant(np.array(widths, np.int32).reshape(-1, 2), name="widths")]
    kind, table = "PAD", "PadOptions"
    if value is not None:
        kind, table = "PADV2", "PadV2Options"
        inputs.append(net.new_constant(np.array(value, tensor.dtype), name="filling", quantization=tensor.quantization))
    padded = tuple(length + sum(pair) for length, pair in zip(tensor.shape, widths, strict=True))
    made = net.add(kind, inputs, padded, dtype=tensor.dtype, quantization=tensor.quantization, options=options(table))
    return net.reshape(made, shape)


def _grouped(shape: Sequence[int], widths: Sequence[tuple[int, int]]) -> list[tuple[int, tuple[int, int]]]:
    """(length, widths) per group of neighbouring axes of which none is padded, or of one that is."""
    groups: list[tuple[int, tuple[int, int]]] = []
    for length, pair in zip(shape, widths, strict=True):
        if groups and not any(pair) and not any(groups[-1][1]):
            groups[-1] = (groups[-1][0] * length, (0, 0))
        else:
            groups.append((length, (int(pair[0]), int(pair[1]))))
    return groups


def joined(net: Lowering, tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Tensors of one type behind one another along memory axis `axis`."""
    if len(tensors) == 1:
        return tensors[0]
    first = tensors[0]
    shape = (*first.shape[:axis], sum(each.shape[axis] for each in tensors), *first.shape[axis + 1 :])
    return net.add(
        "CONCATENATION",
        tensors,
        shape,
        dtype=first.dtype,
        quantization=first.quantization,
        options=options("ConcatenationOptions", axis=axis),
    )


def turned(net: Lowering, tensor: Tensor, order: Sequence[int]) -> Tensor:
    """`tensor` with its memory axes in another order: for axes that an operation has made, which no view tells of."""
    if list(order) == sorted(order):
        return tensor
    shape = tuple(tensor.shape[axis] for axis in order)
    places = net.new_constant(np.array(order, np.int32), name="permutation")
    return net.add(
        "TRANSPOSE",
        (tensor, places),
        shape,
        dtype=tensor.dtype,
        quantization=tensor.quantization,
        options=options("TransposeOptions"),
    )


def combined(net: Lowering, kind: str, first: Tensor | float, second: Tensor | float) -> Tensor:
    """Two tensors, or a tensor and a number of its type, combined element by element with broadcasting."""
    dtype = first.dtype if isinstance(first, Tensor) else second.dtype if isinstance(second, Tensor) else "float32"
    tensors = [each if isinstance(each, Tensor) else net.scalar(each, dtype) for each in (first, second)]
    shape = np.broadcast_shapes(*(each.shape for each in tensors))
    made = options(_ARITHMETIC[kind], fusedActivationFunction="NONE") if kind in _ARITHMETIC else _plain(kind)
    return net.add(kind, tensors, shape, dtype="bool" if kind in _COMPARISONS else dtype, options=made)


def _plain(kind: str) -> Options:
    names = {"MAXIMUM": "MaximumMinimum", "MINIMUM": "MaximumMinimum", "FLOOR_MOD": "FloorMod"}
    return options(f"{names.get(kind) or ''.join(part.title() for part in kind.split('_'))}Options")


def mapped(net: Lowering, kind: str, tensor: Tensor) -> Tensor:
    """A function of each element: `ABS`, `SQRT`, `RSQRT`, `SQUARE`, `FLOOR`, `ROUND` and the like."""
    return net.add(kind, (tensor,), tensor.shape, dtype=tensor.dtype)


def power(net: Lowering, tensor: Tensor, exponent: float) -> Tensor:
    """Each element, none negative, to the power of `exponent`."""
    if exponent == 1:
        return tensor
    if exponent in (2, 0.5):
        return mapped(net, "SQUARE" if exponent == 2 else "SQRT", tensor)
    return combined(net, "POW", tensor, exponent)


def reduced(net: Lowering, kind: str, tensor: Tensor, axes: Sequence[int], *, keeps: bool = True) -> Tensor:
    """`MEAN`, `SUM`, `REDUCE_MAX` or `REDUCE_MIN` over memory axes, which stay with length 1 if it `keeps` them."""
    if not axes:
        return tensor
    shape = tuple(
        1 if axis in axes else length for axis, length in enumerate(tensor.shape) if keeps or axis not in axes
    )
    places = net.new_constant(np.array(axes, np.int32), name="axes")
    return net.add(
        kind,
        (tensor, places),
        shape,
        dtype=tensor.dtype,
        quantization=tensor.quantization,
        options=options("ReducerOptions", keepDims=keeps),
    )
