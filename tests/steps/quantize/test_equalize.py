"""Cross-layer equalization: the function stays, the ranges of channels meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from edgeopt.steps.quantize.equalize import equalization_tensors, equalize

node = helper.make_node
PADS = [1, 1, 1, 1]


@dataclass(frozen=True)
class Seen:
    low: Any
    high: Any
    mean: Any


def uneven(generator, *shape, axis=0):
    """Normal weights whose places along `axis` differ in range by up to 64."""
    factors = 8.0 ** generator.uniform(-1, 1, shape[axis])
    spread = factors.reshape([-1 if index == axis else 1 for index in range(len(shape))])
    return (generator.standard_normal(shape) / np.prod(shape[1:]) ** 0.5 * spread).astype(np.float32)


@pytest.fixture
def chain(small_models):
    """Convolution of 3 channels to 6, `between`, then `last`: a convolution, a depthwise one or a dense layer."""

    def build(*between, last="conv", size=8, **constants):
        generator = np.random.default_rng(11)
        arrays = {
            "w1": uneven(generator, 6, 3, 3, 3), "b1": generator.standard_normal(6).astype(np.float32) * 0.1,
            "slope": generator.uniform(0.1, 0.5, (6, 1, 1)).astype(np.float32), "low": np.float32(0),
            "six": np.float32(6), "axes": np.array([2, 3]), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
            "shape": np.array([0, -1]), "gain": generator.uniform(0.5, 2, (6, 1, 1)).astype(np.float32),
        } | constants  # fmt: skip
        last_node = {
            "conv": node("Conv", ["last_in", "w2"], ["y"], name="last"),
            "grouped": node("Conv", ["last_in", "w2"], ["y"], name="last", group=2),
            "depthwise": node("Conv", ["last_in", "w2"], ["y"], name="last", group=6),
            "gemm": node("Gemm", ["last_in", "w2"], ["y"], name="last", transB=1),
            "matmul": node("MatMul", ["last_in", "w2"], ["y"], name="last"),
        }[last]
        weights = {"conv": (4, 6, 1, 1), "grouped": (4, 3, 1, 1), "depthwise": (6, 1, 1, 1)}
        shape = weights.get(last, (5, 6 * size) if last == "gemm" else (6 * size, 5))
        arrays["w2"] = uneven(generator, *shape, axis=1)
        nodes = [node("Conv", ["x", "w1", "b1"], ["t0"], name="first", pads=PADS)]
        for index, (operator, inputs, attributes) in enumerate(between):
            nodes.append(node(operator, [f"t{index}", *inputs], [f"t{index + 1}"], **attributes))
        nodes[-1].output[0] = "last_in"
        used = {name for made in [*nodes, last_node] for name in made.input}
        output = small_models.value("y")
        output.type.tensor_type.ClearField("shape")
        return small_models.model(
            [*nodes, last_node],
            [small_models.value("x", "batch", 3, 8, 8)],
            [output],
            small_models.constants(**{name: array for name, array in arrays.items() if name in used}),
        )

    return build


@pytest.fixture
def feeds():
    return {"x": np.random.default_rng(5).standard_normal((16, 3, 8, 8)).astype(np.float32)}


def intermediate(model):
    return ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(model, data_prop=True))


@pytest.fixture
def observed(outputs_of):
    """Per-channel statistics of tensors while a model runs on feeds."""

    def observe(model, tensors, feeds):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors)
        found = outputs_of(copy, feeds)
        seen = {}
        for name, axis in tensors.items():
            others = tuple(index for index in range(found[name].ndim) if index != axis)
            seen[name] = Seen(*(getattr(found[name], how)(axis=others) for how in ("min", "max", "mean")))
        return seen

    return observe


@pytest.fixture
def equalized(observed):
    """The equalized model, and the names of the chains that changed."""

    def change(model, feeds=None, *, per_channel=False):
        inner = intermediate(model)
        tensors = equalization_tensors(inner.graph)
        channels = observed(model, tensors, feeds) if feeds else None
        names = equalize(inner.graph, channels, per_channel=per_channel)
        return ir.serde.serialize_model(inner), names

    return change


@pytest.fixture
def equalize_with_data(equalized, feeds):
    """`equalized` with statistics over the feeds."""
    return lambda model, **options: equalized(model, feeds, **options)


@pytest.fixture
def highest(observed, feeds):
    """(channel,) largest value of the tensor in front of the last layer."""
    return lambda model: observed(model, {"last_in": 1}, feeds)["last_in"].high


@pytest.fixture
def require_same(outputs_of, feeds):
    """Asserts that two models give the same, up to rounding."""

    def check(model, result):
        before, after = outputs_of(model, feeds)["y"], outputs_of(result, feeds)["y"]
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5 * np.abs(before).max())

    return check


def array(model, name):
    return next(onnx.numpy_helper.to_array(found) for found in model.graph.initializer if found.name == name)


RELU = ("Relu", [], {})
CHAINS = {
    "relu": ([RELU], {}),
    "nothing": ([("Identity", [], {})], {}),
    "depthwise": ([RELU], {"last": "depthwise"}),
    "grouped": ([RELU], {"last": "grouped"}),
    "leaky relu": ([("LeakyRelu", [], {"alpha": 0.2})], {}),
    "slope per channel": ([("PRelu", ["slope"], {})], {}),
    "clip at zero": ([("Clip", ["low"], {})], {}),
    "max pool": ([RELU, ("MaxPool", [], {"kernel_shape": [2, 2]})], {}),
    "average pool": ([RELU, ("AveragePool", [], {"kernel_shape": [3, 3], "pads": PADS})], {}),
    "zero pad": ([RELU, ("Pad", ["pads"], {})], {}),
    "gain per channel": ([RELU, ("Mul", ["gain"], {})], {}),
    "shift per channel": ([("Add", ["gain"], {}), RELU], {}),
    "flatten": ([RELU, ("Flatten", [], {})], {"last": "gemm", "size": 64}),
    "reshape": ([RELU, ("Reshape", ["shape"], {})], {"last": "matmul", "size": 64}),
    "global pool": ([RELU, ("GlobalAveragePool", [], {}), ("Flatten", [], {})], {"last": "gemm", "size": 1}),
    "mean": ([RELU, ("ReduceMean", [], {"axes": [2, 3], "keepdims": 0})], {"last": "gemm", "size": 1}),
    "squeeze": ([RELU, ("GlobalAveragePool", [], {}), ("Squeeze", ["axes"], {})], {"last": "gemm", "size": 1}),
    "transpose": ([RELU, ("Transpose", [], {"perm": [0, 2, 3, 1]})], {"last": "matmul", "size": 1}),
    "dropout": ([RELU, ("Dropout", [], {})], {}),
}


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", CHAINS)
def test_the_function_stays(chain, equalize_with_data, require_same, name, per_channel):
    between, options = CHAINS[name]
    model = chain(*between, **options)

    result, names = equalize_with_data(model, per_channel=per_channel)

    assert names == ["first -> last"]
    assert not np.allclose(array(model, "w1"), array(result, "w1"), rtol=0.1)
    require_same(model, result)


def test_channel_ranges_meet(chain, equalized):
    result, _ = equalized(chain(RELU))

    written = np.abs(array(result, "w1")).max(axis=(1, 2, 3))
    read = np.abs(array(result, "w2")).max(axis=(0, 2, 3))
    ratio = written / read
    np.testing.assert_allclose(ratio, ratio[0], rtol=0.02)


def test_channels_that_depthwise_weights_read_get_one_range(chain, equalize_with_data, highest):
    result, _ = equalize_with_data(chain(RELU, last="depthwise"), per_channel=True)

    np.testing.assert_allclose(highest(result), highest(result)[0], rtol=0.02)


@pytest.mark.parametrize("per_channel", [False, True])
def test_doing_it_twice_changes_nothing_more(chain, equalize_with_data, per_channel):
    once, _ = equalize_with_data(chain(RELU), per_channel=per_channel)

    assert equalize_with_data(once, per_channel=per_channel)[1] == []


def test_without_statistics_channels_behind_relu6_stay(chain, equalized):
    model = chain(("Clip", ["low", "six"], {}))

    result, names = equalized(model)

    assert names == []
    np.testing.assert_array_equal(array(result, "w1"), array(model, "w1"))


@pytest.mark.parametrize("per_channel", [False, True])
def test_channels_that_reach_the_clamp_stay_and_others_move(
    chain, equalize_with_data, highest, require_same, per_channel
):
    model = chain(("Clip", ["low", "six"], {}))
    reaches = highest(model) > 0.8 * 6
    assert reaches.any()
    assert not reaches.all()

    result, names = equalize_with_data(model, per_channel=per_channel)

    assert names == ["first -> last"]
    np.testing.assert_array_equal(array(result, "w1")[reaches], array(model, "w1")[reaches])
    assert not np.allclose(array(result, "w1")[~reaches], array(model, "w1")[~reaches])
    require_same(model, result)
