"""One pass over samples, streamed through the runtime."""

import numpy as np
import onnx
import pytest

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError
from edgeopt.steps.quantize.observation.histogram import Histogram
from edgeopt.steps.quantize.observation.observe import BATCH, TensorStatistics, observe


def dataset(**inputs):
    return Dataset(inputs=inputs, source="samples", indices=np.arange(len(next(iter(inputs.values())))))


def histogram_of(values):
    histogram = Histogram()
    histogram.add(values)
    return histogram


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


def test_histograms_count_every_value_of_every_sample(small_models, outputs_of, samples):
    model = small_models.mlp()

    found = observe(model, ["x", "scores"], dataset(x=samples), histograms=True).tensors

    scores = outputs_of(model, {"x": samples})["scores"]
    assert found["x"].histogram == histogram_of(samples)
    assert found["scores"].histogram.count == scores.size
    assert found["scores"].high == pytest.approx(scores.max(), rel=1e-5)
    assert found["scores"].high == found["scores"].histogram.high


@pytest.mark.parametrize("histograms", [False, True])
def test_observations_of_parts_merge_into_those_of_the_whole(small_models, histograms):
    images = np.random.default_rng(1).standard_normal((5 * BATCH, 3, 8, 8)).astype(np.float32)
    model, names, channels = small_models.conv(), ["image", "active"], {"image": 1, "active": 1, "pooled": -3}
    whole, first, rest = (
        observe(model, names, dataset(image=part), histograms=histograms, channels=channels)
        for part in (images, images[: 2 * BATCH], images[2 * BATCH :])
    )

    assert first.merged(rest) == whole
    assert whole.samples == len(images)


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
def test_channels_have_extremes_and_the_mean_over_all_samples(small_models, opset):
    images = np.random.default_rng(1).normal(3, 2, (2 * BATCH + 3, 3, 8, 8)).astype(np.float32)
    model = small_models.conv()
    model.opset_import[0].version = opset

    found = observe(model, [], dataset(image=images), channels={"image": 1, "flat": -1}).channels

    assert found["image"].low == pytest.approx(images.min(axis=(0, 2, 3)))
    assert found["image"].high == pytest.approx(images.max(axis=(0, 2, 3)))
    assert found["image"].mean == pytest.approx(images.mean(axis=(0, 2, 3), dtype=np.float64), rel=1e-6)
    assert found["image"].mean.dtype == np.float32
    assert found["flat"].mean.shape == (4,)


def test_channels_may_be_the_first_axis(small_models):
    value = small_models.value
    nodes = [onnx.helper.make_node("Transpose", ["x"], ["turned"], perm=[1, 0, 2])]
    model = small_models.model(nodes, [value("x", "batch", 2, 5)], [value("turned", 2, "batch", 5)])
    samples = np.random.default_rng(1).standard_normal((2 * BATCH, 2, 5)).astype(np.float32)

    found = observe(model, [], dataset(x=samples), channels={"turned": 0}).channels["turned"]

    assert found.low == pytest.approx(samples.min(axis=(0, 2)))
    assert found.mean == pytest.approx(samples.mean(axis=(0, 2)), abs=1e-6)


def test_copies_that_fill_a_fixed_batch_are_not_counted(small_models):
    images = np.random.default_rng(1).standard_normal((7, 3, 8, 8)).astype(np.float32)
    options = {"histograms": True, "channels": {"image": 1}}

    free = observe(small_models.conv(), ["image", "pooled"], dataset(image=images), **options)
    fixed = observe(small_models.conv(batch=5), ["image", "pooled"], dataset(image=images), **options)

    assert fixed.tensors["image"] == free.tensors["image"]
    assert fixed.tensors["pooled"].histogram.count == 7 * 4
    assert fixed.channels["image"].mean == pytest.approx(free.channels["image"].mean, rel=1e-5)


def test_no_value_is_lost_of_a_tensor_whose_first_axis_is_not_the_batch(small_models):
    value = small_models.value
    nodes = [onnx.helper.make_node("Transpose", ["x"], ["turned"], perm=[1, 0])]
    model = small_models.model(nodes, [value("x", 4, 8)], [value("turned", 8, 4)])
    samples = np.arange(40, dtype=np.float32).reshape(5, 8)  # the largest in the last row, of the last batch

    found = observe(model, ["turned"], dataset(x=samples), histograms=True).tensors["turned"]

    assert (found.low, found.high) == (0, 39)


def test_what_leaves_the_runtime_at_once_is_bounded(small_models, monkeypatch):
    images = np.random.default_rng(1).standard_normal((3, 3, 8, 8)).astype(np.float32)
    monkeypatch.setattr("edgeopt.steps.quantize.observation.observe._LEAVING_BYTES", 2 * images[0].nbytes)
    seen = []

    found = observe(
        small_models.conv(),
        ["image"],
        dataset(image=images),
        histograms=True,
        progress=lambda done, _total: seen.append(done),
    )

    assert seen == [1, 2, 3]
    assert found.tensors["image"].histogram == histogram_of(images)


@pytest.mark.parametrize("options", [{"histograms": True}, {"channels": {"hidden": 1}}])
def test_overflow_is_named_whatever_is_observed(small_models, samples, options):
    largest = np.float32(3.4e38) * np.sign(samples)

    with pytest.raises(InputError, match="tensor `hidden` becomes NaN or infinite on `samples`"):
        observe(small_models.mlp(), ["hidden"] if "histograms" in options else [], dataset(x=largest), **options)


@pytest.mark.parametrize(
    ("name", "axis", "told"), [("absent", 1, "an unknown number of axes"), ("x", 2, "2 axes"), ("x", -3, "2 axes")]
)
def test_channels_on_an_axis_that_a_tensor_lacks_are_refused(small_models, samples, name, axis, told):
    with pytest.raises(InputError, match=f"tensor `{name}` has {told}; channels were expected on axis `{axis}`"):
        observe(small_models.mlp(), [], dataset(x=samples), channels={name: axis})


def test_nothing_asked_is_nothing_seen(small_models, samples):
    found = observe(small_models.mlp(), [], dataset(x=samples))

    assert (found.tensors, found.channels, found.samples) == ({}, {}, len(samples))
