"""The noise that quantization is expected to add, beside what rounding really adds."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from edgeopt.steps.quantize.channels.equalize import equalization_tensors, equalize
from edgeopt.steps.quantize.channels.flow import channel_groups
from edgeopt.steps.quantize.channels.noise import Network, Scaled, spread_of

CHANNELS, OUTPUTS, SAMPLES = 32, 24, 4000


@pytest.fixture
def dense(small_models):
    """x (batch, 8) -> Gemm to 32 -> Gemm to 24, without a clamp between them."""
    generator = np.random.default_rng(4)
    arrays = {
        "first": generator.standard_normal((8, CHANNELS)) * 4 ** generator.uniform(-1, 1, CHANNELS),
        "second": generator.standard_normal((CHANNELS, OUTPUTS)),
    }
    nodes = [helper.make_node("Gemm", ["x", "first"], ["h"]), helper.make_node("Gemm", ["h", "second"], ["y"])]
    return small_models.model(
        nodes,
        [small_models.value("x", "batch", 8)],
        [small_models.value("y", "batch", OUTPUTS)],
        small_models.constants(**{name: array.astype(np.float32) for name, array in arrays.items()}),
    )


@pytest.fixture
def feeds():
    return {"x": np.random.default_rng(6).standard_normal((SAMPLES, 8)).astype(np.float32)}


def rounded(values, step):
    return np.rint(values / step) * step


def arrays_of(model):
    return {tensor.name: onnx.numpy_helper.to_array(tensor).astype(np.float64) for tensor in model.graph.initializer}


@pytest.fixture
def noise(dense, feeds, channels_of):
    """The expected noise behind the one group of `dense`."""

    def expect(*, per_channel):
        inner = ir.serde.deserialize_model(dense)
        seen = channels_of(dense, equalization_tensors(inner.graph), feeds)
        group = channel_groups(inner.graph)[0]
        scaled = Scaled(group=group, read={"h": spread_of(seen["h"], 1)})
        return Network(groups=[scaled], inputs=seen, per_channel=per_channel).noise_behind(scaled)

    return expect


@pytest.fixture
def factors():
    return 2.0 ** np.random.default_rng(9).uniform(-1, 1, CHANNELS)


def test_rounding_of_activations_is_what_is_expected(dense, feeds, noise, factors):
    expected = noise(per_channel=True)
    arrays = arrays_of(dense)
    hidden = feeds["x"] @ arrays["first"] / factors
    step = (hidden.max() - hidden.min()) / 255
    error = (rounded(hidden, step) - hidden) @ (arrays["second"] * factors[:, None])

    (spread, gain), width = expected.activations[0], step * 255
    rate = float(np.square(factors) @ gain) * width**2 / 255**2 / 12

    assert rate == pytest.approx(np.square(error).sum() / SAMPLES, rel=0.05)
    np.testing.assert_allclose(spread.high, (feeds["x"] @ arrays["first"]).max(axis=0), rtol=1e-4)


@pytest.mark.parametrize("per_channel", [False, True])
def test_rounding_of_weights_that_read_is_what_is_expected(dense, feeds, noise, factors, per_channel):
    arrays = arrays_of(dense)
    hidden = feeds["x"] @ arrays["first"] / factors
    weight = arrays["second"] * factors[:, None]
    step = np.abs(weight).max(axis=0 if per_channel else None) / 127
    error = np.square(hidden).mean(axis=0) @ np.square(rounded(weight, step) - weight)

    rate = noise(per_channel=per_channel).readers[0].noise(factors, per_channel=per_channel) / 127**2 / 12

    # The mean square of a channel is taken from its range: a normal one reaches 3.5 deviations in 4000 samples, not 3.
    assert rate == pytest.approx(error.sum(), rel=0.5)


def test_rounding_of_weights_that_write_is_what_is_expected(dense, feeds, noise, factors):
    arrays = arrays_of(dense)
    weight = arrays["first"] / factors
    step = np.abs(weight).max() / 127
    error = feeds["x"] @ (rounded(weight, step) - weight) @ (arrays["second"] * factors[:, None])

    ranges, share = noise(per_channel=False).writers[0]
    rate = (ranges / factors).max() ** 2 * float(np.square(factors) @ share) / 127**2 / 12

    assert rate == pytest.approx(np.square(error).sum() / SAMPLES, rel=0.6)


def test_factors_of_one_size_change_no_noise(noise):
    for per_channel in (False, True):
        expected = noise(per_channel=per_channel)
        assert expected.at(np.full(CHANNELS, 8.0)) == pytest.approx(expected.at(np.ones(CHANNELS)))


def test_hundreds_of_layers_stay_in_the_range_of_numbers(small_models, channels_of, rewritten):
    layers = 250
    generator = np.random.default_rng(1)
    nodes = [
        made
        for index in range(layers)
        for made in (
            helper.make_node("Gemm", [f"r{index}", f"w{index}"], [f"c{index}"]),
            helper.make_node("Relu", [f"c{index}"], [f"r{index + 1}"]),
        )
    ]
    model = small_models.model(
        nodes,
        [small_models.value("r0", "batch", 8)],
        [small_models.value(f"r{layers}", "batch", 8)],
        small_models.constants(
            **{f"w{index}": generator.uniform(0, 1e-3, (8, 8)).astype(np.float32) for index in range(layers)}
        ),
    )
    feeds = {"r0": generator.uniform(0, 1, (4, 8)).astype(np.float32)}

    def change(graph):
        tensors = equalization_tensors(graph)
        return equalize(graph, channels_of(model, tensors, feeds), per_channel=False)

    result, names = rewritten(model, change)

    assert names
    for array in arrays_of(result).values():
        assert np.isfinite(array).all()
