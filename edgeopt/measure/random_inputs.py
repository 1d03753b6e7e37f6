"""Inputs drawn at random, that both a source and what was converted from it are run on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.measure.ports import Port

if TYPE_CHECKING:
    import onnx

_BYTES = {"uint8": 256, "int8": 128}


def random_feeds(model: onnx.ModelProto, ports: Sequence[Port], seed: int) -> dict[str, NDArray[Any]]:
    """Inputs of the source, one batch: standard normal; from seed 1 on as wide as the source's integers reach.

    Args:
        model: The source.
        ports: Its inputs in the converted model.
        seed: Of the draw.
    """
    generator = np.random.default_rng(seed)
    drawn = {port.name: _random(generator, port, model) for port in ports}
    if seed:
        drawn = {name: _widened(array, input_scale(name, model)) for name, array in drawn.items()}
    return {port.name: on_grid(port, drawn[port.name]) for port in ports}


def on_grid(port: Port, array: NDArray[Any]) -> NDArray[Any]:
    """`array` rounded as the converted model takes it, so that rounding the input counts on neither side."""
    is_rounded = port.spec.quantization is not None and array.dtype.kind == "f"
    return port.meant(port.given(array)).astype(array.dtype) if is_rounded else array


def _widened(array: NDArray[Any], scale: tuple[float, int, int] | None) -> NDArray[Any]:
    """Standard normal numbers stretched over the range of a quantizer, three standard deviations to each end."""
    if scale is None or array.dtype.kind != "f":
        return array
    step, low, high = scale
    return (array * (step * (high - low) / 6) + step * (low + high) / 2).astype(array.dtype)


def input_scale(name: str, model: onnx.ModelProto) -> tuple[float, int, int] | None:
    """(step, lowest, highest number of steps) that the source rounds a float input to; None where it does not."""
    reader = next(
        (node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == name), None
    )
    point = _constant(model, reader.input[2]) if reader and len(reader.input) > 2 else None
    step = scale_of(model, reader.input[1]) if reader else 0.0
    if not step or point is None or point.dtype.kind not in "iu" or point.size != 1:
        return None
    limits, zero = np.iinfo(point.dtype), int(point.reshape(-1)[0])
    return step, int(limits.min) - zero, int(limits.max) - zero


def scale_of(model: onnx.ModelProto, name: str) -> float:
    """The largest of the scales in a constant; 0 where it is none."""
    found = _constant(model, name)
    return float(found.max()) if found is not None and found.size else 0.0


def _constant(model: onnx.ModelProto, name: str) -> NDArray[Any] | None:
    """A constant of the file itself; None where it is computed, or lies elsewhere."""
    import onnx

    found = next((tensor for tensor in model.graph.initializer if tensor.name == name), None)
    if found is None or found.data_location == onnx.TensorProto.EXTERNAL:
        return None
    return onnx.numpy_helper.to_array(found)


def _random(generator: np.random.Generator, port: Port, model: onnx.ModelProto) -> NDArray[Any]:
    """Standard normal floats; integers that any model takes, or that the embedding which reads them holds."""
    shape, dtype = port.shape(), np.dtype(_dtype_of(port.name, model))
    if dtype.kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    return generator.integers(0, _limit(port.name, model, dtype), shape).astype(dtype)


def _dtype_of(name: str, model: onnx.ModelProto) -> Any:
    import onnx

    value = next(value for value in model.graph.input if value.name == name)
    return onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)


def _limit(name: str, model: onnx.ModelProto, dtype: np.dtype[Any]) -> int:
    """Above the largest integer that is safe at an input: the length of a table that it points into, else 2."""
    if str(dtype) in _BYTES:
        return _BYTES[str(dtype)]
    lengths = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    readers = [node for node in model.graph.node if name in node.input]
    tables = [lengths.get(node.input[0]) for node in readers if node.op_type == "Gather" and node.input[1] == name]
    if len(tables) == len(readers) == 1 and tables[0]:
        return int(tables[0][0]) if not any(a.name == "axis" and a.i for a in readers[0].attribute) else 2
    return 2
