"""`edgeopt quantize`: a model of smaller numbers for a target, measured against the one it was made from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset, Split, judged_alone, no_samples, split_dataset
from edgeopt.core.files import replacing, require_writable
from edgeopt.core.measurement import Measurement, Origin
from edgeopt.core.profiles import load_target
from edgeopt.core.run import Run
from edgeopt.core.target import HOST
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import GateFailed, InputError
from edgeopt.graph.load import load_onnx
from edgeopt.graph.save import save_onnx
from edgeopt.measure.environment import environment
from edgeopt.steps.protocol import StepReport
from edgeopt.steps.quantize.scheme import IoType, Prefer
from edgeopt.steps.quantize.step import STATIC, Quantize, RangeOption, RoundingOption, SchemeName, WeightRangeOption
from edgeopt.workflow.inputs import Named, data_for, model_artifact, require_onnx
from edgeopt.workflow.progress import Report, counter, silent
from edgeopt.workflow.sizes import size_measurement
from edgeopt.workflow.step_cache import AppliedStep, apply_step, step_lineage

# What measures and what searches is loaded where it is used: with `--no-measure` it would be a fifth of the time.
if TYPE_CHECKING:
    from edgeopt.judge.compare import AccuracyComparison
    from edgeopt.judge.predictions import Predictions
    from edgeopt.workflow.bench_result import BenchResult
    from edgeopt.workflow.max_drop import Budget

SAMPLES = 200
SYNTHETIC_SAMPLES = 32
PROCESSES = 6
INT8 = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeResult:
    """What `quantize` gives.

    Attributes:
        source: The model it was made from.
        artifact: The model that was made; None on a dry run.
        is_float: Whether it is the float model after all, since the other was slower and latency preferred.
        applied: The step, done now or taken from the record.
        budget: How the search for a model within `max_drop` ended; None where none was asked for.
        calibration: Samples that ranges or roundings rest on; none under a scheme that needs none.
        accuracy: Accuracy, flips and signal-to-noise against the source; None where not measured.
        judged: Which samples accuracy was measured on (see `Dataset.identity`); None where it was not.
        timing: Latency against the source; None where not measured.
        warnings: What the user should know.
        environment: The machine that it was done on.
    """

    source: Artifact
    artifact: Artifact | None = None
    is_float: bool = False
    applied: AppliedStep
    budget: Budget | None = None
    calibration: Dataset
    accuracy: AccuracyComparison | None = None
    judged: dict[str, Any] | None = None
    timing: BenchResult | None = None
    warnings: tuple[str, ...] = ()
    environment: dict[str, Any]

    @property
    def step(self) -> StepReport:
        """What the step did."""
        return self.applied.report

    @property
    def exit_code(self) -> int:
        """3 where the budget of `max_drop` is not met, else 0."""
        return GateFailed.exit_code if self.budget and not self.budget.is_met else 0

    @property
    def run(self) -> Run:
        """The record."""
        made = [{**self.artifact.as_json(), "role": "candidate"}] if self.artifact else []
        return Run(
            command="quantize",
            environment=self.environment,
            artifacts=({**self.source.as_json(), "role": "baseline"}, *made),
            measurements=self._measurements(),
            own=self._own_keys(),
        )

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return self.run.as_json()

    def _measurements(self) -> tuple[Measurement, ...]:
        models = (self.source, self.artifact) if self.artifact else (self.source,)
        sizes = tuple(size_measurement(model) for model in models)
        timed = self.timing.run.measurements if self.timing else ()
        compared: tuple[Measurement, ...] = ()
        if self.accuracy and self.artifact and not self.is_float:
            from edgeopt.workflow.compare import comparison_measurements

            digest = self.artifact.sha256
            compared = comparison_measurements(self.accuracy, candidate=digest, baseline=self.source.sha256)
        return (*sizes, *(m for m in timed if m.metric != "size"), *compared)

    @property
    def _quantized_bytes(self) -> int | None:
        """Size of what the scheme made, which is not the output where that is the float model after all."""
        if self.is_float and self.timing:
            return self.timing.rows[1].artifact.size_bytes
        return self.artifact.size_bytes if self.artifact else None

    def _own_keys(self) -> dict[str, Any]:
        accuracy, origin = self.accuracy, Origin.HOST.value
        return {
            "input": self.source.as_json(),
            "output": self.artifact.as_json() if self.artifact else None,
            "output_is_float": self.is_float,
            "quantized_bytes": self._quantized_bytes,
            "int8_bytes": self._quantized_bytes if self.step.details["scheme"]["name"] == INT8 else None,
            **self.step.details,
            "steps": [self.applied.as_json()],
            "calibration": {"samples": len(self.calibration), "source": self.calibration.source or None},
            "fidelity": {"sqnr_db": accuracy.sqnr_db, "origin": origin} if accuracy else None,
            "accuracy": {**accuracy.as_json(), "origin": origin} if accuracy else None,
            "judged": self.judged,
            "max_drop": self.budget.as_json() if self.budget else None,
            "latency": self.timing.latency_json() if self.timing else None,
            "warnings": list(self.warnings),
        }


def quantize(
    model: Named,
    *,
    output: Named | None = None,
    data: Named | None = None,
    target: str = HOST,
    scheme: SchemeName = "auto",
    samples: int = SAMPLES,
    range: RangeOption = "auto",  # noqa: A002  the option's name
    per_channel: bool = True,
    equalize: bool | None = None,
    smooth: bool | None = None,
    weight_range: WeightRangeOption = "auto",
    rounding: RoundingOption = "auto",
    bias_correction: bool | None = None,
    keep_float: Sequence[str] = (),
    max_drop: float | None = None,
    statistics: Named | None = None,
    block_size: int = 32,
    io: IoType = "float32",
    prefer: Prefer = "size",
    measure: bool = True,
    preprocess: Preprocess | None = None,
    force: bool = False,
    dry_run: bool = False,
    seed: int = 0,
    cache: Named | None = None,
    report: Report = silent,
) -> QuantizeResult:
    """Make a model of smaller numbers and measure what was made.

    Args:
        model: A float ONNX model.
        output: Where the result goes; by default `MODEL.int8.onnx` beside it, with the name of another scheme in the
            place of `int8`.
        data: Samples to calibrate on; what is left of them judges accuracy, which is all of them where the scheme
            needs none. Without it ranges rest on random inputs.
        target: Whose kernels the types suit.
        scheme: `int8`, which `auto` chooses too; `int8-dynamic`, `int4-weights` or `fp16`.
        samples: Calibration samples to draw, where the scheme needs some.
        range: How ranges of activations are taken, under int8. `auto`, here and below, and None try the alternatives
            on calibration samples that are held back for it, and keep what comes out best.
        per_channel: One scale per output channel of a weight, not one per weight, under int8 and int8-dynamic.
        equalize: Cross-layer equalization, under int8.
        smooth: SmoothQuant, under int8.
        weight_range: How ranges of weights are taken, under int8.
        rounding: How weights are rounded, under int8 and int4-weights, which does not know `adaround`.
        bias_correction: Whether biases make up for the mean error of rounded weights, under int8.
        keep_float: Names of nodes that stay float, under int8.
        max_drop: What accuracy may drop, in points: the fewest layers that keep it stay float, under int8. Half of the
            samples that are left judge the search, the other half what it found.
        statistics: Folder that statistics of activations are kept in and taken from, under int8: another range, scale
            or rounding on the same model and samples then needs no pass over them.
        block_size: Weights that share a scale, under int4-weights.
        io: Type of float inputs and outputs, under fp16.
        prefer: `latency` writes the float model where the other turns out slower.
        measure: Measure latency, signal-to-noise and accuracy against `model`.
        preprocess: What is done to raw samples.
        force: Overwrite an existing output.
        dry_run: Do all but write and measure.
        seed: Seed of the calibration draw and of the bootstrap.
        cache: Folder of a store, as in `.edgeopt`: a step that was done before on the same model and samples is taken
            from there, and kept there otherwise. None, the default, does the step and keeps nothing.
        report: Called with what is being done.

    Raises:
        InputError: The model, the data or the output is not usable.
        Unsupported: Nothing in the model runs under the scheme.
        ToolFailed: A measuring process crashed.
    """
    source = model_artifact(model)
    require_onnx(source, what="`quantize`")
    load_target(target)
    step = Quantize(
        scheme=scheme,
        per_channel=per_channel,
        target=target,
        range=range,
        equalize=equalize,
        smooth=smooth,
        weight_range=weight_range,
        rounding=rounding,
        bias_correction=bias_correction,
        keep_float=tuple(keep_float),
        measured=measure and target == HOST and scheme in STATIC,
        prefer=prefer,
        statistics=str(statistics or ""),
        block_size=block_size,
        io=io,
    )
    name = INT8 if scheme == "auto" else scheme
    path = Path(output) if output else source.path.with_suffix(f".{name}.onnx")
    if not dry_run:
        _require_output(path, source, force=force)
    split = _split(source, None if data is None else data_for(source, data, preprocess), step, samples, seed)
    if not measure and max_drop is None:
        split = replace(split, judged=no_samples(), whole=split.calibration)  # the rest of the data may be large
    select = None
    if max_drop is not None:
        from edgeopt.workflow.max_drop import require_static, search_parts

        require_static(step)
        select, confirm = search_parts(split, max_drop, seed=seed)
        split = replace(split, judged=confirm)
    # The original is evaluated first: labels that do not fit end the command before anything is written.
    is_judged = measure and not dry_run and data is not None and len(split.judged) > 0
    before = _predicted(source, split.judged, report, "evaluating the original") if is_judged else None
    apply = partial(
        apply_step,
        source=source,
        data=split.calibration,
        cache=None if dry_run else cache,
        lies_at=path,
        seed=seed,
        progress=counter(report, "calibrating" if len(split.calibration) else "quantizing"),
    )
    if select is None or max_drop is None:
        applied, budget = _apply(partial(apply, step), path, force=force, dry_run=dry_run), None
    else:
        from edgeopt.workflow.max_drop import BudgetSearch

        search = BudgetSearch(limit_pt=max_drop, source=source, select=select, calibration=split.calibration)
        step, applied, budget = search.run(step, apply, path, force=force, is_kept=not dry_run, report=report)
    result = QuantizeResult(
        source=source,
        applied=applied,
        budget=budget,
        calibration=split.calibration,
        environment=environment(),
    )
    told = _data_warnings(split, data, step, samples, is_judged=is_judged)
    result = replace(result, warnings=(*result.step.warnings, *result.applied.warnings, *told))
    if dry_run:
        return _with_budget(result)
    lineage = step_lineage(step, source, split.calibration, seed=seed)
    result = replace(result, artifact=replace(model_artifact(path), lineage=lineage))
    if before is not None:
        from edgeopt.judge.compare import compare_predictions

        after = _predicted(_made(result), split.judged, report, f"evaluating {name}")
        result = replace(result, accuracy=compare_predictions(before, after, seed=seed), judged=after.judged)
    result = _with_budget(result)
    return _timed(result, target, prefer, seed, report) if measure else result


def _predicted(artifact: Artifact, judged: Dataset, report: Report, stage: str) -> Predictions:
    from edgeopt.workflow.evaluate import predictions_of

    return predictions_of(artifact, judged, report=report, stage=stage)


def _with_budget(result: QuantizeResult) -> QuantizeResult:
    """`result` with what is to be said of its budget."""
    told = result.budget.told(result.accuracy) if result.budget else []
    return replace(result, warnings=(*result.warnings, *told))


def _made(result: QuantizeResult) -> Artifact:
    assert result.artifact is not None
    return result.artifact


def _require_output(path: Path, source: Artifact, *, force: bool) -> None:
    if path.resolve() == source.path.resolve():
        raise InputError(f"output `{path}` is the model itself", hint="choose another name with -o")
    if path.suffix.lower() != ".onnx":
        behind = "; then `edgeopt convert` makes TFLite of it" if path.suffix.lower() == ".tflite" else ""
        told = f"quantized models are written as .onnx{behind}"
        raise InputError(f"output `{path}` does not end in `.onnx`", hint=told)
    require_writable(path, force=force)


def _split(source: Artifact, bound: Dataset | None, step: Quantize, samples: int, seed: int) -> Split:
    """Calibration samples where the step takes any, and the rest to judge on; without data random ones if it must."""
    if bound is not None:
        return split_dataset(bound, samples=samples, seed=seed) if step.takes_data else judged_alone(bound)
    if not step.needs_data:
        return judged_alone(no_samples())
    from edgeopt.data.bind import synthetic_dataset

    made = synthetic_dataset(source.inputs, samples=SYNTHETIC_SAMPLES, seed=seed)
    nothing = made.rows(made.indices[:0])
    return Split(calibration=made, judged=nothing, whole=made)


def _apply(apply: Callable[..., AppliedStep], path: Path, *, force: bool, dry_run: bool) -> AppliedStep:
    """Let the step write `path`, or on a dry run a file that vanishes."""
    if dry_run:
        with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
            return apply(output=Path(folder, "dry-run.onnx"))
    with replacing(path, force=force) as temporary:
        return apply(output=temporary)


def _timed(result: QuantizeResult, target: str, prefer: Prefer, seed: int, report: Report) -> QuantizeResult:
    """`result` with latency against the source; under `prefer latency` with the float model where it is slower."""
    if target != HOST:
        told = f"latency is not measured: `{target}` is not this machine; run `edgeopt bench` on it"
        return replace(result, warnings=(*result.warnings, told))
    from edgeopt.measure.latency import Plan
    from edgeopt.workflow.by_turns import time_by_turns

    models = [result.source, _made(result)]
    plan = Plan(processes=PROCESSES, seed=seed)
    timing = time_by_turns(models, plan, report=report)
    comparison = timing.comparisons[0]
    is_slower = comparison.verdict == "slower" or (prefer == "latency" and comparison.ratio < 1)
    name = str(result.step.details["scheme"]["name"])
    slow = _latency_warnings(timing, _made(result), name, prefer) if is_slower else []
    warnings = [*result.warnings, *timing.warnings, *slow]
    result = replace(result, timing=timing, warnings=tuple(warnings))
    if not is_slower or prefer != "latency":
        return result
    return replace(result, artifact=_float_after_all(result.source, _made(result)), is_float=True)


def _data_warnings(split: Split, data: Named | None, step: Quantize, samples: int, *, is_judged: bool) -> list[str]:
    if data is None:
        what = "roundings" if step.scheme == "int4-weights" else "ranges"
        cause = f": {what} rest on random inputs, not on data" if step.needs_data else ""
        return [f"accuracy is unproven{cause}; give samples with `--data`"]
    warnings = []
    drawn = len(split.calibration)
    if step.takes_data and drawn < samples:
        warnings.append(
            f"calibrated on {drawn} sample(s), fewer than the {samples} asked for: the data holds no more to spare"
        )
    if is_judged and split.judged.labels is None:
        warnings.append("accuracy is unproven: the data has no labels (`y`); flips and signal-to-noise are measured")
    return warnings


def _latency_warnings(timing: BenchResult, artifact: Artifact, name: str, prefer: Prefer) -> list[str]:
    comparison = timing.comparisons[0]
    said = f"{name.upper()} IS SLOWER HERE: {1 / comparison.ratio:.2f}x the time of the original"
    if prefer == "latency":
        return [f"{said}, so `{artifact.path}` holds the float model (`--prefer latency`)"]
    is_smaller = artifact.size_bytes < timing.rows[0].artifact.size_bytes
    size = "smaller" if is_smaller else "no smaller either"
    return [f"{said}, and {size}. Keep the original, or let `--prefer latency` decide"]


def _float_after_all(source: Artifact, artifact: Artifact) -> Artifact:
    """Put the float model in the place of a quantized one that is slower."""
    with replacing(artifact.path, force=True) as temporary:
        if source.size_bytes > source.path.stat().st_size:  # its constants lie in another file, perhaps elsewhere
            save_onnx(load_onnx(source.path), temporary)
        else:
            shutil.copyfile(source.path, temporary)
    return replace(model_artifact(artifact.path), lineage=artifact.lineage)
