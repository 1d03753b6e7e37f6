"""Ranges of activations from calibration samples, streamed: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError
from edgeopt.graph.runtime import PROVIDERS, runtime_errors
from edgeopt.graph.save import as_source
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.doubts import calibration_failure

if TYPE_CHECKING:
    import onnx

BATCH = 4  # with 16, ResNet8 peaks at 130 MB and gains nothing in time; with 4 at 109 MB
_LOW, _HIGH = "edgeopt_low_", "edgeopt_high_"


@dataclass(frozen=True, slots=True)
class Range:
    """Smallest and largest value of a tensor over all calibration samples."""

    low: float
    high: float


def calibrate_minmax(
    model: onnx.ModelProto, tensors: Iterable[str], data: Dataset, *, progress: Progress | None = None
) -> dict[str, Range]:
    """The range of each of `tensors` while `model` runs over `data`.

    The minimum and maximum are taken inside the runtime (ReduceMin, ReduceMax), so that no activation leaves it.

    Args:
        model: The folded model.
        tensors: Names of float tensors of the main graph.
        data: Samples bound to the model's inputs, at least one.
        progress: Called with (done, total) samples.

    Raises:
        InputError: The model fails on the samples, or gives NaN or infinity.
    """
    names = list(tensors)
    low = np.full(len(names), np.inf)
    high = np.full(len(names), -np.inf)
    try:
        session, outputs = _observing_session(model, names)
    except runtime_errors() as error:
        raise calibration_failure(error, data) from error
    size, is_fixed = _batch_size(model)
    for number, feeds in enumerate(data.batches(size, is_filled=is_fixed)):
        try:
            values = session.run(outputs, feeds)
        except runtime_errors() as error:
            raise calibration_failure(error, data) from error
        extremes = np.array(values, dtype=np.float64).reshape(2, len(names))
        _require_finite(extremes, names, data.source)
        low, high = np.minimum(low, extremes[0]), np.maximum(high, extremes[1])
        if progress:
            progress(min(len(data), (number + 1) * size), len(data))
    is_empty = low > high  # nothing was ever seen of it
    low[is_empty], high[is_empty] = 0.0, 0.0
    return {name: Range(float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)}


def _observing_session(model: onnx.ModelProto, names: list[str]) -> tuple[Any, list[str]]:
    import onnx
    import onnxruntime

    observing = onnx.ModelProto()
    observing.CopyFrom(model)
    outputs: list[str] = []
    for operator, prefix in (("ReduceMin", _LOW), ("ReduceMax", _HIGH)):
        for index, name in enumerate(names):
            output = f"{prefix}{index}"
            observing.graph.node.append(onnx.helper.make_node(operator, [name], [output], keepdims=0))
            observing.graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, []))
            outputs.append(output)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    with as_source(observing) as source:
        session = onnxruntime.InferenceSession(source, options, providers=PROVIDERS, enable_fallback=0)
    return session, outputs


def _batch_size(model: onnx.ModelProto) -> tuple[int, bool]:
    """The batch that the model fixes, else `BATCH`; and whether it is fixed."""
    constants = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in constants]
    axes = [value.type.tensor_type.shape.dim[0] for value in values if value.type.tensor_type.shape.dim]
    fixed = [axis.dim_value for axis in axes if axis.HasField("dim_value") and axis.dim_value > 0]
    return (fixed[0], True) if fixed else (BATCH, False)


def _require_finite(extremes: NDArray[np.float64], names: list[str], source: str) -> None:
    is_empty = (extremes[0] == np.inf) & (extremes[1] == -np.inf)  # of a tensor without elements
    bad = ~(np.isfinite(extremes).all(axis=0) | is_empty)
    if bad.any():
        raise InputError(
            f"tensor `{names[int(np.argmax(bad))]}` becomes NaN or infinite on `{source}`",
            hint="the float model itself overflows on this data; check its weights and the preprocessing",
        )
