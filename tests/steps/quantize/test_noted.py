"""The range of a float result that integer kernels of other runtimes would round is noted in the model."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeopt.graph.noted_ranges import noted_ranges_in
from tests.steps.quantize.conftest import samples_for


def dense(small_models, *behind: onnx.NodeProto, outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    """A Gemm from `x` to `p` and what is `behind` it."""
    weights = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["p"], name="dense"), *behind]
    values = [small_models.value(name, "batch", 4) for name in outputs]
    inputs = [small_models.value("x", "batch", 8, dtype=TensorProto.FLOAT)]
    return small_models.model(nodes, inputs, values, small_models.constants(w=weights, b=np.ones(4, np.float32)))


def test_the_result_of_a_last_product_is_noted_and_stays_float(small_models, quantize_model):
    made = quantize_model(dense(small_models, helper.make_node("Softmax", ["p"], ["y"])), target="rpi4")

    (noted,) = noted_ranges_in(made.model).items()
    name, (low, high) = noted
    assert name == "p"
    assert low < 0 < high
    x = made.samples.inputs["x"]
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(made.source).graph.initializer}
    products = x @ constants["w"] + constants["b"]
    assert products.min() * 1.05 <= low  # ranges may clip, and lie within the extremes
    assert high <= products.max() * 1.05
    assert "p" not in {node.input[0] for node in made.model.graph.node if node.op_type == "QuantizeLinear"}


def test_the_range_is_that_behind_a_clamp(small_models, quantize_model):
    made = quantize_model(dense(small_models, helper.make_node("Relu", ["p"], ["y"])), target="rpi4", range="minmax")

    assert set(noted_ranges_in(made.model)) == {"y"}
    assert noted_ranges_in(made.model)["y"][0] >= 0


@pytest.mark.parametrize("target", ["rpi4", "x86-64-vnni"])
def test_results_that_get_a_pair_are_not_noted(small_models, quantize_model, target):
    made = quantize_model(small_models.conv(), target=target)

    rounded = {node.input[0] for node in made.model.graph.node if node.op_type == "QuantizeLinear"}
    assert rounded.isdisjoint(noted_ranges_in(made.model))


def test_a_note_does_not_change_what_the_model_gives(small_models, quantize_model):
    import onnxruntime

    made = quantize_model(dense(small_models, helper.make_node("Softmax", ["p"], ["y"])), target="rpi4")
    bare = made.model
    del bare.metadata_props[:]
    feeds = {"x": samples_for(onnx.load(made.source), seed=3).inputs["x"]}

    given = [onnxruntime.InferenceSession(each.SerializeToString()).run(None, feeds)[0] for each in (made.model, bare)]
    np.testing.assert_array_equal(*given)
