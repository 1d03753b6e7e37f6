"""The step: its options check themselves, what it cannot do it refuses with the reason."""

import dataclasses
import itertools

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph import save
from edgeopt.graph.load import onnx_artifact
from edgeopt.steps.quantize.step import Quantize


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"scheme": "int4"}, "`scheme` of quantize is `int4`", "`int4-weights`"),
        ({"scheme": 8}, "`scheme` of quantize is `8`", "int8"),
        ({"scheme": "int4-weights", "block_size": 48}, "`block_size` of quantize is `48`", "16, 32, 64, 128, 256"),
        ({"scheme": "int4-weights", "block_size": True}, "`block_size` of quantize is `True`", "16, 32"),
        ({"scheme": "int4-weights", "rounding": "up"}, "`rounding` of quantize is `up`", "nearest"),
        ({"scheme": "fp16", "io": "int8"}, "`io` of quantize is `int8`", "float32"),
        ({"block_size": 64}, "`block_size` of quantize says nothing to scheme `auto`", "int4-weights"),
        ({"scheme": "int8", "io": "float16"}, "`io` of quantize says nothing to scheme `int8`", "fp16"),
        ({"scheme": "fp16", "per_channel": False}, "`per_channel` of quantize says nothing to scheme `fp16`", "int8"),
        ({"scheme": "int8-dynamic", "range": "minmax"}, "`range` of quantize says nothing", "leave it out"),
        ({"range": "minmx"}, "`range` of quantize is `minmx`", "did you mean `minmax`?"),
        ({"per_channel": "no"}, "`per_channel` of quantize is `no`", "write true or false"),
        ({"target": 4}, "`target` of quantize is `4`", "edgeopt targets list"),
    ],
)
def test_an_option_that_is_not_known_is_refused_at_once(options, message, hint):
    with pytest.raises(InputError) as caught:
        Quantize(**options)

    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint


def test_an_unknown_target_is_refused_with_its_near_names(small_models, quantize_model):
    with pytest.raises(InputError, match="unknown target `rpi-4`") as caught:
        quantize_model(small_models.conv(), target="rpi-4")

    assert "`rpi4`" in caught.value.hint


def test_the_report_tells_types_and_what_stayed_float(small_models, quantize_model):
    details = quantize_model(small_models.conv(), target="x86-64-avx2").report.details

    assert details["scheme"] == {
        "name": "int8",
        "activations": "uint8",
        "weights": "int8",
        "weight_bits": 7,
        "per_channel": True,
        "target": "x86-64-avx2",
        "reason": "x86-64 without VNNI saturates unless weights keep 7 bits",
    }
    kept = {entry["node"]: entry["reason"] for entry in details["kept_float"]}
    assert kept["conv"] == "its 3 input channel(s) are too few for int8 to pay"


@pytest.mark.parametrize("per_channel", [True, False])
def test_a_model_that_is_quantized_already_is_refused(small_models, quantize_model, per_channel):
    with pytest.raises(InputError, match=r"is quantized already \(qdq\)") as caught:
        quantize_model(small_models.qdq(per_channel=per_channel))

    assert caught.value.hint == "quantize the float model that it was made from"


def test_its_own_result_is_quantized_already(small_models, quantize_model):
    made = quantize_model(small_models.conv())

    with pytest.raises(InputError, match="is quantized already"):
        Quantize().apply(made.path, made.path.with_name("twice.onnx"), made.samples)

    assert not made.path.with_name("twice.onnx").exists()


def test_trees_are_refused_as_unsupported(small_models, quantize_model):
    model = small_models.model(
        [helper.make_node("Normalizer", ["x"], ["y"], domain="ai.onnx.ml", norm="L2")],
        [small_models.value("x", "batch", 3)],
        [small_models.value("y", "batch", 3)],
    )
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))

    with pytest.raises(Unsupported, match=r"holds `ai\.onnx\.ml` operators") as caught:
        quantize_model(model)

    assert caught.value.exit_code == 6
    assert "edgeopt bench" in caught.value.hint


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("two_inputs", "`sum`: its inputs are float, so integers would not pay"),
        ("integer_input", "it has no weighted operator"),
        ("loop", "`loop`: ONNX Runtime has no faster integer kernel for Loop"),
    ],
)
def test_a_model_without_anything_to_quantize_is_refused_with_a_reason(small_models, quantize_model, model, reason):
    with pytest.raises(Unsupported) as caught:
        quantize_model(getattr(small_models, model)())

    assert caught.value.message.endswith(f"runs on integers: {reason}")


def test_a_model_whose_opset_cannot_be_upgraded_is_refused(small_models, quantize_model):
    model = small_models.mlp()
    model.opset_import[0].version = 6
    model.graph.node.append(helper.make_node("Upsample", ["scores"], ["big"], scales=[1.0, 2.0], mode="nearest"))
    model.graph.output[0].name = "big"

    with pytest.raises(Unsupported, match="has opset 6; int8 per channel needs 13 and the upgrade failed") as caught:
        quantize_model(model)

    assert caught.value.hint == "export it again with opset 17"


def test_a_model_that_the_runtime_refuses_is_bad_input(small_models, quantize_model):
    model = small_models.conv()
    model.graph.node[0].op_type = "Convolution"

    with pytest.raises(InputError, match="ONNX Runtime does not take"):
        quantize_model(model)


def test_samples_that_overflow_leave_no_output(small_models, save_model, tmp_path):
    source = save_model(small_models.mlp())
    signs = np.array(list(itertools.product((-1, 1), repeat=3)), np.float32)
    data = Dataset(inputs={"x": np.float32(3.4e38) * signs}, source="huge", indices=np.arange(8))

    with pytest.raises(InputError, match="becomes NaN or infinite"):
        Quantize().apply(source, tmp_path / "out.onnx", data)

    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_the_shipped_model_keeps_its_accuracy(digits_model, digits_data, tmp_path, outputs_of):
    arrays = np.load(digits_data)
    x = arrays["x"].astype(np.float32)
    rows = np.flatnonzero(arrays["part"] == "calibration")[:100]
    data = Dataset(inputs={"image": x[rows]}, source="digits", indices=rows)

    Quantize(target="x86-64-vnni").apply(digits_model, tmp_path / "out.onnx", data)

    held = np.flatnonzero(arrays["part"] == "confirm")[:300]
    made = onnx.load(tmp_path / "out.onnx")
    output = made.graph.output[0].name
    right = outputs_of(made, {"image": x[held]})[output].argmax(axis=1) == arrays["y"][held]
    assert right.mean() >= 0.97


def test_options_are_values_that_compare():
    assert Quantize(target="rpi4") == dataclasses.replace(Quantize(), target="rpi4")


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int4-weights", "fp16"])
def test_what_does_not_fit_one_message_is_written_in_two_files(
    small_models, quantize_model, sqnr_of, monkeypatch, scheme
):
    monkeypatch.setattr(save, "_MOST_BYTES", 4096)

    made = quantize_model(small_models.attention(), scheme=scheme, target="rpi5")

    beside = [path.name for path in made.path.parent.iterdir() if path.suffix == ".data"]
    assert len(beside) == 1
    assert onnx_artifact(made.path).size_bytes > made.path.stat().st_size
    assert sqnr_of(made)["scores"] > 12
