"""`edgeopt convert`: a model of another format, proven to compute what its source does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import Artifact, artifact_from_file
from edgeopt.core.dataset import Dataset
from edgeopt.core.files import replacing, sha256_of
from edgeopt.core.run import Run
from edgeopt.data.preprocess import Preprocess
from edgeopt.measure.environment import environment
from edgeopt.steps.convert import Io, Layout
from edgeopt.steps.export.reference import Source, source_from_text
from edgeopt.steps.via.tools import TIMEOUT_SECONDS
from edgeopt.workflow.convert_chain import Chain, Samples
from edgeopt.workflow.convert_plan import Wishes, output_for, require_output, require_sensible
from edgeopt.workflow.inputs import Named, model_artifact
from edgeopt.workflow.progress import Report, silent
from edgeopt.workflow.sizes import size_measurement
from edgeopt.workflow.step_cache import AppliedStep


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertResult:
    """What `convert` gives.

    Attributes:
        source: As the user named it.
        kind: What that is: `onnx`, `tflite`, `exported-program`, `torch` or `sklearn`.
        original: The source, where it is a file.
        artifact: What was made; None on a dry run.
        details: What the conversion did, by JSON key.
        steps: The steps that are kept in the record.
        warnings: What the user should know.
        environment: The machine that it was done on.
    """

    source: str
    kind: str
    original: Artifact | None = None
    artifact: Artifact | None = None
    details: dict[str, Any]
    steps: tuple[AppliedStep, ...] = ()
    warnings: tuple[str, ...] = ()
    environment: dict[str, Any]

    @property
    def run(self) -> Run:
        """The record."""
        sides = ((self.original, "baseline"), (self.artifact, "candidate"))
        files = [(artifact, role) for artifact, role in sides if artifact is not None]
        told = {"path": self.source, "format": self.kind}
        return Run(
            command="convert",
            environment=self.environment,
            artifacts=tuple({**artifact.as_json(), "role": role} for artifact, role in files),
            measurements=tuple(size_measurement(artifact) for artifact, _ in files),
            own={
                "input": self.original.as_json() if self.original else told,
                "output": self.artifact.as_json() if self.artifact else None,
                "kind": self.kind,
                "proof": None,
                "operators": {},
                **self.details,
                "steps": [step.as_json() for step in self.steps],
                "warnings": list(self.warnings),
            },
        )

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return self.run.as_json()


def convert(
    source: Named,
    *,
    output: Named | None = None,
    inputs: Sequence[str] = (),
    checkpoint: Named | None = None,
    layout: Layout | None = None,
    io: Io | None = None,
    via: str | None = None,
    via_python: Named | None = None,
    via_timeout: float = TIMEOUT_SECONDS,
    opset: int | None = None,
    data: Named | None = None,
    preprocess: Preprocess | None = None,
    force: bool = False,
    dry_run: bool = False,
    seed: int = 0,
    cache: Named | None = None,
    report: Report = silent,
) -> ConvertResult:
    """Make a model of another format, with the outputs of both compared; what is not equal is not written.

    Args:
        source: An `.onnx`, `.pt2` or `.tflite` file, or `module:name` or `file.py:name` of a torch module, of a
            function that returns one, or of a fitted scikit-learn estimator.
        output: Where the result goes; its ending chooses the format: `.onnx`, `.tflite`, or `.h` for a C array. By
            default beside the source: an ONNX model becomes `.tflite`, a TFLite model `.h`, all else `.onnx`.
        inputs: Shapes of inputs, as in `image=1x3x32x32:float32`.
        checkpoint: A state dict for a torch module.
        layout: Of images at inputs and outputs of a TFLite model, `nchw` or `nhwc`; by default as the source has them.
        io: Type of inputs and outputs of a quantized TFLite model, `float32` or `int8`.
        via: Another converter that is installed: `onnx2tf`, or `litert-torch` for torch.
        via_python: The Python that has it, where it is not this one.
        via_timeout: Seconds that it may take.
        opset: Version of the ONNX operators that are written.
        data: Samples to compare on, besides random ones.
        preprocess: What is done to raw samples.
        force: Overwrite an existing output.
        dry_run: Do all but write.
        seed: Kept with the record; the proof's own draws are always the same.
        cache: Folder of a store that a conversion of an ONNX file is taken from, where it was made before, and kept in.
            None for neither.
        report: Called with what is being done.

    Raises:
        InputError: The source, the data, the output or an option is not usable.
        Unsupported: An operator has no counterpart, or the outputs of both are not equal.
        ExtraMissing: What the source or the format needs is not installed.
        ToolFailed: The other converter failed.
    """
    wishes = Wishes(
        inputs=tuple(inputs),
        checkpoint=Path(checkpoint) if checkpoint else None,
        layout=layout,
        io=io,
        via=via or "",
        via_python=str(via_python or ""),
        via_timeout=via_timeout,
        opset=opset,
    )
    named = source_from_text(str(source))
    path = output_for(named, Path(output) if output else None)
    require_sensible(named, path, wishes)
    if not dry_run:
        require_output(path, force=force)
    samples = Samples(data=data, preprocess=preprocess)
    with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
        chain = Chain(named=named, wishes=wishes, samples=samples, folder=Path(folder), seed=seed, report=report)
        made = chain.run(path, cache=None if dry_run else cache)
        result = ConvertResult(
            source=named.text,
            kind=named.kind,
            original=_original(named),
            details=chain.details,
            steps=tuple(chain.steps),
            warnings=tuple(dict.fromkeys(chain.warnings)),
            environment=environment(),
        )
        if dry_run:
            return result
        _place(made, path, force=force)
    artifact = _artifact(path)
    return replace(result, artifact=replace(artifact, lineage=_lineage(result, wishes, chain.used, seed)))


def _original(named: Source) -> Artifact | None:
    if named.path is None:
        return None
    return artifact_from_file(named.path) if named.kind == "exported-program" else model_artifact(named.path)


def _place(made: Path, path: Path, *, force: bool) -> None:
    """Write `made` to `path`, whole or not at all; an ONNX model of several files as one or, above 2 GiB, as two."""
    if made.suffix == ".onnx" and model_artifact(made).size_bytes > made.stat().st_size:
        from edgeopt.graph.load import load_onnx
        from edgeopt.graph.save import save_onnx

        save_onnx(load_onnx(made), path)
        return
    with replacing(path, force=force) as temporary:
        shutil.copyfile(made, temporary)


def _artifact(path: Path) -> Artifact:
    if path.suffix.lower() != ".h":
        return model_artifact(path)
    return Artifact(path=path, format="c", sha256=sha256_of(path), size_bytes=path.stat().st_size)


def _lineage(result: ConvertResult, wishes: Wishes, used: Dataset, seed: int) -> dict[str, Any]:
    """What the result was made from, and how."""
    options = {
        "source": result.source,
        "inputs": list(wishes.inputs),
        "checkpoint": result.details.get("checkpoint"),
        "layout": wishes.layout,
        "io": wishes.io,
        "via": wishes.via or None,
        "opset": wishes.opset,
    }
    given = {key: value for key, value in options.items() if value}
    data = {"source": used.source, "sha256": used.digest, "samples": len(used)} if len(used) else {}
    parent = result.original.sha256 if result.original else ""
    return {"parent": parent, "step": "convert", "options": given, "data": data, "seed": seed}
