"""Recurrent layers, step by step: RNN, GRU and LSTM with all that ONNX gives them.

A layer becomes one matrix product for the inputs of all steps, then a few operations per step. TFLite's own sequence
kernels keep their state from one run to the next, clip other values than ONNX, and have no GRU; steps that are written
out are exact, and XNNPACK takes them whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeopt.steps.tflite.families.cells import Cell, Weights, gru_cell, lstm_cell, rnn_cell
from edgeopt.steps.tflite.families.formula import computed, rows_by_matrix, selected
from edgeopt.steps.tflite.families.pieces import sliced
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node

MOST_STEPS = (
    512  # of a sequence, per direction: some 5,000 operations, which LiteRT sets up in about a tenth of a second
)
# XNNPACK packs a copy of the weights for each product, which pushes them out of the caches: beyond this many bytes the
# products are kept from it. An LSTM of 64 over 512 steps, best of 30 on a busy host: 2.4 ms with copies, 0.75 without.
_MOST_PACKED = 1 << 20
_TIME_FIRST, _BATCH_FIRST = (0, 1, 2), (1, 0, 2)


def rnn(node: Node, net: Lowering) -> None:
    """RNN."""
    _layer(node, net, gates=1, cell=rnn_cell)


def gru(node: Node, net: Lowering) -> None:
    """GRU."""
    _layer(node, net, gates=3, cell=gru_cell)


def lstm(node: Node, net: Lowering) -> None:
    """LSTM."""
    _layer(node, net, gates=4, cell=lstm_cell)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sequence:
    """What a layer reads.

    Attributes:
        values: (time, batch, input) float32.
        lengths: (batch, 1) int32 steps per sequence; None where all are as long as can be.
    """

    values: Tensor
    lengths: Tensor | None

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.values.shape[0]

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self.values.shape[1]


def _layer(node: Node, net: Lowering, *, gates: int, cell: Callable[[Node, Lowering, Weights, int], Cell]) -> None:
    order = _BATCH_FIRST if node.attribute("layout", 0) else _TIME_FIRST
    values = net.tensor(node.input(0), order)
    if not 0 < values.shape[0] <= MOST_STEPS:
        raise Refused(
            f"has {values.shape[0]} steps, and edgeopt writes out at most {MOST_STEPS}",
            rewrite="run the model over shorter pieces, and hand the state on as an input and an output",
        )
    sequence = _Sequence(values=values, lengths=_lengths(node, net, values.shape[0]))
    directions = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
    found = []
    for place, is_reverse in enumerate(directions[node.attribute("direction", "forward")]):
        weights = _weights(node, net, place, gates)
        if sequence.steps * 4 * weights.recurrent.elements > _MOST_PACKED:
            weights = replace(weights, recurrent_bias=_computed(net, weights))
        made = cell(node, net, weights, place)
        found.append(_direction(node, net, sequence, made, inputs=weights, place=place, is_reverse=is_reverse))
    _bind(node, net, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Direction:
    """What one direction gives: (batch, hidden) per step in order of time, and its last states."""

    outputs: list[Tensor]
    states: tuple[Tensor, ...]


def _direction(
    node: Node, net: Lowering, sequence: _Sequence, cell: Cell, *, inputs: Weights, place: int, is_reverse: bool
) -> _Direction:
    values = _reversed(net, sequence) if is_reverse and sequence.lengths is not None else sequence.values
    rows = net.reshape(values, (sequence.steps * sequence.batch, values.shape[2]))
    projected = rows_by_matrix(net, rows, inputs.inputs, inputs.input_bias)
    projected = net.reshape(projected, (sequence.steps, sequence.batch, projected.shape[1]))
    parts = _unpacked(net, projected)
    is_backward = is_reverse and sequence.lengths is None
    states = _initial(node, net, place, count=cell.states)
    outputs: list[Tensor] = []
    for step, part in enumerate(reversed(parts) if is_backward else parts):
        fresh = cell.step(part, states)
        output = fresh[0]
        if sequence.lengths is not None:
            fresh, output = _masked(net, sequence.lengths, step, fresh, states)
        outputs.append(output)
        states = fresh
    if is_backward:
        outputs.reverse()
    elif is_reverse:
        stacked = _packed(net, outputs)
        outputs = _unpacked(net, _reversed(net, _Sequence(values=stacked, lengths=sequence.lengths)))
    return _Direction(outputs=outputs, states=fresh)


def _masked(
    net: Lowering, lengths: Tensor, step: int, fresh: tuple[Tensor, ...], states: tuple[Tensor | None, ...]
) -> tuple[tuple[Tensor, ...], Tensor]:
    """(states, output) of a step where sequences that are over keep their state and give 0."""
    is_running = net.add(
        "GREATER", (lengths, net.scalar(step, "int32")), lengths.shape, dtype="bool", options=options("GreaterOptions")
    )
    zero = net.new_constant(np.zeros(fresh[0].shape, np.float32), name="zero")
    kept = tuple(
        selected(net, is_running, new, old if old is not None else zero) for new, old in zip(fresh, states, strict=True)
    )
    return kept, selected(net, is_running, fresh[0], zero)


def _reversed(net: Lowering, sequence: _Sequence) -> Tensor:
    """The first steps of each sequence, as many as it has, in reverse."""
    assert sequence.lengths is not None
    lengths = net.reshape(sequence.lengths, (sequence.batch,))
    return net.add(
        "REVERSE_SEQUENCE",
        (sequence.values, lengths),
        sequence.values.shape,
        options=options("ReverseSequenceOptions", seqDim=0, batchDim=1),
    )


def _lengths(node: Node, net: Lowering, steps: int) -> Tensor | None:
    name = node.input(4)
    if not name:
        return None
    known = net.constant(name)
    if known is not None and bool((known >= steps).all()):
        return None
    tensor = net.tensor(name)
    return net.reshape(tensor, (tensor.shape[0], 1))


def _weights(node: Node, net: Lowering, place: int, gates: int) -> Weights:
    """Weights and biases of one direction."""
    inputs, recurrent = (_of_direction(net, net.tensor(node.input(each)), place, axis=0) for each in (1, 2))
    size = recurrent.shape[1]
    if recurrent.shape[0] != gates * size:
        raise Refused(f"has recurrent weights of shape {recurrent.shape}, not ({gates * size}, {size})")
    biases: tuple[Tensor | None, Tensor | None] = (None, None)
    if node.input(3):
        both = _of_direction(net, net.tensor(node.input(3)), place, axis=0)
        count = gates * size
        biases = (sliced(net, both, (0,), (count,)), sliced(net, both, (count,), (count,)))
    return Weights(inputs=inputs, recurrent=recurrent, input_bias=biases[0], recurrent_bias=biases[1], size=size)


def _computed(net: Lowering, weights: Weights) -> Tensor:
    """The recurrent bias as a value that the graph computes: XNNPACK leaves such a product to the kernel of LiteRT."""
    zeros = net.new_constant(np.zeros(weights.recurrent.shape[0], np.int32), name="zeros")
    bias = net.cast_in_graph(zeros, "float32")
    return bias if weights.recurrent_bias is None else computed(net, "ADD", bias, weights.recurrent_bias)


def _initial(node: Node, net: Lowering, place: int, *, count: int) -> tuple[Tensor | None, ...]:
    """(batch, hidden) states before the first step; None for zeros."""
    axis = 1 if node.attribute("layout", 0) else 0
    names = [node.input(5 + each) for each in range(count)]
    return tuple(_of_direction(net, net.tensor(name), place, axis=axis) if name else None for name in names)


def _of_direction(net: Lowering, tensor: Tensor, place: int, *, axis: int) -> Tensor:
    """What belongs to one direction, without the axis of directions."""
    begins = [place if each == axis else 0 for each in range(len(tensor.shape))]
    sizes = [1 if each == axis else length for each, length in enumerate(tensor.shape)]
    rest = tuple(length for each, length in enumerate(tensor.shape) if each != axis)
    return net.reshape(sliced(net, tensor, begins, sizes), rest)


def _unpacked(net: Lowering, tensor: Tensor) -> list[Tensor]:
    """Parts along the first axis, without it."""
    shape = tensor.shape[1:]
    if tensor.shape[0] == 1:
        return [net.reshape(tensor, shape)]
    parts = [net.new_tensor(shape, dtype=tensor.dtype) for _ in range(tensor.shape[0])]
    net.add_operation("UNPACK", (tensor,), parts, options=options("UnpackOptions", num=len(parts), axis=0))
    return parts


def _packed(net: Lowering, tensors: list[Tensor], axis: int = 0) -> Tensor:
    """Parts along a new axis."""
    shape = (*tensors[0].shape[:axis], len(tensors), *tensors[0].shape[axis:])
    if len(tensors) == 1:
        return net.reshape(tensors[0], shape)
    return net.add("PACK", tensors, shape, options=options("PackOptions", valuesCount=len(tensors), axis=axis))


def _bind(node: Node, net: Lowering, found: list[_Direction]) -> None:
    is_batch_first = bool(node.attribute("layout", 0))
    if node.output(0):
        stacked = _packed(net, [_packed(net, each.outputs) for each in found], axis=1)
        net.bind(node.output(0), stacked, (1, 2, 0, 3) if is_batch_first else None)
    for place, name in enumerate(node.outputs[1:]):
        if name:
            states: Any = _packed(net, [each.states[place] for each in found])
            net.bind(name, states, _BATCH_FIRST if is_batch_first else None)
