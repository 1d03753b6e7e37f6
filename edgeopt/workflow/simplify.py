"""`edgeopt simplify`: a simpler graph with proven equal outputs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset, no_samples
from edgeopt.core.files import replacing, require_writable
from edgeopt.core.run import Run
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError
from edgeopt.graph.load import require_onnx_ending
from edgeopt.measure.environment import environment
from edgeopt.steps.simplify import Simplify
from edgeopt.workflow.inputs import Named, data_for, model_artifact
from edgeopt.workflow.sizes import size_measurement
from edgeopt.workflow.step_cache import AppliedStep, apply_step, step_lineage

ENDING = ".simple.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimplifyResult:
    """What `simplify` gives.

    Attributes:
        source: The model it was made from.
        artifact: The simpler model; None on a dry run.
        applied: The step, done now or taken from the record.
        samples: Real samples that could be drawn on for the proof; none where no data was given.
        environment: The machine that it was done on.
    """

    source: Artifact
    artifact: Artifact | None = None
    applied: AppliedStep
    samples: Dataset
    environment: dict[str, Any]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        return (*self.applied.report.warnings, *self.applied.warnings)

    @property
    def run(self) -> Run:
        """The record."""
        made = [{**self.artifact.as_json(), "role": "candidate"}] if self.artifact else []
        models = (self.source, self.artifact) if self.artifact else (self.source,)
        return Run(
            command="simplify",
            environment=self.environment,
            artifacts=({**self.source.as_json(), "role": "baseline"}, *made),
            measurements=tuple(size_measurement(model) for model in models),
            own={
                "input": self.source.as_json(),
                "output": self.artifact.as_json() if self.artifact else None,
                **self.applied.report.details,
                "samples": {"samples": len(self.samples), "source": self.samples.source or None},
                "steps": [self.applied.as_json()],
                "warnings": list(self.warnings),
            },
        )

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return self.run.as_json()


def simplify(
    model: Named,
    *,
    output: Named | None = None,
    data: Named | None = None,
    preprocess: Preprocess | None = None,
    force: bool = False,
    dry_run: bool = False,
    seed: int = 0,
    cache: Named | None = None,
) -> SimplifyResult:
    """Fold constants, take off dead and duplicate nodes, and merge batch norms and padding, with the outputs proven.

    Both models run on random inputs, and on samples of `data` where it is given. What is not proven equal, makes the
    file larger or changes how the model is quantized is not kept; a warning says so.

    Args:
        model: An ONNX model.
        output: Where the result goes; by default `MODEL.simple.onnx` beside it.
        data: Samples to run both on, besides random ones.
        preprocess: What is done to raw samples.
        force: Overwrite an existing output.
        dry_run: Do all but write.
        seed: Kept with the record; the proof's own draws are always the same.
        cache: Folder of a store that the result is taken from, where it was made before, and kept in. None for neither.

    Raises:
        InputError: The model, the data or the output is not usable.
        Unsupported: The model is not ONNX.
    """
    source_path = Path(model)
    require_onnx_ending(source_path)
    source = model_artifact(source_path)
    path = Path(output) if output else source.path.with_suffix(ENDING)
    if not dry_run:
        _require_output(path, source, force=force)
    step = Simplify()
    samples = no_samples() if data is None else data_for(source, data, preprocess)
    with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
        if dry_run:
            applied = apply_step(step, source, Path(folder, "dry-run.onnx"), samples, seed=seed)
        else:
            with replacing(path, force=force) as temporary:
                applied = apply_step(step, source, temporary, samples, cache=cache, lies_at=path, seed=seed)
    result = SimplifyResult(source=source, applied=applied, samples=samples, environment=environment())
    if dry_run:
        return result
    lineage = step_lineage(step, source, samples, seed=seed)
    return replace(result, artifact=replace(model_artifact(path), lineage=lineage))


def _require_output(path: Path, source: Artifact, *, force: bool) -> None:
    if path.resolve() == source.path.resolve():
        raise InputError(f"output `{path}` is the model itself", hint="choose another name with -o")
    if path.suffix.lower() != ".onnx":
        raise InputError(
            f"output `{path}` does not end in `.onnx`",
            hint="simplify writes .onnx; `edgeopt convert` writes other formats",
        )
    require_writable(path, force=force)
