"""Shapes and dtypes of every tensor of a graph, with free axes bound to a length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.graph.save import without_large_constants

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape and size of an element of one tensor; `shape` is None where inference could not tell it."""

    shape: tuple[int, ...] | None
    dtype: str
    item_bytes: float

    @property
    def elements(self) -> int:
        """Number of elements, 0 where the shape is not known."""
        return int(np.prod(self.shape, dtype=np.int64)) if self.shape is not None else 0

    @property
    def size_bytes(self) -> int:
        """Size in bytes, 0 where the shape is not known; two 4-bit elements share a byte."""
        return int(np.ceil(self.elements * self.item_bytes))


def bind_free_axes(model: onnx.ModelProto, *, batch: int = 1) -> None:
    """Bind, in place, every free axis of the inputs: the first one to `batch`, others to 1."""
    for value in model.graph.input:
        for index, axis in enumerate(value.type.tensor_type.shape.dim):
            if not axis.HasField("dim_value") or axis.dim_value <= 0:
                axis.dim_value = batch if index == 0 else 1


def write_types(model: onnx.ModelProto) -> None:
    """Write, in place, the type and shape of every tensor of the main graph that inference can tell.

    The data of large constants stays out of the inference, so that it costs no copy of them.
    """
    import onnx

    try:
        inferred = onnx.shape_inference.infer_shapes(without_large_constants(model), strict_mode=False, data_prop=True)
    except onnx.shape_inference.InferenceError:  # types are a help to the placement, the runtime infers its own
        return
    del model.graph.value_info[:]
    model.graph.value_info.extend(inferred.graph.value_info)


def tensor_types(model: onnx.ModelProto) -> dict[str, TensorType]:
    """Type of every tensor of the main graph by name, inferred with data propagation."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True).graph
    types: dict[str, TensorType] = {}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        tensor = value.type.tensor_type
        shape = [axis.dim_value if axis.HasField("dim_value") else -1 for axis in tensor.shape.dim]
        is_known = tensor.HasField("shape") and all(length >= 0 for length in shape)
        types[value.name] = _type(tuple(shape) if is_known else None, tensor.elem_type)
    for constant in inferred.initializer:
        types[constant.name] = type_of_tensor(constant)
    return types


def type_of_tensor(tensor: onnx.TensorProto) -> TensorType:
    """Type of a constant."""
    return _type(tuple(tensor.dims), tensor.data_type)


def _type(shape: tuple[int, ...] | None, element: int) -> TensorType:
    import onnx

    if element in (onnx.TensorProto.INT4, onnx.TensorProto.UINT4):
        return TensorType(shape, "int4" if element == onnx.TensorProto.INT4 else "uint4", 0.5)
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(element)
    except KeyError:
        return TensorType(shape, "unknown", 0)
    return TensorType(shape, str(dtype), dtype.itemsize)
