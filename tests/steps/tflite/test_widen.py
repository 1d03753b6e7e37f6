import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeopt.steps.tflite.widen import in_float32
from tests.steps.tflite.quantized import run_as_written
from tests.steps.tflite.running import parsed

HALF = """
    <ir_version: 8, opset_import: ["" : 17]>
    g (float16[2, 3] x, float[2, 2] z) => (float16[2, 2] y, float[2, 2] w)
    {
        p = MatMul(x, k)
        r = Relu(p)
        y = Add(r, c)
        f = Cast<to = 1>(r)
        h = Cast<to = 10>(z)
        b = Cast<to = 1>(h)
        w = Mul(f, b)
    }
    """


def half_model() -> onnx.ModelProto:
    model = onnx.parser.parse_model(HALF)
    values = np.random.default_rng(0).normal(0, 1, (3, 2)).astype(np.float16)
    model.graph.initializer.append(numpy_helper.from_array(values, "k"))
    added = numpy_helper.from_array(np.array([0.5, 0.25], np.float16))
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["c"], value=added))
    return model


def test_it_computes_in_float32_between_inputs_and_outputs_as_they_were() -> None:
    model = half_model()
    result = in_float32(model)

    onnx.checker.check_model(result, full_check=True)
    assert [value.type for value in result.graph.input] == [value.type for value in model.graph.input]
    assert [value.type for value in result.graph.output] == [value.type for value in model.graph.output]
    assert onnx.TensorProto.FLOAT16 not in {each.data_type for each in result.graph.initializer}
    generator = np.random.default_rng(1)
    feeds = {"x": generator.normal(0, 1, (2, 3)).astype(np.float16), "z": np.eye(2, dtype=np.float32)}
    for given, wanted in zip(run_as_written(result, feeds), run_as_written(model, feeds), strict=True):
        assert given.dtype == wanted.dtype
        np.testing.assert_allclose(given.astype(np.float32), wanted.astype(np.float32), rtol=4e-3, atol=1e-3)


def test_the_model_that_is_given_stays_as_it_is() -> None:
    model = half_model()
    before = model.SerializeToString(deterministic=True)
    in_float32(model)

    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("branch", ["float[2, 2] w", "float16[2, 2] w"])
def test_a_model_with_branches_is_given_back(branch: str) -> None:
    model = parsed(
        f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (bool c, {branch}) => ({branch.replace("w", "y")})
        {{
            y = If (c) <
                then_branch = t () => ({branch.replace("w", "a")}) {{ a = Neg(w) }},
                else_branch = e () => ({branch.replace("w", "b")}) {{ b = Abs(w) }}
            >
        }}
        """
    )

    assert in_float32(model) is model
