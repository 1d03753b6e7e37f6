"""Which nodes run on integers, which tensors get a scale, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeopt.core.profiles import load_target
from edgeopt.errors import InputError
from edgeopt.steps.quantize.placement.place import KINDS, Kind, place_for
from edgeopt.steps.quantize.types import int8_types

node = helper.make_node


def constant(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.fixture
def net(small_models):
    """A model of `nodes`, from input `x` (batch, 4, 8, 8) to `outputs` of any shape."""

    def build(nodes, outputs=("y",), shape=(4, 8, 8), dtype=TensorProto.FLOAT, **constants):
        values = [small_models.value(name, dtype=dtype) for name in outputs]
        for value in values:
            value.type.tensor_type.ClearField("shape")
        inputs = [small_models.value("x", "batch", *shape, dtype=dtype)]
        return small_models.model(nodes, inputs, values, small_models.constants(**constants))

    return build


def conv(source, target, weight="w", name="conv", **attributes):
    return node("Conv", [source, weight], [target], name=name, pads=[1, 1, 1, 1], **attributes)


W = constant(4, 4, 3, 3)


def names(nodes):
    return [found.name for found in nodes]


def test_a_convolution_and_a_dense_layer_run_on_integers(small_models, place_model):
    found = place_model(small_models.conv())

    assert names(found.nodes) == ["conv", "pool", "flatten", "gemm"]
    assert names(found.clamps) == ["relu"]
    assert list(found.tensors) == ["image", "active", "pooled", "flat"]
    assert found.kept_float == {}


def test_a_dense_layer_that_no_integer_node_reads_writes_floats_itself(small_models, place_model):
    assert "scores" not in place_model(small_models.conv()).tensors
    assert list(place_model(small_models.mlp()).tensors) == ["x", "active"]


@pytest.mark.parametrize("clamp", ["Relu", "Clip"])
def test_a_clamp_around_zero_is_absorbed(net, place_model, clamp):
    bounds = {"low": np.float32(0), "high": np.float32(6)} if clamp == "Clip" else {}
    found = place_model(net([conv("x", "c"), node(clamp, ["c", *bounds], ["y"], name="clamp")], w=W, **bounds))

    assert names(found.clamps) == ["clamp"]
    assert list(found.tensors) == ["x", "y"]


@pytest.mark.parametrize(
    ("low", "high", "is_absorbed"),
    [
        (0.0, 6.0, True),
        (-1.0, 1.0, True),
        (-3.0, 0.0, True),
        (0.5, 6.0, False),
        (-6.0, -0.5, False),
        (None, 6.0, True),
        (0.0, None, True),
        (None, -1.0, False),
        (1.0, None, False),
    ],
)
def test_a_clip_is_absorbed_only_where_its_range_holds_zero(net, place_model, low, high, is_absorbed):
    bounds = {"low": low, "high": high}
    given = {name: np.float32(bound) for name, bound in bounds.items() if bound is not None}
    clip = node("Clip", ["c", *(name if name in given else "" for name in bounds)], ["y"], name="clip")

    found = place_model(net([conv("x", "c"), clip], w=W, **given))

    assert names(found.clamps) == (["clip"] if is_absorbed else [])
    assert ("clip" in found.kept_float) == (not is_absorbed)
    assert list(found.tensors) == ["x", "y" if is_absorbed else "c"]


def test_a_clip_with_a_computed_bound_is_not_absorbed(net, place_model):
    nodes = [
        node("ReduceMax", ["x"], ["top"], name="top", keepdims=0),
        conv("x", "c"),
        node("Clip", ["c", "", "top"], ["y"], name="clip"),
    ]

    found = place_model(net(nodes, w=W))

    assert found.clamps == []
    assert found.kept_float["clip"] == "its input is not the result of an integer node alone"


def test_a_relu_with_two_readers_is_absorbed(net, place_model):
    nodes = [
        conv("x", "c"),
        node("Relu", ["c"], ["r"], name="relu"),
        conv("r", "a", name="left"),
        conv("r", "b", name="right"),
        node("Add", ["a", "b"], ["y"], name="add"),
    ]

    found = place_model(net(nodes, w=W))

    assert names(found.clamps) == ["relu"]
    assert names(found.nodes) == ["conv", "left", "right", "add"]
    assert "c" not in found.tensors


def test_a_relu_beside_another_reader_of_the_convolution_stays(net, place_model):
    nodes = [conv("x", "c"), node("Relu", ["c"], ["r"], name="relu"), node("Add", ["c", "r"], ["y"], name="add")]

    found = place_model(net(nodes, w=W))

    assert found.clamps == []
    assert "relu" in found.kept_float
    assert "c" in found.tensors


def test_a_convolution_that_is_an_output_of_the_model_keeps_its_relu(net, place_model):
    nodes = [conv("x", "c"), node("Relu", ["c"], ["y"], name="relu")]

    found = place_model(net(nodes, outputs=("c", "y"), w=W))

    assert found.clamps == []
    assert list(found.tensors) == ["x", "c"]


def test_a_residual_sum_runs_on_integers_with_a_scale_of_its_own(net, place_model):
    nodes = [conv("x", "c"), node("Add", ["c", "x"], ["s"], name="add"), node("Relu", ["s"], ["y"], name="relu")]

    found = place_model(net(nodes, w=W))

    assert names(found.nodes) == ["conv", "add"]
    assert names(found.clamps) == ["relu"]
    assert list(found.tensors) == ["x", "c", "y"]
    assert found.shared == {}


@pytest.mark.parametrize("operator", ["Add", "Mul"])
def test_a_sum_with_a_constant_stays_float(net, place_model, operator):
    found = place_model(net([conv("x", "c"), node(operator, ["c", "k"], ["y"], name="k")], w=W, k=np.float32(2)))

    assert found.kept_float == {"k": "one of its inputs is a constant"}


def test_a_sum_of_floats_stays_float(net, place_model):
    nodes = [node("Softmax", ["x"], ["s"], name="soft"), node("Add", ["s", "s"], ["y"], name="add")]

    found = place_model(net(nodes))

    assert found.nodes == []
    assert found.kept_float["soft"] == "ONNX Runtime has no faster integer kernel for Softmax"
    assert found.kept_float["add"] == "its inputs are float, so integers would not pay"


def test_a_concatenation_of_integer_results_runs_on_integers(net, place_model):
    nodes = [conv("x", "a", name="a"), conv("x", "b", name="b"), node("Concat", ["a", "b"], ["y"], name="cat", axis=1)]

    found = place_model(net(nodes, w=W))

    assert names(found.nodes) == ["a", "b", "cat"]
    assert found.shared == {}


def test_nodes_that_carry_values_share_the_scale_of_what_they_carry(net, place_model):
    nodes = [
        conv("x", "c"),
        node("MaxPool", ["c"], ["m"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", ["m", "flat"], ["r"], name="reshape"),
        node("Gemm", ["r", "dense"], ["y"], name="gemm"),
    ]

    found = place_model(net(nodes, w=W, flat=np.array([0, -1]), dense=constant(64, 5)))

    assert names(found.nodes) == ["conv", "pool", "reshape", "gemm"]
    assert [found.root(name) for name in ("c", "m", "r")] == ["c", "c", "c"]


def test_each_part_of_a_split_shares_the_scale_of_the_whole(net, place_model):
    nodes = [
        conv("x", "c"),
        node("Split", ["c"], ["a", "b"], name="split", axis=1),
        node("Add", ["a", "b"], ["y"], name="add"),
    ]

    found = place_model(net(nodes, w=W))

    assert names(found.nodes) == ["conv", "split", "add"]
    assert found.shared == {"a": "c", "b": "c"}


def test_a_transpose_before_the_first_convolution_moves_bytes(small_models, place_model):
    model = small_models.nhwc()

    found = place_model(model)

    assert {found.op_type for found in found.nodes} == {"Transpose", "Conv"}
    assert found.root("channels_first") == "image"
    assert found.kept_float == {}


def test_a_chain_of_carriers_before_the_first_convolution_is_followed_to_its_start(net, place_model):
    nodes = [
        node("Reshape", ["x", "image"], ["r"], name="reshape"),
        node("Transpose", ["r"], ["t"], name="transpose", perm=[0, 3, 1, 2]),
        conv("t", "y"),
    ]

    found = place_model(net(nodes, shape=(256,), w=W, image=np.array([0, 8, 8, 4])))

    assert [found.root(name) for name in ("x", "r", "t")] == ["x", "x", "x"]
    assert found.kept_float == {}


def test_a_carrier_of_floats_beside_an_integer_node_carries_what_it_reads_unrounded(net, place_model):
    found = place_model(
        net(
            [node("Transpose", ["x"], ["y"], name="carrier", perm=[0, 2, 3, 1]), conv("x", "z")],
            outputs=("y", "z"),
            w=W,
        )
    )

    assert names(found.nodes) == ["conv"]
    assert found.kept_float == {"carrier": "its input is float"}


def test_a_carrier_of_what_is_written_in_integers_for_another_reader_carries_integers_too(net, place_model):
    nodes = [
        node("Gemm", ["x", "w"], ["a"], name="first"),
        node("Gemm", ["a", "w"], ["z"], name="second"),
        node("Unsqueeze", ["a", "axes"], ["y"], name="carrier"),
    ]

    found = place_model(net(nodes, outputs=("y", "z"), shape=(4,), w=constant(4, 4), axes=np.array([1])))

    assert names(found.nodes) == ["first", "second", "carrier"]
    assert found.root("y") == "a"
    assert found.kept_float == {}


def test_a_carrier_beside_a_chain_of_carriers_of_floats_reads_the_floats(net, place_model):
    nodes = [
        node("Relu", ["x"], ["r"], name="relu"),
        node("MaxPool", ["r"], ["y"], name="beside", kernel_shape=[2, 2]),
        node("Flatten", ["r"], ["f"], name="flatten"),
        node("Gemm", ["f", "d"], ["z"], name="gemm"),
    ]

    found = place_model(net(nodes, outputs=("y", "z"), d=constant(256, 3)))

    assert names(found.nodes) == ["gemm", "flatten"]
    assert {name: found.root(name) for name in found.tensors} == {"f": "r", "r": "r"}


def test_positions_of_a_maxpool_get_no_scale(net, place_model):
    pool = node("MaxPool", ["c"], ["y", "where"], name="pool", kernel_shape=[2, 2])

    found = place_model(net([conv("x", "c"), pool], w=W))

    assert names(found.nodes) == ["conv", "pool"]
    assert list(found.tensors) == ["x", "c", "y"]


def test_an_output_that_is_left_out_gets_no_scale(net, place_model):
    split = node("Split", ["c"], ["y", ""], name="split", axis=1)

    assert list(place_model(net([conv("x", "c"), split], w=W)).tensors) == ["x", "c", "y"]


def test_a_carrier_of_floats_that_no_integer_node_reads_stays_float(net, place_model):
    nodes = [conv("x", "c"), node("Softmax", ["c"], ["s"], name="soft"), node("Flatten", ["s"], ["y"], name="flat")]

    assert place_model(net(nodes, w=W)).kept_float["flat"] == "its input is float"


@pytest.mark.parametrize(("channels", "thin", "is_kept"), [(3, 3, True), (4, 3, False), (1, 3, True), (3, 0, False)])
def test_a_thin_convolution_stays_float_where_the_target_says_so(net, place_model, channels, thin, is_kept):
    found = place_model(net([conv("x", "y")], shape=(channels, 8, 8), w=constant(4, channels, 3, 3)), thin)

    expected = {"conv": f"its {channels} input channel(s) are too few for int8 to pay"} if is_kept else {}
    assert found.kept_float == expected


def test_a_depthwise_convolution_is_not_thin(net, place_model):
    found = place_model(net([conv("x", "y", group=4)], w=constant(4, 1, 3, 3)), thin_channels=3)

    assert names(found.nodes) == ["conv"]


@pytest.mark.parametrize(
    ("attributes", "shapes", "reason"),
    [
        ({"alpha": 0.5}, {"w": (4, 5)}, "alpha or beta is not 1"),
        ({"beta": 2.0}, {"w": (4, 5), "b": (5,)}, "alpha or beta is not 1"),
        ({"transA": 1}, {"w": (4, 5)}, "its input is transposed"),
        ({}, {"w": (4, 5), "b": (4, 5)}, "its bias is not a constant of one number per channel"),
        ({}, {"w": (4, 5), "b": (4, 1)}, "its bias is not a constant of one number per channel"),
        ({}, {"w": (4, 5), "b": (5,)}, ""),
        ({}, {"w": (4, 5), "b": (1, 5)}, ""),
        ({}, {"w": (4, 5), "b": (1,)}, ""),
        ({"transB": 1}, {"w": (5, 4), "b": (5,)}, ""),
        ({"alpha": 1.0, "beta": 1.0, "transA": 0}, {"w": (4, 5)}, ""),
    ],
)
def test_a_gemm_stays_float_unless_the_integer_kernel_takes_it(small_models, place_model, attributes, shapes, reason):
    constants = small_models.constants(**{name: constant(*shape) for name, shape in shapes.items()})
    gemm = node("Gemm", ["x", *shapes], ["y"], name="gemm", **attributes)
    model = small_models.model([gemm], [small_models.value("x", 4, 4)], [small_models.value("y", 4, 5)], constants)

    assert place_model(model).kept_float == ({"gemm": reason} if reason else {})


def test_a_matrix_product_of_three_axes_runs_on_integers(net, place_model):
    found = place_model(net([node("MatMul", ["x", "w"], ["y"], name="matmul")], shape=(7, 4), w=constant(4, 5)))

    assert names(found.nodes) == ["matmul"]
    assert list(found.tensors) == ["x"]


def test_a_stack_of_weight_matrices_stays_float(net, place_model):
    found = place_model(net([node("MatMul", ["x", "w"], ["y"], name="matmul")], w=constant(4, 8, 5)))

    assert found.kept_float == {"matmul": "its weight has 3 axes, the integer kernel takes 2"}


def test_a_product_of_activations_runs_on_integers(net, place_model):
    nodes = [
        node("Transpose", ["x"], ["t"], name="turn", perm=[0, 1, 3, 2]),
        node("MatMul", ["x", "t"], ["y"], name="matmul"),
    ]

    found = place_model(net(nodes))

    assert names(found.nodes) == ["matmul", "turn"]
    assert found.root("t") == "x"


@pytest.mark.parametrize(("operator", "shape"), [("Conv", (4, 3, 3)), ("Gemm", (5,))])
def test_a_weight_that_is_computed_leaves_the_node_float(net, place_model, operator, shape):
    inputs = {"Conv": (4, 8, 8), "Gemm": (5,)}[operator]
    nodes = [node("Abs", ["w"], ["v"], name="abs"), node(operator, ["x", "v"], ["y"], name="weighted")]
    model = net(nodes, shape=inputs)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, *shape]))

    assert place_model(model).kept_float["weighted"] == "its weight is not a constant"


def test_a_bias_that_is_computed_leaves_the_node_float(net, place_model):
    nodes = [
        node("ReduceMax", ["x"], ["b"], axes=[0, 2, 3], keepdims=0),
        node("Conv", ["x", "w", "b"], ["y"], name="c"),
    ]

    assert place_model(net(nodes, w=W)).kept_float["c"] == "its bias is not a constant of one number per channel"


def test_a_convolution_of_a_constant_stays_float(net, place_model):
    nodes = [node("Conv", ["k", "w"], ["c"], name="conv"), node("Add", ["c", "x"], ["y"], name="add")]

    assert place_model(net(nodes, shape=(4, 6, 6), w=W, k=constant(1, 4, 8, 8))).kept_float["conv"] == (
        "its input is a constant"
    )


@pytest.mark.parametrize(("dtype", "kind"), [(TensorProto.FLOAT16, np.float16), (TensorProto.DOUBLE, np.float64)])
def test_numbers_of_other_widths_stay_as_they_are(net, place_model, dtype, kind):
    found = place_model(
        net([conv("x", "c"), node("Add", ["c", "x"], ["y"], name="add")], dtype=dtype, w=W.astype(kind))
    )

    assert found.nodes == []
    assert found.kept_float["conv"] == "its input is not float32"


def test_integers_that_are_reshaped_are_none_of_its_business(net, place_model):
    nodes = [node("Reshape", ["x", "flat"], ["y"], name="reshape")]

    found = place_model(net(nodes, dtype=TensorProto.INT64, flat=np.array([0, -1])))

    assert (found.nodes, dict(found.tensors)) == ([], {})


@pytest.mark.parametrize("model", ["branch", "loop"])
def test_nodes_inside_a_branch_or_a_loop_stay_float(small_models, place_model, model):
    found = place_model(getattr(small_models, model)())

    assert found.nodes == []
    assert list(found.kept_float) == [{"branch": "if", "loop": "loop"}[model]]


def test_a_node_without_a_name_is_called_by_its_output(net, place_model):
    assert place_model(net([node("Softmax", ["x"], ["y"])])).kept_float.keys() == {"y"}


def test_a_node_whose_first_output_is_left_out_is_called_by_its_second(net, place_model):
    cell = node("LSTM", ["x", "a", "b"], ["", "hidden"], hidden_size=3)

    kept = place_model(net([cell], outputs=("hidden",), shape=(4, 5), a=constant(1, 12, 5), b=constant(1, 12, 3)))

    assert list(kept.kept_float) == ["hidden"]


def test_a_node_of_another_domain_is_left_alone(net, place_model):
    model = net([conv("x", "c"), node("Relu", ["c"], ["y"], name="theirs", domain="com.example")], w=W)
    model.opset_import.append(helper.make_opsetid("com.example", 1))

    found = place_model(model)

    assert found.clamps == []
    assert found.kept_float["theirs"] == "ONNX Runtime has no faster integer kernel for Relu"


def test_a_stem_with_a_wide_window_is_not_thin(net, place_model):
    """Three channels under 7x7 are 147 products per result, enough for an integer dot product."""
    found = place_model(net([conv("x", "y")], shape=(3, 8, 8), w=constant(4, 3, 7, 7)), 3)

    assert found.kept_float == {}


def test_a_thin_convolution_before_a_pool_runs_on_integers(net, place_model):
    nodes = [
        conv("x", "c"),
        node("Relu", ["c"], ["r"], name="relu"),
        node("MaxPool", ["r"], ["m"], name="pool", kernel_shape=[2, 2]),
        conv("m", "y", weight="v", name="next"),
    ]

    found = place_model(net(nodes, shape=(3, 8, 8), w=constant(4, 3, 3, 3), v=W), 3)

    assert names(found.nodes) == ["conv", "pool", "next"]


def test_a_pool_of_floats_stays_float_also_before_an_integer_node(net, place_model):
    nodes = [node("MaxPool", ["x"], ["m"], name="pool", kernel_shape=[2, 2]), conv("m", "y")]

    found = place_model(net(nodes, w=W))

    assert found.kept_float == {"pool": "its input is float"}
    assert list(found.tensors) == ["m", "y"]


@pytest.mark.parametrize(("kernel", "is_kept"), [([8, 8], False), ([4, 4], True), ([2, 2], True)])
def test_an_average_of_windows_stays_float_unless_there_is_one(net, place_model, kernel, is_kept):
    pool = node("AveragePool", ["c"], ["y"], name="pool", kernel_shape=kernel, strides=kernel)

    kept = place_model(net([conv("x", "c"), pool], w=W)).kept_float

    assert kept == ({"pool": "the integer kernel pools slower than the float one"} if is_kept else {})


@pytest.mark.parametrize(("narrow", "is_kept"), [(4, True), (3, False), (0, False)])
def test_a_narrow_depthwise_convolution_behind_a_float_one_stays_float(net, place_model, narrow, is_kept):
    nodes = [
        conv("x", "c", name="stem"),
        node("Relu", ["c"], ["r"], name="relu"),
        conv("r", "d", weight="d_w", name="depthwise", group=4),
        conv("d", "y", name="next", weight="v"),
    ]
    weights = {"w": constant(4, 3, 3, 3), "d_w": constant(4, 1, 3, 3), "v": W}

    found = place_model(net(nodes, shape=(3, 8, 8), **weights), 3, narrow_channels=narrow)

    assert ("depthwise" in found.kept_float) == is_kept
    assert list(found.tensors) == (["d", "y"] if is_kept else ["r", "d", "y"])


def test_a_narrow_depthwise_convolution_behind_an_integer_one_runs_on_integers(net, place_model):
    nodes = [conv("x", "c"), conv("c", "y", weight="v", name="depthwise", group=4)]

    found = place_model(net(nodes, w=W, v=constant(4, 1, 3, 3)), narrow_channels=64)

    assert names(found.nodes) == ["conv", "depthwise"]


@pytest.mark.parametrize(
    ("small", "size"), [(0, ""), (8, ""), (9, "8 x 8")], ids=["no rule", "large enough", "too small"]
)
def test_a_small_product_of_activations_stays_float_where_the_target_says_so(net, place_model, small, size):
    nodes = [node("Abs", ["x"], ["t"], name="abs"), node("MatMul", ["x", "t"], ["y"], name="matmul")]

    found = place_model(net(nodes), small_products=small)

    assert ("matmul" in found.kept_float) == bool(size)
    assert size in found.kept_float.get("matmul", "")
    assert list(found.tensors) == ([] if size else ["x", "t"])


def test_a_product_of_activations_of_unknown_size_stays_float(net, place_model):
    nodes = [node("Abs", ["x"], ["t"], name="abs"), node("MatMul", ["x", "t"], ["y"], name="matmul")]

    found = place_model(net(nodes, shape=(4, "rows", "rows")), small_products=8)

    assert "rows x rows" in found.kept_float["matmul"]


def test_a_dense_layer_writes_floats_where_only_floats_are_read(net, place_model):
    """As in a transformer: Gemm -> sum with the layer norm -> layer norm -> Gemm."""
    nodes = [
        node("MatMul", ["x", "w"], ["p"], name="first"),
        node("Add", ["p", "x"], ["s"], name="residual"),
        node("LayerNormalization", ["s", "gain"], ["n"], name="norm"),
        node("MatMul", ["n", "w"], ["y"], name="second"),
    ]

    found = place_model(net(nodes, shape=(7, 4), w=constant(4, 4), gain=constant(4)))

    assert names(found.nodes) == ["first", "second"]
    assert list(found.tensors) == ["x", "n"]
    assert found.kept_float["residual"] == "no integer node reads its result, so integers would not pay"


def test_a_sum_of_dense_layers_runs_on_integers_where_integers_read_it(net, place_model):
    nodes = [
        node("Gemm", ["x", "w"], ["a"], name="left"),
        node("Gemm", ["x", "v"], ["b"], name="right"),
        node("Add", ["a", "b"], ["s"], name="add"),
        node("Gemm", ["s", "w"], ["y"], name="last"),
    ]

    found = place_model(net(nodes, shape=(4,), w=constant(4, 4), v=constant(4, 4)))

    assert names(found.nodes) == ["left", "right", "add", "last"]
    assert list(found.tensors) == ["x", "a", "b", "s"]


def test_a_relu_of_a_result_that_is_not_rounded_stays(net, place_model):
    nodes = [
        node("Gemm", ["x", "w"], ["a"], name="gemm"),
        node("Relu", ["a"], ["r"], name="relu"),
        node("Softmax", ["r"], ["y"], name="soft"),
    ]

    found = place_model(net(nodes, shape=(4,), w=constant(4, 4)))

    assert found.clamps == []
    assert found.kept_float["relu"] == "its result is not rounded, so no range performs it"


def test_every_part_of_a_split_is_rounded_where_one_is_read_by_integers(net, place_model):
    nodes = [
        conv("x", "c"),
        node("Split", ["c"], ["a", "b"], name="split", axis=1),
        conv("a", "y", weight="v", name="next"),
        node("Softmax", ["b"], ["z"], name="soft"),
    ]

    found = place_model(net(nodes, outputs=("y", "z"), w=W, v=constant(4, 2, 3, 3)))

    assert names(found.nodes) == ["conv", "split", "next"]
    assert {"a", "b"} <= set(found.tensors)


def test_nodes_are_kept_float_as_asked_with_the_reason_given(net, place_model):
    nodes = [conv("x", "c", name="first"), conv("c", "d", name="second"), conv("d", "y", name="third")]

    found = place_model(net(nodes, w=W), keep_float={"second": "the output loses 3 dB by it"})

    assert names(found.nodes) == ["first", "third"]
    assert found.kept_float == {"second": "the output loses 3 dB by it"}


def test_a_carrier_kept_float_as_asked_stays_so_before_an_integer_node(net, place_model):
    nodes = [node("Transpose", ["x"], ["t"], name="turn", perm=[0, 1, 3, 2]), conv("t", "y")]

    found = place_model(net(nodes, w=W), keep_float={"turn": "asked"})

    assert found.kept_float == {"turn": "asked"}
    assert list(found.tensors) == ["t", "y"]


def test_a_node_without_a_name_is_kept_float_by_that_of_its_output(net, place_model):
    found = place_model(net([node("Conv", ["x", "w"], ["y"])], w=W), keep_float={"y": "asked"})

    assert (found.nodes, found.kept_float) == ([], {"y": "asked"})


def test_a_node_to_keep_float_that_is_not_there_is_refused_with_near_names(net, place_model):
    with pytest.raises(InputError, match="the model has no node `con1` to keep float") as caught:
        place_model(net([conv("x", "y", name="conv1")], w=W), keep_float={"con1": "asked"})

    assert caught.value.hint == "did you mean `conv1`?"


def test_the_rules_of_a_processor_are_its_types(net, place_model):
    import onnx
    import onnx_ir as ir

    model = net([conv("x", "y")], shape=(3, 8, 8), w=constant(4, 3, 3, 3))
    graph = ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(model)).graph

    assert "conv" in place_for(graph, int8_types(load_target("x86-64-vnni"))).kept_float
    assert place_for(graph, int8_types(load_target("rpi4"))).kept_float == {}
    assert "conv" in place_for(graph, int8_types(load_target("rpi4")), keep_float={"conv": "asked"}).kept_float


def test_every_kind_of_operator_has_a_rule():
    assert set(KINDS.values()) == set(Kind)
