"""Inputs and outputs with their channels last, where the net would transpose them right at its boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edgeopt.steps.tflite.net import Net, Operation, Tensor
from edgeopt.steps.tflite.tidy import Moved, permutation_of
from edgeopt.steps.tflite.view import Axes, Shape, channels_last, is_same_order, permuted

# Operations on each element by itself: a transposition behind one may as well come before it.
_ELEMENTWISE = frozenset({"CAST", "DEQUANTIZE", "QUANTIZE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """What changed at the boundary of a net.

    Attributes:
        inputs: Per name of an input that changed, its order: axis k of the file holds axis `axes[k]` of the model.
        outputs: The same of outputs.
        moved: The tensor that stands in for each one that is gone, of the same shape, type and values.
    """

    inputs: dict[str, Axes] = field(default_factory=dict)
    outputs: dict[str, Axes] = field(default_factory=dict)
    moved: Moved = field(default_factory=dict)


def channels_last_boundary(net: Net) -> Boundary:
    """Give, in place, inputs and outputs of `net` channels last where that saves a transposition.

    An input changes where all that reads it, element by element or at once, brings its channels last; an output where
    it is made by bringing the channels of what is last to the front.
    """
    boundary = Boundary()
    for name in net.inputs:
        _free_input(net, name, boundary)
    for name in net.outputs:
        _free_output(net, name, boundary)
    net.drop_dead()
    return boundary


def _free_input(net: Net, name: str, boundary: Boundary) -> None:
    tensor = net.inputs[name]
    readers = net.readers()
    chain: list[Operation] = []
    last = tensor
    while (only := _only_elementwise(readers.get(last, []))) is not None:
        chain.append(only)
        last = only.outputs[0]
        if _is_given(net, last):
            return
    moves = readers.get(last, [])
    if not moves or _is_given(net, tensor) or not all(_brings_channels_last(move) for move in moves):
        return
    axes = channels_last(len(tensor.shape))
    wanted = permuted(tensor.shape, axes)
    fresh = replace(tensor, shape=wanted)
    net.inputs[name] = fresh
    changes: Moved = {tensor: fresh}
    for operation in chain:
        changes[operation.outputs[0]] = replace(operation.outputs[0], shape=wanted)
    made = changes[last]
    gone = {move.outputs[0]: made for move in moves}
    _apply(net, changes | gone, dropped=moves)
    boundary.inputs[name] = axes
    boundary.moved.update(gone)
    for move in moves:
        for output, given in net.outputs.items():
            if given is move.outputs[0]:
                net.outputs[output] = made


def _only_elementwise(readers: Sequence[Operation]) -> Operation | None:
    return readers[0] if len(readers) == 1 and readers[0].kind in _ELEMENTWISE else None


def _brings_channels_last(operation: Operation) -> bool:
    source, result = operation.inputs[0], operation.outputs[0]
    assert source is not None
    return _is_move(operation, source.shape, result.shape, channels_last(len(source.shape)))


def _brings_channels_first(operation: Operation) -> bool:
    source, result = operation.inputs[0], operation.outputs[0]
    assert source is not None
    order = channels_last(len(result.shape))
    inverse = tuple(order.index(axis) for axis in range(len(order)))
    return _is_move(operation, source.shape, result.shape, inverse)


def _is_move(operation: Operation, before: Shape, after: Shape, axes: Axes) -> bool:
    """Whether an operation is the transposition `axes`, or the reshape that does the same where axes of 1 move."""
    if len(before) < 3 or len(before) != len(after):
        return False
    if operation.kind == "TRANSPOSE":
        return permutation_of(operation) == axes
    if operation.kind != "RESHAPE" or -1 in before:
        return False
    return permuted(before, axes) == after and is_same_order(axes, tuple(range(len(axes))), before)


def _free_output(net: Net, name: str, boundary: Boundary) -> None:
    result = net.outputs[name]
    makers, readers = net.maker(), net.readers()
    chain: list[Operation] = []
    move = makers.get(result)
    while move is not None and move.kind in _ELEMENTWISE and _is_for_one(net, readers, move.outputs[0]):
        chain.append(move)
        move = makers.get(move.inputs[0]) if move.inputs[0] is not None else None
    if move is None or not _is_for_one(net, readers, move.outputs[0]) or not _brings_channels_first(move):
        return
    source = move.inputs[0]
    assert source is not None
    if not chain and (source.data is not None or source in net.inputs.values() or source in net.outputs.values()):
        return  # a runtime wants an output to be made by an operation of its own
    axes = channels_last(len(result.shape))
    changes: Moved = {move.outputs[0]: source}
    for operation in chain:
        old = operation.outputs[0]
        changes[old] = replace(old, shape=permuted(old.shape, axes))
    _apply(net, changes, dropped=[move])
    net.outputs[name] = changes[result]
    boundary.outputs[name] = axes


def _is_for_one(net: Net, readers: dict[Tensor, list[Operation]], tensor: Tensor) -> bool:
    """Whether a tensor is read by one operation alone, or is one output that nothing reads."""
    return len(readers.get(tensor, [])) + sum(each is tensor for each in net.outputs.values()) == 1


def _is_given(net: Net, tensor: Tensor) -> bool:
    return any(each is tensor for each in net.outputs.values())


def _apply(net: Net, changes: Moved, *, dropped: Sequence[Operation]) -> None:
    """Put tensors in place of others in all operations but those that are dropped."""
    net.operations = [
        replace(
            operation,
            inputs=tuple(None if each is None else changes.get(each, each) for each in operation.inputs),
            outputs=tuple(changes.get(each, each) for each in operation.outputs),
        )
        for operation in net.operations
        if not any(operation is each for each in dropped)
    ]
