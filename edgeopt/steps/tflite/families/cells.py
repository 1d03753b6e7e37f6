"""One step of a recurrent layer: what RNN, GRU and LSTM compute from an input and their state.

Source of the formulas: the ONNX standard's definitions of `RNN`, `GRU` and `LSTM`, whose names are kept: `Xt` input,
`Ht` state, `Ct` cell state, `z`, `r`, `h` gates of GRU, `i`, `o`, `f`, `c` those of LSTM, `f`, `g`, `h` activations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgeopt.steps.tflite.families.formula import computed, rows_by_matrix
from edgeopt.steps.tflite.families.gates import activations
from edgeopt.steps.tflite.families.pieces import sliced
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.source import Node

States = tuple[Tensor | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights of one direction.

    Attributes:
        inputs: (gate x hidden, input) float32.
        recurrent: (gate x hidden, hidden) float32.
        input_bias: (gate x hidden) float32.
        recurrent_bias: As `input_bias`.
        size: Length of the state.
    """

    inputs: Tensor
    recurrent: Tensor
    input_bias: Tensor | None
    recurrent_bias: Tensor | None
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a layer does per step.

    Attributes:
        states: Number of its states; the first one is its output.
        step: New states from the (batch, gate x hidden) product of the input and the states, None for zeros.
    """

    states: int
    step: Callable[[Tensor, States], tuple[Tensor, ...]]


def rnn_cell(node: Node, net: Lowering, weights: Weights, place: int) -> Cell:
    """RNN: Ht = f(Xt Wi' + Ht-1 Ri' + Wbi + Rbi)."""
    (f,) = activations(node, net, place, ("Tanh",))

    def step(xt: Tensor, states: States) -> tuple[Tensor, ...]:
        return (f(_added(net, xt, _recurrent(net, states[0], weights.recurrent, weights.recurrent_bias))),)

    return Cell(states=1, step=step)


def gru_cell(node: Node, net: Lowering, weights: Weights, place: int) -> Cell:
    """GRU: zt, rt = f(...); ht = g(Xt Wh' + (rt . Ht-1) Rh' + biases); Ht = (1 - zt) . ht + zt . Ht-1.

    With `linear_before_reset`, ht = g(Xt Wh' + rt . (Ht-1 Rh' + Rbh) + Wbh).
    """
    f, g = activations(node, net, place, ("Sigmoid", "Tanh"))
    size, is_linear = weights.size, bool(node.attribute("linear_before_reset", 0))
    gates = _rows(net, weights, 0, 2 * size)
    hidden = _rows(net, weights, 2 * size, size)

    def candidate(xh: Tensor, rt: Tensor, ht: Tensor | None) -> Tensor:
        if is_linear:
            inner = _recurrent(net, ht, hidden.recurrent, hidden.recurrent_bias)
            return g(_added(net, xh, None if inner is None else computed(net, "MUL", rt, inner)))
        reset = None if ht is None else computed(net, "MUL", rt, ht)
        return g(_added(net, xh, _recurrent(net, reset, hidden.recurrent, hidden.recurrent_bias)))

    def step(xt: Tensor, states: States) -> tuple[Tensor, ...]:
        xz, xr, xh = _split(net, xt, 3)
        before = _recurrent(net, states[0], gates.recurrent, gates.recurrent_bias)
        hz, hr = (None, None) if before is None else _halves(net, before, size)
        zt, rt = f(_added(net, xz, hz)), f(_added(net, xr, hr))
        ht = candidate(xh, rt, states[0])
        if states[0] is None:
            return (computed(net, "MUL", computed(net, "SUB", _one(net), zt), ht),)
        kept = computed(net, "MUL", zt, computed(net, "SUB", states[0], ht))
        return (computed(net, "ADD", ht, kept),)

    return Cell(states=1, step=step)


def lstm_cell(node: Node, net: Lowering, weights: Weights, place: int) -> Cell:
    """LSTM: it, ft, ot = f(...); ct = g(...); Ct = ft . Ct-1 + it . ct; Ht = ot . h(Ct)."""
    f, g, h = activations(node, net, place, ("Sigmoid", "Tanh", "Tanh"))
    peepholes = _peepholes(node, net, place, weights.size)
    is_coupled = bool(node.attribute("input_forget", 0))

    def looked(gate: Tensor, name: str, cell: Tensor | None) -> Tensor:
        if peepholes is None or cell is None:
            return gate
        return _added(net, gate, computed(net, "MUL", peepholes[name], cell))

    def step(xt: Tensor, states: States) -> tuple[Tensor, ...]:
        ht, cell = states
        total = _added(net, xt, _recurrent(net, ht, weights.recurrent, weights.recurrent_bias))
        i, o, forget, c = _split(net, total, 4)
        it = f(looked(i, "i", cell))
        fresh = computed(net, "MUL", it, g(c))
        if cell is not None:
            ft = computed(net, "SUB", _one(net), it) if is_coupled else f(looked(forget, "f", cell))
            fresh = computed(net, "ADD", computed(net, "MUL", ft, cell), fresh)
        ot = f(looked(o, "o", fresh))
        return computed(net, "MUL", ot, h.unclipped(fresh)), fresh

    return Cell(states=2, step=step)


def _peepholes(node: Node, net: Lowering, place: int, size: int) -> dict[str, Tensor] | None:
    """(1, hidden) weights of the looks at the cell state, by gate."""
    if not node.input(7):
        return None
    both = net.tensor(node.input(7))
    return {gate: sliced(net, both, (place, each * size), (1, size)) for each, gate in enumerate("iof")}


def _rows(net: Lowering, weights: Weights, begin: int, count: int) -> Weights:
    """Recurrent weights of some gates."""
    bias = weights.recurrent_bias
    return replace(
        weights,
        recurrent=sliced(net, weights.recurrent, (begin, 0), (count, weights.size)),
        recurrent_bias=None if bias is None else sliced(net, bias, (begin,), (count,)),
    )


def _recurrent(net: Lowering, state: Tensor | None, matrix: Tensor, bias: Tensor | None) -> Tensor | None:
    """What the state adds: its product and bias; the bias alone for a state of zeros."""
    if state is None:
        return None if bias is None else net.reshape(bias, (1, bias.shape[0]))
    return rows_by_matrix(net, state, matrix, bias)


def _added(net: Lowering, first: Tensor, second: Tensor | None) -> Tensor:
    return first if second is None else computed(net, "ADD", first, second)


def _one(net: Lowering) -> Tensor:
    return net.scalar(1.0)


def _halves(net: Lowering, tensor: Tensor, size: int) -> tuple[Tensor, Tensor]:
    if tensor.data is not None:
        shape = (tensor.shape[0], size)
        return sliced(net, tensor, (0, 0), shape), sliced(net, tensor, (0, size), shape)
    first, second = _split(net, tensor, 2)
    return first, second


def _split(net: Lowering, tensor: Tensor, count: int) -> list[Tensor]:
    """Equal parts along the last of two axes."""
    shape = (tensor.shape[0], tensor.shape[1] // count)
    parts = [net.new_tensor(shape, dtype=tensor.dtype) for _ in range(count)]
    axis = net.scalar(1, "int32")
    net.add_operation("SPLIT", (axis, tensor), parts, options=options("SplitOptions", numSplits=count))
    return parts
