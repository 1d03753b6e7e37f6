"""Reasons follow from figures: each at its bound, none without a loss, and the mend fits how the model was made."""

from __future__ import annotations

import pytest

from edgeopt.judge.layer_causes import causes_of, is_made_from_base, warnings_of
from edgeopt.judge.layer_thresholds import THRESHOLDS

PAIR = {
    "tensor": "t",
    "low": -1.0,
    "high": 1.0,
    "seen_low": -1.0,
    "seen_high": 1.0,
    "clipped_share": 0.0,
    "reach": 0.9,
    "channels": 8,
    "zeroed_channels": 0,
    "dead_channels": 0,
}
WEIGHT = {
    "dtype": "int8",
    "bits": 8,
    "is_per_channel": True,
    "channels": 8,
    "largest_over_median": 1.5,
    "largest_over_smallest": 2.0,
    "clipped_share": 0.0,
    "zeroed_channels": 0,
    "dead_channels": 0,
    "is_bias_clipped": False,
}


def layer(*, weight=None, reads=None, writes=None, **figures):
    usual = {
        "node": "conv",
        "operator": "Conv",
        "index": 1,
        "output_sqnr_db": 40.0,
        "noise_share": 0.1,
        "gain_db": None,
        "weights_sqnr_db": 40.0,
        "activations_sqnr_db": 40.0,
        "shift_share": 0.3,
        "weights_output_sqnr_db": None,
        "activations_output_sqnr_db": None,
        "unmatched": "",
        "is_rescaled": False,
    }
    return {
        **usual,
        "weight": {**WEIGHT, **(weight or {})},
        "reads": [{**PAIR, **(reads or {})}],
        "writes": [{**PAIR, **(writes or {})}],
        **figures,
    }


def model(*layers, **figures):
    usual = {
        "calibration_samples": 200,
        "candidate_sqnr_db": 25.0,
        "simulated_sqnr_db": 25.0,
        "reference_sqnr_db": 120.0,
    }
    return {**usual, "layers": list(layers) or [layer(), layer(index=0), layer(index=2)], **figures}


def causes(one, **figures):
    return {cause.cause: cause for cause in causes_of(one, model(**figures))}


BAD_WEIGHTS, BAD_ACTIVATIONS = {"weights_sqnr_db": 12.0}, {"activations_sqnr_db": 12.0}
# figures of the layer, the cause, words of the reason, words of what mends it
CASES = {
    "spread": (
        {"weight": {"is_per_channel": False, "largest_over_median": 8.0, "largest_over_smallest": 40.0}, **BAD_WEIGHTS},
        "channel_spread",
        "one scale covers channels 40x apart",
        "without `--per-tensor`; or `--equalize`",
    ),
    "zeroed": (
        {"weight": {"is_per_channel": False, "zeroed_channels": 3}},
        "zeroed_channels",
        "3 of 8 channels of its weights are rounded to zero",
        "without `--per-tensor`",
    ),
    "zeroed per channel": (
        {"weight": {"zeroed_channels": 3}},
        "zeroed_channels",
        "3 of 8 channels",
        "`--keep-float 'conv'`",
    ),
    "seven bits": ({"weight": {"bits": 7}, **BAD_WEIGHTS}, "low_bits", "7 bits", "a target with 8-bit weights"),
    "four bits": ({"weight": {"bits": 4}, **BAD_WEIGHTS}, "low_bits", "4 bits", "`--rounding gptq`; `--max-drop 1`"),
    "clipped weights": (
        {"weight": {"clipped_share": 0.01}, **BAD_WEIGHTS},
        "weights_clipped",
        "1 % of its weights are clipped",
        "`--rounding nearest`",
    ),
    "shift": ({"shift_share": 0.7, **BAD_WEIGHTS}, "shift", "70 % of what its weights lose", "`--bias-correction`"),
    "bias": (
        {"weight": {"is_bias_clipped": True}},
        "bias_clipped",
        "a bias is larger than int32 holds",
        "edgeopt quantize",
    ),
    "clipped input": (
        {"reads": {"clipped_share": 0.008, "seen_high": 3.0}, **BAD_ACTIVATIONS},
        "clipped",
        "0.8 % of its input is clipped: values go to 3, the range to 1",
        "`--range minmax`",
    ),
    "clipped output": (
        {"writes": {"clipped_share": 0.008, "seen_low": -4.0}, **BAD_ACTIVATIONS},
        "clipped",
        "0.8 % of its output is clipped: values go down to -4, the range to -1",
        "`--range minmax`",
    ),
    "outliers": (
        {"reads": {"reach": 0.12}, **BAD_ACTIVATIONS},
        "outliers",
        "the range of its input is set by rare outliers: 99.99 % lies within 12 % of it",
        "`--range mse` or `--range percentile`",
    ),
    "zeroed activations": (
        {"writes": {"zeroed_channels": 2}, **BAD_ACTIVATIONS},
        "zeroed_activations",
        "2 of 8 channels of its output",
        "`--equalize`",
    ),
    "coarse activations": (BAD_ACTIVATIONS, "coarse_activations", "256 levels are too few", "`--smooth`"),
    "coarse weights": (BAD_WEIGHTS, "coarse_weights", "more than rounding to 8 bits must", "`--rounding gptq`"),
    "only at the output": (
        {"weights_output_sqnr_db": 12.0},
        "coarse_weights",
        "rounding its weights loses little here and much there",
        "`--rounding gptq`",
    ),
    "activations only at the output": (
        {"activations_output_sqnr_db": 12.0},
        "coarse_activations",
        "rounding what it reads and writes loses little here and much there",
        "`--smooth`",
    ),
    "sensitive": ({"noise_share": 0.4}, "sensitive", "sensitive: 40 % of all noise", "`--keep-float 'conv'`"),
    "first": ({"noise_share": 0.4, "index": 0}, "sensitive", "the first layer, sensitive", "`--max-drop 1`"),
    "last": ({"noise_share": 0.4, "index": 2}, "sensitive", "the last layer, sensitive", "`--keep-float"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_figure_beyond_its_bound_is_a_cause(case):
    figures, cause, text, mend = CASES[case]

    found = causes(layer(**figures))

    assert text in found[cause].text
    assert mend in found[cause].mend
    assert "none" not in found


HARMLESS = {
    "spread with scales per channel": {"weight": {"largest_over_median": 50.0}},
    "spread that loses nothing": {"weight": {"is_per_channel": False, "largest_over_median": 50.0}},
    "clipping that loses nothing": {"reads": {"clipped_share": 0.1}},
    "outliers that cost nothing": {"reads": {"reach": 0.01}},
    "seven bits that suffice": {"weight": {"bits": 7}},
    "a shift of little noise": {"shift_share": 0.9},
    "dead channels": {"weight": {"dead_channels": 4}, "reads": {"dead_channels": 4}},
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_loses_nothing_is_no_cause(case):
    assert causes(layer(**HARMLESS[case])).keys() == {"none"}


def test_a_sound_layer_says_what_it_keeps():
    (cause,) = causes_of(layer(), model())

    assert (cause.cause, cause.mend) == ("none", "")
    assert cause.text == "nothing is wrong: its weights keep 40 dB and its activations keep 40 dB"


def test_a_layer_without_weights_is_judged_by_its_activations():
    one = layer(weights_sqnr_db=None, shift_share=None, activations_sqnr_db=35.0)
    one["weight"] = None

    assert causes(one)["none"].text == "nothing is wrong: its activations keep 35 dB"


@pytest.mark.parametrize(
    ("samples", "mend"), [(10, "`--samples 200`, then `--range minmax`"), (None, "`--range minmax`")]
)
def test_clipping_after_few_calibration_samples_asks_for_more(samples, mend):
    one = layer(reads={"clipped_share": 0.01, "seen_high": 2.0}, **BAD_ACTIVATIONS)

    found = causes(one, calibration_samples=samples)["clipped"]

    assert found.mend == mend
    assert ("calibrated on 10 samples" in found.text) == (samples == 10)


def test_the_largest_share_of_little_noise_is_not_sensitive():
    assert causes(layer(noise_share=0.9), simulated_sqnr_db=38.0).keys() == {"none"}


def test_several_causes_come_weights_first():
    found = causes_of(layer(weight={"bits": 7}, reads={"reach": 0.1}, **BAD_WEIGHTS, **BAD_ACTIVATIONS), model())

    assert [cause.cause for cause in found] == ["low_bits", "outliers"]


def test_kernels_that_lose_what_rounding_does_not_are_told():
    (first, *_) = warnings_of(model(simulated_sqnr_db=35.0, candidate_sqnr_db=20.0))

    assert first.startswith("the integer kernels of this machine lose 15.0 dB that rounding alone does not")
    assert "`--target host`" in first


def test_a_candidate_that_is_not_the_base_rounded_is_told():
    (said,) = warnings_of(model(layer(noise_share=0.5), reference_sqnr_db=45.0))

    assert "with every quantizer off the candidate still differs from BASE (45.0 dB)" in said


def test_layers_that_were_equalized_are_told_so():
    (said,) = warnings_of(model(layer(noise_share=0.5, is_rescaled=True), reference_sqnr_db=48.0))

    assert said.startswith("1 of 1 layers were scaled channel by channel before quantizing (equalization)")


def test_layers_that_were_not_found_are_told():
    (said,) = warnings_of(model(layer(noise_share=0.5, unmatched="no such weight"), layer()))

    assert said == "1 of 2 layers: `conv`: no such weight"


def test_noise_of_many_layers_alike_is_told_to_be_spread():
    (said,) = warnings_of(model())

    assert said.startswith("the noise is spread: no layer brings more than 10 % of it")
    assert warnings_of(model(simulated_sqnr_db=36.0, candidate_sqnr_db=36.0)) == []


@pytest.mark.parametrize(("decibels", "is_made"), [(19.9, False), (20.0, True)])
def test_another_model_is_told_by_a_tenth_of_the_signal(decibels, is_made):
    assert is_made_from_base(decibels) == is_made


def test_every_bound_has_a_unit_and_a_source():
    assert all(bound.unit and len(bound.why) > 30 for bound in THRESHOLDS.values())
