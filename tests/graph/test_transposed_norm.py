from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from edgeopt.graph.transposed_norm import merge_transposed_norms


def upsampling(*, groups: int, outputs: str = "float[1, 4, 8, 8] y", has_bias: bool = True) -> onnx.ModelProto:
    """A transposed convolution of 6 channels into 4, its batch norm, and a Relu."""
    bias = ", b" if has_bias else ""
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        upsampling (float[1, 6, 4, 4] x, float[6, {4 // groups}, 2, 2] w, float[4] b, float[4] gain, float[4] shift,
                    float[4] mean, float[4] variance) => ({outputs}) {{
          a = ConvTranspose <strides = [2, 2], group = {groups}> (x, w{bias})
          n = BatchNormalization <epsilon = 0.01> (a, gain, shift, mean, variance)
          y = Relu (n)
        }}"""
    )
    generator = np.random.default_rng(0)
    for value in list(model.graph.input)[1:]:
        shape = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        numbers = np.abs(generator.standard_normal(shape)).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(numbers, value.name))
        model.graph.input.remove(value)
    return model


def answer(model: onnx.ModelProto) -> np.ndarray:
    image = np.random.default_rng(1).standard_normal((1, 6, 4, 4)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return np.asarray(onnxruntime.InferenceSession(model.SerializeToString(), options).run(["y"], {"x": image})[0])


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_the_norm_is_gone_and_the_answer_is_the_same(groups: int, has_bias: bool) -> None:
    model = upsampling(groups=groups, has_bias=has_bias)
    before = answer(model)

    merge_transposed_norms(model.graph)

    assert [node.op_type for node in model.graph.node] == ["ConvTranspose", "Relu"]
    np.testing.assert_allclose(answer(model), before, rtol=1e-5, atol=1e-5)


def test_what_another_reads_keeps_its_norm() -> None:
    model = upsampling(groups=1, outputs="float[1, 4, 8, 8] y, float[1, 4, 8, 8] a")

    merge_transposed_norms(model.graph)

    assert [node.op_type for node in model.graph.node] == ["ConvTranspose", "BatchNormalization", "Relu"]
