"""`edgeopt.inspect`: what a model is and costs, and whether it fits a device."""

from dataclasses import replace

import pytest

import edgeopt
from edgeopt.core.profiles import load_target
from edgeopt.errors import InputError
from edgeopt.workflow.fit import fit_of_cost

PROFILE = """
schema = 1
name = "tiny"
description = "a board with next to no memory"
[cpu]
architecture = "aarch64"
isa = ["asimd"]
isa_source = "a test"
cores = { value = 1, source = "a test" }
[memory]
ram_gb = { value = 0.0001, source = "a test" }
"""


def test_the_shipped_model_is_known_in_all_its_parts(digits_model):
    found = edgeopt.inspect(digits_model)

    assert [str(spec) for spec in found.artifact.inputs] == ["image (batch x 1 x 32 x 32) float32"]
    assert found.opsets == {"ai.onnx": 17}
    assert found.operators["Conv"] == 9
    assert found.quantization.kind == "none"
    assert 11e6 < found.cost.macs < 13e6
    assert found.fits_memory is None


def test_the_record_has_the_promised_keys(digits_model):
    record = edgeopt.inspect(digits_model, target="rpi4").as_json()

    assert {"artifact", "cost", "operators", "quantization", "fit"} < record.keys()
    assert {"macs", "parameters", "weight_bytes", "activation_peak_bytes", "origin"} < record["cost"].keys()
    assert record["cost"]["origin"] == "estimated"
    assert record["fit"]["fits_memory"]
    assert record["fit"]["ram_source"]


def test_what_does_not_fit_is_said(digits_model, tmp_path):
    profile = tmp_path / "tiny.toml"
    profile.write_text(PROFILE)

    found = edgeopt.inspect(digits_model, target=str(profile))

    assert found.fits_memory is False
    assert found.as_json()["fit"]["needed_bytes"] > found.as_json()["fit"]["ram_bytes"] == 100_000


def test_a_target_of_unknown_memory_leaves_it_open(digits_model):
    found = edgeopt.inspect(digits_model)

    unknown = fit_of_cost(found.cost, replace(load_target("rpi4"), ram_bytes=None))

    assert unknown.fits is None
    assert replace(found, fit=unknown).fits_memory is None


def test_its_own_quantized_models_are_recognised(small_models, save_model):
    made = edgeopt.quantize(save_model(small_models.conv()), target="rpi4", measure=False)

    found = edgeopt.inspect(made.artifact.path).quantization

    assert (found.kind, found.activations, found.weights) == ("qdq", ("int8",), ("int8",))
    assert found.is_per_channel
    assert (found.quantized, found.total) == (2, 2)


def test_an_unknown_target_is_refused_before_the_model_is_read():
    with pytest.raises(InputError, match="unknown target `rpi44`") as caught:
        edgeopt.inspect("nowhere.onnx", target="rpi44")

    assert "`rpi4`" in caught.value.hint
