"""What a model says about every sample, whatever its batch."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError
from edgeopt.measure.predictions import BATCH, predict

node = helper.make_node


def dataset(count, *shape, name="x"):
    samples = np.random.default_rng(0).standard_normal((count, *shape)).astype(np.float32)
    return Dataset(inputs={name: samples}, source="samples", indices=np.arange(count))


@pytest.fixture
def doubling(small_models, save_model):
    """A model that doubles `x` (batch, 3) and gives it first, its negative second."""

    def save(batch):
        nodes = [node("Add", ["x", "x"], ["double"]), node("Neg", ["x"], ["minus"])]
        outputs = [small_models.value(name, batch, 3) for name in ("double", "minus")]
        return save_model(small_models.model(nodes, [small_models.value("x", batch, 3)], outputs))

    return save


@pytest.mark.parametrize("batch", ["batch", 1, 4, 7])
@pytest.mark.parametrize("count", [1, 4, BATCH + 1, 2 * BATCH])
def test_there_is_a_row_per_sample_in_order(doubling, batch, count):
    data = dataset(count, 3)

    found = predict(doubling(batch), data)

    assert np.array_equal(found, 2 * data.inputs["x"])


def test_progress_ends_at_the_number_of_samples(doubling):
    seen = []

    predict(doubling(4), dataset(6, 3), progress=lambda *pair: seen.append(pair))

    assert seen == [(4, 6), (6, 6)]


@pytest.mark.parametrize("keepdims", [0, 1])
def test_an_output_without_a_row_per_sample_is_refused(small_models, save_model, keepdims):
    model = small_models.model(
        [node("ReduceSum", ["x"], ["total"], keepdims=keepdims)],
        [small_models.value("x", "batch", 3)],
        [small_models.value("total", *[1, 1][: 2 * keepdims])],
    )

    with pytest.raises(InputError, match=r"output `total` has shape .* for 5 samples") as caught:
        predict(save_model(model), dataset(5, 3))

    assert "one row per sample" in caught.value.hint


def test_an_output_that_is_no_array_is_refused(small_models, save_model):
    model = small_models.model(
        [node("SplitToSequence", ["x"], ["parts"], axis=1)],
        [small_models.value("x", "batch", 3)],
        [helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)],
    )

    with pytest.raises(InputError, match="output `parts` is a list for 5 samples"):
        predict(save_model(model), dataset(5, 3))


def test_samples_that_the_runtime_refuses_are_bad_input(small_models, save_model):
    with pytest.raises(InputError, match="ONNX Runtime failed on these inputs"):
        predict(save_model(small_models.mlp()), dataset(5, 9))
