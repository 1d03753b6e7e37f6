"""RNN, GRU and LSTM converted, held to ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.flatbuffer import model_bytes
from tests.steps.tflite.running import XNNPACK, assert_same, kinds_of, lowered_model, run_onnx

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STEPS, BATCH, INPUT, HIDDEN = 5, 3, 4, 6


def layer(
    kind: str,
    *,
    steps: int = STEPS,
    has_bias: bool = True,
    has_state: bool = False,
    has_peepholes: bool = False,
    lengths: list[int] | None = None,
    outputs: tuple[bool, ...] = (True, True, True),
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one layer with constant weights, called as torch exports it."""
    rng = np.random.default_rng(7)
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    layout, gates = attributes.get("layout", 0), GATES[kind]
    constants = {
        "W": rng.normal(0, 0.6, (directions, gates * HIDDEN, INPUT)),
        "R": rng.normal(0, 0.6, (directions, gates * HIDDEN, HIDDEN)),
        "B": rng.normal(0, 0.6, (directions, 2 * gates * HIDDEN)),
        "P": rng.normal(0, 0.6, (directions, 3 * HIDDEN)),
    }
    state = (BATCH, directions, HIDDEN) if layout else (directions, BATCH, HIDDEN)
    names = ["X", "W", "R", "B" if has_bias else "", "lengths" if lengths else ""]
    names += ["H"] if has_state else [""]
    if kind == "LSTM":
        names += ["C" if has_state else "", "P" if has_peepholes else ""]
    made = ["Y", "Y_h", "Y_c"][: 3 if kind == "LSTM" else 2]
    made = [name if is_wanted else "" for name, is_wanted in zip(made, outputs, strict=False)]
    node = onnx.helper.make_node(kind, names, made, name="layer", hidden_size=HIDDEN, **attributes)
    inputs = {"X": (BATCH, steps, INPUT) if layout else (steps, BATCH, INPUT)}
    inputs |= {name: state for name in ("H", "C") if name in names}
    used = {name: value.astype(np.float32) for name, value in constants.items() if name in names}
    if lengths:
        used["lengths"] = np.array(lengths, np.int32)
    graph = onnx.helper.make_graph(
        [node],
        "layer",
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in made if name],
        [onnx.numpy_helper.from_array(value, name) for name, value in used.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)


def feeds_of(model: onnx.ModelProto, seed: int = 0) -> dict[str, Any]:
    """Random numbers per input."""
    rng = np.random.default_rng(seed)
    return {
        value.name: rng.normal(0, 1, [axis.dim_value for axis in value.type.tensor_type.shape.dim]).astype(np.float32)
        for value in model.graph.input
    }


def check(model: onnx.ModelProto, *, tolerance: float = 2e-6) -> None:
    assert_same(model, feeds_of(model), tolerance=tolerance)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("has_state", [False, True])
def test_a_layer_gives_what_onnx_runtime_gives(kind: str, direction: str, has_state: bool) -> None:
    check(layer(kind, direction=direction, has_state=has_state))


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_sequences_shorter_than_the_others_end_where_they_end(kind: str, direction: str) -> None:
    check(layer(kind, direction=direction, lengths=[5, 2, 3], has_state=True))


@pytest.mark.parametrize("kind", GATES)
def test_a_bound_clips_what_goes_into_activations(kind: str) -> None:
    check(layer(kind, clip=0.4, has_state=True))


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize(
    "name",
    ["Relu", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus", "Affine"],
)
def test_other_activations_are_computed(kind: str, name: str) -> None:
    count = {"RNN": 1, "GRU": 2, "LSTM": 3}[kind]
    numbers = {"activation_alpha": [0.5] * count, "activation_beta": [0.2] * count}
    check(layer(kind, activations=[name] * count, **numbers), tolerance=1e-5)


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("has_state", [False, True])
def test_gru_resets_before_or_behind_its_product(has_bias: bool, has_state: bool) -> None:
    check(layer("GRU", linear_before_reset=1, has_bias=has_bias, has_state=has_state, direction="bidirectional"))


@pytest.mark.parametrize("has_state", [False, True])
def test_lstm_looks_at_its_cell(has_state: bool) -> None:
    check(layer("LSTM", has_peepholes=True, has_state=has_state, direction="bidirectional"))


def test_lstm_couples_its_gates() -> None:
    check(layer("LSTM", input_forget=1))


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("outputs", [(True, False, False), (False, True, False), (False, True, True)])
def test_outputs_that_nobody_wants_are_left_out(kind: str, outputs: tuple[bool, ...]) -> None:
    check(layer(kind, outputs=outputs))


@pytest.mark.parametrize("kind", GATES)
def test_one_step_needs_no_packing(kind: str) -> None:
    model = layer(kind, steps=1, has_state=True)
    kinds = {each.kind for each in lowered_model(model).net.operations}
    assert not {"PACK", "UNPACK"} & kinds
    check(model)


@pytest.mark.parametrize("kind", GATES)
def test_a_second_run_starts_afresh(kind: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    model = layer(kind)
    content = model_bytes(lowered_model(model).net)
    runner = Interpreter(model_content=content, experimental_op_resolver_type=XNNPACK).get_signature_runner()
    for seed in (1, 2, 1):
        feeds = feeds_of(model, seed)
        given, wanted = runner(**feeds), run_onnx(model, feeds)
        for name, value in wanted.items():
            np.testing.assert_allclose(given[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("has_bias", [False, True])
def test_weights_that_are_too_many_to_copy_are_shared_by_all_steps(
    monkeypatch: pytest.MonkeyPatch, kind: str, has_bias: bool
) -> None:
    monkeypatch.setattr("edgeopt.steps.tflite.families.recurrent._MOST_PACKED", 0)
    model = layer(kind, has_bias=has_bias, has_state=True, direction="bidirectional")
    assert "CAST" in kinds_of(lowered_model(model))
    check(model)


def test_a_long_sequence_is_refused_with_a_way_out() -> None:
    with pytest.raises(Unsupported, match="has 513 steps, and edgeopt writes out at most 512") as caught:
        lowered_model(layer("LSTM", steps=513))
    assert "hand the state on" in caught.value.message
