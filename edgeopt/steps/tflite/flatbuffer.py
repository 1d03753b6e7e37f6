"""A net as the bytes of a .tflite file.

The schema's tables and its Python bindings come with `ai_edge_litert`; numbers of operators and types are looked up
there by name, so that none is written down here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt._optional import require
from edgeopt._version import __version__
from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.net import UNKNOWN, Net, Operation, Options, Quantization, Tensor
from edgeopt.steps.tflite.versions import version_of

_SCHEMA_VERSION = 3
_IDENTIFIER = b"TFL3"
SIGNATURE = "serving_default"
# Kernels load weights with aligned instructions: the schema asks for 16 bytes (`force_align` of Buffer.data).
_ALIGNMENT = 16
_MOST_BYTES = (1 << 31) - (1 << 20)  # offsets of a flatbuffer are signed 32-bit numbers
# Codes above this one do not fit the old field, which then holds this one (schema.fbs, OperatorCode).
_PLACEHOLDER_CODE = 127
_INT4 = "int4"
# field of an options table -> the schema's enumeration that its value is a name of
_ENUMERATIONS = {
    "fusedActivationFunction": "ActivationFunctionType",
    "padding": "Padding",
    "mode": "MirrorPadMode",
    "inDataType": "TensorType",
    "outDataType": "TensorType",
    "outType": "TensorType",
    "outputType": "TensorType",
    "idxOutType": "TensorType",
    "quantizedBiasType": "TensorType",
    "reduceFunction": "ReduceWindowFunction",
}


def model_bytes(net: Net, *, metadata: Mapping[str, bytes] | None = None) -> bytes:
    """The file that holds `net`.

    Args:
        net: A graph whose operations are in the order in which they run.
        metadata: Further data to keep in the file, by name.

    Raises:
        ExtraMissing: `ai_edge_litert` is not installed.
        Unsupported: It would be above 2 GiB.
    """
    schema: Any = require("ai_edge_litert.schema_py_generated", purpose="write TFLite files")
    import flatbuffers

    size = sum(each.data.nbytes for each in net.tensors() if each.data is not None)
    if size > _MOST_BYTES:
        raise Unsupported(
            f"the constants take {size / (1 << 30):.1f} GiB, and a .tflite file holds less than 2 GiB",
            hint="quantize the model first: `edgeopt quantize MODEL`",
        )
    model = _Writer(schema).model(net, metadata or {})
    builder = flatbuffers.Builder(size + (1 << 16))
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


class _Writer:
    """The tables of one model; equal data share a buffer, equal operators a code."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._buffers: list[Any] = [self._buffer(None)]  # the first one is empty by convention
        self._buffer_of: dict[tuple[str, bytes], int] = {}
        self._codes: dict[tuple[str, int], int] = {}
        self._shared_quantization = _shared_quantization(schema)

    def model(self, net: Net, metadata: Mapping[str, bytes]) -> Any:
        tensors = net.tensors()
        index = {tensor: position for position, tensor in enumerate(tensors)}
        graph = self._schema.SubGraphT()
        graph.name = "main"
        graph.tensors = [self._tensor(tensor) for tensor in tensors]
        graph.inputs = np.array([index[tensor] for tensor in net.inputs.values()], np.int32)
        graph.outputs = np.array([index[tensor] for tensor in net.outputs.values()], np.int32)
        graph.operators = [self._operator(operation, index) for operation in net.operations]
        model = self._schema.ModelT()
        model.version = _SCHEMA_VERSION
        model.description = f"edgeopt {__version__}"
        model.subgraphs = [graph]
        model.signatureDefs = [self._signature(net, index)]
        model.metadata = [self._metadata(name, data) for name, data in metadata.items()] or None
        model.operatorCodes = [self._operator_code(kind, version) for kind, version in self._codes]
        model.buffers = self._buffers
        return model

    def _tensor(self, tensor: Tensor) -> Any:
        table = self._schema.TensorT()
        table.name = tensor.name
        table.shape = np.array([1 if length == UNKNOWN else length for length in tensor.shape], np.int32)
        if UNKNOWN in tensor.shape:
            table.shapeSignature = np.array(tensor.shape, np.int32)
        table.type = getattr(self._schema.TensorType, tensor.dtype.upper())
        table.hasRank = True
        if tensor.data is not None:
            table.buffer = self._shared_buffer(_packed(tensor))
        if tensor.quantization is not None:
            table.quantization = self._quantization(tensor.quantization)
        return table

    def _quantization(self, quantization: Quantization) -> Any:
        table = self._shared_quantization()
        table.scale = np.array(quantization.scales, np.float32)
        table.zeroPoint = np.array(quantization.zero_points, np.int64)
        table.quantizedDimension = quantization.axis
        return table

    def _shared_buffer(self, data: NDArray[np.uint8]) -> int:
        key = (str(data.size), hashlib.sha256(data).digest())
        if key not in self._buffer_of:
            self._buffers.append(self._buffer(data))
            self._buffer_of[key] = len(self._buffers) - 1
        return self._buffer_of[key]

    def _buffer(self, data: NDArray[np.uint8] | None) -> Any:
        table = _aligned_buffer(self._schema)()
        table.data = data
        return table

    def _operator(self, operation: Operation, index: Mapping[Tensor, int]) -> Any:
        table = self._schema.OperatorT()
        key = (operation.kind, version_of(operation))
        table.opcodeIndex = self._codes.setdefault(key, len(self._codes))
        table.inputs = np.array([-1 if each is None else index[each] for each in operation.inputs], np.int32)
        table.outputs = np.array([index[each] for each in operation.outputs], np.int32)
        if operation.options is not None:
            self._set_options(table, operation.options)
        return table

    def _set_options(self, table: Any, options: Options) -> None:
        filled = getattr(self._schema, f"{options.table}T")()
        for name, value in options.values.items():
            if not hasattr(filled, name):
                raise TypeError(f"{options.table} has no field {name}")
            if isinstance(value, str) and name in _ENUMERATIONS:
                value = getattr(getattr(self._schema, _ENUMERATIONS[name]), value.upper())  # noqa: PLW2901
            setattr(filled, name, value)
        if hasattr(self._schema.BuiltinOptions, options.table):
            table.builtinOptionsType = getattr(self._schema.BuiltinOptions, options.table)
            table.builtinOptions = filled
        else:
            table.builtinOptions2Type = getattr(self._schema.BuiltinOptions2, options.table)
            table.builtinOptions2 = filled

    def _operator_code(self, kind: str, version: int) -> Any:
        table = self._schema.OperatorCodeT()
        table.builtinCode = getattr(self._schema.BuiltinOperator, kind)
        table.deprecatedBuiltinCode = min(table.builtinCode, _PLACEHOLDER_CODE)
        table.version = version
        return table

    def _signature(self, net: Net, index: Mapping[Tensor, int]) -> Any:
        table = self._schema.SignatureDefT()
        table.signatureKey = SIGNATURE
        table.inputs = [self._named(name, index[tensor]) for name, tensor in net.inputs.items()]
        table.outputs = [self._named(name, index[tensor]) for name, tensor in net.outputs.items()]
        return table

    def _named(self, name: str, position: int) -> Any:
        table = self._schema.TensorMapT()
        table.name = name
        table.tensorIndex = position
        return table

    def _metadata(self, name: str, data: bytes) -> Any:
        table = self._schema.MetadataT()
        table.name = name
        table.buffer = self._shared_buffer(np.frombuffer(data, np.uint8))
        return table


def _packed(tensor: Tensor) -> NDArray[np.uint8]:
    """The bytes of a constant; two elements of int4 share one, the first in its low half."""
    assert tensor.data is not None
    values = np.ascontiguousarray(tensor.data)
    if tensor.dtype == _INT4:
        nibbles = values.astype(np.int8).ravel().view(np.uint8) & 0x0F
        nibbles = np.append(nibbles, np.zeros(len(nibbles) % 2, np.uint8))
        return np.asarray(nibbles[0::2] | (nibbles[1::2] << 4), np.uint8)
    return np.asarray(values.reshape(-1).view(np.uint8), np.uint8)


def _shared_quantization(schema: Any) -> type[Any]:
    """The schema's quantization, of which equal ones, and equal vectors of them, are written once in a file.

    The zero points of a tensor with a scale per channel take twice the bytes of the scales, and nearly all are zeros.
    """
    tables: dict[tuple[bytes, bytes, int], Any] = {}
    vectors: dict[tuple[str, bytes], Any] = {}

    class SharedQuantization(schema.QuantizationParametersT):  # type: ignore[misc]  # the schema has no types
        def Pack(self, builder: Any) -> Any:  # noqa: N802  the schema's name
            key = (self.scale.tobytes(), self.zeroPoint.tobytes(), self.quantizedDimension)
            if key not in tables:
                scale, zero_point = _vector(builder, self.scale), _vector(builder, self.zeroPoint)
                schema.QuantizationParametersStart(builder)
                schema.QuantizationParametersAddScale(builder, scale)
                schema.QuantizationParametersAddZeroPoint(builder, zero_point)
                schema.QuantizationParametersAddQuantizedDimension(builder, self.quantizedDimension)
                tables[key] = schema.QuantizationParametersEnd(builder)
            return tables[key]

    def _vector(builder: Any, values: NDArray[Any]) -> Any:
        key = (values.dtype.str, values.tobytes())
        if key not in vectors:
            vectors[key] = builder.CreateNumpyVector(values)
        return vectors[key]

    return SharedQuantization


def _aligned_buffer(schema: Any) -> type[Any]:
    """The schema's buffer, written at a multiple of 16 bytes: its own `Pack` aligns to that of the element alone."""

    class AlignedBuffer(schema.BufferT):  # type: ignore[misc]  # the schema has no types
        def Pack(self, builder: Any) -> Any:  # noqa: N802  the schema's name
            position = None
            if self.data is not None:
                length = self.data.size
                builder.StartVector(1, length, _ALIGNMENT)
                builder.head = builder.head - length
                builder.Bytes[builder.head : builder.head + length] = self.data.tobytes()
                position = builder.EndVector()
            schema.BufferStart(builder)
            if position is not None:
                schema.BufferAddData(builder, position)
            return schema.BufferEnd(builder)

    return AlignedBuffer
