"""Small nets quantized by ONNX Runtime's own tool, and run as their pairs say: in float, each pair rounded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from edgeopt.steps.tflite.lower import Lowered


def small_net(seed: int = 0) -> onnx.ModelProto:
    """Convolutions, a residual, a pool, a concatenation, a mean and a product over (1, 3, 12, 12)."""
    generator = np.random.default_rng(seed)
    constants: dict[str, Any] = {}

    def weight(name: str, *shape: int) -> str:
        spread = 1 / np.sqrt(np.prod(shape[1:]))
        constants[name] = generator.normal(0, spread, shape).astype(np.float32)
        return name

    def bias(name: str, count: int) -> str:
        constants[name] = generator.normal(0, 0.1, count).astype(np.float32)
        return name

    nodes = [
        helper.make_node(
            "Conv", ["x", weight("w1", 8, 3, 3, 3), bias("b1", 8)], ["c1"], pads=[0, 0, 1, 1], strides=[2, 2]
        ),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", weight("w2", 8, 1, 3, 3), bias("b2", 8)], ["c2"], group=8, pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["c2", "zero", "six"], ["r2"]),
        helper.make_node("Conv", ["r2", weight("w3", 8, 8, 1, 1), bias("b3", 8)], ["c3"]),
        helper.make_node("Add", ["c3", "r1"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["r3"]),
        helper.make_node("MaxPool", ["r3"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["pooled", weight("w4", 4, 8, 1, 1), bias("b4", 4)], ["c4"]),
        helper.make_node("Concat", ["pooled", "c4"], ["joined"], axis=1),
        helper.make_node("GlobalAveragePool", ["joined"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", weight("w5", 5, 12), bias("b5", 5)], ["y"], transB=1),
    ]
    constants |= {"zero": np.float32(0), "six": np.float32(6)}
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 12, 12))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 5))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class _Samples(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, samples: np.ndarray[Any, Any]) -> None:
        self._left: Iterator[dict[str, Any]] = iter([{"x": sample[np.newaxis]} for sample in samples])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._left, None)


def samples_of(model: onnx.ModelProto, count: int, seed: int = 1) -> np.ndarray[Any, Any]:
    """(sample, ...) float32 inputs without their batch axis."""
    shape = [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim][1:]
    return np.random.default_rng(seed).normal(0, 1, (count, *shape)).astype(np.float32)


def statically_quantized(
    model: onnx.ModelProto,
    folder: Path,
    *,
    activations: QuantType = QuantType.QInt8,
    weights: QuantType = QuantType.QInt8,
    per_channel: bool = True,
    form: QuantFormat = QuantFormat.QDQ,
) -> onnx.ModelProto:
    """`model` as `quantize_static` of ONNX Runtime writes it."""
    source, target = folder / "float.onnx", folder / "int8.onnx"
    onnx.save(model, source)
    quantize_static(
        source,
        target,
        _Samples(samples_of(model, 32)),
        quant_format=form,
        activation_type=activations,
        weight_type=weights,
        per_channel=per_channel,
    )
    return onnx.load(target)


def run_as_written(model: onnx.ModelProto, feeds: dict[str, Any]) -> list[Any]:
    """Outputs of an ONNX model whose pairs are not fused: exact float arithmetic, rounded where it says so."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return list(onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds))


def float_kinds(result: Lowered) -> list[str]:
    """Operators of a net that read or make floats, but for QUANTIZE of an input and DEQUANTIZE of an output."""
    inputs, outputs = set(result.net.inputs.values()), set(result.net.outputs.values())
    found = []
    for operation in result.net.operations:
        is_edge = (operation.kind == "QUANTIZE" and operation.inputs[0] in inputs) or (
            operation.kind == "DEQUANTIZE" and operation.outputs[0] in outputs
        )
        tensors = (*operation.inputs, *operation.outputs)
        if not is_edge and any(each is not None and each.dtype == "float32" for each in tensors):
            found.append(operation.kind)
    return found


def signal_to_noise(wanted: Any, given: Any) -> float:
    """Decibels of `wanted` over its difference to `given`."""
    signal, noise = np.square(wanted, dtype=np.float64).sum(), np.square(wanted - given, dtype=np.float64).sum()
    return float(10 * np.log10(signal / noise)) if noise else float("inf")
