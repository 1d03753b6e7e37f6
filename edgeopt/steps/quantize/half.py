"""The scheme `fp16`: weights and activations in float16, at half the size.

ONNX Runtime's own converter writes it (`onnxruntime.transformers.float16`, part of its wheel). Range of float16: to
65504 in magnitude; below 6.1e-5 values lose bits, below 6e-8 they would be zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgeopt.core.dataset import Dataset
from edgeopt.core.target import Target
from edgeopt.errors import InputError, Unsupported
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.scheme import Made, put_together, taken_apart

if TYPE_CHECKING:
    import onnx

IoType = Literal["float32", "float16"]
_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST = float(np.finfo(np.float16).smallest_subnormal)
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Options of the scheme.

    Attributes:
        target: The device that it is for.
        io: Type of the model's float inputs and outputs.
    """

    target: Target
    io: IoType = "float32"

    @property
    def needs_data(self) -> bool:
        """Never."""
        return False

    def make(self, model: onnx.ModelProto, data: Dataset, *, source: Path, progress: Progress | None = None) -> Made:
        """The model with float16 in the place of float32 (see `Scheme.make`).

        Raises:
            InputError: It cannot be taken apart.
            Unsupported: It holds no float32 weights.
        """
        del data  # nothing is calibrated
        import onnx
        from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

        if onnx.TensorProto.FLOAT not in {tensor.data_type for tensor in model.graph.initializer}:
            raise Unsupported(f"`{source}` has no float32 weights to halve", hint="`edgeopt inspect` shows what it has")
        kept = {
            node.name or node.output[0]: f"{node.op_type} has no float16 kernel"
            for node in model.graph.node
            if node.op_type in DEFAULT_OP_BLOCK_LIST
        }
        warnings = _range_warnings(model)
        halved = convert_float_to_float16(model, keep_io_types=self.io == "float32")
        intermediate = taken_apart(halved, source=source)
        intermediate.graph.sort()  # the converter writes its casts behind all other nodes
        if progress:
            progress(1, 1)
        return Made(
            model=put_together(intermediate, source=source),
            facts={
                "activations": "float16",
                "weights": "float16",
                "weight_bits": 16,
                "per_channel": None,
                "io": self.io,
                "reason": "half the size; faster only where the processor and the runtime compute in float16",
            },
            kept_float=kept,
            warnings=warnings,
        )


def require_float32(model: onnx.ModelProto, *, source: Path) -> None:
    """Refuse a model in float16; it must be asked before folding, which widens float16 that no kernel takes.

    Raises:
        InputError: Its weights are float16 already.
    """
    import onnx

    kinds = {tensor.data_type for tensor in model.graph.initializer}
    if onnx.TensorProto.FLOAT16 in kinds and onnx.TensorProto.FLOAT not in kinds:
        raise InputError(f"the weights of `{source}` are float16 already", hint="there is nothing left to halve")


def _range_warnings(model: onnx.ModelProto) -> tuple[str, ...]:
    """What is said of weights outside the range of float16."""
    import onnx

    large: dict[str, int] = {}
    small: dict[str, int] = {}
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            magnitude = np.abs(onnx.numpy_helper.to_array(tensor))
            large[tensor.name] = int(np.count_nonzero(np.isfinite(magnitude) & (magnitude > _LARGEST)))
            small[tensor.name] = int(np.count_nonzero((magnitude > 0) & (magnitude < _SMALLEST)))
    return (
        *_counted(large, f"beyond {_LARGEST:.0f}, the largest float16, and became that"),
        *_counted(small, f"below {_SMALLEST:.1g}, the smallest float16, and became that"),
    )


def _counted(counts: dict[str, int], what: str) -> tuple[str, ...]:
    found = {name: count for name, count in counts.items() if count}
    if not found:
        return ()
    named = ", ".join(f"`{name}` ({count})" for name, count in list(found.items())[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return (f"{sum(found.values())} weight(s) are {what}: {named}{more}; `--scheme int8` has no such bound",)
