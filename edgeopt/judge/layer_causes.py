"""Why a layer loses the signal, in words, and the option of `quantize` that mends it; from the JSON record alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edgeopt.judge.layer_thresholds import HEALTHY_DB, THRESHOLDS

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason.

    Attributes:
        cause: Its name in the record.
        text: The reason in words.
        mend: The option of `quantize` that mends it, or what else does; empty where nothing need be done.
    """

    cause: str
    text: str
    mend: str

    def as_json(self) -> dict[str, str]:
        """The reason under its JSON keys."""
        return {"cause": self.cause, "text": self.text, "mend": self.mend}


def causes_of(layer: Record, model: Record) -> tuple[Cause, ...]:
    """Why the layer loses what it loses, the weightiest first; a single one of cause `none` where all is well.

    Args:
        layer: An entry of `layers` of the record of `diagnose`.
        model: The whole record: `calibration_samples`, `layers`, ...
    """
    found = [cause for rule in _RULES for cause in rule(layer, model)]
    return tuple(found) or (Cause("none", _fine(layer), ""),)


def warnings_of(model: Record) -> list[str]:
    """What holds for the whole model, each with what to do."""
    kernels, agrees = THRESHOLDS["kernels"].value, THRESHOLDS["agrees"].value
    said = []
    lost = model["simulated_sqnr_db"] - model["candidate_sqnr_db"]
    if lost > kernels:
        said.append(
            f"the integer kernels of this machine lose {lost:.1f} dB that rounding alone does not: they saturate, or "
            "compute otherwise than the file says; quantize for this machine with `--target host`"
        )
    reference = model["reference_sqnr_db"]
    scaled = sum(layer["is_rescaled"] for layer in model["layers"])
    if scaled and THRESHOLDS["scaled"].value <= reference < agrees:
        said.append(
            f"{scaled} of {len(model['layers'])} layers were scaled channel by channel before quantizing "
            f"(equalization): the factors are known from the integers alone, to {reference:.1f} dB at the output"
        )
    elif reference < agrees:
        said.append(
            f"with every quantizer off the candidate still differs from BASE ({reference:.1f} dB): it was trained "
            "again or made from another model; figures of layers are taken beside the candidate in float"
        )
    worst = max((layer["noise_share"] for layer in model["layers"]), default=0.0)
    if model["simulated_sqnr_db"] < HEALTHY_DB and worst < THRESHOLDS["sensitive"].value:
        said.append(
            f"the noise is spread: no layer brings more than {_share(worst)} of it, so no single one is to be kept "
            "float; `--range mse`, `--rounding gptq` and `--equalize` mend all of them a little"
        )
    unmatched = [layer["node"] for layer in model["layers"] if layer["unmatched"]]
    if unmatched:
        first = next(layer for layer in model["layers"] if layer["unmatched"])
        said.append(f"{len(unmatched)} of {len(model['layers'])} layers: `{first['node']}`: {first['unmatched']}")
    return said


def is_made_from_base(reference_sqnr_db: float) -> bool:
    """Whether the candidate without its quantizers is the base."""
    return reference_sqnr_db >= THRESHOLDS["made_from"].value


def _bias_clipped(layer: Record, _model: Record) -> Iterator[Cause]:
    weight = layer["weight"]
    if weight and weight["is_bias_clipped"]:
        yield Cause(
            "bias_clipped",
            "a bias is larger than int32 holds at its scale, and is cut off",
            "quantize again with `edgeopt quantize`, which widens the scale; or `--per-tensor`",
        )


def _zeroed_weights(layer: Record, _model: Record) -> Iterator[Cause]:
    weight = layer["weight"]
    if weight and weight["zeroed_channels"] >= THRESHOLDS["zeroed"].value:
        number, channels = weight["zeroed_channels"], weight["channels"]
        text = f"{number} of {channels} channels of its weights are rounded to zero"
        mend = "`--rounding gptq`, or `--keep-float NODE`" if weight["is_per_channel"] else "without `--per-tensor`"
        yield Cause("zeroed_channels", text, _named(mend, layer))


def _spread(layer: Record, _model: Record) -> Iterator[Cause]:
    weight = layer["weight"]
    if not weight or weight["is_per_channel"] or not _loses(layer, "weights"):
        return
    if weight["largest_over_median"] >= THRESHOLDS["spread"].value:
        apart = f"one scale covers channels {weight['largest_over_smallest']:.0f}x apart"
        text = f"{apart}, the widest {weight['largest_over_median']:.0f}x the median"
        yield Cause("channel_spread", text, "without `--per-tensor`; or `--equalize`")


def _low_bits(layer: Record, _model: Record) -> Iterator[Cause]:
    weight = layer["weight"]
    if weight and weight["bits"] <= THRESHOLDS["low_bits"].value and _loses(layer, "weights"):
        bits = weight["bits"]
        mend = "`--rounding gptq`; a target with 8-bit weights" if bits == 7 else "`--rounding gptq`; `--max-drop 1`"
        yield Cause("low_bits", f"its weights have {bits} bits", _named(f"{mend}; `--keep-float NODE`", layer))


def _weights_clipped(layer: Record, _model: Record) -> Iterator[Cause]:
    weight = layer["weight"]
    is_clipped = weight and weight["clipped_share"] >= THRESHOLDS["clipped"].value
    if is_clipped and _loses(layer, "weights"):
        yield Cause(
            "weights_clipped", f"{_share(weight['clipped_share'])} of its weights are clipped", "`--rounding nearest`"
        )


def _shifted(layer: Record, _model: Record) -> Iterator[Cause]:
    share = layer["shift_share"]
    if share is not None and share >= THRESHOLDS["shift"].value and _loses(layer, "weights"):
        text = f"{_share(share)} of what its weights lose is a constant shift per channel"
        yield Cause("shift", text, "`--bias-correction`")


def _clipped(layer: Record, model: Record) -> Iterator[Cause]:
    samples = model["calibration_samples"]
    for side, pairs in (("input", layer["reads"]), ("output", layer["writes"])):
        for pair in pairs:
            if pair["clipped_share"] < THRESHOLDS["clipped"].value or not _loses(layer, "activations"):
                continue
            text = f"{_share(pair['clipped_share'])} of its {side} is clipped: {_ends(pair)}"
            few = samples is not None and samples < THRESHOLDS["few_samples"].value
            if few:
                text += f"; the model was calibrated on {samples} sample" + ("s" if samples != 1 else "")
            yield Cause("clipped", text, "`--samples 200`, then `--range minmax`" if few else "`--range minmax`")


def _outliers(layer: Record, _model: Record) -> Iterator[Cause]:
    for side, pairs in (("input", layer["reads"]), ("output", layer["writes"])):
        for pair in pairs:
            if pair["reach"] <= THRESHOLDS["reach"].value and _loses(layer, "activations"):
                within = f"99.99 % lies within {_share(pair['reach'])} of it"
                text = f"the range of its {side} is set by rare outliers: {within}"
                yield Cause("outliers", text, "`--range mse` or `--range percentile`")


def _zeroed_activations(layer: Record, _model: Record) -> Iterator[Cause]:
    for side, pairs in (("input", layer["reads"]), ("output", layer["writes"])):
        for pair in pairs:
            if pair["zeroed_channels"] >= THRESHOLDS["zeroed"].value and _loses(layer, "activations"):
                text = f"{pair['zeroed_channels']} of {pair['channels']} channels of its {side} are rounded to zero"
                yield Cause("zeroed_activations", text, "`--equalize`; `--range mse`")


def _coarse(layer: Record, model: Record) -> Iterator[Cause]:
    """What loses below the bound without any of the causes above: at the layer itself, or at the output alone."""
    if _loses(layer, "activations") and not _has_told(layer, "activations", model):
        text = (
            "256 levels are too few for the values of its input or output, though none is clipped and none stands out"
        )
        if _is_sound(layer["activations_sqnr_db"]):
            text = "the output is sensitive to it: rounding what it reads and writes loses little here and much there"
        yield Cause("coarse_activations", text, _named("`--equalize`; `--smooth`; `--keep-float NODE`", layer))
    if _loses(layer, "weights") and not _has_told(layer, "weights", model):
        text = "its weights lose more than rounding to 8 bits must"
        if _is_sound(layer["weights_sqnr_db"]):
            text = "the output is sensitive to it: rounding its weights loses little here and much there"
        yield Cause("coarse_weights", text, _named("`--rounding gptq`; `--keep-float NODE`", layer))


def _sensitive(layer: Record, model: Record) -> Iterator[Cause]:
    if layer["noise_share"] < THRESHOLDS["sensitive"].value or model["simulated_sqnr_db"] >= HEALTHY_DB:
        return
    place = {0: "the first layer, ", len(model["layers"]) - 1: "the last layer, "}.get(layer["index"], "")
    text = f"{place}sensitive: {_share(layer['noise_share'])} of all noise at the output comes from it"
    yield Cause("sensitive", text, _named("`--keep-float NODE`; `--max-drop 1`", layer))


_OF_WEIGHTS = (_bias_clipped, _zeroed_weights, _spread, _low_bits, _weights_clipped, _shifted)
_OF_ACTIVATIONS = (_clipped, _outliers, _zeroed_activations)
_RULES: tuple[Callable[[Record, Record], Iterator[Cause]], ...] = (*_OF_WEIGHTS, *_OF_ACTIVATIONS, _coarse, _sensitive)


def _has_told(layer: Record, what: str, model: Record) -> bool:
    rules = _OF_WEIGHTS if what == "weights" else _OF_ACTIVATIONS
    return any(True for rule in rules for _ in rule(layer, model))


def _loses(layer: Record, what: str) -> bool:
    """Whether the layer's `weights` or `activations` lose more than they must, at its own result or at the output."""
    figures = (layer[f"{what}_sqnr_db"], layer[f"{what}_output_sqnr_db"])
    return any(figure is not None and figure < HEALTHY_DB for figure in figures)


def _is_sound(sqnr_db: float | None) -> bool:
    return sqnr_db is not None and sqnr_db >= HEALTHY_DB


def _fine(layer: Record) -> str:
    figures = {"weights": layer["weights_sqnr_db"], "activations": layer["activations_sqnr_db"]}
    told = [f"its {name} keep {value:.0f} dB" for name, value in figures.items() if value is not None]
    return "nothing is wrong: " + (" and ".join(told) or "it is measured at the output alone")


def _named(mend: str, layer: Record) -> str:
    return mend.replace("NODE", f"'{layer['node']}'")


def _share(share: float) -> str:
    return f"{100 * share:.2g} %"


def _ends(pair: Record) -> str:
    """How far the values go beyond the range."""
    beyond = []
    if pair["seen_high"] > pair["high"]:
        beyond.append(f"values go to {pair['seen_high']:.3g}, the range to {pair['high']:.3g}")
    if pair["seen_low"] < pair["low"]:
        beyond.append(f"values go down to {pair['seen_low']:.3g}, the range to {pair['low']:.3g}")
    return ", ".join(beyond)
