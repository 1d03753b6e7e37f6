"""A recipe from its tables, and applied to an artifact."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset
from edgeopt.core.files import replacing
from edgeopt.data.bind import synthetic_dataset
from edgeopt.errors import InputError, near_names
from edgeopt.steps import STEPS
from edgeopt.steps.protocol import Step
from edgeopt.workflow.progress import Report, counter, silent

Recipe = tuple[Step, ...]
_SYNTHETIC_SAMPLES = 32


def recipe_from_tables(tables: Sequence[dict[str, dict[str, Any]]]) -> Recipe:
    """The steps that `[recipe]` lists.

    Raises:
        InputError: A step or an option is not known.
    """
    return tuple(_step(name, options) for table in tables for name, options in table.items())


def apply_recipe(
    recipe: Recipe, source: Artifact, output: Path, data: Dataset | None, *, seed: int, report: Report = silent
) -> tuple[str, ...]:
    """Make `output` from `source` by all steps in turn; what they warn of.

    Args:
        recipe: The steps; none copies the source.
        source: The model to change.
        output: Where the result goes; an older one is replaced when the last step has ended well.
        data: Calibration samples; random ones stand in where there are none.
        seed: Seed of these.
        report: Called with what is being done.
    """
    samples = data or synthetic_dataset(source.inputs, samples=_SYNTHETIC_SAMPLES, seed=seed)
    warnings: list[str] = [] if data else ["there is no `[data]`: calibrated on random inputs, accuracy is unproven"]
    with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
        current = source.path
        for number, step in enumerate(recipe):
            made = Path(folder, f"{number}.onnx")
            warnings += step.apply(current, made, samples, progress=counter(report, step.name)).warnings
            current = made
        with replacing(output, force=True) as temporary:
            temporary.write_bytes(current.read_bytes())
    return tuple(warnings)


def recipe_lineage(recipe: Recipe, source: Artifact, data: Dataset | None, *, seed: int) -> dict[str, Any]:
    """What `apply_recipe` makes an artifact from, and how: a step and its options, or a recipe of several.

    Args:
        recipe: The steps.
        source: The model that they change.
        data: Calibration samples; None where random ones stood in.
        seed: Seed of the draws.
    """
    steps = [
        {step.name: {option.name: getattr(step, option.name) for option in fields(cast(Any, step))}} for step in recipe
    ]
    name, options = next(iter(steps[0].items())) if len(steps) == 1 else ("recipe", {"steps": steps})
    samples = {"source": data.source, "sha256": data.digest, "samples": len(data)} if data else {}
    return {"parent": source.sha256, "step": name, "options": options, "data": samples, "seed": seed}


def _step(name: str, options: dict[str, Any]) -> Step:
    if name not in STEPS:
        raise InputError(f"unknown step `{name}` in [recipe]", hint=near_names(name, STEPS))
    module, _, attribute = STEPS[name].partition(":")
    kind = getattr(import_module(module), attribute)
    known = [field.name for field in fields(kind)]
    for option in options:
        if option not in known:
            raise InputError(f"step `{name}` has no option `{option}`", hint=near_names(option, known))
    return cast("Step", kind(**options))
