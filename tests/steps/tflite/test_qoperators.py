import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.qoperators import without_qoperators
from tests.steps.tflite.quantized import float_kinds
from tests.steps.tflite.running import REFERENCE, XNNPACK, lowered_model, run_onnx, run_tflite

MICROSOFT = "com.microsoft"
SHAPE = (1, 4, 6, 6)


def between_pairs(nodes: list[onnx.NodeProto], constants: dict[str, object], shape: tuple[int, ...]) -> onnx.ModelProto:
    """`nodes` from the integers `xq` to `yq`, of floats that are rounded before and made real behind them."""
    given = {"xs": np.float32(0.05), "xz": np.uint8(120), "ys": np.float32(0.06), "yz": np.uint8(100), **constants}
    first = helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"])
    last = helper.make_node("DequantizeLinear", ["yq", "ys", "yz"], ["y"])
    graph = helper.make_graph(
        [first, *nodes, last],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in given.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def contributed(operator: str, inputs: list[str], **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, ["yq"], domain=MICROSOFT, **attributes)


UNARY, PAIR = ["xq", "xs", "xz", "ys", "yz"], ["xq", "xs", "xz", "xq", "xs", "xz", "ys", "yz"]
W = np.random.default_rng(0).integers(-127, 128, (3, 4, 3, 3)).astype(np.int8)
SCALES = np.array([0.002, 0.001, 0.003], np.float32)
CONSTANTS = {"w": W, "ws": SCALES, "wz": np.zeros(3, np.int8), "b": np.array([100, -200, 5], np.int32)}
CASES = {
    "QLinearConv": (
        helper.make_node(
            "QLinearConv", ["xq", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["yq"], pads=[1, 1, 1, 1]
        ),
        CONSTANTS,
        (1, 3, 6, 6),
        True,
    ),
    "QLinearAdd": (contributed("QLinearAdd", PAIR), {}, SHAPE, True),
    "QLinearMul": (contributed("QLinearMul", PAIR), {}, SHAPE, True),
    "QLinearAveragePool": (
        contributed("QLinearAveragePool", UNARY, kernel_shape=[2, 2], strides=[2, 2]),
        {},
        (1, 4, 3, 3),
        True,
    ),
    "QLinearGlobalAveragePool": (contributed("QLinearGlobalAveragePool", UNARY), {}, (1, 4, 1, 1), True),
    "QLinearConcat": (
        contributed("QLinearConcat", ["ys", "yz", "xq", "xs", "xz", "xq", "xs", "xz"], axis=1),
        {},
        (1, 8, 6, 6),
        True,
    ),
    "QLinearSigmoid": (contributed("QLinearSigmoid", UNARY), {}, SHAPE, True),
    "QLinearLeakyRelu": (contributed("QLinearLeakyRelu", UNARY, alpha=0.1), {}, SHAPE, True),
    "QLinearSoftmax": (contributed("QLinearSoftmax", UNARY, axis=3, opset=13), {}, SHAPE, True),
}


@pytest.mark.parametrize("operator", list(CASES))
def test_operators_on_integers_give_theirs_within_one_step(operator: str) -> None:
    node, constants, shape, is_integer = CASES[operator]
    model = between_pairs([node], constants, shape)
    result = lowered_model(model)

    assert (float_kinds(result) == []) == is_integer
    feeds = {"x": np.random.default_rng(1).normal(0, 2, SHAPE).astype(np.float32)}
    wanted = run_onnx(model, feeds)["y"]
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(model_bytes(result.net), feeds, kernels)["y"]
        assert np.abs(given - wanted).max() <= 0.06 * 1.01


def test_biases_have_a_scale_per_channel_that_onnx_runtime_takes() -> None:
    node, constants, shape, _ = CASES["QLinearConv"]
    model = between_pairs([node], constants, shape)
    feeds = {"x": np.random.default_rng(1).normal(0, 2, SHAPE).astype(np.float32)}

    written = run_onnx(without_qoperators(model), feeds)["y"]

    assert np.abs(written - run_onnx(model, feeds)["y"]).max() <= 0.06 * 1.01  # one step


def test_a_model_without_them_is_given_back() -> None:
    model = onnx.ModelProto()

    assert without_qoperators(model) is model


def test_channels_that_lie_last_stay_as_they_are() -> None:
    node = contributed("QLinearGlobalAveragePool", UNARY, channels_last=1)
    model = between_pairs([node], {}, (1, 1, 1, 6))

    assert [each.op_type for each in without_qoperators(model).graph.node][1] == "QLinearGlobalAveragePool"
