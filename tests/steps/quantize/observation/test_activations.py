"""Activations inside a model, batch by batch."""

import numpy as np
import onnx
import pytest

from edgeopt.core.dataset import Dataset
from edgeopt.steps.quantize.observation.activations import activations


def dataset(count, side=8):
    images = np.random.default_rng(0).standard_normal((count, 3, side, side)).astype(np.float32)
    return Dataset(inputs={"image": images}, source="samples", indices=np.arange(count))


@pytest.mark.parametrize("count", [1, 2, 30])
def test_they_are_what_the_model_computes_for_all_samples_in_order(small_models, outputs_of, count):
    model, data = small_models.conv(), dataset(count)

    batches = list(activations(model, ["image", "active", "flat", "scores", "active"], data))

    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    tapped.graph.output.append(onnx.helper.make_tensor_value_info("active", onnx.TensorProto.FLOAT, None))
    expected = outputs_of(tapped, data.inputs)
    for name in ("active", "scores"):
        found = np.concatenate([values[name] for _, values in batches])
        assert found == pytest.approx(expected[name], abs=1e-5)
    assert np.array_equal(np.concatenate([values["image"] for _, values in batches]), data.inputs["image"])
    assert [samples for samples, _ in batches] == [len(values["flat"]) for _, values in batches]
    assert sum(samples for samples, _ in batches) == count


def test_the_inputs_alone_need_no_run(small_models):
    wrong = dataset(3, side=5)  # the model does not take it

    batches = list(activations(small_models.conv(), ["image"], wrong))

    assert np.array_equal(np.concatenate([values["image"] for _, values in batches]), wrong.inputs["image"])


@pytest.mark.parametrize("count", [1, 4, 7])
def test_the_rows_that_fill_a_fixed_batch_do_not_come_out(small_models, count):
    data, free = dataset(count), small_models.conv()

    batches = list(activations(small_models.conv(batch=4), ["active", "image"], data))

    expected = np.concatenate([values["active"] for _, values in activations(free, ["active"], data)])
    assert np.concatenate([values["active"] for _, values in batches]) == pytest.approx(expected, abs=1e-5)
    assert [samples for samples, _ in batches] == [min(4, count - start) for start in range(0, count, 4)]
    assert sum(len(values["image"]) for _, values in batches) == count


def test_batches_shrink_as_activations_grow(small_models):
    """So that what leaves the runtime at once stays within bounds: 8 samples at most, 1 of the largest images."""
    node, value = onnx.helper.make_node("Relu", ["x"], ["y"]), small_models.value
    model = small_models.model([node], [value("x", "batch", 3, "h", "w")], [value("y", "batch", 3, "h", "w")])

    sizes = {}
    for side, count in ((8, 20), (1024, 3)):
        images = np.zeros((count, 3, side, side), np.float32)
        data = Dataset(inputs={"x": images}, source="samples", indices=np.arange(count))
        sizes[side] = [samples for samples, _ in activations(model, ["y"], data)]

    assert sizes == {8: [1, 8, 8, 3], 1024: [1, 1, 1]}
