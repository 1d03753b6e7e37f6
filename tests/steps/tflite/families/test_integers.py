"""Operators between quantized tensors stay in int8 and give what ONNX Runtime gives, to a step or two."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edgeopt.steps.tflite.flatbuffer import model_bytes
from tests.steps.tflite.running import REFERENCE, XNNPACK, kinds_of, lowered_model, run_onnx, run_tflite

SHAPE = (2, 3, 4, 4)
SCALE, POINT = 0.05, 3


def _quantized(
    operator: str, count: int, *, output: tuple[float, int], dtype: str = "int8", extra: str = "", **attributes: Any
) -> onnx.ModelProto:
    """A model of one node between pairs of QuantizeLinear and DequantizeLinear.

    Args:
        operator: Its operator.
        count: Number of inputs.
        output: Scale and zero point (of int8) of the output.
        dtype: Type of the integers.
        extra: What of the inputs differs: `same` quantizes all alike, else each otherwise.
        **attributes: Attributes of the node.
    """
    shift = 128 if dtype == "uint8" else 0
    constants, nodes = [], []
    for place in range(count):
        scale = SCALE if extra == "same" else SCALE * (1 + place / 4)
        constants += _parameters(f"x{place}", scale, POINT - place + shift, dtype)
        nodes += _pair(f"x{place}", f"d{place}", f"x{place}")
    nodes.append(onnx.helper.make_node(operator, [f"d{place}" for place in range(count)], ["r"], **attributes))
    constants += _parameters("y", output[0], output[1] + shift, dtype)
    nodes += _pair("r", "y", "y")
    graph = onnx.helper.make_graph(
        nodes,
        "quantized",
        [onnx.helper.make_tensor_value_info(f"x{place}", 1, SHAPE) for place in range(count)],
        [onnx.helper.make_empty_tensor_value_info("y")],
        constants,
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


def _parameters(name: str, scale: float, point: int, dtype: str) -> list[onnx.TensorProto]:
    values = {"scale": np.array(scale, np.float32), "point": np.array(point, dtype)}
    return [onnx.numpy_helper.from_array(value, f"{name}_{kind}") for kind, value in values.items()]


def _pair(source: str, target: str, parameters: str) -> list[onnx.NodeProto]:
    names = [f"{parameters}_scale", f"{parameters}_point"]
    return [
        onnx.helper.make_node("QuantizeLinear", [source, *names], [f"{target}_q"]),
        onnx.helper.make_node("DequantizeLinear", [f"{target}_q", *names], [target]),
    ]


# operator, inputs, its kernel, (scale, zero point) of the output, how inputs differ, attributes, steps of error
OPERATORS: list[tuple[str, int, str, tuple[float, int], str, dict[str, Any], int]] = [
    ("Add", 2, "ADD", (0.1, -5), "", {}, 1),
    ("Sub", 2, "SUB", (0.1, -5), "", {}, 1),
    ("Mul", 2, "MUL", (0.3, 7), "", {}, 1),
    ("Max", 2, "MAXIMUM", (0.05, 3), "same", {}, 0),
    ("Min", 2, "MINIMUM", (0.07, 0), "", {}, 1),
    ("Relu", 1, "RELU", (0.05, 3), "", {}, 1),
    ("Relu", 1, "RELU", (0.025, -128), "", {}, 1),
    ("LeakyRelu", 1, "LEAKY_RELU", (0.05, 3), "", {"alpha": 0.1}, 1),
    ("PRelu", 2, "PRELU", (0.1, 0), "", {}, 1),
    ("Sigmoid", 1, "LOGISTIC", (1 / 256, -128), "", {}, 1),
    ("Sigmoid", 1, "LOGISTIC", (0.01, -128), "", {}, 1),
    ("Tanh", 1, "TANH", (1 / 128, 0), "", {}, 1),
    ("Tanh", 1, "TANH", (0.01, 5), "", {}, 1),
    ("Softmax", 1, "SOFTMAX", (1 / 256, -128), "", {"axis": -1}, 1),
    ("LogSoftmax", 1, "LOG_SOFTMAX", (16 / 256, 127), "", {"axis": -1}, 1),
    ("ReduceMean", 1, "MEAN", (0.04, 1), "", {"axes": [2, 3]}, 1),
    ("ReduceMean", 1, "MEAN", (0.02, 1), "", {"axes": [1, 3], "keepdims": 0}, 1),
    ("ReduceMax", 1, "REDUCE_MAX", (0.05, 3), "", {"axes": [1]}, 0),
    ("MatMul", 2, "BATCH_MATMUL", (0.6, 2), "", {}, 1),
]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("case", OPERATORS, ids=[f"{case[0]}-{case[3]}" for case in OPERATORS])
def test_an_operator_between_quantized_tensors_stays_in_integers(case: tuple[Any, ...], dtype: str) -> None:
    operator, count, kernel, output, extra, attributes, steps = case
    model = _quantized(operator, count, output=output, dtype=dtype, extra=extra, **attributes)
    generator = np.random.default_rng(0)
    feeds = {f"x{place}": generator.uniform(-6, 6, SHAPE).astype(np.float32) for place in range(count)}

    result = lowered_model(model)

    kinds = kinds_of(result)
    assert kernel in kinds
    assert kinds.count("DEQUANTIZE") == 1  # the output's alone
    assert all(
        each.dtype in ("int8", "int32")
        for operation in result.net.operations
        if operation.kind == kernel
        for each in (*operation.inputs, *operation.outputs)
        if each is not None
    )
    content, (expected,) = model_bytes(result.net), run_onnx(model, feeds).values()
    for kernels in (XNNPACK, REFERENCE):
        (given,) = run_tflite(content, feeds, kernels).values()
        np.testing.assert_allclose(given, expected, rtol=0, atol=(steps + 1e-3) * output[0])


def test_a_sum_of_int8_is_done_in_real_numbers_since_the_reference_kernel_is_wrong() -> None:
    model = _quantized("ReduceSum", 1, output=(0.4, 1))
    feeds = {"x0": np.random.default_rng(0).uniform(-6, 6, SHAPE).astype(np.float32)}

    result = lowered_model(model)

    (expected,) = run_onnx(model, feeds).values()
    for kernels in (XNNPACK, REFERENCE):
        (given,) = run_tflite(model_bytes(result.net), feeds, kernels).values()
        np.testing.assert_allclose(given, expected, rtol=0, atol=0.4001)


def test_a_choice_between_values_of_one_scale_stays_in_integers() -> None:
    model = _quantized("Max", 2, output=(SCALE, POINT), extra="same")
    node = next(each for each in model.graph.node if each.op_type == "Max")
    node.op_type = "Where"
    node.input.insert(0, "c")
    model.graph.input.insert(0, onnx.helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, (4, 1)))
    for name in ("x0_point", "x1_point"):
        tensor = next(each for each in model.graph.initializer if each.name == name)
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.array(POINT, np.int8), name))
    feeds = {"c": np.array([[True], [False], [True], [True]])} | {
        f"x{place}": np.random.default_rng(place).uniform(-6, 6, SHAPE).astype(np.float32) for place in range(2)
    }

    result = lowered_model(model)

    assert kinds_of(result) == ["QUANTIZE", "QUANTIZE", "SELECT_V2", "DEQUANTIZE"]
    (expected,) = run_onnx(model, feeds).values()
    for kernels in (XNNPACK, REFERENCE):
        (given,) = run_tflite(model_bytes(result.net), feeds, kernels).values()
        np.testing.assert_allclose(given, expected, atol=1e-6)
