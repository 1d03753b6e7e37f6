"""What is asked of a tensor while a model runs: nodes and outputs added to its graph, and what is made of their values.

Extremes and figures per channel are reduced inside the runtime, so that the activation itself does not leave it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.observation.histogram import Histogram
from edgeopt.steps.quantize.observation.observations import ChannelStatistics, TensorStatistics

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]
_AXES_ARE_INPUTS_SINCE = 18  # opset in which the axes of ReduceMin, ReduceMax and ReduceMean became an input
# Of a tensor with more values per sample than this, every third counts: 200 samples still give a million. Three is no
# divisor of the usual numbers of channels and of the widths of images, so that all of them come up.
_MANY = 1 << 14
_STEP = 3
_PREFIX = "edgeopt_observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How many samples were run at once.

    Attributes:
        size: Rows of the inputs.
        samples: How many of these are samples; the rest, at the end, are copies that fill a batch of fixed size.
    """

    size: int
    samples: int

    def samples_of(self, values: Array) -> Array:
        """The rows of an output that belong to samples.

        A tensor whose first axis is not the batch, as in sequence-first layouts, keeps the copies: losing a value
        would be worse than counting some of the last batch twice.
        """
        is_by_sample = values.ndim > 0 and len(values) == self.size
        return values[: self.samples] if is_by_sample else values


class Probe(Protocol):
    """One question about one tensor, answered batch by batch."""

    name: str

    def outputs(self, graph: onnx.GraphProto, opset: int) -> list[str]:
        """Names of the values that are wanted of each batch; nodes that make them are added to `graph`."""
        ...

    def take(self, values: list[Array], batch: Batch) -> bool:
        """Take in the values of one batch; False where one is NaN or infinite.

        Args:
            values: The outputs in order.
            batch: What was run.
        """
        ...


@dataclass(slots=True)
class ExtremesProbe:
    """Smallest and largest value of a tensor."""

    name: str
    low: float = math.inf
    high: float = -math.inf

    def outputs(self, graph: onnx.GraphProto, opset: int) -> list[str]:
        """The minimum and the maximum over all axes."""
        return [_reduced(graph, opset, operator, self.name, ()) for operator in ("ReduceMin", "ReduceMax")]

    def take(self, values: list[Array], batch: Batch) -> bool:  # noqa: ARG002  copies change no extreme
        """Take in the extremes of one batch; copies of samples change none."""
        low, high = (float(value.reshape(-1)[0]) + 0.0 for value in values)
        self.low, self.high = min(self.low, low), max(self.high, high)
        is_empty = low == math.inf and high == -math.inf  # a tensor without elements has no extremes
        return is_empty or (math.isfinite(low) and math.isfinite(high))

    def statistics(self) -> TensorStatistics:
        """What was seen."""
        return TensorStatistics(low=self.low, high=self.high)


@dataclass(slots=True)
class HistogramProbe:
    """Counts of the values of a tensor, which leave the runtime for it; every third one of a large tensor."""

    name: str
    histogram: Histogram = field(default_factory=Histogram)

    def outputs(self, graph: onnx.GraphProto, opset: int) -> list[str]:  # noqa: ARG002  nothing is computed
        """The tensor itself."""
        return [_exposed(graph, self.name)]

    def take(self, values: list[Array], batch: Batch) -> bool:
        """Count the values of one batch."""
        try:
            taken = batch.samples_of(values[0])
            self.histogram.add(taken, step=_STEP if taken.size > _MANY * batch.samples else 1)
        except ValueError:
            return False
        return True

    def statistics(self) -> TensorStatistics:
        """What was seen."""
        return TensorStatistics(low=self.histogram.low, high=self.histogram.high, histogram=self.histogram)


@dataclass(slots=True)
class ChannelProbe:
    """Smallest, largest and mean value of each channel of a tensor.

    Attributes:
        name: The tensor.
        axis: Its channel axis, not negative.
        rank: Its number of axes.
    """

    name: str
    axis: int
    rank: int
    seen: ChannelStatistics | None = None

    def outputs(self, graph: onnx.GraphProto, opset: int) -> list[str]:
        """Minimum, maximum and mean over all axes but the first and the channels; of (row, channel) itself."""
        axes = tuple(axis for axis in range(1, self.rank) if axis != self.axis)
        if not axes:
            return [_exposed(graph, self.name)] * 3
        operators = ("ReduceMin", "ReduceMax", "ReduceMean")
        return [_reduced(graph, opset, operator, self.name, axes) for operator in operators]

    def take(self, values: list[Array], batch: Batch) -> bool:
        """Take in one batch: three arrays (row, channel), or (channel,) where channels are the first axis."""
        low, high, mean = (value[None] if self.axis == 0 else batch.samples_of(value) for value in values)
        if not all(np.isfinite(value).all() for value in (low, high, mean)):
            return False
        found = ChannelStatistics(
            low=low.min(axis=0).astype(np.float32),
            high=high.max(axis=0).astype(np.float32),
            total=mean.sum(axis=0, dtype=np.float64),
            rows=len(mean),
        )
        self.seen = found if self.seen is None else self.seen.merged(found)
        return True


def _exposed(graph: onnx.GraphProto, name: str) -> str:
    """`name`, made an output of the graph; the runtime infers its type."""
    if all(value.name != name for value in graph.output):
        graph.output.add().name = name
    return name


def _reduced(graph: onnx.GraphProto, opset: int, operator: str, name: str, axes: tuple[int, ...]) -> str:
    """The output of a new node that reduces a tensor over `axes`; over all where there are none."""
    import onnx

    output = f"{_PREFIX}_{len(graph.node)}"
    node = onnx.helper.make_node(operator, [name], [output], keepdims=0)
    if axes and opset >= _AXES_ARE_INPUTS_SINCE:
        constant = onnx.numpy_helper.from_array(np.array(axes, dtype=np.int64), f"{output}_axes")
        graph.initializer.append(constant)
        node.input.append(constant.name)
    elif axes:
        node.attribute.append(onnx.helper.make_attribute("axes", axes))
    graph.node.append(node)
    return _exposed(graph, output)
