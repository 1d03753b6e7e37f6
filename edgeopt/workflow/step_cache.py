"""A step applied, or taken from the record where it was done before on the same input."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset, Samples
from edgeopt.core.files import replacing
from edgeopt.core.profiles import load_target
from edgeopt.core.stored_rows import blocks
from edgeopt.errors import InputError
from edgeopt.measure.environment import environment
from edgeopt.steps.protocol import Progress, Step, StepReport
from edgeopt.workflow.inputs import Named, model_artifact

if TYPE_CHECKING:
    from edgeopt.store.store import Store

# What a step's own code is made of: a version alone would not tell two checkouts of edgeopt apart.
_CODE = ("core", "graph", "runners", "measure", "steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedStep:
    """What `apply_step` gives.

    Attributes:
        step: Name of the step.
        report: What the step did, or had done.
        date: When it was done, ISO 8601 in UTC, where it was taken from the record; empty where it was done now.
        warnings: What the user should know of the record.
    """

    step: str
    report: StepReport
    date: str = ""
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The step under its JSON keys."""
        return {"step": self.step, "cached": bool(self.date), "date": self.date or None}


def apply_step(
    step: Step,
    source: Artifact,
    output: Path,
    data: Dataset,
    *,
    cache: Named | None = None,
    lies_at: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> AppliedStep:
    """Make `output` from `source` by `step`, unless the record has what it made of the same before.

    The same means: content of the model, options and target, calibration samples and where they come from, seed,
    versions and code of the tools, and machine, whose kernels compute the ranges.

    Args:
        step: The step.
        source: The model to change.
        output: Where the changed model goes.
        data: Calibration samples.
        cache: Folder of the store to take the result from and to keep it in; None applies the step and keeps nothing.
        lies_at: Where the changed model goes in the end, where `output` is temporary.
        seed: Seed that the samples were drawn with.
        progress: Called with (done, total) samples.

    Raises:
        InputError, Unsupported: What the step itself raises. The record raises nothing: it warns.
    """
    if cache is None:
        return AppliedStep(step=step.name, report=step.apply(source.path, output, data, progress=progress))
    from edgeopt.store.store import Store

    memory = _Memory(store=Store(Path(cache)), facts=environment(), name=step.name)
    key = _key(step, source, data, seed, memory.facts)
    taken = memory.take(key, output)
    if taken:
        return taken
    report = step.apply(source.path, output, data, progress=progress)
    memory.keep(key, output, report, at=lies_at or output, lineage=step_lineage(step, source, data, seed=seed))
    return AppliedStep(step=step.name, report=report, warnings=memory.warnings)


def step_options(step: Step) -> dict[str, Any]:
    """The options of a step by name."""
    return {option.name: getattr(step, option.name) for option in fields(cast(Any, step))}


def step_lineage(step: Step, source: Artifact, data: Dataset, *, seed: int) -> dict[str, Any]:
    """What a step makes an artifact from, and how."""
    samples = {"source": data.source, "sha256": data.digest, "samples": len(data)}
    return {
        "parent": source.sha256,
        "step": step.name,
        "options": step_options(step),
        "data": samples,
        "seed": seed,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """The record as one step needs it; what fails there is told and changes nothing else.

    Attributes:
        store: The record.
        facts: Machine and versions.
        name: Of the step.
        told: What is to be said.
    """

    store: Store
    facts: dict[str, Any]
    name: str
    told: list[str] = field(default_factory=list)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        return (*self.store.warnings, *self.told)

    def take(self, key: str, output: Path) -> AppliedStep | None:
        """Write to `output` what was made before; None where nothing was, or it is not there whole."""
        try:
            found = self.store.cached_step(key)
        except InputError as error:
            self.told.append(f"step `{self.name}` is not looked up in the record: {error.message}")
            return None
        report = _report_of(found.details) if found else None
        if not found or not report:
            return None
        try:
            stream = self.store.objects.path_of(found.artifact).open("rb")
        except FileNotFoundError:  # another process has just cleaned it up
            return None
        with stream, replacing(output, force=True) as temporary, temporary.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
        return AppliedStep(step=self.name, report=report, date=found.date, warnings=self.warnings)

    def keep(self, key: str, output: Path, report: StepReport, *, at: Path, lineage: dict[str, Any]) -> None:
        """Remember what lies at `output`, and will lie at `at`."""
        if self.told:  # what cannot be read cannot be written, and one warning of it is enough
            return
        artifact = replace(model_artifact(output), path=at, lineage=lineage)
        details = {"details": report.details, "warnings": list(report.warnings)}
        try:
            self.store.remember_step(key, artifact, details, file=output, environment=self.facts)
        except InputError as error:
            self.told.append(f"step `{self.name}` is not kept in the record: {error.message}")


def _report_of(details: dict[str, Any]) -> StepReport | None:
    """The report that `_Memory.keep` put there; None where something else stands there."""
    facts, warnings = details.get("details"), details.get("warnings")
    if not isinstance(facts, dict) or not isinstance(warnings, list):
        return None
    return StepReport(details=facts, warnings=tuple(map(str, warnings)))


def _key(step: Step, source: Artifact, data: Dataset, seed: int, facts: dict[str, Any]) -> str:
    options = step_options(step)
    target = options.get("target")
    if isinstance(target, str):
        profile = asdict(load_target(target))
        options["target"] = {**profile, "isa": sorted(profile["isa"])}
    from edgeopt.store.step import step_key

    return step_key(
        input_sha256=source.sha256,
        step=step.name,
        options=options,
        data_sha256=content_digest(data),
        seed=seed,
        versions={**facts["versions"], "code": _code_digest()},
        machine=facts["machine"],
    )


def content_digest(data: Dataset) -> str:
    """SHA-256 of all that a step can see of its samples: every array, where the rows lie, and in which file.

    A file's own digest is part of it, since a model notes on which rows of which file it was calibrated.
    """
    arrays: dict[str, Samples] = {f"input {name}": array for name, array in data.inputs.items()}
    arrays |= {f"column {name}": array for name, array in data.columns.items()}
    arrays |= {"indices": data.indices}
    arrays |= {name: array for name, array in (("labels", data.labels), ("part", data.part)) if array is not None}
    digest = hashlib.sha256(data.digest.encode())
    for name, array in sorted(arrays.items()):
        values = array.astype(str) if isinstance(array, np.ndarray) and array.dtype.hasobject else array
        digest.update(repr((name, values.dtype.str, values.shape)).encode())
        for block in blocks(values):
            digest.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8))
    return digest.hexdigest()


@cache
def _code_digest() -> str:
    """SHA-256 of the modules that steps are made of."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for room in _CODE for path in (package / room).rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
