"""Matrix products as formulas use them: rows of floats by a matrix (output, input)."""

from __future__ import annotations

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options


def product(net: Lowering, rows: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """(row, output) of (row, input) rows by an (output, input) matrix, and a bias per output."""
    return net.add(
        "FULLY_CONNECTED",
        (rows, matrix, bias),
        (rows.shape[0], matrix.shape[0]),
        options=options("FullyConnectedOptions", fusedActivationFunction="NONE"),
    )
