"""A quantized model finds its float form in the model that it was made from, and models that do not fit are refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.pieces import Quantizers, pieces
from edgeopt.steps.quantize.step import Quantize


@pytest.fixture
def samples():
    return np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)


def taken(base, candidate):
    return pieces(base, candidate, base_name="base.onnx", candidate_name="made.onnx")


def array_of(model, name):
    return numpy_helper.to_array(next(tensor for tensor in model.graph.initializer if tensor.name == name))


def replace_array(model, name, array):
    next(tensor for tensor in model.graph.initializer if tensor.name == name).CopyFrom(
        numpy_helper.from_array(np.asarray(array, dtype=np.float32), name)
    )


def equalized(model, factors):
    """The same function with the channels between `first` and `second` scaled."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for name in ("w1", "b1"):
        replace_array(made, name, array_of(made, name) * factors)
    replace_array(made, "w2", array_of(made, "w2") / factors[:, None])
    return made


def test_float_weights_and_biases_are_found_under_their_names(small_models, quantize_foreign, samples):
    model = small_models.dense()

    parts = taken(model, quantize_foreign(model, {"x": samples}))

    assert list(parts.floats) == ["first", "second", "third"]
    assert all(not found.reason and not found.is_rescaled for found in parts.floats.values())
    np.testing.assert_array_equal(parts.floats["second"].constants[1], array_of(model, "w2"))
    np.testing.assert_array_equal(parts.floats["second"].constants[2], array_of(model, "b2"))


def test_a_clamp_that_a_range_performs_is_found_in_the_base(small_models, quantize_foreign, samples):
    candidate = quantize_foreign(small_models.dense(), {"x": samples})
    assert "Relu" not in {node.op_type for node in candidate.graph.node}

    parts = taken(small_models.dense(), candidate)

    clamped = {parts.candidate.pairs[key].tensor: node.op_type for key, (node, _) in parts.clamps.items()}
    assert clamped == {"a1": "Relu", "a2": "Relu"}


def test_a_batch_norm_that_was_merged_is_merged_in_the_base_too(small_models, save_model, tmp_path):
    image = np.random.default_rng(0).standard_normal((16, 3, 8, 8)).astype(np.float32)
    data = Dataset(inputs={"image": image}, source="samples", indices=np.arange(16))
    Quantize(target="rpi4", range="minmax").apply(save_model(small_models.padded()), tmp_path / "q.onnx", data)

    parts = taken(small_models.padded(), onnx.load(tmp_path / "q.onnx"))

    (layer,) = [layer for layer in parts.candidate.layers if layer.weight is not None]
    found = parts.floats[layer.name]
    assert found.reason == ""
    steps = (found.constants[1] - layer.weight.values) / layer.weight.steps
    assert np.abs(steps).max() <= 0.51


def test_layers_of_other_names_are_found_by_their_weights(small_models, quantize_foreign, samples):
    candidate = quantize_foreign(small_models.dense(), {"x": samples})
    for node in candidate.graph.node:
        node.name = node.name.replace("second", "renamed")

    parts = taken(small_models.dense(), candidate)

    assert [found.name for found in parts.floats.values()] == ["first", "second", "third"]
    assert not parts.floats["renamed"].reason


def test_a_layer_without_a_name_goes_by_that_of_the_base(small_models, quantize_foreign, samples):
    model = small_models.dense()
    for node in model.graph.node:
        node.name = ""

    parts = taken(model, quantize_foreign(model, {"x": samples}))

    assert [found.name for found in parts.floats.values()] == ["h1", "h2", "scores"]


def test_a_gemm_with_its_weight_turned_is_the_same_layer(small_models, quantize_foreign, samples):
    base = small_models.dense()
    candidate = quantize_foreign(base, {"x": samples})
    replace_array(base, "w2", array_of(base, "w2").T)
    base.graph.node[2].attribute.append(onnx.helper.make_attribute("transB", 1))

    parts = taken(base, candidate)

    np.testing.assert_array_equal(parts.floats["second"].constants[1], array_of(base, "w2").T)


def test_equalized_channels_do_not_count_as_error(small_models, quantize_foreign, samples):
    base, factors = small_models.dense(), np.geomspace(0.25, 4, 12).astype(np.float32)
    even = equalized(base, factors)

    parts = taken(base, quantize_foreign(even, {"x": samples}))

    assert [found.is_rescaled for found in parts.floats.values()] == [True, True, False]
    assert not any(found.reason for found in parts.floats.values())
    for layer, name in (("first", "w1"), ("second", "w2")):
        np.testing.assert_allclose(parts.floats[layer].constants[1], array_of(even, name), rtol=0.02, atol=2e-3)


def test_channels_that_rounding_loses_are_not_taken_for_scaled_ones(small_models, quantize_foreign, samples):
    base = small_models.dense(channel=200)

    parts = taken(base, quantize_foreign(base, {"x": samples}, per_channel=False))

    assert not any(found.is_rescaled for found in parts.floats.values())
    np.testing.assert_array_equal(parts.floats["second"].constants[1], array_of(base, "w2"))


def test_weights_that_were_trained_again_are_told_so(small_models, quantize_foreign, samples):
    base = small_models.dense()
    other = small_models.dense()
    noise = np.random.default_rng(5).standard_normal((12, 12)) * 0.05
    replace_array(other, "w2", array_of(other, "w2") + noise)

    parts = taken(base, quantize_foreign(other, {"x": samples}))

    assert "its weight is not that of BASE rounded" in parts.floats["second"].reason
    assert not parts.floats["first"].reason


def test_a_weight_that_the_base_does_not_have_is_told_so(small_models, quantize_foreign, samples):
    base = small_models.dense()
    other = small_models.dense()
    replace_array(other, "w2", np.random.default_rng(5).standard_normal((12, 12)))

    parts = taken(base, quantize_foreign(other, {"x": samples}))

    assert parts.floats["second"].constants == {}
    assert "what its weights lose cannot be told" in parts.floats["second"].reason


def test_quantizers_of_a_layer_are_its_weights_and_the_pairs_around_it(small_models, quantize_foreign, samples):
    parts = taken(small_models.dense(), quantize_foreign(small_models.dense(), {"x": samples}))
    second = parts.candidate.layers[1]

    assert parts.of_layer(second) == Quantizers(frozenset({"second"}), frozenset((*second.reads, *second.writes)))
    assert parts.all_on().without(parts.all_on()) == Quantizers()


def test_swapped_models_are_told_so(small_models, quantize_foreign, samples):
    model = small_models.dense()

    with pytest.raises(InputError, match=r"BASE `base.onnx` is quantized already \(qdq\)") as caught:
        taken(quantize_foreign(model, {"x": samples}), model)

    assert "swap the two" in caught.value.hint


def test_two_float_models_are_refused(small_models):
    with pytest.raises(InputError, match=r"CANDIDATE `made\.onnx` is not quantized"):
        taken(small_models.dense(), small_models.dense())


def test_a_model_of_other_inputs_is_refused(small_models, quantize_foreign, samples):
    with pytest.raises(InputError, match=r"inputs `x` \(\?x8 float\), BASE `base.onnx` has `image` \(\?x3x8x8 float\)"):
        taken(small_models.conv(), quantize_foreign(small_models.dense(), {"x": samples}))


def test_the_operator_format_is_refused_with_the_way_out(small_models, quantize_foreign, samples):
    from onnxruntime.quantization import QuantFormat

    made = quantize_foreign(small_models.dense(), {"x": samples}, quant_format=QuantFormat.QOperator)

    with pytest.raises(Unsupported, match="is quantized in the operator format") as caught:
        taken(small_models.dense(), made)

    assert "QuantFormat.QDQ" in caught.value.hint


def test_dynamic_ranges_are_refused(small_models, save_model, tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(str(save_model(small_models.dense())), str(tmp_path / "dynamic.onnx"))

    with pytest.raises(Unsupported, match="takes the ranges of activations anew"):
        taken(small_models.dense(), onnx.load(tmp_path / "dynamic.onnx"))


def test_models_without_a_float_output_are_refused(small_models, quantize_foreign, samples):
    base = small_models.dense()
    made = quantize_foreign(base, {"x": samples})
    for model in (base, made):
        model.graph.node.append(onnx.helper.make_node("ArgMax", ["scores"], ["class"], axis=1, keepdims=0))
        del model.graph.output[:]
        model.graph.output.append(small_models.value("class", "batch", dtype=onnx.TensorProto.INT64))

    with pytest.raises(Unsupported, match="gives no float output"):
        taken(base, made)
