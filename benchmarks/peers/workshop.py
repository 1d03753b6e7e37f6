"""Models that tools made and what models said, kept in a folder so that a rerun makes only what may have changed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from process import run_process

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Array, Dataset
from edgeopt.errors import EdgeoptError
from edgeopt.judge.predictions import Predictions
from edgeopt.workflow.evaluate import predictions_of
from edgeopt.workflow.inputs import model_artifact
from peers.cases import Case
from peers.tools import Job, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a tool made, or why it made nothing.

    Attributes:
        tool: Its name.
        path: The int8 model; there only without an error.
        seconds: Wall seconds of the whole command.
        peak_bytes: Its peak resident memory.
        error: The line that tells what went wrong; empty where nothing did.
    """

    tool: str
    path: str
    seconds: float
    peak_bytes: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Workshop:
    """A folder of samples, int8 models and predictions, each under a name made from all that it rests on."""

    folder: Path

    def job(self, case: Case, calibration: Dataset, *, is_per_channel: bool = True) -> Job:
        """The case with its calibration samples written down, the same file for every tool."""
        digest = hashlib.sha256()
        for name, rows in sorted(calibration.inputs.items()):
            digest.update(f"{name} {rows.dtype} {rows.shape}".encode())
            digest.update(np.ascontiguousarray(rows).tobytes())
        path = self.folder / f"samples-{digest.hexdigest()[:16]}.npz"
        if not path.exists():
            part = np.full(len(calibration), "calibration")
            np.savez(path, **calibration.inputs, part=part)
        return Job(
            model=case.model,
            samples=path,
            count=len(calibration),
            is_per_channel=is_per_channel,
            is_transformer=case.is_transformer,
        )

    def make(self, tool: Tool, job: Job) -> Made:
        """What `tool` makes of `job`, from the folder where nothing changed since."""
        if tool.missing:
            return Made(tool=tool.name, path="", seconds=0.0, peak_bytes=0, error=tool.missing)
        stem = f"made-{job_key(tool, job)}"
        record = self.folder / f"{stem}.json"
        if tool.version and record.exists():
            return Made(**json.loads(record.read_text(encoding="utf-8")))
        output, told = self.folder / f"{stem}.onnx", self.folder / f"{stem}.txt"
        cost = run_process(tool.command(job, output), errors=told)
        error = "" if cost.exit_code == 0 else error_line(told.read_text(encoding="utf-8", errors="replace"))
        made = Made(
            tool=tool.name,
            path=str(output),
            seconds=cost.wall_seconds,
            peak_bytes=cost.peak_bytes,
            error=error or ("" if cost.exit_code == 0 else f"exit code {cost.exit_code}"),
        )
        if tool.version:
            record.write_text(json.dumps(asdict(made)), encoding="utf-8")
        return made

    def predictions(self, artifact: Artifact, judged: Dataset) -> Predictions | str:
        """What a model says about `judged`, one thread; why not, where it cannot be run."""
        rows = json.dumps(judged.identity(), sort_keys=True)
        shapes = {name: values.shape for name, values in judged.inputs.items()}
        path = self.folder / f"scores-{_short(artifact.sha256, rows, str(shapes))}.npy"
        if path.exists():
            return Predictions(scores=np.load(path), labels=judged.labels)
        scores = scores_in_child(artifact, judged)
        if isinstance(scores, str):
            return scores
        np.save(path, scores)
        return Predictions(scores=scores, labels=judged.labels)

    def judged(self, made: Made, data: Dataset) -> Predictions | str:
        """Predictions of what a tool made; the line that tells what went wrong where there are none."""
        if made.error:
            return made.error
        try:
            return self.predictions(model_artifact(Path(made.path)), data)
        except EdgeoptError as error:
            return error_line(str(error))


def scores_in_child(artifact: Artifact, judged: Dataset) -> Array | str:
    """(sample, ...) scores from a process of its own: some rivals' models crash ONNX Runtime, and us with it."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_scores, artifact, judged).result()
        except BrokenProcessPool:
            return "ONNX Runtime crashed on it"


def _scores(artifact: Artifact, judged: Dataset) -> Array | str:
    try:
        return predictions_of(artifact, judged).scores
    except EdgeoptError as error:
        return error_line(str(error))


def job_key(tool: Tool, job: Job) -> str:
    """A name for what `tool` makes of `job`: of the model's and samples' content, the version and all options."""
    words = [word for word in tool.command(job, Path("output")) if word not in (str(job.model), str(job.samples))]
    return _short(hashlib.sha256(job.model.read_bytes()).hexdigest(), job.samples.name, tool.version, *words)


def error_line(text: str) -> str:
    """The line of a command's stderr that says what went wrong: an `error:` line, else the last of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if line.lower().startswith("error")]
    return (said or lines[-1:] or [""])[0][:200].replace("|", "/")


def _short(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
