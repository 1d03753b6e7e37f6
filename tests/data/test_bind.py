"""Samples reach the model with its names, shapes and dtypes, finite and unharmed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeopt.core.artifact import Quantization, TensorSpec
from edgeopt.core.dataset import Dataset
from edgeopt.data.bind import SYNTHETIC, bind_dataset, synthetic_dataset
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError

IMAGE = TensorSpec(name="image", shape=("batch", 3, 8, 8), dtype="float32")


def dataset(labels: Any = None, **inputs: Any) -> Dataset:
    arrays = {name: np.asarray(array) for name, array in inputs.items()}
    count = len(next(iter(arrays.values())))
    labels = None if labels is None else np.asarray(labels)
    return Dataset(inputs=arrays, labels=labels, source="test.npz", indices=np.arange(count))


def spec(*shape: int | str, dtype: str = "float32", name: str = "x") -> TensorSpec:
    return TensorSpec(name=name, shape=shape, dtype=dtype)


def bound(samples: Any, to: TensorSpec, preprocess: Preprocess | None = None) -> Any:
    """`samples` as they reach the input `to`."""
    return bind_dataset(dataset(**{to.name: samples}), (to,), preprocess).inputs[to.name]


def test_bytes_are_cast_to_the_models_floats() -> None:
    samples = bound(np.arange(6, dtype=np.uint8).reshape(2, 3), spec("batch", 3))

    assert samples.dtype == np.float32
    assert samples.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("batch", ["batch", "", 1, 4])
def test_the_models_batch_says_nothing_about_the_number_of_samples(batch: int | str) -> None:
    assert bound(np.zeros((3, 2)), spec(batch, 2)).shape == (3, 2)


def test_preprocessing_comes_before_the_check_of_the_shape() -> None:
    samples = bound(np.full((2, 8, 8, 3), 255, np.uint8), IMAGE, Preprocess(scale=1 / 255, layout="nhwc"))

    assert samples.shape == (2, 3, 8, 8)
    assert samples.max() == pytest.approx(1)
    assert samples.flags["C_CONTIGUOUS"]


def test_free_axes_take_any_length() -> None:
    assert bound(np.zeros((2, 7, 3)), spec("batch", "time", 3)).shape == (2, 7, 3)
    assert bound(np.zeros((2, 0, 3)), spec("batch", "time", 3)).shape == (2, 0, 3)


@pytest.mark.parametrize("shape", [(2,), (2, 4), (2, 3, 8), (2, 3, 8, 9), (2, 3, 8, 8, 1)])
def test_another_shape_is_refused_with_both(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        bound(np.zeros(shape), IMAGE)

    given_shape = "x".join(str(length) for length in shape[1:]) or "scalar"
    assert caught.value.message == f"`image` of `test.npz` has samples of shape {given_shape}, the model takes 3x8x8"
    assert "`edgeopt inspect`" in caught.value.hint


def test_images_of_the_other_layout_are_turned_where_the_shape_leaves_no_doubt() -> None:
    last = np.arange(2 * 8 * 8 * 3, dtype=np.float32).reshape(2, 8, 8, 3)

    np.testing.assert_array_equal(bound(last, IMAGE), last.transpose(0, 3, 1, 2))


def test_a_layout_that_the_shape_leaves_in_doubt_is_refused_with_the_option_that_mends_it() -> None:
    free = TensorSpec(name="image", shape=("batch", "height", "width", 4), dtype="float32")
    with pytest.raises(InputError, match=r"has samples of shape 4x4x5, the model takes heightxwidthx4") as caught:
        bound(np.zeros((2, 4, 4, 5)), free)

    assert "`--layout nhwc`" in caught.value.hint


def test_axes_in_an_order_that_no_layout_has_are_refused() -> None:
    with pytest.raises(InputError, match="has samples of shape 4x8x3, the model takes 8x4x3") as caught:
        bound(np.zeros((2, 4, 8, 3)), TensorSpec(name="image", shape=("batch", 8, 4, 3), dtype="float32"))

    assert "transpose" in caught.value.hint


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_their_place(value: float) -> None:
    samples = np.zeros((5, 3))
    samples[2, 1] = samples[4, 0] = value
    with pytest.raises(InputError) as caught:
        bound(samples, spec("batch", 3))

    assert caught.value.message == ("`x` of `test.npz` holds NaN or infinity in 2 of 5 samples (the first is number 2)")
    assert caught.value.hint.startswith("drop or mend these samples")


def test_nan_is_refused_as_such_for_integer_inputs_too() -> None:
    with pytest.raises(InputError, match="holds NaN or infinity in 1 of 1 samples"):
        bound([[np.nan]], spec("batch", 1, dtype="int32"))


def test_nan_among_the_labels_is_refused() -> None:
    with pytest.raises(InputError, match=r"`labels` of `test\.npz` holds NaN or infinity in 1 of 2 samples"):
        bind_dataset(dataset(x=np.zeros((2, 3)), labels=[1.0, np.nan]), (spec("batch", 3),))


@pytest.mark.parametrize("labels", [["cat", "dog"], [b"cat", b"dog"]])
def test_text_labels_are_refused(labels: list[Any]) -> None:
    with pytest.raises(InputError, match=r"`labels` of `test\.npz` holds text, not numbers") as caught:
        bind_dataset(dataset(x=np.zeros((2, 3)), labels=labels), (spec("batch", 3),))

    assert caught.value.hint == "write class numbers, 0 for the first class"


@pytest.mark.parametrize("samples", [["a", "b"], np.zeros(2, np.complex64), np.zeros(2, [("a", "f4")])])
def test_samples_that_are_no_numbers_are_refused(samples: Any) -> None:
    with pytest.raises(InputError, match=r"`x` of `test\.npz` holds .*, not numbers"):
        bound(samples, spec("batch"))


def test_whole_numbers_reach_integer_inputs() -> None:
    assert bound([[1.0, -2.0]], spec("batch", 2, dtype="int32")).tolist() == [[1, -2]]
    assert bound([[0, 255]], spec("batch", 2, dtype="uint8")).tolist() == [[0, 255]]
    assert bound(np.array([[True, False]]), spec("batch", 2, dtype="uint8")).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("samples", "dtype"), [([[0.5]], "int32"), ([[300]], "uint8"), ([[-1]], "uint8"), ([[1e10]], "int32")]
)
def test_numbers_that_integer_inputs_cannot_hold_are_refused(samples: Any, dtype: str) -> None:
    with pytest.raises(InputError, match=f"the model takes `{dtype}`") as caught:
        bound(samples, spec("batch", 1, dtype=dtype))

    assert "give whole numbers from" in caught.value.hint


@pytest.mark.parametrize(("value", "dtype"), [(1e300, "float32"), (1e5, "float16")])
def test_numbers_beyond_the_models_floats_are_refused(value: float, dtype: str) -> None:
    with pytest.raises(InputError, match="holds NaN or infinity in 1 of 1 samples"):
        bound([[value]], spec("batch", 1, dtype=dtype))


def test_one_number_per_sample_is_the_row_of_one_feature() -> None:
    assert bound([1.0, 2.0], spec("batch", 1)).tolist() == [[1], [2]]
    assert bound([1.0, 2.0], spec("batch")).tolist() == [1, 2]


def test_binding_leaves_the_data_set_itself_alone() -> None:
    data = dataset(x=np.zeros((2, 3), np.uint8), labels=[0, 1])
    result = bind_dataset(data, (spec("batch", 3),))

    assert data.inputs["x"].dtype == np.uint8
    assert result.labels is data.labels
    assert result.source == data.source


@given(
    hnp.arrays(
        dtype=st.sampled_from([np.uint8, np.int8, np.int16, np.float16, np.float32]),
        shape=st.tuples(st.integers(1, 5), st.just(3)),
        elements={"allow_nan": False, "allow_infinity": False},
    )
)
def test_every_small_number_reaches_a_float_input_unharmed(samples: Any) -> None:
    result = bound(samples, spec("batch", 3))

    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, samples)


@given(
    samples=hnp.arrays(dtype=np.int64, shape=(4, 2), elements=st.integers(-300, 300)),
    dtype=st.sampled_from(["int8", "uint8", "int16"]),
)
def test_integers_reach_an_integer_input_unharmed_or_not_at_all(samples: Any, dtype: str) -> None:
    try:
        result = bound(samples, spec("batch", 2, dtype=dtype))
    except InputError:
        limits = np.iinfo(dtype)
        assert samples.min() < limits.min or samples.max() > limits.max
    else:
        np.testing.assert_array_equal(result, samples)


def test_synthetic_samples_fit_the_model_and_are_the_same_for_a_seed() -> None:
    inputs = (IMAGE, spec("batch", 4, dtype="int32", name="tokens"))
    first, again, other = (synthetic_dataset(inputs, samples=6, seed=seed) for seed in (0, 0, 1))

    assert first.source == SYNTHETIC
    assert len(first) == 6
    assert first.inputs["image"].shape == (6, 3, 8, 8)
    assert first.inputs["image"].dtype == np.float32
    assert not first.inputs["tokens"].any()
    np.testing.assert_array_equal(first.inputs["image"], again.inputs["image"])
    assert not np.array_equal(first.inputs["image"], other.inputs["image"])
    assert bind_dataset(first, inputs).inputs.keys() == first.inputs.keys()


@pytest.mark.parametrize(
    ("shape", "made"),
    [
        (("n", 3, "h", "w"), (4, 3, 32, 32)),
        (("n", "h", "w", 3), (4, 32, 32, 3)),
        (("n", "c", "h", "w"), (4, 1, 1, 1)),
        (("n", "length", 8), (4, 1, 8)),
        ((1, 3, 8, 8), (4, 3, 8, 8)),
    ],
)
def test_random_samples_have_a_height_and_a_width_where_the_model_leaves_them_free(shape: Any, made: Any) -> None:
    assert synthetic_dataset((spec(*shape),), samples=4, seed=0).inputs["x"].shape == made


def test_random_bytes_are_pixels_and_other_integers_zero() -> None:
    made = synthetic_dataset(
        (spec("n", 100, dtype="uint8", name="image"), spec("n", 100, dtype="int64", name="tokens")), samples=4, seed=0
    ).inputs

    assert made["image"].dtype == np.uint8
    assert made["image"].std() > 50
    assert not made["tokens"].any()


def test_an_input_without_an_axis_of_samples_is_refused() -> None:
    with pytest.raises(InputError, match="model input `x` has no axis of samples"):
        synthetic_dataset((spec(),), samples=4, seed=0)
    with pytest.raises(InputError, match="model input `x` has no axis of samples"):
        bound(np.zeros(3), spec())


INT8 = TensorSpec(name="x", shape=("", 2), dtype="int8", quantization=Quantization(scale=0.5, zero_point=-3))


def test_reals_are_quantized_for_an_input_of_integers() -> None:
    samples = bound(np.array([[0.0, 1.0], [-2.0, 1000.0]]), INT8)

    assert samples.dtype == np.int8
    assert samples.tolist() == [[-3, -1], [-7, 127]]


def test_bytes_are_reals_to_an_input_of_another_integer_type() -> None:
    pixels = TensorSpec(name="x", shape=("", 2), dtype="int8", quantization=Quantization(scale=1.0, zero_point=-128))

    assert bound(np.array([[0, 255]], np.uint8), pixels).tolist() == [[-128, 127]]


def test_integers_of_the_inputs_own_type_are_what_it_is_to_see() -> None:
    assert bound(np.array([[-3, 5]], np.int8), INT8).tolist() == [[-3, 5]]


def test_integers_of_the_inputs_own_type_are_reals_once_they_are_scaled() -> None:
    assert bound(np.array([[-3, 5]], np.int8), INT8, Preprocess(scale=2.0)).tolist() == [[-15, 17]]


def test_infinity_is_refused_for_an_input_of_integers_too() -> None:
    with pytest.raises(InputError, match="holds NaN or infinity in 1 of 1 samples"):
        bound(np.array([[np.inf, 1.0]]), INT8)


def test_random_samples_for_an_input_of_integers_are_spread() -> None:
    drawn = synthetic_dataset((INT8,), samples=200, seed=0).inputs["x"]

    assert drawn.dtype == np.int8
    assert 1 < np.asarray(drawn).std() < 3  # reals of standard deviation 1, at a scale of 0.5
