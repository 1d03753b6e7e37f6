"""Cross-layer equalization: the function stays, the ranges of channels meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from planted import plant

from edgeopt.core.dataset import Dataset
from edgeopt.graph.fold import folded
from edgeopt.steps.quantize.channels.equalize import equalization_tensors, equalize

node = helper.make_node
PADS = [1, 1, 1, 1]


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


@pytest.fixture
def equalized(channels_of, rewritten):
    """The equalized model, and the names of the chains that changed."""

    def change(model, feeds=None, *, per_channel=False):
        def rewrite(graph):
            channels = channels_of(model, equalization_tensors(graph), feeds) if feeds else None
            return equalize(graph, channels, per_channel=per_channel)

        return rewritten(model, rewrite)

    return change


@pytest.fixture
def equalize_with_data(equalized, feeds, require_same):
    """`equalized` with statistics over the feeds, on which the function must stay."""

    def change(model, **options):
        result, names = equalized(model, feeds, **options)
        require_same(model, result, feeds)
        return result, names

    return change


@pytest.fixture
def highest(channels_of, feeds):
    """(channel,) largest value of the tensor in front of the last layer."""
    return lambda model: channels_of(model, {"last_in": 1}, feeds)["last_in"].high


def array(model, name):
    return next(onnx.numpy_helper.to_array(found) for found in model.graph.initializer if found.name == name)


def replace(model, **arrays):
    """Put other values into constants."""
    for tensor in model.graph.initializer:
        if tensor.name in arrays:
            tensor.CopyFrom(onnx.numpy_helper.from_array(arrays[tensor.name], tensor.name))


RELU = ("Relu", [], {})
RELU6 = ("Clip", ["low", "six"], {})
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
def test_the_function_stays(chain, equalize_with_data, name, per_channel):
    between, options = CHAINS[name]
    model = chain(*between, **options)

    result, names = equalize_with_data(model, per_channel=per_channel)

    assert names == ["first -> last"]
    assert not np.allclose(array(model, "w1"), array(result, "w1"), rtol=0.1)


def test_channel_ranges_meet(chain, equalized):
    result, _ = equalized(chain(RELU))

    written = np.abs(array(result, "w1")).max(axis=(1, 2, 3))
    read = np.abs(array(result, "w2")).max(axis=(0, 2, 3))
    np.testing.assert_allclose(written / read, written[0] / read[0], rtol=0.02)


def test_channels_that_depthwise_weights_read_get_one_range(chain, equalize_with_data, highest):
    result, _ = equalize_with_data(chain(RELU, last="depthwise"), per_channel=True)

    np.testing.assert_allclose(highest(result), highest(result)[0], rtol=0.02)


@pytest.mark.parametrize("per_channel", [False, True])
def test_doing_it_twice_changes_nothing_more(chain, equalize_with_data, per_channel):
    once, _ = equalize_with_data(chain(RELU), per_channel=per_channel)

    assert equalize_with_data(once, per_channel=per_channel)[1] == []


def test_balancing_weights_twice_changes_nothing_more(chain, equalized):
    once, _ = equalized(chain(RELU))

    assert equalized(once)[1] == []


def test_with_scales_per_channel_and_no_statistics_there_is_nothing_to_balance(chain, equalized):
    model = chain(RELU)

    result, names = equalized(model, per_channel=True)

    assert names == []
    np.testing.assert_array_equal(array(result, "w1"), array(model, "w1"))


def test_without_statistics_channels_behind_relu6_stay(chain, equalized):
    model = chain(RELU6)

    result, names = equalized(model)

    assert names == []
    np.testing.assert_array_equal(array(result, "w1"), array(model, "w1"))


@pytest.mark.parametrize("per_channel", [False, True])
def test_channels_that_come_near_the_clamp_stay_and_others_move(chain, equalize_with_data, highest, per_channel):
    model = chain(RELU6)
    is_near = highest(model) > 3
    assert (highest(model) == 6).any()
    assert not is_near.all()

    result, names = equalize_with_data(model, per_channel=per_channel)

    assert names == ["first -> last"]
    np.testing.assert_array_equal(array(result, "w1")[is_near], array(model, "w1")[is_near])
    assert not np.allclose(array(result, "w1")[~is_near], array(model, "w1")[~is_near])
    assert (highest(result)[~is_near] <= 3.001).all()


@pytest.mark.parametrize("bound", ["upper", "one"])
def test_a_clamp_that_is_computed_or_above_zero_stops_a_chain(chain, equalize_with_data, bound):
    clip = ("Clip", ["", "limit"], {}) if bound == "upper" else ("Clip", ["one", "six"], {})
    before = [("Identity", [], {})] if bound == "one" else []

    model = chain(*before, clip, one=np.float32(1))
    if bound == "upper":
        model.graph.node.insert(0, node("ReduceMax", ["x"], ["limit"], keepdims=0))

    assert equalize_with_data(model)[1] == []


def test_dead_channels_stay(chain, equalize_with_data):
    model = chain(RELU)
    written, read = array(model, "w1").copy(), array(model, "w2").copy()
    written[2], read[:, 4] = 0, 0
    replace(model, w1=written, w2=read)

    for per_channel in (False, True):
        result, names = equalize_with_data(model, per_channel=per_channel)

        assert names == ["first -> last"]
        for name in ("w1", "b1"):
            assert np.isfinite(array(result, name)).all()
        np.testing.assert_array_equal(array(result, "w1")[4], written[4])
        np.testing.assert_array_equal(array(result, "w2")[:, 2], read[:, 2])


STOPS = {
    "sigmoid": [("Sigmoid", [], {})],
    "shift that is computed": [("Add", ["t0"], {}), ("Add", ["x6"], {})],
    "padding with ones": [("Pad", ["pads", "one"], {})],
    "padding of channels": [("Pad", ["channel_pads"], {}), ("Slice", ["zero", "places", "axis"], {})],
    "mean over channels": [("ReduceMean", [], {"axes": [1]}), ("Mul", ["t0"], {})],
    "square": [("Mul", ["t0"], {})],
    "reshape across channels": [("Reshape", ["crossed"], {}), ("Reshape", ["back"], {})],
}


@pytest.mark.parametrize("name", STOPS)
def test_other_operators_stop_a_chain(chain, equalize_with_data, name):
    model = chain(
        *STOPS[name],
        one=np.float32(1),
        zero=np.array([1]),
        places=np.array([7]),
        axis=np.array([1]),
        channel_pads=np.array([0, 1, 0, 0, 0, 0, 0, 0]),
        crossed=np.array([0, 3, 16, 8]),
        back=np.array([0, 6, 8, 8]),
    )
    if name == "shift that is computed":
        model.graph.node.insert(0, node("Concat", ["x", "x"], ["x6"], axis=1))

    result, names = equalize_with_data(model)

    assert names == []
    np.testing.assert_array_equal(array(result, "w1"), array(model, "w1"))


def test_an_output_of_the_graph_stays(chain, equalize_with_data, small_models):
    model = chain(RELU)
    model.graph.output.append(small_models.value("t0", "batch", 6, 8, 8))

    assert equalize_with_data(model)[1] == []


def test_a_weight_that_two_nodes_read_stays(chain, equalize_with_data, small_models):
    model = chain(RELU)
    model.graph.node.append(node("Conv", ["last_in", "w2"], ["z"], pads=PADS))
    model.graph.output.append(small_models.value("z", "batch", 4, 10, 10))

    assert equalize_with_data(model)[1] == []


def test_a_bias_that_two_nodes_read_is_copied(chain, equalize_with_data, small_models):
    model = chain(RELU)
    model.graph.node.append(node("Add", ["b1", "b1"], ["z"]))
    model.graph.output.append(small_models.value("z", 6))

    result, names = equalize_with_data(model)

    assert names == ["first -> last"]
    np.testing.assert_array_equal(array(result, "b1"), array(model, "b1"))


def test_a_weight_that_a_caller_can_replace_stays(chain, equalize_with_data, small_models):
    model = chain(RELU)
    model.graph.input.append(small_models.value("w2", 4, 6, 1, 1))

    assert equalize_with_data(model)[1] == []


def test_channels_that_a_subgraph_reads_stay(chain, equalize_with_data, small_models):
    model = chain(RELU)
    branches = {
        key: helper.make_graph([node("Identity", ["last_in"], [key])], key, [], [small_models.value(key)])
        for key in ("then_branch", "else_branch")
    }
    for graph in branches.values():
        graph.output[0].type.tensor_type.ClearField("shape")
    model.graph.initializer.extend(small_models.constants(flag=np.bool_(True)))
    model.graph.node.append(node("If", ["flag"], ["z"], **branches))
    model.graph.output.append(small_models.value("z", "batch", 6, 8, 8))

    assert equalize_with_data(model)[1] == []


@pytest.mark.parametrize("per_channel", [False, True])
def test_all_that_a_residual_stream_joins_shares_its_factors(small_models, equalize_with_data, per_channel):
    generator = np.random.default_rng(3)
    shapes = {"w1": (6, 3, 1, 1), "w2": (6, 6, 1, 1), "w3": (6, 6, 1, 1), "w4": (2, 6, 1, 1)}
    nodes = [
        node("Conv", ["x", "w1"], ["a"], name="stem"),
        node("Relu", ["a"], ["stream"]),
        node("Conv", ["stream", "w2"], ["b"], name="inner"),
        node("Relu", ["b"], ["c"]),
        node("Conv", ["c", "w3"], ["d"], name="outer"),
        node("Add", ["stream", "d"], ["e"]),
        node("Relu", ["e"], ["f"]),
        node("Conv", ["f", "w4"], ["y"], name="head"),
    ]
    model = small_models.model(
        nodes,
        [small_models.value("x", "batch", 3, 8, 8)],
        [small_models.value("y", "batch", 2, 8, 8)],
        small_models.constants(**{name: uneven(generator, *shape, axis=1) for name, shape in shapes.items()}),
    )

    result, names = equalize_with_data(model, per_channel=per_channel)

    assert "stem, outer -> inner, head" in names
    changes = [array(result, name) / array(model, name) for name in ("w1", "w4")]
    np.testing.assert_allclose(changes[0][:, 0].reshape(-1) * changes[1][0].reshape(-1), 1.0, rtol=1e-4)


def separable(small_models):
    """A small network of depthwise and pointwise convolutions, from x (batch, 3, 8, 8)."""
    generator = np.random.default_rng(21)
    arrays, nodes, source = {}, [], "x"
    for index, (shape, groups) in enumerate([((16, 3, 3, 3), 1), *[((16, 1, 3, 3), 16), ((16, 16, 1, 1), 1)] * 3]):
        arrays[f"w{index}"] = (generator.standard_normal(shape) / np.prod(shape[1:]) ** 0.5).astype(np.float32)
        arrays[f"b{index}"] = (generator.standard_normal(16) * 0.1).astype(np.float32)
        pads = {"pads": PADS} if shape[2] == 3 else {}
        inputs = [source, f"w{index}", f"b{index}"]
        nodes.append(node("Conv", inputs, [f"c{index}"], name=f"conv{index}", group=groups, **pads))
        nodes.append(node("Relu", [f"c{index}"], [f"r{index}"]))
        source = f"r{index}"
    nodes.append(node("Conv", [source, "head"], ["y"], name="head"))
    arrays["head"] = generator.standard_normal((5, 16, 1, 1)).astype(np.float32)
    return small_models.model(
        nodes,
        [small_models.value("x", "batch", 3, 8, 8)],
        [small_models.value("y", "batch", 5, 8, 8)],
        small_models.constants(**arrays),
    )


def decibels(signal, noisy):
    return 10 * np.log10(np.square(signal).sum() / np.square(signal - noisy).sum())


@pytest.mark.parametrize("spread", [4, 16])
def test_planted_ranges_cost_nothing_after_equalization(
    small_models, quantize_model, equalize_with_data, sqnr_of, spread
):
    model = separable(small_models)
    planted = plant(model, spread, seed=0)
    intact = sqnr_of(quantize_model(model, per_channel=False, equalize=False))["y"]

    spoiled = sqnr_of(quantize_model(planted, per_channel=False, equalize=False))["y"]
    mended = sqnr_of(quantize_model(equalize_with_data(planted)[0], per_channel=False, equalize=False))["y"]

    assert spoiled < intact - 6
    assert mended > intact - 1


@pytest.mark.shared
@pytest.mark.parametrize("spread", [4, 16])
def test_planted_ranges_in_kws_come_back_to_27_db(shared_data: Path, quantize_model, equalized, outputs_of, spread):
    inputs = np.load(shared_data / "kws" / "eval.npz")["features"].astype(np.float32)
    model = plant(folded(onnx.load(shared_data / "kws" / "kws_dscnn.onnx"), where="kws"), spread, seed=0)
    feeds, held_back = {"features": inputs[:200]}, {"features": inputs[200:]}

    mended, _ = equalized(model, feeds)

    data = Dataset(inputs=feeds, source="kws", indices=np.arange(200))
    outputs = outputs_of(
        quantize_model(mended, data, per_channel=False, equalize=False, target="x86-64-vnni").model, held_back
    )
    expected = outputs_of(model, held_back)["probabilities"]
    assert decibels(expected, outputs["probabilities"]) >= 27.0
