"""Fourier transforms, by their matrices: TFLite's own one takes real input and lengths that are powers of two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.formula import computed, rows_by_matrix
from edgeopt.steps.tflite.families.pieces import gathered
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node

_AXIS_IS_INPUT_SINCE = 20
_MOST_ELEMENTS = 1 << 24  # of a matrix: 64 MiB, a transform of some 2,000 complex samples
_REAL, _COMPLEX = 1, 2


def dft(node: Node, net: Lowering) -> None:
    """DFT: FULLY_CONNECTED with the matrix of the transform, along any axis."""
    view = net.unflattened(net.view(node.input(0)))
    rank, axis = view.rank, _axis(node, net) % view.rank
    if axis == rank - 1:
        raise Refused("transforms along the axis that holds real and imaginary parts")
    order = (*(each for each in range(rank - 1) if each != axis), axis, rank - 1)
    tensor = _floats(net.tensor(view, order))
    count, parts = tensor.shape[-2:]
    inverse, is_onesided = bool(node.attribute("inverse", 0)), bool(node.attribute("onesided", 0))
    given = net.optional_constant(1, "length")
    length = int(given.reshape(-1)[0]) if given is not None else 2 * (count - 1) if inverse and is_onesided else count
    if inverse and is_onesided:
        matrix = _to_real(count, length)
    else:
        matrix = _transform(count, length, length // 2 + 1 if is_onesided else length, is_inverse=inverse)
    outputs, parts_out = matrix.shape[:2]
    table = _table(net, matrix[..., :parts])
    rows = net.reshape(tensor, (int(np.prod(tensor.shape[:-2])), count * parts))
    made = net.reshape(rows_by_matrix(net, rows, table), (*tensor.shape[:-2], outputs, parts_out))
    net.bind(node.output(0), made, order)


def stft(node: Node, net: Lowering) -> None:
    """STFT: CONV_2D whose filters are the windowed waves, a step apart; with a computed window, products of frames."""
    signal = _floats(net.tensor(node.input(0)))
    batch, samples, parts = signal.shape if len(signal.shape) == 3 else (*signal.shape, _REAL)
    step = int(net.required_constant(1, "step").reshape(-1)[0])
    given = net.optional_constant(3, "length of frames")
    window = net.constant(node.input(2)) if node.input(2) else None
    length = (
        int(given.reshape(-1)[0]) if given is not None else net.shape(node.input(2))[0] if node.input(2) else samples
    )
    outputs = length // 2 + 1 if node.attribute("onesided", 1) else length
    frames = 1 + (samples - length) // step
    matrix = _transform(length, length, outputs, is_inverse=False)[..., :parts]
    if window is not None:
        matrix = matrix * window.astype(np.float64)[:, None]
    table = _table(net, matrix)
    if node.input(2) and window is None:
        made = _of_frames(net, signal, net.tensor(node.input(2)), table, step=step, frames=frames)
    else:
        filters = net.reshape(table, (table.shape[0], length, 1, parts))
        made = net.add(
            "CONV_2D",
            (net.reshape(signal, (batch, samples, 1, parts)), filters, _no_bias(net, table)),
            (batch, frames, 1, table.shape[0]),
            options=options(
                "Conv2DOptions", padding="VALID", strideH=step, strideW=1, dilationHFactor=1, dilationWFactor=1
            ),
        )
    net.bind(node.output(0), net.reshape(made, (batch, frames, outputs, _COMPLEX)))


def _of_frames(net: Lowering, signal: Tensor, window: Tensor, table: Tensor, *, step: int, frames: int) -> Tensor:
    """(batch, frame, output) products of frames under a window that the model computes."""
    batch, length = signal.shape[0], window.shape[0]
    places = np.arange(frames)[:, None] * step + np.arange(length)
    taken = gathered(net, signal, places, 1)
    parts = taken.shape[3] if len(taken.shape) == 4 else _REAL
    taken = net.reshape(taken, (batch * frames, length, parts))
    windowed = computed(net, "MUL", taken, net.reshape(window, (1, length, 1)))
    rows = net.reshape(windowed, (batch * frames, length * parts))
    return rows_by_matrix(net, rows, table)


def _transform(count: int, length: int, outputs: int, *, is_inverse: bool) -> NDArray[np.float64]:
    """(output, part, input, part) matrix of X_k = sum over n of x_n exp(-2 pi i k n / length), `count` samples read.

    The inverse has the other sign and is divided by the length. Parts are (real, imaginary).
    """
    cosine, sine = _waves(outputs, min(count, length), length)
    sine = sine if is_inverse else -sine
    matrix = np.zeros((outputs, _COMPLEX, count, _COMPLEX))
    read = cosine.shape[1]
    matrix[:, 0, :read, 0], matrix[:, 0, :read, 1] = cosine, -sine
    matrix[:, 1, :read, 0], matrix[:, 1, :read, 1] = sine, cosine
    return matrix / length if is_inverse else matrix


def _to_real(count: int, length: int) -> NDArray[np.float64]:
    """(output, 1, input, part) matrix from the first half of a spectrum to the `length` real samples that it is of."""
    read = min(count, length // 2 + 1)
    cosine, sine = _waves(length, read, length)
    weights = np.full(read, 2.0)
    weights[0] = 1.0
    if length % 2 == 0 and read == length // 2 + 1:
        weights[-1] = 1.0
    matrix = np.zeros((length, _REAL, count, _COMPLEX))
    matrix[:, 0, :read, 0], matrix[:, 0, :read, 1] = weights * cosine / length, -weights * sine / length
    return matrix


def _waves(outputs: int, inputs: int, length: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(cosine, sine) of 2 pi k n / length per (k, n); exact at quarters of a turn."""
    turns = np.outer(np.arange(outputs), np.arange(inputs)) % length
    angles = 2 * np.pi * turns / length
    sine = np.where((2 * turns) % length == 0, 0.0, np.sin(angles))
    return np.where((4 * turns) % length == 0, np.rint(np.cos(angles)), np.cos(angles)), sine


def _table(net: Lowering, matrix: NDArray[np.float64]) -> Tensor:
    """The matrix as a tensor (output x part, input x part).

    Raises:
        Refused: It would be too large.
    """
    if matrix.size > _MOST_ELEMENTS:
        raise Refused(
            f"needs a matrix of {matrix.size:,} numbers; edgeopt writes at most {_MOST_ELEMENTS:,}",
            rewrite="transform shorter frames",
        )
    rows = matrix.shape[0] * matrix.shape[1]
    return net.new_constant(matrix.reshape(rows, -1).astype(np.float32), name="waves")


def _axis(node: Node, net: Lowering) -> int:
    if net.source.opset < _AXIS_IS_INPUT_SINCE:
        return int(node.attribute("axis", 1))
    given = net.optional_constant(2, "axis")
    return -2 if given is None else int(given.reshape(-1)[0])


def _floats(tensor: Tensor) -> Tensor:
    if tensor.dtype != "float32":
        raise Refused(f"transforms `{tensor.dtype}` numbers, for which TFLite has no kernel", rewrite="cast to float32")
    return tensor


def _no_bias(net: Lowering, table: Tensor) -> Tensor:
    return net.new_constant(np.zeros(table.shape[0], np.float32), name="bias")
