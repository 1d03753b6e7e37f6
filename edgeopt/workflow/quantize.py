"""`edgeopt quantize`: an int8 model for a target, measured against the one it was made from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset, Split, split_dataset
from edgeopt.core.files import replacing, require_writable
from edgeopt.core.measurement import Measurement, Origin
from edgeopt.core.profiles import load_target
from edgeopt.core.run import Run
from edgeopt.core.target import HOST
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError
from edgeopt.graph.load import load_onnx
from edgeopt.graph.save import save_onnx
from edgeopt.judge.compare import AccuracyComparison, compare_predictions
from edgeopt.measure.environment import environment
from edgeopt.measure.latency import Plan
from edgeopt.steps.protocol import StepReport
from edgeopt.steps.quantize.step import Quantize, RangeMethod, Scheme
from edgeopt.workflow.bench_result import BenchResult
from edgeopt.workflow.by_turns import time_by_turns
from edgeopt.workflow.compare import comparison_measurements
from edgeopt.workflow.evaluate import predictions_of, size_measurement
from edgeopt.workflow.inputs import Named, data_for, model_artifact, runtime_for
from edgeopt.workflow.progress import Report, counter, silent
from edgeopt.workflow.step_cache import AppliedStep, apply_step, step_lineage

SAMPLES = 200
SYNTHETIC_SAMPLES = 32
PROCESSES = 6
Prefer = Literal["size", "latency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeResult:
    """What `quantize` gives.

    Attributes:
        source: The model it was made from.
        artifact: The model that was made; None on a dry run.
        is_float: Whether it is the float model after all, since int8 was slower and latency preferred.
        applied: The step, done now or taken from the record.
        calibration: Samples that ranges were taken from.
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
            digest = self.artifact.sha256
            compared = comparison_measurements(self.accuracy, candidate=digest, baseline=self.source.sha256)
        return (*sizes, *(m for m in timed if m.metric != "size"), *compared)

    @property
    def _int8_bytes(self) -> int | None:
        """Size of the int8 model, which is not the output where that is the float model after all."""
        if self.is_float and self.timing:
            return self.timing.rows[1].artifact.size_bytes
        return self.artifact.size_bytes if self.artifact else None

    def _own_keys(self) -> dict[str, Any]:
        accuracy, origin = self.accuracy, Origin.HOST.value
        return {
            "input": self.source.as_json(),
            "output": self.artifact.as_json() if self.artifact else None,
            "output_is_float": self.is_float,
            "int8_bytes": self._int8_bytes,
            **self.step.details,
            "steps": [self.applied.as_json()],
            "calibration": {"samples": len(self.calibration), "source": self.calibration.source},
            "fidelity": {"sqnr_db": accuracy.sqnr_db, "origin": origin} if accuracy else None,
            "accuracy": {**accuracy.as_json(), "origin": origin} if accuracy else None,
            "judged": self.judged,
            "latency": self.timing.latency_json() if self.timing else None,
            "warnings": list(self.warnings),
        }


def quantize(
    model: Named,
    *,
    output: Named | None = None,
    data: Named | None = None,
    target: str = HOST,
    scheme: Scheme = "auto",
    samples: int = SAMPLES,
    range: RangeMethod = "auto",  # noqa: A002  the option's name
    per_channel: bool = True,
    prefer: Prefer = "size",
    measure: bool = True,
    preprocess: Preprocess | None = None,
    force: bool = False,
    dry_run: bool = False,
    seed: int = 0,
    cache: Named | None = None,
    report: Report = silent,
) -> QuantizeResult:
    """Make an int8 model and measure what was made.

    Args:
        model: A float ONNX model.
        output: Where the int8 model goes; by default `MODEL.int8.onnx` beside it.
        data: Samples to calibrate on; what is left of them judges accuracy. Without it ranges rest on random inputs.
        target: Whose kernels the integer types suit.
        scheme: `int8`; `auto` chooses it too.
        samples: Calibration samples to draw.
        range: How ranges of activations are taken.
        per_channel: One scale per output channel of a weight, not one per weight.
        prefer: `latency` writes the float model where int8 turns out slower.
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
        Unsupported: Nothing in the model runs on integers.
        ToolFailed: A measuring process crashed.
    """
    source = model_artifact(model)
    load_target(target)
    path = Path(output) if output else source.path.with_suffix(".int8.onnx")
    if not dry_run:
        _require_output(path, source, force=force)
    step = Quantize(scheme=scheme, per_channel=per_channel, target=target, range=range)
    split = _split(source, data, samples, seed, preprocess)
    # The original is evaluated first: labels that do not fit end the command before anything is written.
    is_judged = measure and not dry_run and data is not None and len(split.judged) > 0
    before = predictions_of(source, split.judged, report=report, stage="evaluating the original") if is_judged else None
    apply = partial(
        apply_step,
        step,
        source,
        data=split.calibration,
        cache=None if dry_run else cache,
        lies_at=path,
        seed=seed,
        progress=counter(report, "calibrating"),
    )
    result = QuantizeResult(
        source=source,
        applied=_apply(apply, path, force=force, dry_run=dry_run),
        calibration=split.calibration,
        environment=environment(),
    )
    told = _data_warnings(split, data, samples, is_judged=is_judged)
    result = replace(result, warnings=(*result.step.warnings, *result.applied.warnings, *told))
    if dry_run:
        return result
    lineage = step_lineage(step, source, split.calibration, seed=seed)
    result = replace(result, artifact=replace(model_artifact(path), lineage=lineage))
    if before is not None:
        after = predictions_of(_made(result), split.judged, report=report, stage="evaluating int8")
        result = replace(result, accuracy=compare_predictions(before, after, seed=seed), judged=after.judged)
    return _timed(result, target, prefer, seed, report) if measure else result


def _made(result: QuantizeResult) -> Artifact:
    assert result.artifact is not None
    return result.artifact


def _require_output(path: Path, source: Artifact, *, force: bool) -> None:
    if path.resolve() == source.path.resolve():
        raise InputError(f"output `{path}` is the model itself", hint="choose another name with -o")
    if path.suffix.lower() != ".onnx":
        raise InputError(f"output `{path}` does not end in `.onnx`", hint="int8 models are written as .onnx")
    require_writable(path, force=force)


def _split(source: Artifact, data: Named | None, samples: int, seed: int, preprocess: Preprocess | None) -> Split:
    """Calibration samples, and the rest to judge on; synthetic samples and nothing where there is no data."""
    if data is not None:
        return split_dataset(data_for(source, data, preprocess), samples=samples, seed=seed)
    from edgeopt.data.bind import synthetic_dataset

    made = synthetic_dataset(source.inputs, samples=SYNTHETIC_SAMPLES, seed=seed)
    nothing = made.rows(made.indices[:0])
    return Split(calibration=made, judged=nothing)


def _apply(apply: Callable[..., AppliedStep], path: Path, *, force: bool, dry_run: bool) -> AppliedStep:
    """Let the step write `path`, or on a dry run a file that vanishes."""
    if dry_run:
        with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
            return apply(output=Path(folder, "dry-run.onnx"))
    with replacing(path, force=force) as temporary:
        return apply(output=temporary)


def _timed(result: QuantizeResult, target: str, prefer: Prefer, seed: int, report: Report) -> QuantizeResult:
    """`result` with latency against the source; under `prefer latency` with the float model where int8 is slower."""
    if target != HOST:
        told = f"latency is not measured: `{target}` is not this machine; run `edgeopt bench` on it"
        return replace(result, warnings=(*result.warnings, told))
    models = [result.source, _made(result)]
    plan = Plan(runtime=runtime_for(result.source, None), processes=PROCESSES, seed=seed)
    timing = time_by_turns(models, plan, report=report)
    is_slower = timing.comparisons[0].verdict == "slower"
    warnings = [*result.warnings, *timing.warnings, *_latency_warnings(timing, _made(result), prefer)]
    result = replace(result, timing=timing, warnings=tuple(warnings))
    if not is_slower or prefer != "latency":
        return result
    return replace(result, artifact=_float_after_all(result.source, _made(result)), is_float=True)


def _data_warnings(split: Split, data: Named | None, samples: int, *, is_judged: bool) -> list[str]:
    if data is None:
        return [
            "accuracy is unproven: ranges rest on random inputs, not on data; give samples with `--data`",
        ]
    warnings = []
    drawn = len(split.calibration)
    if drawn < samples:
        warnings.append(
            f"calibrated on {drawn} sample(s), fewer than the {samples} asked for: the data holds no more to spare"
        )
    if is_judged and split.judged.labels is None:
        warnings.append("accuracy is unproven: the data has no labels (`y`); flips and signal-to-noise are measured")
    return warnings


def _latency_warnings(timing: BenchResult, artifact: Artifact, prefer: Prefer) -> list[str]:
    comparison = timing.comparisons[0]
    if comparison.verdict != "slower":
        return []
    said = f"INT8 IS SLOWER HERE: {1 / comparison.ratio:.2f}x the time of the original"
    if prefer == "latency":
        return [f"{said}, so `{artifact.path}` holds the float model (`--prefer latency`)"]
    is_smaller = artifact.size_bytes < timing.rows[0].artifact.size_bytes
    size = "smaller" if is_smaller else "no smaller either"
    return [f"{said}, and {size}. Keep the original, or let `--prefer latency` decide"]


def _float_after_all(source: Artifact, artifact: Artifact) -> Artifact:
    """Put the float model in the place of an int8 one that is slower."""
    with replacing(artifact.path, force=True) as temporary:
        if source.size_bytes > source.path.stat().st_size:  # its constants lie in another file, perhaps elsewhere
            save_onnx(load_onnx(source.path), temporary)
        else:
            shutil.copyfile(source.path, temporary)
    return replace(model_artifact(artifact.path), lineage=artifact.lineage)
