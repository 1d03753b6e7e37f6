"""`edgeopt.diagnose`: failures that are planted in a quantized model come out with their reason and what mends them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

import edgeopt
from edgeopt.core.dataset import Dataset
from edgeopt.core.run import json_text, run_from_json
from edgeopt.errors import InputError
from edgeopt.graph.calibration_rows import write_calibration_rows

ROWS = 300


@dataclass(frozen=True)
class Planted:
    """Files to diagnose."""

    base: Path
    candidate: Path
    data: Path

    def diagnose(self, **options):
        return edgeopt.diagnose(self.base, self.candidate, self.data, **options)

    def causes(self, node, **options):
        """(in words, what mends it) by cause, of a layer; of two of one cause the first."""
        told = self.diagnose(**options).reasons[node]
        return {cause: (text, mend) for cause, text, mend in reversed(told)}


@pytest.fixture
def samples():
    return np.random.default_rng(0).standard_normal((ROWS, 8)).astype(np.float32)


@pytest.fixture
def plant(small_models, save_model, quantize_foreign, samples, tmp_path):
    """Writes a model, the same quantized on some rows, and all rows as data."""

    def planted(calibration=None, *, channel=1.0, noted_rows=None, **options):
        base = small_models.dense(channel=channel)
        made = quantize_foreign(base, {"x": samples if calibration is None else calibration}, **options)
        data = tmp_path / "data.npz"
        np.savez(data, x=samples)
        if noted_rows is not None:
            from edgeopt.core.files import sha256_of

            rows = np.arange(noted_rows)
            write_calibration_rows(
                made, Dataset(inputs={"x": samples[rows]}, source="s", digest=sha256_of(data), indices=rows)
            )
        return Planted(save_model(base, "base.onnx"), save_model(made, "made.onnx"), data)

    return planted


def test_a_sound_model_has_nothing_wrong(plant):
    found = plant().diagnose()

    assert {cause for reasons in found.reasons.values() for cause, _, _ in reasons} == {"none"}
    assert all("nothing is wrong" in reasons[0][1] for reasons in found.reasons.values())
    assert found.whole.candidate_sqnr_db > 35
    assert found.whole.reference_sqnr_db > 100


def test_channels_apart_under_one_scale_are_named_and_mended_by_scales_per_channel(plant):
    found = plant(channel=300.0, per_channel=False)

    text, mend = found.causes("second")["channel_spread"]

    assert text.startswith("one scale covers channels ")
    assert "without `--per-tensor`" in mend
    assert "--equalize" in mend


def test_channels_apart_in_activations_remain_with_scales_per_channel_of_weights(plant):
    causes = plant(channel=300.0, per_channel=True).causes("second")

    assert "channel_spread" not in causes
    text, mend = causes["zeroed_activations"]
    assert "channels of its output are rounded to zero" in text
    assert mend.startswith("`--equalize`")


def test_channels_that_become_zero_are_counted(plant):
    text, mend = plant(channel=3000.0, per_channel=False).causes("second")["zeroed_channels"]

    assert text == "11 of 12 channels of its weights are rounded to zero"
    assert mend == "without `--per-tensor`"


def test_an_outlier_that_stretches_a_range_is_named(plant, samples):
    stretched = samples.copy()
    stretched[0] *= 60

    found = plant(stretched)

    text, mend = found.causes("second")["outliers"]
    assert "set by rare outliers: 99.99 % lies within " in text
    assert "`--range mse`" in mend


def test_a_range_that_is_too_small_is_named_with_what_is_clipped(plant, samples):
    text, mend = plant(0.2 * samples).causes("first")["clipped"]

    assert " % of its input is clipped: values go to " in text
    assert mend == "`--range minmax`"


def test_few_calibration_samples_are_named_as_the_cause(plant, samples):
    found = plant(0.6 * samples[:3], noted_rows=3)

    text, mend = found.causes("first")["clipped"]

    assert "the model was calibrated on 3 samples" in text
    assert mend.startswith("`--samples 200`")
    assert found.diagnose().as_json()["calibration_samples"] == 3


def test_a_single_layer_that_makes_most_noise_is_named_as_sensitive(plant, samples):
    found = plant(0.2 * samples)

    worst = found.diagnose().layers[0]

    text, mend = found.causes(worst.name)["sensitive"]
    assert "of all noise at the output comes from it" in text
    assert f"`--keep-float '{worst.name}'`" in mend


def test_the_record_holds_every_figure_with_unit_and_origin(plant):
    record = plant().diagnose(gain=True).as_json()

    assert record["origin"] == "host"
    assert [entry["role"] for entry in record["artifacts"]] == ["baseline", "candidate"]
    ranked = [layer["output_sqnr_db"] for layer in record["layers"]]
    assert ranked == sorted(ranked)
    assert sorted(layer["index"] for layer in record["layers"]) == [0, 1, 2]
    told = {(entry["metric"], entry["unit"], entry["origin"]) for entry in record["measurements"]}
    names = {"candidate_sqnr", "simulated_sqnr", "reference_sqnr", "layer_output_sqnr", "layer_weights_sqnr"}
    assert told == {(name, "dB", "host") for name in names | {"layer_activations_sqnr", "layer_gain"}}
    read = run_from_json(json.loads(json_text(record)), where="a test")
    assert read.own["layers"] == record["layers"]


def test_samples_that_calibrated_are_left_out_and_the_rest_is_drawn_by_seed(plant):
    planted = plant(noted_rows=100)

    first, again, other = (planted.diagnose(samples=50, seed=seed).as_json()["judged"] for seed in (0, 0, 1))

    assert first["n"] == 50
    assert first == again
    assert first["rows"] != other["rows"]
    assert planted.diagnose(samples=1000).as_json()["samples"] == ROWS - 100


def test_figures_of_other_batches_of_samples_agree(plant):
    planted = plant()

    few, many = (planted.diagnose(samples=count).whole.candidate_sqnr_db for count in (150, 300))

    assert few == pytest.approx(many, abs=1.5)


def test_a_model_made_from_another_is_refused(plant, small_models, save_model):
    planted = plant()
    other = small_models.dense()
    for tensor in other.graph.initializer:
        array = np.random.default_rng(3).standard_normal(tuple(tensor.dims)).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))

    with pytest.raises(InputError, match=r"was not made from BASE `.*other\.onnx`") as caught:
        edgeopt.diagnose(save_model(other, "other.onnx"), planted.candidate, planted.data)

    assert "the float model that it was made from" in caught.value.hint


def test_a_model_that_was_trained_again_is_told_so(plant, small_models, save_model):
    planted = plant()
    other = onnx.load(planted.base)
    for tensor in other.graph.initializer:
        if tensor.name == "w2":
            array = onnx.numpy_helper.to_array(tensor)
            noise = 0.03 * np.random.default_rng(3).standard_normal(array.shape)
            tensor.CopyFrom(onnx.numpy_helper.from_array((array + noise).astype(np.float32), "w2"))

    record = edgeopt.diagnose(save_model(other, "other.onnx"), planted.candidate, planted.data).as_json()

    (layer,) = [layer for layer in record["layers"] if layer["node"] == "second"]
    assert "is not that of BASE rounded" in layer["unmatched"]
    assert any("is not that of BASE rounded" in warning for warning in record["warnings"])


def test_no_samples_are_refused(plant):
    with pytest.raises(InputError, match="`--samples 0`"):
        plant().diagnose(samples=0)


@pytest.mark.parametrize("target", ["rpi4", "host"])
def test_edgeopts_own_model_is_diagnosed(digits_model, digits_data, tmp_path, target):
    made = edgeopt.quantize(
        digits_model, output=tmp_path / "q.onnx", data=digits_data, target=target, range="minmax", measure=False
    )

    found = edgeopt.diagnose(digits_model, made.artifact.path, digits_data, samples=40)

    record = found.as_json()
    assert not any(layer["unmatched"] for layer in record["layers"])
    assert record["reference_sqnr_db"] > 40
    assert record["simulated_sqnr_db"] == pytest.approx(record["candidate_sqnr_db"], abs=1)
    assert record["calibration_samples"] == 200
    assert {"/stack1/Add", "/dense/Gemm"} <= set(found.reasons)
