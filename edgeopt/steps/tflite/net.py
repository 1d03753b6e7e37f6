"""A TFLite graph in memory: tensors, and operations in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1  # length of an axis that only the data tell; a tensor with one can be an output and nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How integers stand for real numbers: `scale * (integer - zero point)`.

    Attributes:
        scales: One, or one per index of `axis`; float32 values.
        zero_points: As many.
        axis: Memory axis that the scales run along, where there are several.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def is_per_tensor(self) -> bool:
        """Whether one scale holds for the whole tensor."""
        return len(self.scales) == 1

    @property
    def scale(self) -> float:
        """The scale of the whole tensor, or of its first channel."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of the whole tensor, or of its first channel."""
        return self.zero_points[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """One tensor, by identity.

    Attributes:
        name: Unique in its net.
        shape: Length per memory axis; `UNKNOWN` where the data tell it.
        dtype: NumPy's name, or `int4`.
        data: Its values where it is constant, (shape) of `dtype`; those of `int4` as int8.
        quantization: What its integers stand for.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: NDArray[Any] | None = None
    quantization: Quantization | None = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Attributes of an operation.

    Attributes:
        table: Name of their table in the schema, as in `Conv2DOptions`.
        values: Value per field of the table.
    """

    table: str
    values: dict[str, Any] = field(default_factory=dict)


def options(table: str, /, **values: Any) -> Options:
    """Attributes of an operation, as keywords."""
    return Options(table=table, values=values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """One operation, by identity.

    Attributes:
        kind: Name in the schema's BuiltinOperator, as in `CONV_2D`.
        inputs: What it reads; None for an optional input that is left out.
        outputs: What it makes.
        options: Its attributes.
        node: Name of the ONNX node that it comes from.
    """

    kind: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Options | None = None
    node: str = ""


@dataclass(slots=True, kw_only=True)
class Net:
    """A graph that is being built.

    Attributes:
        inputs: Tensor per name of an input.
        outputs: Tensor per name of an output.
        operations: In the order in which they run.
    """

    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)

    def tensors(self) -> list[Tensor]:
        """Every tensor once: inputs, then in the order of the operations."""
        seen: dict[Tensor, None] = dict.fromkeys(self.inputs.values())
        for operation in self.operations:
            seen.update(dict.fromkeys(each for each in operation.inputs if each is not None))
            seen.update(dict.fromkeys(operation.outputs))
        seen.update(dict.fromkeys(self.outputs.values()))
        return list(seen)

    def readers(self) -> dict[Tensor, list[Operation]]:
        """Operations that read each tensor."""
        found: dict[Tensor, list[Operation]] = {}
        for operation in self.operations:
            for tensor in dict.fromkeys(operation.inputs):
                if tensor is not None:
                    found.setdefault(tensor, []).append(operation)
        return found

    def maker(self) -> dict[Tensor, Operation]:
        """The operation that makes each tensor."""
        return {tensor: operation for operation in self.operations for tensor in operation.outputs}

    def substitute(self, old: Tensor, new: Tensor) -> None:
        """Put `new` in the place of `old` everywhere."""
        for place, operation in enumerate(self.operations):
            if old in operation.inputs or old in operation.outputs:
                self.operations[place] = replace(
                    operation,
                    inputs=tuple(new if each is old else each for each in operation.inputs),
                    outputs=tuple(new if each is old else each for each in operation.outputs),
                )
        self.inputs = {name: new if each is old else each for name, each in self.inputs.items()}
        self.outputs = {name: new if each is old else each for name, each in self.outputs.items()}

    def name_boundary(self) -> dict[Tensor, Tensor]:
        """Call inputs and outputs what the model calls them, and others that have such a name otherwise.

        Returns:
            The tensor in the place of each one that got another name.
        """
        named = {
            **{each: name for name, each in self.outputs.items()},
            **{each: name for name, each in self.inputs.items()},
        }
        taken = set(named.values())
        used = taken | {tensor.name for tensor in self.tensors()}
        changed: dict[Tensor, Tensor] = {}
        for tensor in self.tensors():
            name = named.get(tensor, tensor.name)
            if tensor not in named and name in taken:
                number = next(each for each in count(1) if f"{name}_{each}" not in used)
                name = f"{name}_{number}"
                used.add(name)
            if name != tensor.name:
                changed[tensor] = replace(tensor, name=name)
        for old, new in changed.items():
            self.substitute(old, new)
        return changed

    def drop_dead(self) -> None:
        """Take off operations that nothing reads from."""
        needed = set(self.outputs.values())
        kept: list[Operation] = []
        for operation in reversed(self.operations):
            if needed.intersection(operation.outputs):
                kept.append(operation)
                needed.update(each for each in operation.inputs if each is not None)
        self.operations = kept[::-1]


def channels(count: int, quantization: Quantization) -> tuple[Sequence[float], Sequence[int]]:
    """Scale and zero point per channel of `count`, for one that may be of the whole tensor."""
    repeats = count if quantization.is_per_tensor else 1
    return quantization.scales * repeats, quantization.zero_points * repeats
