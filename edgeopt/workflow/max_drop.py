"""`quantize --max-drop`: the fewest layers kept float so that accuracy stays within a budget."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import CALIBRATION, SELECT, Dataset, Split
from edgeopt.core.files import replacing
from edgeopt.errors import InputError
from edgeopt.judge.compare import AccuracyComparison, compare_predictions
from edgeopt.measure.layers import layer_damage
from edgeopt.search.prefix import PrefixSearch, smallest_prefix
from edgeopt.steps.protocol import StepReport
from edgeopt.steps.quantize.step import STATIC, Quantize
from edgeopt.workflow.evaluate import predictions_of
from edgeopt.workflow.inputs import model_artifact
from edgeopt.workflow.progress import Report, counter
from edgeopt.workflow.step_cache import AppliedStep

_FEWEST_SAMPLES = 20  # of a part: below, one sample is more than any budget worth naming


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How a search for a model within a budget of accuracy ended.

    Attributes:
        limit_pt: What accuracy may drop, in points.
        search: The evaluations.
        ranked: Nodes, most harmful first, as far as they were ranked: not at all where all of them may be int8.
        selected_on: Samples that the search judged on.
    """

    limit_pt: float
    search: PrefixSearch
    ranked: tuple[str, ...]
    selected_on: int

    @property
    def is_met(self) -> bool:
        """Whether the model found keeps the budget on the samples of the search."""
        return self.search.is_met

    def as_json(self) -> dict[str, Any]:
        """The key `max_drop` of the record."""
        return {
            "limit_pt": self.limit_pt,
            "met": self.is_met,
            "drop_pt": self.search.best.drop,
            "kept_float": list(self.ranked[: self.search.best.count]),
            "evaluations": [{"kept_float": one.count, "drop_pt": one.drop} for one in self.search.evaluations],
            "samples": self.selected_on,
            "origin": "host",
        }

    def told(self, comparison: AccuracyComparison | None) -> list[str]:
        """What the user should know of it."""
        best, count = self.search.best, len(self.search.evaluations)
        if not self.is_met:
            return [
                f"BUDGET NOT MET: the smallest drop found is {best.drop:.2f} pt, over the {self.limit_pt:g} pt of "
                f"`--max-drop`, after {count} evaluations on {self.selected_on} samples; the model written is the best "
                "of them. Give more calibration samples, or train for int8"
            ]
        if comparison is None or drop_pt(comparison) <= self.limit_pt:
            return []
        return [
            f"the budget of {self.limit_pt:g} pt is kept on the {self.selected_on} samples of the search, but the drop "
            f"is {drop_pt(comparison):.2f} pt on the {comparison.n} others: more samples would tell"
        ]


def require_static(step: Quantize) -> None:
    """Refuse a budget for a scheme whose layers are not placed one by one.

    Raises:
        InputError: The scheme is not int8.
    """
    if step.scheme not in STATIC:
        raise InputError(
            f"`--max-drop` does not go with `--scheme {step.scheme}`",
            hint="it keeps layers of int8 models float: leave one of the two out",
        )


def search_parts(split: Split, limit_pt: float, *, seed: int) -> tuple[Dataset, Dataset]:
    """Samples for the search to look at, and those that only the final figures look at.

    Args:
        split: Calibration samples and the rest. Where the data names parts, `select` is for the search, or where there
            is none, what calibration left of its own part.
        limit_pt: What accuracy may drop, in points.
        seed: Seed of the draw.

    Raises:
        InputError: There are no labels of classes, too few samples, or the limit is no share of 100 points.
    """
    judged, data = split.judged, split.whole
    if not 0 <= limit_pt < 100:
        raise InputError(f"`--max-drop {limit_pt:g}` is not a drop in points", hint="write 0.5 for half a point")
    if judged.labels is None or judged.labels.dtype.kind not in "iub":
        raise InputError(
            "`--max-drop` needs labels of classes (`y`) in the data", hint="a drop in accuracy cannot be told without"
        )
    if data.part is not None:
        named = np.flatnonzero(data.part == SELECT)
        spare = np.flatnonzero((data.part == CALIBRATION) & ~np.isin(data.indices, split.calibration.indices))
        select, confirm = data.rows(named if len(named) else spare), judged
    else:
        order = np.random.default_rng(seed).permutation(len(judged))
        half = len(judged) // 2
        select, confirm = (judged.rows(np.sort(part)) for part in (order[:half], order[half:]))
    for part, name in ((select, SELECT), (confirm, "confirm")):
        if len(part) < _FEWEST_SAMPLES:
            raise InputError(
                f"`--max-drop` has {len(part)} samples to {name} on, of `{data.source}`; it needs {_FEWEST_SAMPLES}",
                hint="give more labelled data, or calibrate on less of it with `--samples`",
            )
    return select, confirm


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSearch:
    """A search for the int8 model with the fewest float layers that keeps a budget of accuracy.

    Attributes:
        limit_pt: What accuracy may drop, in points.
        source: The float model.
        select: Samples that drops are measured on.
        calibration: Samples that layers are ranked on.
    """

    limit_pt: float
    source: Artifact
    select: Dataset
    calibration: Dataset

    def run(
        self,
        step: Quantize,
        apply: Callable[..., AppliedStep],
        path: Path,
        *,
        force: bool,
        is_kept: bool,
        report: Report,
    ) -> tuple[Quantize, AppliedStep, Budget]:
        """The step that keeps the budget with the fewest float layers, what it did, and how it was found.

        Args:
            step: The step without a budget.
            apply: Given a step and `output`, makes the model.
            path: Where the model found goes.
            force: Overwrite what is there.
            is_kept: Write `path`; False on a dry run.
            report: Called with what is being done.
        """
        baseline = predictions_of(self.source, self.select, report=report, stage="evaluating the original")
        with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
            trials = _Trials(step=step, folder=Path(folder), apply=apply)

            def drop(count: int) -> float:
                made = model_artifact(trials.made(count))
                stage = f"evaluating with {count} layers float"
                comparison = compare_predictions(
                    baseline, predictions_of(made, self.select, report=report, stage=stage)
                )
                return drop_pt(comparison)

            first = drop(0)
            if first > self.limit_pt:
                trials.ranked = self._ranked(trials.made(0), report)
            most = max(0, len(trials.ranked) - 1)
            search = smallest_prefix(most, lambda count: drop(count) if count else first, self.limit_pt)
            count = search.best.count
            if is_kept:
                with replacing(path, force=force) as temporary:
                    shutil.copyfile(trials.made(count), temporary)
        budget = Budget(
            limit_pt=self.limit_pt, search=search, ranked=tuple(trials.ranked), selected_on=len(self.select)
        )
        return trials.steps[count], trials.applied[count], budget

    def _ranked(self, candidate: Path, report: Report) -> list[str]:
        """Weighted nodes by the damage that they do to the output alone, the worst first."""
        found = layer_damage(self.source.path, candidate, self.calibration, progress=counter(report, "ranking layers"))
        return [one.name for one in found]


@dataclass(slots=True, kw_only=True)
class _Trials:
    """Models with more and more layers float, each made once."""

    step: Quantize
    folder: Path
    apply: Callable[..., AppliedStep]
    ranked: list[str] = field(default_factory=list)
    steps: dict[int, Quantize] = field(default_factory=dict)
    applied: dict[int, AppliedStep] = field(default_factory=dict)

    def made(self, count: int) -> Path:
        """The model with the `count` most harmful layers float."""
        path = self.folder / f"{count}.onnx"
        if count not in self.applied:
            self.steps[count] = self.step if count == 0 else self._with_float(count)
            self.applied[count] = self.apply(self.steps[count], output=path)
        return path

    def _with_float(self, count: int) -> Quantize:
        fixed = settled(self.step, self.applied[0].report)
        return replace(fixed, keep_float=(*self.step.keep_float, *self.ranked[:count]))


def drop_pt(comparison: AccuracyComparison) -> float:
    """What accuracy drops, in points; less than nothing where it grows."""
    assert comparison.difference is not None
    return -100 * comparison.difference + 0.0  # not minus zero


def settled(step: Quantize, found: StepReport) -> Quantize:
    """`step` with every correction fixed to what its trials chose."""
    choice = found.details["corrections"]
    names = ("equalize", "smooth", "range", "weight_range", "rounding", "bias_correction")
    return replace(step, **{name: choice[name] for name in names})
