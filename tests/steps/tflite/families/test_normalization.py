from __future__ import annotations

import numpy as np
import pytest

from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.lower import lowered
from tests.steps.tflite.families.one_node import normal, one_node
from tests.steps.tflite.running import REFERENCE, assert_same, kinds_of, parsed, run_tflite


@pytest.mark.parametrize("lengths", [(), (5,), (3, 4), (2, 3, 2)])
@pytest.mark.parametrize("is_constant", [True, False])
def test_batch_normalization_scales_and_shifts_each_channel(lengths: tuple[int, ...], is_constant: bool) -> None:
    image = normal(2, 3, *lengths)
    statistics = {"s": normal(3, seed=1), "b": normal(3, seed=2), "m": normal(3, seed=3), "v": normal(3, seed=4) ** 2}
    feeds = {"x": image} if is_constant else {"x": image, **statistics}

    assert_same(one_node("BatchNormalization", feeds, statistics if is_constant else {}), feeds)


@pytest.mark.parametrize("lengths", [(7,), (3, 4), (2, 3, 2)])
def test_instance_normalization_takes_each_channel_of_each_image(lengths: tuple[int, ...]) -> None:
    image = normal(2, 3, *lengths)

    assert_same(
        one_node("InstanceNormalization", {"x": image}, {"s": normal(3, seed=1), "b": normal(3, seed=2)}), {"x": image}
    )


def test_group_normalization_takes_groups_of_channels() -> None:
    image = normal(2, 6, 3, 4)
    constants = {"s": normal(6, seed=1), "b": normal(6, seed=2)}

    assert_same(one_node("GroupNormalization", {"x": image}, constants, opset=21, num_groups=3), {"x": image})


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_layer_normalization_tells_mean_and_deviation_too(axis: int) -> None:
    image = normal(2, 3, 4, 5)
    shape = image.shape[axis:]
    constants = {"s": normal(*shape, seed=1), "b": normal(*shape, seed=2)}

    assert_same(one_node("LayerNormalization", {"x": image}, constants, outputs=3, axis=axis), {"x": image})


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_local_response_normalization_counts_neighbouring_channels(size: int) -> None:
    image = normal(2, 6, 3, 4)

    assert_same(one_node("LRN", {"x": image}, size=size, alpha=0.3, beta=0.6, bias=1.5), {"x": image})


def test_an_even_number_of_neighbours_has_one_more_behind_as_the_standard_says() -> None:
    image = np.abs(normal(1, 5, 1, 1))
    model = one_node("LRN", {"x": image}, size=2, alpha=2.0, beta=1.0, bias=1.0)
    content = model_bytes(lowered(model, where="test.onnx").net)

    given = run_tflite(content, {"x": image}, REFERENCE)["y0"]

    behind = np.concatenate([image[:, 1:], np.zeros((1, 1, 1, 1), np.float32)], axis=1)
    np.testing.assert_allclose(given, image / (1 + image**2 + behind**2), rtol=1e-5)


@pytest.mark.parametrize("exponent", [1, 2])
def test_lp_normalization_leaves_zeros_where_the_norm_is_zero(exponent: int) -> None:
    image = normal(2, 3, 4)
    image[0, :, 1] = 0

    assert_same(one_node("LpNormalization", {"x": image}, p=exponent, axis=1), {"x": image})


def test_mean_variance_normalization_takes_the_axes_it_is_told() -> None:
    image = normal(2, 3, 4, 5)

    assert_same(one_node("MeanVarianceNormalization", {"x": image}, axes=[0, 2]), {"x": image})


def test_norms_between_convolutions_need_no_transposition() -> None:
    model = parsed(
        """<ir_version: 8, opset_import: ["" : 17]>
        norms (float[1, 3, 6, 6] x, float[4, 3, 3, 3] w, float[4, 4, 3, 3] v, float[4] s) => (float[1, 4, 2, 2] y) {
          a = Conv (x, w)
          b = Relu (a)
          c = InstanceNormalization (b, s, s)
          y = Conv (c, v)
        }"""
    )
    feeds = {"x": normal(1, 3, 6, 6), "w": normal(4, 3, 3, 3), "v": normal(4, 4, 3, 3), "s": np.ones(4, np.float32)}

    result = assert_same(model, feeds)

    kinds = kinds_of(result)
    assert "TRANSPOSE" not in kinds[kinds.index("CONV_2D") : kinds.index("RSQRT")]
