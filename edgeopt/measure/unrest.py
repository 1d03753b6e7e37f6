"""What the outputs of a quantized model change by when its quantizers round otherwise.

Kernels of integers round to the nearest step, up or down, once or twice, and so give each value to within a step; each
such choice travels on through the layers behind it. A random number of up to a step, up or down, added to every value
before it is rounded, is the freedom that they have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.graph.runtime import plain_session
from edgeopt.graph.save import as_source
from edgeopt.measure.difference import Difference, Differences
from edgeopt.measure.random_inputs import scale_of

if TYPE_CHECKING:
    import onnx

Feeds = dict[str, NDArray[Any]]


class Unrest:
    """A quantized model beside itself with other roundings.

    Args:
        model: It, with its data in memory; it is changed.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.steps = _dithered(model)
        with as_source(model) as source:
            self._session = plain_session(source)
        self._names = [value.name for value in self._session.get_outputs()]
        self._changes = Differences()

    def add(self, feeds: Feeds, wanted: Feeds) -> None:
        """Run on one batch.

        Args:
            feeds: Inputs of the model.
            wanted: What the model itself gives for them.
        """
        given = self._session.run(self._names, feeds)
        self._changes.add(wanted, dict(zip(self._names, given, strict=True)))

    def by_output(self) -> dict[str, Difference]:
        """What each output changed by over all batches."""
        return self._changes.by_output()


def _dithered(model: onnx.ModelProto) -> tuple[float, ...]:
    """Add, in place, random numbers before every quantizer of an activation; the steps of these quantizers."""
    import onnx

    graph = model.graph
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    taken |= {value.name for value in (*graph.input, *graph.initializer)}
    constants = {tensor.name for tensor in graph.initializer}
    steps: list[float] = []
    rewritten = onnx.GraphProto()
    for place, node in enumerate(graph.node):
        step = scale_of(model, node.input[1]) if node.op_type == "QuantizeLinear" else 0.0
        if 0 < step < np.inf and node.input[0] not in constants and _is_single_float(graph, node.input[1]):
            noise, moved = (_free(f"{what}_{place}", taken) for what in ("noise", "moved"))
            # The seed is fixed: the same model gives the same figure.
            options: dict[str, Any] = {
                "low": -step,
                "high": step,
                "seed": float(place),
                "dtype": onnx.TensorProto.FLOAT,
            }
            rewritten.node.append(onnx.helper.make_node("RandomUniformLike", [node.input[0]], [noise], **options))
            rewritten.node.append(onnx.helper.make_node("Add", [node.input[0], noise], [moved]))
            node.input[0] = moved
            steps.append(step)
        rewritten.node.append(node)
    del graph.node[:]
    graph.node.extend(rewritten.node)
    return tuple(steps)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _is_single_float(graph: onnx.GraphProto, name: str) -> bool:
    import onnx

    found = next((tensor for tensor in graph.initializer if tensor.name == name), None)
    return found is not None and found.data_type == onnx.TensorProto.FLOAT and np.prod(found.dims, dtype=int) == 1
