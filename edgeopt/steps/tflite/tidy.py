"""A net without what it need not do: the same twice, reshapes of reshapes, transpositions that undo each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edgeopt.steps.tflite.net import Net, Operation, Tensor, options

Moved = dict[Tensor, Tensor]  # what stands in for a tensor that is gone: of the same shape, type and values


def tidied(net: Net) -> Moved:
    """Take off, in place, what `net` does for nothing.

    Returns:
        The tensor that stands in for each one that is gone.
    """
    moved: Moved = {}
    makers: dict[Tensor, Operation] = {}
    same: dict[Hashable, list[Operation]] = {}
    kept: list[Operation] = []
    for operation in net.operations:
        read = tuple(None if each is None else moved.get(each, each) for each in operation.inputs)
        current = _shortened(replace(operation, inputs=read), makers)
        source = _unneeded(current)
        if source is not None and _gives_way(net, current.outputs[0], source):
            _stand_in(net, moved, current.outputs[0], source)
            continue
        twins = same.setdefault(_key(current), [])
        twin = next((each for each in twins if _does_same(each, current)), None)
        if twin is not None and not _are_outputs(net, current.outputs):
            moved.update(zip(current.outputs, twin.outputs, strict=True))
            continue
        twins.append(current)
        makers.update(dict.fromkeys(current.outputs, current))
        kept.append(current)
    net.operations = kept
    net.drop_dead()
    return moved


def permutation_of(operation: Operation) -> tuple[int, ...]:
    """The axes that a TRANSPOSE takes, in the order of its result."""
    axes = operation.inputs[1]
    assert axes is not None
    assert axes.data is not None
    return tuple(int(axis) for axis in axes.data)


def _shortened(operation: Operation, makers: Mapping[Tensor, Operation]) -> Operation:
    """`operation` reading what the one of its kind before it reads, where both are one."""
    shorten = _SHORTER.get(operation.kind)
    before = makers.get(operation.inputs[0]) if operation.inputs and operation.inputs[0] is not None else None
    if shorten is None or before is None or before.kind != operation.kind:
        return operation
    return shorten(before, operation)


def _one_reshape(first: Operation, second: Operation) -> Operation:
    return replace(second, inputs=(first.inputs[0], *second.inputs[1:]))


def _one_transposition(first: Operation, second: Operation) -> Operation:
    order = permutation_of(first)
    axes = np.array([order[axis] for axis in permutation_of(second)], np.int32)
    old = second.inputs[1]
    assert old is not None
    return Operation(
        kind="TRANSPOSE",
        inputs=(first.inputs[0], replace(old, name=f"{old.name}/merged", data=axes)),
        outputs=second.outputs,
        options=options("TransposeOptions"),
        node=second.node,
    )


_SHORTER: Mapping[str, Callable[[Operation, Operation], Operation]] = {
    "RESHAPE": _one_reshape,
    "TRANSPOSE": _one_transposition,
}


def _unneeded(operation: Operation) -> Tensor | None:
    """What an operation that does nothing reads; None where it does something."""
    source = operation.inputs[0] if operation.inputs else None
    if source is None:
        return None
    if operation.kind == "RESHAPE":
        return source if source.shape == operation.outputs[0].shape else None
    if operation.kind == "TRANSPOSE":
        order = permutation_of(operation)
        return source if order == tuple(range(len(order))) else None
    return None


def _gives_way(net: Net, made: Tensor, source: Tensor) -> bool:
    """Whether `source` can stand for `made`: an output is made by an operation, and is no other output."""
    if made not in net.outputs.values():
        return True
    taken = (*net.inputs.values(), *net.outputs.values())
    return source.data is None and not any(source is each for each in taken)


def _stand_in(net: Net, moved: Moved, made: Tensor, source: Tensor) -> None:
    moved[made] = source
    for name, tensor in net.outputs.items():
        if tensor is made:
            net.outputs[name] = source


def _are_outputs(net: Net, tensors: tuple[Tensor, ...]) -> bool:
    return any(each is output for each in tensors for output in net.outputs.values())


def _key(operation: Operation) -> Hashable:
    """What equal operations have in common and is cheap to tell: all but the values of constants."""
    inputs = tuple(
        each if each is None or each.data is None else (each.dtype, each.shape, each.quantization)
        for each in operation.inputs
    )
    outputs = tuple((each.dtype, each.shape, each.quantization) for each in operation.outputs)
    table = None
    if operation.options is not None:
        values = tuple((name, _hashable(value)) for name, value in sorted(operation.options.values.items()))
        table = (operation.options.table, values)
    return operation.kind, inputs, outputs, table


def _hashable(value: Any) -> Hashable:
    return (str(value.dtype), value.shape, value.tobytes()) if isinstance(value, np.ndarray) else repr(value)


def _does_same(first: Operation, second: Operation) -> bool:
    """Whether two operations of one key read equal constants."""
    pairs = zip(first.inputs, second.inputs, strict=True)
    return all(
        one is other
        or (
            one is not None
            and other is not None
            and one.data is not None
            and other.data is not None
            and np.array_equal(one.data, other.data)
        )
        for one, other in pairs
    )
