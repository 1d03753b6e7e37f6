"""One pass over samples, streamed through the runtime."""

import numpy as np
import pytest

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError
from edgeopt.steps.quantize.observe import BATCH, TensorStatistics, observe


def dataset(**inputs):
    return Dataset(inputs=inputs, source="samples", indices=np.arange(len(next(iter(inputs.values())))))


@pytest.fixture
def samples():
    return np.random.default_rng(0).standard_normal((3 * BATCH + 1, 3)).astype(np.float32)


def test_ranges_are_the_extremes_over_all_samples(small_models, outputs_of, samples):
    model = small_models.mlp()

    found = observe(model, ["x", "scores"], dataset(x=samples)).tensors

    scores = outputs_of(model, {"x": samples})["scores"]
    assert found["x"] == TensorStatistics(low=samples.min(), high=samples.max())
    assert (found["scores"].low, found["scores"].high) == pytest.approx((scores.min(), scores.max()), rel=1e-5)


def test_tensors_inside_the_model_have_ranges_too(small_models, samples):
    found = observe(small_models.mlp(), ["active"], dataset(x=samples)).tensors

    assert found["active"].low == 0
    assert found["active"].high > 0


def test_a_fixed_batch_is_filled_without_a_change_of_the_range(small_models, samples):
    free, fixed = small_models.mlp(), small_models.mlp()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    fixed.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 4

    expected, found = (observe(model, ["x", "hidden"], dataset(x=samples)).tensors for model in (free, fixed))

    assert found["x"] == expected["x"]
    assert found["hidden"].high == pytest.approx(expected["hidden"].high, rel=1e-6)


def test_initializers_among_the_inputs_do_not_set_the_batch(small_models):
    model = small_models.listed_initializers(ir=8)
    images = np.random.default_rng(0).standard_normal((5, 3, 8, 8)).astype(np.float32)

    assert observe(model, ["image"], dataset(image=images)).tensors["image"].high == images.max()


def test_progress_ends_at_the_number_of_samples(small_models, samples):
    seen = []

    observe(small_models.mlp(), ["x"], dataset(x=samples), progress=lambda done, total: seen.append((done, total)))

    total = len(samples)
    assert seen == [(BATCH, total), (2 * BATCH, total), (3 * BATCH, total), (total, total)]


def test_a_model_that_overflows_is_refused_by_the_name_of_the_tensor(small_models, samples):
    largest = np.float32(3.4e38) * np.sign(samples)

    with pytest.raises(InputError, match="tensor `hidden` becomes NaN or infinite on `samples`") as caught:
        observe(small_models.mlp(), ["x", "hidden"], dataset(x=largest))

    assert "the float model itself overflows" in caught.value.hint


def test_samples_that_the_runtime_refuses_are_said_in_one_line(small_models):
    with pytest.raises(InputError, match=r"ONNX Runtime failed on calibration data: Got invalid dimensions") as caught:
        observe(small_models.mlp(), ["x"], dataset(x=np.zeros((4, 7), np.float32)))

    assert "\n" not in caught.value.message
