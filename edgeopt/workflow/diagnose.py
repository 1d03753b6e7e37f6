"""`edgeopt diagnose`: which layer of a quantized model loses the signal, why, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import sample_rows
from edgeopt.core.measurement import Measurement, Origin, single_value
from edgeopt.core.run import Run
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError
from edgeopt.graph.calibration_rows import calibration_rows_in
from edgeopt.graph.pieces import Pieces
from edgeopt.graph.qdq import Layer
from edgeopt.judge.layer_causes import causes_of, is_made_from_base, warnings_of
from edgeopt.judge.layer_thresholds import HEALTHY_DB
from edgeopt.measure.environment import environment
from edgeopt.measure.layers import LayerSignal, layer_signals, opened
from edgeopt.measure.quantizers import PairStatistics, weight_statistics
from edgeopt.measure.whole import WholeSignal, whole_signal
from edgeopt.workflow.gate_case import BASELINE, CANDIDATE
from edgeopt.workflow.inputs import Named, data_for, judged_rows, model_artifact, require_onnx
from edgeopt.workflow.progress import Report, counter, silent

SAMPLES = 100
# Figures of a layer in dB that the record lists as measurements.
_LAYER_FIGURES = (
    "output_sqnr_db",
    "weights_sqnr_db",
    "activations_sqnr_db",
    "weights_output_sqnr_db",
    "activations_output_sqnr_db",
    "gain_db",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnoseResult:
    """What `diagnose` gives.

    Attributes:
        layers: Figures of every layer, the one that does most harm to the output first.
        whole: Figures of the whole model.
        reasons: (cause, in words, what mends it) by the layer's node, the weightiest first.
        run: The record.
    """

    layers: tuple[LayerSignal, ...]
    whole: WholeSignal
    reasons: dict[str, tuple[tuple[str, str, str], ...]]
    run: Run

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return self.run.as_json()


def diagnose(
    base: Named,
    candidate: Named,
    data: Named,
    *,
    samples: int = SAMPLES,
    gain: bool = False,
    preprocess: Preprocess | None = None,
    seed: int = 0,
    report: Report = silent,
) -> DiagnoseResult:
    """Find which layers of a quantized model lose the signal.

    Args:
        base: The float model.
        candidate: The model of quantize/dequantize pairs that was made from it, by edgeopt or another tool.
        data: Samples; none that either model says it was calibrated on is used.
        samples: How many to draw, stratified by label.
        gain: Measure what the model gains when one layer alone is float, too; it takes 2 to 3 times as long.
        preprocess: What is done to raw samples.
        seed: Seed of the draw.
        report: Called with what is being done.

    Raises:
        InputError: A model or the data is not usable, the candidate is not quantized, or it was not made from the base.
        Unsupported: A model is not an ONNX one, or the candidate's way of quantization lets no quantizer be switched
            off.
    """
    artifacts = {BASELINE: model_artifact(base), CANDIDATE: model_artifact(candidate)}
    before, after = artifacts[BASELINE], artifacts[CANDIDATE]
    for artifact in artifacts.values():
        require_onnx(artifact, what="`diagnose`")
    parts = opened(before.path, after.path)
    judged = judged_rows(data_for(before, data, preprocess), list(artifacts.values()))
    drawn = sample_rows(judged, samples=samples, seed=seed)
    whole = whole_signal(parts, before.path, after.path, drawn, progress=counter(report, "both models"))
    if not is_made_from_base(whole.reference_sqnr_db):
        raise InputError(
            f"CANDIDATE `{after.path}` was not made from BASE `{before.path}`: with every quantizer off it differs "
            f"({whole.reference_sqnr_db:.1f} dB)",
            hint="name the float model that it was made from; `edgeopt compare` takes any two models",
        )
    signals = layer_signals(
        parts, drawn, apart_below_db=HEALTHY_DB, has_gain=gain, progress=counter(report, "layer by layer")
    )
    own = _own(parts, signals, whole, after, len(drawn))
    run = Run(
        command="diagnose",
        environment=environment(),
        artifacts=tuple({**artifact.as_json(), "role": role} for role, artifact in artifacts.items()),
        measurements=tuple(_measurements(own, after.sha256, before.sha256)),
        own={**own, "judged": drawn.identity()},
    )
    ranked = sorted(signals, key=lambda signal: signal.output_sqnr_db)
    reasons = {
        layer["node"]: tuple((reason["cause"], reason["text"], reason["mend"]) for reason in layer["reasons"])
        for layer in own["layers"]
    }
    return DiagnoseResult(layers=tuple(ranked), whole=whole, reasons=reasons, run=run)


def _own(
    parts: Pieces, signals: list[LayerSignal], whole: WholeSignal, candidate: Artifact, samples: int
) -> dict[str, Any]:
    """The command's own keys, the reasons among them."""
    rows = calibration_rows_in(candidate.path)
    layers = [
        _layer_json(index, parts, layer, signal, whole.pairs)
        for index, (layer, signal) in enumerate(zip(parts.candidate.layers, signals, strict=True))
    ]
    model: dict[str, Any] = {
        "origin": Origin.HOST.value,
        "samples": samples,
        "calibration_samples": None if rows is None else int(rows.is_used.sum()),
        "candidate_sqnr_db": whole.candidate_sqnr_db,
        "simulated_sqnr_db": whole.simulated_sqnr_db,
        "reference_sqnr_db": whole.reference_sqnr_db,
        "kept_float": list(parts.candidate.kept_float),
        "layers": sorted(layers, key=lambda layer: float(layer["output_sqnr_db"])),
    }
    for layer in layers:
        layer["reasons"] = [cause.as_json() for cause in causes_of(layer, model)]
    return {**model, "warnings": warnings_of(model)}


def _layer_json(
    index: int, parts: Pieces, layer: Layer, signal: LayerSignal, pairs: dict[str, PairStatistics]
) -> dict[str, Any]:
    weight = weight_statistics(parts, layer)
    counterpart = parts.floats[layer.name]
    return {
        "node": signal.name,
        "operator": signal.operator,
        "index": index,
        "output_sqnr_db": signal.output_sqnr_db,
        "noise_share": signal.noise_share,
        "gain_db": signal.gain_db,
        "weights_sqnr_db": signal.weights_sqnr_db,
        "activations_sqnr_db": signal.activations_sqnr_db,
        "shift_share": signal.shift_share,
        "weights_output_sqnr_db": signal.weights_output_sqnr_db,
        "activations_output_sqnr_db": signal.activations_output_sqnr_db,
        "weight": None if weight is None else asdict(weight),
        "reads": [asdict(pairs[key]) for key in layer.reads],
        "writes": [asdict(pairs[key]) for key in layer.writes],
        "is_rescaled": counterpart.is_rescaled,
        "unmatched": counterpart.reason,
    }


def _measurements(own: dict[str, Any], candidate: str, baseline: str) -> Iterator[Measurement]:
    """Every figure in dB for the record."""
    shared = {"artifact": candidate, "unit": "dB", "origin": Origin.HOST, "n": own["samples"], "baseline": baseline}
    for name in ("candidate_sqnr_db", "simulated_sqnr_db", "reference_sqnr_db"):
        yield single_value(name.removesuffix("_db"), own[name], **shared)
    for layer in own["layers"]:
        for name in _LAYER_FIGURES:
            if layer[name] is not None:
                yield single_value(f"layer_{name.removesuffix('_db')}", layer[name], node=layer["node"], **shared)
