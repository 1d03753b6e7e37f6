"""A fork computes what separate models with the same quantizers would."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeopt.graph.fork import OUTPUTS, Branch, fork
from edgeopt.graph.pieces import Quantizers, pieces


@pytest.fixture
def samples():
    return np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)


@pytest.fixture
def parts(small_models, quantize_foreign, samples):
    model = small_models.dense()
    return pieces(model, quantize_foreign(model, {"x": samples}), base_name="b", candidate_name="c")


def sums_of(made, outputs_of, feeds):
    values = outputs_of(made.model, feeds)
    return [
        [(float(values[one.signal]), 0.0 if one.noise is None else float(values[one.noise])) for one in sums]
        for sums in made.sums
    ]


def test_the_trunk_without_quantizers_is_the_base(parts, small_models, outputs_of, samples):
    made = fork(parts, [], has_outputs=True)

    given = outputs_of(made.model, {"x": samples})[made.outputs[0]]

    np.testing.assert_allclose(given, outputs_of(small_models.dense(), {"x": samples})["scores"], rtol=1e-5, atol=1e-6)


def test_all_quantizers_make_the_candidate(parts, outputs_of, samples):
    made = fork(parts, [], trunk=parts.all_on(), has_outputs=True)

    given = outputs_of(made.model, {"x": samples})[made.outputs[0]]

    expected = outputs_of(parts.candidate.model, {"x": samples})["scores"]
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5)


def test_a_branch_sums_what_its_quantizers_change(parts, small_models, outputs_of, samples):
    """The noise of one layer's weights, computed by hand from the integers."""
    second = parts.candidate.layers[1]
    base = small_models.dense()
    changed = small_models.dense()
    for tensor in changed.graph.initializer:
        if tensor.name in ("w2", "b2"):
            held = second.weight if tensor.name == "w2" else second.bias
            tensor.CopyFrom(onnx.numpy_helper.from_array(held.values, tensor.name))

    made = fork(parts, [Branch(on=parts.weights_of(second), points=(OUTPUTS,))])

    before, after = (outputs_of(model, {"x": samples})["scores"] for model in (base, changed))
    ((signal, noise),) = sums_of(made, outputs_of, {"x": samples})[0]
    assert signal == pytest.approx(float(np.square(before).sum()), rel=1e-4)
    assert noise == pytest.approx(float(np.square(after - before).sum()), rel=1e-2)


def test_branches_do_not_touch_each_other(parts, outputs_of, samples):
    branches = [Branch(on=parts.of_layer(layer), points=(OUTPUTS, layer.name)) for layer in parts.candidate.layers]

    together = sums_of(fork(parts, branches), outputs_of, {"x": samples})
    alone = [sums_of(fork(parts, [branch]), outputs_of, {"x": samples})[0] for branch in branches]

    assert together == [[pytest.approx(one, rel=1e-4) for one in sums] for sums in alone]


def test_a_branch_shares_what_its_quantizers_do_not_reach(parts):
    last = parts.candidate.layers[-1]

    made = fork(parts, [Branch(on=parts.weights_of(last), points=(OUTPUTS,))])

    assert sum(node.op_type == "Gemm" for node in made.model.graph.node) == 4


def test_nothing_differs_where_a_branch_reaches_nothing(parts, outputs_of, samples):
    first, last = parts.candidate.layers[0], parts.candidate.layers[-1]

    made = fork(parts, [Branch(on=parts.weights_of(last), points=(first.name,))])

    assert made.sums[0][0].noise is None
    assert outputs_of(made.model, {"x": samples})


def test_branches_are_held_against_another_reference(parts, outputs_of, samples):
    made = fork(parts, [Branch(on=parts.all_on(), points=(OUTPUTS,))], trunk=parts.all_on(), reference=Quantizers())
    plain = fork(parts, [Branch(on=parts.all_on(), points=(OUTPUTS,))])

    assert sums_of(made, outputs_of, {"x": samples})[0] == [
        pytest.approx(one, rel=1e-4) for one in sums_of(plain, outputs_of, {"x": samples})[0]
    ]


def test_float_tensors_are_shown_behind_their_clamps(parts, outputs_of, samples):
    keys = {pair.tensor: pair.key for pair in parts.candidate.pairs.values()}

    made = fork(parts, [], tensors=list(keys.values()))

    values = outputs_of(made.model, {"x": samples})
    assert values[made.tensors[keys["a1"]]].min() == 0
    np.testing.assert_array_equal(values[made.tensors[keys["x"]]], samples)


def test_the_shift_is_the_mean_difference_per_channel(parts, outputs_of, samples):
    second = parts.candidate.layers[1]

    made = fork(parts, [Branch(on=parts.weights_of(second), points=("second",), has_shift=True)])

    values = outputs_of(made.model, {"x": samples})
    sums = made.sums[0][0]
    assert values[sums.shift].shape == (64, 12)
    assert int(values[sums.count]) == 64 * 12
    assert float(np.square(values[sums.shift]).sum()) == pytest.approx(float(values[sums.noise]), rel=1e-4)


def test_a_subgraph_reads_what_its_branch_reads(small_models, outputs_of):
    """An If whose branch takes a quantized tensor from outside follows the quantizers of that tensor."""
    then = helper.make_graph([helper.make_node("Abs", ["x_dq"], ["t"])], "then", [], [small_models.value("t")])
    other = helper.make_graph([helper.make_node("Neg", ["x_dq"], ["e"])], "else", [], [small_models.value("e")])
    for graph in (then, other):
        graph.output[0].type.tensor_type.ClearField("shape")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "point"], ["x_q"]),
        helper.make_node("DequantizeLinear", ["x_q", "scale", "point"], ["x_dq"]),
        helper.make_node("MatMul", ["x_dq", "w"], ["product"], name="product"),
        helper.make_node("If", ["flag"], ["chosen"], name="if", then_branch=then, else_branch=other),
        helper.make_node("Add", ["product", "chosen"], ["y"], name="sum"),
    ]
    constants = small_models.constants(
        scale=np.float32(0.5), point=np.int8(0), w=np.eye(2, dtype=np.float32), flag=np.bool_(True)
    )
    values = [small_models.value(name, 1, 2) for name in ("x", "y")]
    candidate = small_models.model(nodes, values[:1], values[1:], constants)
    base = small_models.model(nodes[2:], values[:1], values[1:], constants)
    base.graph.node[0].input[0] = "x"
    for attribute in base.graph.node[1].attribute:
        attribute.g.node[0].input[0] = "x"

    parts = pieces(base, candidate, base_name="b", candidate_name="c")
    x = np.array([[0.3, -1.2]], np.float32)

    float_one = fork(parts, [], has_outputs=True)
    rounded = fork(parts, [], trunk=parts.all_on(), has_outputs=True)
    assert outputs_of(float_one.model, {"x": x})["y"].tolist() == [[pytest.approx(0.6), pytest.approx(0.0)]]
    assert outputs_of(rounded.model, {"x": x})["y"].tolist() == [[1.0, 0.0]]
