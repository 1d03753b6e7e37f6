"""A TFLite model as a file holds it: graphs of operators and tensors, signatures and metadata."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from edgeopt.core.artifact import TensorSpec

SERVING = "serving_default"  # the signature that converters write


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of a graph.

    Attributes:
        name: As the file calls it; it may be empty, and two may share one.
        shape: Lengths of the axes at which the file was written, 1 for free ones.
        free_axes: Axes that take any length.
        dtype: NumPy's name of the element type; `object` for strings and handles; some, as `int4`, NumPy lacks.
        bits: Of an element; 0 where elements have no fixed size.
        data: (first byte, bytes) of its constant in the file; zero bytes for what is computed.
        scales: One per channel, or one; none where it is not quantized.
        zero_points: As many.
        axis: That the scales run along, where there are several.
        is_blockwise: Whether a block of a channel has scales of its own, which lie in another tensor.
        is_variable: Whether it keeps its value from one inference to the next.
    """

    name: str
    shape: tuple[int, ...]
    free_axes: tuple[int, ...] = ()
    dtype: str
    bits: int
    data: tuple[int, int] = (0, 0)
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    is_blockwise: bool = False
    is_variable: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether the file holds its values."""
        return self.data[1] > 0

    @property
    def elements(self) -> int:
        """Number of elements, at length 1 of free axes."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of its values, at length 1 of free axes; of a string as long as the file holds it."""
        return (self.elements * self.bits + 7) // 8 if self.bits else self.data[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator of a graph.

    Attributes:
        name: Of the schema, as in `CONV_2D`; for a custom one its own.
        is_custom: Whether the schema does not know it.
        version: Of the operator.
        inputs: Places among the graph's tensors; -1 for one that is left out.
        outputs: Places among the graph's tensors.
    """

    name: str
    is_custom: bool = False
    version: int = 1
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A graph: operators in the order in which they run.

    Attributes:
        tensors: All tensors.
        inputs: Places of what it takes.
        outputs: Places of what it gives.
        operators: All operators.
    """

    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What a model takes and gives.

    Attributes:
        inputs: In the order of the file, by name.
        outputs: In the order of the file, by name.
        input_places: Place of each input among the graph's tensors.
        output_places: Place of each output.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    input_places: tuple[int, ...]
    output_places: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteModel:
    """What a file holds.

    Attributes:
        graphs: The main graph, then those of branches, loops and further signatures.
        interface: What the main graph takes and gives.
        metadata: (first byte, bytes) in the file of each entry, by name.
    """

    graphs: tuple[Graph, ...]
    interface: Interface
    metadata: dict[str, tuple[int, int]] = field(default_factory=dict)
