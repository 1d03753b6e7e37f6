"""Which values of a graph may be infinite by its own constants, as the masks of attention are.

LiteRT's reference kernels of ADD, SUB, MUL and DIV end at the largest finite number, XNNPACK's do not. Where a graph
adds infinite numbers on purpose, that must be written otherwise.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.source import Source

# Operators that hand infinite numbers on
_PASSING: Final = frozenset(
    {
        *("Add", "Cast", "CastLike", "Concat", "Expand", "Flatten", "Gather", "Identity", "Max", "Min", "Neg", "Pad"),
        *("Reshape", "Slice", "Split", "Squeeze", "Sub", "Tile", "Transpose", "Trilu", "Unsqueeze", "Where"),
    }
)


def infinite_values(source: Source) -> frozenset[str]:
    """Names of values that may hold an infinite number of a constant."""
    found: set[str] = set()
    for node in source.nodes:
        if node.operator not in _PASSING or node.domain:
            continue
        constants = {name for name in node.inputs if _is_infinite(source.constants.get(name))}
        if constants or found.intersection(node.inputs):
            found.update(constants)
            found.update(name for name in node.outputs if name)
    return frozenset(found)


def _is_infinite(value: NDArray[Any] | None) -> bool:
    return value is not None and value.dtype.kind == "f" and bool(np.isinf(value).any())
