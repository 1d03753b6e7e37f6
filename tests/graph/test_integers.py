import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeopt.graph.fold import folded
from edgeopt.graph.integers import hidden_integers

TEXT = """
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y)
    <float[2] s = {0.5, 0.25}, int8[2] z = {0, 0}, int8[2, 2, 1, 1] w = {1, -2, 3, -128}, float[2] bs = {0.1, 0.2},
     int32[2] b = {7, -9}>
    {
        wd = DequantizeLinear<axis = 0>(w, s, z)
        bd = DequantizeLinear<axis = 0>(b, bs)
        c = Conv(x, wd, bd)
        y = Relu(c)
    }
    """


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def test_folding_leaves_quantized_constants_integers() -> None:
    model = onnx.parser.parse_model(TEXT)
    result = folded(model, where="test", keeps_quantization=True)

    assert [node.op_type for node in result.graph.node].count("DequantizeLinear") == 2
    np.testing.assert_array_equal(constants_of(result)["w"], constants_of(model)["w"])
    assert constants_of(result)["b"].dtype == np.int32
    assert [value.name for value in result.graph.input] == ["x"]
    onnx.checker.check_model(result, full_check=True)


def test_the_model_that_is_given_stays_as_it_is() -> None:
    model = onnx.parser.parse_model(TEXT)
    before = model.SerializeToString(deterministic=True)
    folded(model, where="test", keeps_quantization=True)

    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_floats_that_are_rounded_become_the_integers_of_onnx(kind: str) -> None:
    values = np.array([[0.25, 0.75, -0.25], [1e9, -1e9, 3.3]], np.float32)  # ties go to even, the rest saturates
    scale, point = np.array([0.5, 0.1], np.float32), np.array([1, 100], kind)
    node = onnx.helper.make_node("QuantizeLinear", ["x", "s", "p"], ["q"], axis=0)
    back = onnx.helper.make_node("DequantizeLinear", ["q", "s", "p"], ["y"], axis=0)
    graph = onnx.helper.make_graph(
        [node, back],
        "g",
        [],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (2, 3))],
        [numpy_helper.from_array(value, name) for name, value in (("x", values), ("s", scale), ("p", point))],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)

    hidden = hidden_integers(model)
    bounds = np.iinfo(kind)
    rounded = np.rint(values / scale[:, np.newaxis]) + point.astype(np.float64)[:, np.newaxis]
    (given,) = [numpy_helper.to_array(each) for each in hidden.constants]
    np.testing.assert_array_equal(given, np.clip(rounded, bounds.min, bounds.max).astype(kind))
    assert [node.op_type for node in hidden.model.graph.node] == ["DequantizeLinear"]


def test_a_constant_that_is_an_output_is_not_hidden() -> None:
    model = onnx.parser.parse_model(TEXT)
    model.graph.output.append(onnx.helper.make_tensor_value_info("w", onnx.TensorProto.INT8, (2, 2, 1, 1)))

    assert "w" not in {each.name for each in hidden_integers(model).constants}
