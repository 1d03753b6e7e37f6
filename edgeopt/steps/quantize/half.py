"""The scheme `fp16`: weights and activations in float16, at half the size.

ONNX Runtime's own converter writes it (`onnxruntime.transformers.float16`, part of its wheel). Range of float16: to
65504 in magnitude; below 6.1e-5 values lose bits, below 6e-8 the converter raises them to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.core.dataset import Dataset
from edgeopt.core.target import Target
from edgeopt.errors import InputError, Unsupported
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.placement.place import known_nodes
from edgeopt.steps.quantize.scheme import IoType, Made, put_together, taken_apart

if TYPE_CHECKING:
    import onnx

_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST_NORMAL = float(np.finfo(np.float16).smallest_normal)
# Weights lie around zero, so some are tiny and cost nothing beside the others; a tensor of them is another matter.
_MOST_SUBNORMAL = 0.5
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Options of the scheme.

    Attributes:
        target: The device that it is for.
        io: Type of the model's float inputs and outputs.
        keep_float: Node name -> why it stays float.
    """

    target: Target
    io: IoType = "float32"
    keep_float: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes_data(self) -> bool:
        """Never: nothing is learnt from samples."""
        return False

    @property
    def needs_data(self) -> bool:
        """Never."""
        return False

    def make(self, model: onnx.ModelProto, data: Dataset, *, source: Path, progress: Progress | None = None) -> Made:
        """The model with float16 in the place of float32 (see `Scheme.make`).

        Raises:
            InputError: A node to keep float is not there, or the model cannot be taken apart.
            Unsupported: It holds no float32 weights.
        """
        del data  # nothing is calibrated
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        if onnx.TensorProto.FLOAT not in {tensor.data_type for tensor in model.graph.initializer}:
            raise Unsupported(f"`{source}` has no float32 weights to halve", hint="`edgeopt inspect` shows what it has")
        kept = {**_kept_float(model.graph), **self._asked(model, source)}
        warnings = _range_warnings(model)
        halved = convert_float_to_float16(
            model,
            keep_io_types=self.io == "float32",
            node_block_list=list(kept),
            disable_shape_infer=True,  # `prepare` wrote the types of all tensors, and this stops at 2 GiB
        )
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
                "reason": "half the size",
            },
            kept_float=kept,
            warnings=(*warnings, *self._kernel_warnings()),
        )

    def _asked(self, model: onnx.ModelProto, source: Path) -> Mapping[str, str]:
        if not self.keep_float:
            return {}
        for node in model.graph.node:  # the converter knows nodes by name alone, people by that of an output too
            node.name = node.name or (node.output[0] if node.output[0] in self.keep_float else "")
        return known_nodes(taken_apart(model, source=source).graph, self.keep_float)

    def _kernel_warnings(self) -> tuple[str, ...]:
        """What is said where the target computes in float32 all the same.

        ONNX Runtime's CPU kernels for float16 (MLAS: Conv, Gemm, MatMul, poolings) are those of ARMv8.2 with half
        precision; for all other processors it puts casts around each node.
        """
        if self.target.architecture == "aarch64" and "asimdhp" in self.target.isa:
            return ()
        return (
            f"`{self.target.name}` has no float16 kernels: ONNX Runtime computes in float32 between casts, so the file "
            "is half as large but inference is not faster; `--scheme int8` is where there are integer kernels",
        )


def _kept_float(graph: onnx.GraphProto) -> dict[str, str]:
    """Nodes that the converter leaves in float32, with the reason."""
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST

    blocked = [node for node in graph.node if node.op_type in DEFAULT_OP_BLOCK_LIST]
    return {node.name or node.output[0]: f"{node.op_type} has no float16 kernel" for node in blocked}


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
    """What is said of weights outside the range in which float16 has all its bits."""
    import onnx

    large: dict[str, int] = {}
    small: dict[str, int] = {}
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            magnitude = np.abs(onnx.numpy_helper.to_array(tensor))
            large[tensor.name] = int(np.count_nonzero(np.isfinite(magnitude) & (magnitude > _LARGEST)))
            count = int(np.count_nonzero((magnitude > 0) & (magnitude < _SMALLEST_NORMAL)))
            small[tensor.name] = count if count > _MOST_SUBNORMAL * np.count_nonzero(magnitude) else 0
    return (
        *_counted(large, f"beyond {_LARGEST:.0f}, the largest float16, and became that"),
        *_counted(small, f"below {_SMALLEST_NORMAL:.1g}, where float16 loses bits"),
    )


def _counted(counts: dict[str, int], what: str) -> tuple[str, ...]:
    found = {name: count for name, count in counts.items() if count}
    if not found:
        return ()
    named = ", ".join(f"`{name}` ({count})" for name, count in list(found.items())[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return (f"{sum(found.values())} weight(s) are {what}: {named}{more}; `--scheme int8` scales them first",)
