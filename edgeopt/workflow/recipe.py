"""A recipe from its tables, and applied to an artifact."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset, Split, judged_alone, no_samples, split_dataset
from edgeopt.core.files import replacing
from edgeopt.data.bind import synthetic_dataset
from edgeopt.errors import InputError, near_names
from edgeopt.graph.load import load_onnx
from edgeopt.steps import STEPS
from edgeopt.steps.protocol import Step
from edgeopt.workflow.inputs import Named, model_artifact, require_onnx
from edgeopt.workflow.progress import Report, counter, silent
from edgeopt.workflow.step_cache import AppliedStep, apply_step, step_options

Recipe = tuple[Step, ...]
_SYNTHETIC_SAMPLES = 32
_LARGEST_FILE_BYTES = 1 << 31  # of a protobuf message


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRecipe:
    """What `apply_recipe` gives.

    Attributes:
        steps: Each step, done now or taken from the record.
        warnings: What the user should know.
    """

    steps: tuple[AppliedStep, ...] = ()
    warnings: tuple[str, ...] = ()


def recipe_from_tables(tables: Sequence[dict[str, dict[str, Any]]]) -> Recipe:
    """The steps that `[recipe]` lists.

    Raises:
        InputError: A step or an option is not known, or a step follows one that ends in another format than ONNX.
    """
    recipe = tuple(_step(name, options) for table in tables for name, options in table.items())
    for step, later in pairwise(recipe):
        if step.ending != ".onnx":
            raise InputError(
                f"step `{later.name}` follows `{step.name}`, which ends in `{step.ending}`, and steps take ONNX models",
                hint=f"put `{step.name}` last in [recipe]",
            )
    return recipe


def apply_recipe(
    recipe: Recipe,
    source: Artifact,
    output: Path,
    data: Dataset | None,
    *,
    seed: int,
    cache: Named | None = None,
    report: Report = silent,
) -> AppliedRecipe:
    """Make `output` from `source` by all steps in turn.

    Args:
        recipe: The steps; none copies the source.
        source: The model to change.
        output: Where the result goes; an older one is replaced when the last step has ended well.
        data: Calibration samples, none where no step takes any; None without data: random ones stand in where a step
            needs some.
        seed: Seed of these.
        cache: Folder of the store that steps done before are taken from and others kept in; None for neither.
        report: Called with what is being done.

    Raises:
        InputError: A step cannot read what it is given.
        Unsupported: A step can do nothing for it, or for its format.
    """
    if recipe:
        require_onnx(source, what=f"step `{recipe[0].name}`")
    random = None if data else synthetic_dataset(source.inputs, samples=_SYNTHETIC_SAMPLES, seed=seed)
    warnings: list[str] = [] if data is not None else [f"there is no `[data]`: {_unproven(recipe)}"]
    with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
        current, steps = source, list[AppliedStep]()
        for number, step in enumerate(recipe, start=1):
            made = Path(folder, f"{number}{step.ending}")
            applied = apply_step(
                step,
                current,
                made,
                _samples(step, data, random),
                cache=cache,
                lies_at=output if number == len(recipe) else Path(f"{output.stem}.step{number}{step.ending}"),
                seed=seed,
                progress=counter(report, step.name),
            )
            warnings += [*applied.report.warnings, *applied.warnings]
            steps.append(applied)
            current = model_artifact(made)
        _place(current, output)
    return AppliedRecipe(steps=tuple(steps), warnings=tuple(warnings))


def ending_of(recipe: Recipe, source: Artifact) -> str:
    """The ending of the file that a recipe makes of `source`, as in `.onnx`."""
    return recipe[-1].ending if recipe else source.path.suffix


def takes_data(recipe: Recipe) -> bool:
    """Whether calibration samples may change what a recipe makes; one of no steps does not take any."""
    return any(step.takes_data for step in recipe)


def _samples(step: Step, data: Dataset | None, random: Dataset | None) -> Dataset:
    """What a step is given: the data where it takes any, random samples where it needs some, else none."""
    if data is not None and step.takes_data:
        return data
    return random if random is not None and step.needs_data else no_samples()


def split_for(recipe: Recipe, data: Dataset, *, samples: int, seed: int) -> Split:
    """Samples to calibrate on, where the recipe takes any, and the rest to judge (see `split_dataset`).

    Raises:
        InputError: The data has no rows to draw from.
    """
    return split_dataset(data, samples=samples, seed=seed) if takes_data(recipe) else judged_alone(data)


def _unproven(recipe: Recipe) -> str:
    is_random = any(step.needs_data for step in recipe)
    return f"{'calibrated on random inputs, ' if is_random else ''}accuracy is unproven"


def _place(made: Artifact, output: Path) -> None:
    """Write `made` to `output` as one file: what lay beside it is read in."""
    content = made.path.read_bytes()
    if made.size_bytes > len(content):
        if made.size_bytes >= _LARGEST_FILE_BYTES:
            raise InputError(
                f"`{made.path}` and its external data do not fit into one ONNX file, which ends at 2 GiB",
                hint="add a step that makes it smaller, such as quantize",
            )
        content = load_onnx(made.path).SerializeToString()
    with replacing(output, force=True) as temporary:
        temporary.write_bytes(content)


def recipe_lineage(recipe: Recipe, source: Artifact, data: Dataset | None, *, seed: int) -> dict[str, Any]:
    """What `apply_recipe` makes an artifact from, and how: a step and its options, or a recipe of several.

    Args:
        recipe: The steps.
        source: The model that they change.
        data: Calibration samples; None where random ones stood in, or none were needed.
        seed: Seed of the draws.
    """
    steps = [{step.name: step_options(step)} for step in recipe]
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
            hint = near_names(option, known) if known else f"`{name}` has none: write {{ {name} = {{}} }}"
            raise InputError(f"step `{name}` has no option `{option}`", hint=hint)
    return cast("Step", kind(**options))
