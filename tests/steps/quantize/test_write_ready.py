"""Weights and corrections that come ready made: written as they are, unless the bias would overflow."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeopt.steps.quantize.affine import ActivationParameters, QuantizedWeight, quantize_weight, weight_scale
from edgeopt.steps.quantize.placement.place import place
from edgeopt.steps.quantize.types import Int8Types
from edgeopt.steps.quantize.write import Writer

node = helper.make_node
TYPES = Int8Types(activations="int8", weight_limit=127, reason="a test")
STEP = 0.03125


def constant(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def conv(source, target, weight="w", **attributes):
    return node("Conv", [source, *weight.split()], [target], name=target, pads=[1, 1, 1, 1], **attributes)


@pytest.fixture
def net(small_models):
    def build(nodes, outputs=("y",), shape=(4, 6, 6), **constants):
        values = [small_models.value(name) for name in outputs]
        for value in values:
            value.type.tensor_type.ClearField("shape")
        model = small_models.model(
            nodes, [small_models.value("x", "batch", *shape)], values, small_models.constants(**constants)
        )
        return onnx.shape_inference.infer_shapes(model, data_prop=True)

    return build


@pytest.fixture
def write():
    """What the writer makes of a model, every activation in steps of `STEP`: the model, and its constants by name."""
    import onnx_ir as ir

    def written(model, per_channel=True, **ready):
        intermediate = ir.serde.deserialize_model(model)
        placement = place(intermediate.graph)
        parameters = {name: ActivationParameters(scale=STEP, zero_point=0) for name in placement.tensors}
        Writer(
            graph=intermediate.graph,
            placement=placement,
            parameters=parameters,
            types=TYPES,
            per_channel=per_channel,
            **ready,
        ).write()
        made = ir.serde.serialize_model(intermediate)
        onnx.checker.check_model(made, full_check=True)
        return made, {t.name: onnx.numpy_helper.to_array(t) for t in made.graph.initializer}

    return written


def ready_made(weight, axis: int | None = 0, shift: int = 1) -> QuantizedWeight:
    """Integers that the nearest rounding would not give."""
    nearest = quantize_weight(weight, 2 * weight_scale(weight, axis=axis, limit=127), axis=axis, limit=127)
    return QuantizedWeight(values=(nearest.values + shift).astype(np.int8), scale=nearest.scale, axis=axis)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("inputs", ["w", "w b"])
def test_ready_made_integers_are_written_as_they_are(net, write, per_channel, inputs):
    weight, bias = constant(4, 4, 3, 3), constant(4)
    ready = ready_made(weight, 0 if per_channel else None)
    constants = {"w": weight, "b": bias} if "b" in inputs else {"w": weight}

    _, found = write(net([conv("x", "y", inputs)], **constants), per_channel, weights={"y": ready})

    assert np.array_equal(found["w_quantized"], ready.values)
    assert np.array_equal(found["w_quantized_scale"], ready.scale)
    if "b" in inputs:
        expected = np.rint(bias / (ready.scale.astype(np.float64) * STEP))
        assert np.abs(found["b_quantized"] - expected).max() <= 1


def test_nodes_that_are_not_named_round_to_the_nearest(net, write):
    weight, other = constant(4, 4, 3, 3), constant(4, 4, 3, 3, seed=1)
    model = net([conv("x", "h"), conv("h", "y", "v")], w=weight, v=other)

    _, found = write(model, weights={"h": ready_made(weight)})

    nearest = quantize_weight(other, weight_scale(other, axis=0, limit=127), axis=0, limit=127)
    assert np.array_equal(found["v_quantized"], nearest.values)


@pytest.mark.parametrize(("shifts", "copies"), [({"h": 1, "y": 1}, 1), ({"h": 1, "y": -1}, 2), ({"h": 1}, 2), ({}, 1)])
def test_nodes_that_share_a_weight_share_integers_only_where_they_agree(net, write, shifts, copies):
    weight = constant(4, 4, 3, 3)
    weights = {name: ready_made(weight, shift=shift) for name, shift in shifts.items()}

    made, found = write(net([conv("x", "h"), conv("h", "y")], w=weight), weights=weights)

    assert len([values for values in found.values() if values.shape == (4, 4, 3, 3)]) == copies
    sources = {name: entry for entry in made.graph.node for name in entry.output}
    for name, ready in weights.items():
        reader = next(entry for entry in made.graph.node if entry.name == name)
        assert np.array_equal(found[sources[reader.input[1]].input[0]], ready.values)


def test_a_symmetric_weight_that_is_read_both_ways_keeps_both_axes(net, write, outputs_of):
    square = constant(4, 4)
    square = square + square.T
    gemms = [node("Gemm", ["x", "w"], ["h"], name="h", transB=1), node("Gemm", ["h", "w"], ["y"], name="y")]

    made, _ = write(net(gemms, shape=(4,), w=square))

    axes = [attribute.i for entry in made.graph.node for attribute in entry.attribute if attribute.name == "axis"]
    assert sorted(axes) == [0, 1]


def test_a_shared_weight_and_bias_fit_the_input_of_each_reader(net, write):
    import onnx_ir as ir

    weight, bias = constant(4, 4, 3, 3), np.float32([0, 0, 0, 1e4])
    model = ir.serde.deserialize_model(net([conv("x", "h", "w b"), conv("h", "y", "w b")], w=weight, b=bias))
    scales = {"x": 1.0, "h": 1e-7, "y": 1.0}
    parameters = {name: ActivationParameters(scale=scale, zero_point=0) for name, scale in scales.items()}

    Writer(
        graph=model.graph, placement=place(model.graph), parameters=parameters, types=TYPES, per_channel=True
    ).write()

    made = ir.serde.serialize_model(model)
    found = {t.name: onnx.numpy_helper.to_array(t) for t in made.graph.initializer}
    sources = {name: entry for entry in made.graph.node for name in entry.output}
    for name in ("h", "y"):
        reader = next(entry for entry in made.graph.node if entry.name == name)
        integers, scale = (found[constant_name] for constant_name in sources[reader.input[2]].input[:2])
        assert integers * scale.astype(np.float64) == pytest.approx(bias, rel=1e-5)


def test_integers_whose_bias_would_overflow_are_rounded_anew_and_the_others_stay(net, write):
    weight, bias = constant(4, 4, 3, 3), np.float32([0.1, 1e9, 0.2, 0.1])
    ready = ready_made(weight)

    _, found = write(net([conv("x", "y", "w b")], w=weight, b=bias), weights={"y": ready})

    scale = found["w_quantized_scale"]
    assert np.array_equal(found["w_quantized"][[0, 2, 3]], ready.values[[0, 2, 3]])
    assert np.array_equal(scale[[0, 2, 3]], ready.scale[[0, 2, 3]])
    assert scale[1] > ready.scale[1]
    assert np.array_equal(found["w_quantized"][1], np.rint(weight[1] / scale[1]))
    assert found["b_quantized"][1] * STEP * float(scale[1]) == pytest.approx(1e9, rel=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        ("Conv", ["x", "w", "b"], {"pads": [1, 1, 1, 1]}),
        ("Conv", ["x", "w"], {"pads": [1, 1, 1, 1]}),
        ("Gemm", ["x", "w", "b"], {}),
        ("Gemm", ["x", "w"], {"transB": 1}),
        ("Gemm", ["x", "w", "one"], {}),
    ],
)
def test_a_shift_is_taken_from_the_output_whether_or_not_there_is_a_bias(net, write, outputs_of, layer):
    operator, inputs, attributes = layer
    constants = {"w": constant(4, 4, 3, 3) if operator == "Conv" else constant(4, 4)}
    constants |= {name: {"b": constant(4), "one": np.float32([0.3])}[name] for name in inputs[2:]}
    shape = (4, 6, 6) if operator == "Conv" else (4,)
    model = net([node(operator, inputs, ["y"], name="layer", **attributes)], shape=shape, **constants)
    shift = np.array([0.5, -0.25, 0.125, 0.0])

    (plain, _), (shifted, found) = write(model), write(model, bias_shift={"layer": shift})

    # in range of int8 times STEP, so that the output does not clip; on its grid, so that it is exact
    feeds = {"x": 0.05 * np.random.default_rng(0).standard_normal((16, *shape)).astype(np.float32)}
    before, after = (outputs_of(made, feeds)["y"] for made in (plain, shifted))
    difference = np.moveaxis(before - after, 1, -1).reshape(-1, 4)
    assert difference.mean(axis=0) == pytest.approx(shift, abs=0.2 * STEP)
    assert any(name.endswith("_quantized") and values.dtype == np.int32 for name, values in found.items())


def test_a_product_without_a_place_for_a_bias_stays_as_it_is(net, write):
    made, _ = write(
        net([node("MatMul", ["x", "w"], ["y"], name="layer")], shape=(4,), w=constant(4, 4)),
        bias_shift={"layer": np.ones(4)},
    )

    assert [len(entry.input) for entry in made.graph.node if entry.op_type == "MatMul"] == [2]
