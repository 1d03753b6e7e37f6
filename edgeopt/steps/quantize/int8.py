"""Static int8 with quantize/dequantize pairs: statistics, trials, the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeopt.core.dataset import Dataset
from edgeopt.core.target import Target
from edgeopt.errors import Unsupported
from edgeopt.graph.batch import batch_size
from edgeopt.graph.save import fits_one_message
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.choice.candidates import Candidates
from edgeopt.steps.quantize.choice.choose import Choice, Tried, Wishes, choose
from edgeopt.steps.quantize.choice.trial import Parts, Score, Trial, parts_of
from edgeopt.steps.quantize.doubts import calibration_doubts
from edgeopt.steps.quantize.observation.kept import KeptObservations
from edgeopt.steps.quantize.placement.integers import END_REASON
from edgeopt.steps.quantize.scheme import Made, Prefer, put_together, taken_apart
from edgeopt.steps.quantize.types import int8_types

if TYPE_CHECKING:
    import onnx

    from edgeopt.steps.quantize.placement.profile import PlacementByMeasurement


_EIGHT_BITS = 127  # the largest integer
_MEASURING_SECONDS = 2.0
_MOST_NAMED = 5
_HUGE = "the model is above 2 GiB, so no correction was tried: name those that are wanted, as `--rounding gptq`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Static:
    """Options of the scheme.

    Attributes:
        target: The device that it is for.
        per_channel: Whether weights get a scale per output channel.
        wishes: Which corrections the user fixed.
        keep_float: Node name -> why it stays float.
        measures: Whether nodes that are slower in int8 on this machine are found and left float.
        prefer: Under `size` that goes for nodes whose weights hardly count, under `latency` for all.
        statistics: Folder that statistics of activations are taken from and kept in; None for neither.
    """

    target: Target
    per_channel: bool = True
    wishes: Wishes = field(default_factory=Wishes)
    keep_float: Mapping[str, str] = field(default_factory=dict)
    measures: bool = False
    prefer: Prefer = "size"
    statistics: Path | None = None

    @property
    def takes_data(self) -> bool:
        """Always: ranges of activations rest on samples."""
        return True

    @property
    def needs_data(self) -> bool:
        """Always: ranges of activations rest on samples."""
        return True

    def make(self, model: onnx.ModelProto, data: Dataset, *, source: Path, progress: Progress | None = None) -> Made:
        """The best int8 model that calibration samples can find (see `Scheme.make`).

        Raises:
            InputError: The model fails on the data, or cannot be taken apart.
            Unsupported: Nothing in it runs on integers.
        """
        is_huge, types = not fits_one_message(model), int8_types(self.target)
        parts = Parts(fit=data, held_back=None) if is_huge else parts_of(data)
        stages = self._stages(can_equalize=True, can_smooth=True)
        trials = 1 + sum(map(len, stages)) if parts.held_back and stages else 0
        work = _Work(progress=progress, fit=len(parts.fit), trials=trials) if progress else None
        candidates = Candidates(
            source=source,
            model=model if is_huge else _for_integers(model, source),  # which takes a copy of it
            types=types,
            per_channel=self.per_channel,
            parts=parts,
            keep_float=self.keep_float,
            kept=KeptObservations(folder=self.statistics),
            progress=work.within if work else None,
        )
        choice, tried = self._chosen(candidates, parts, work)
        measured = self._measured(candidates, choice, data)
        made = candidates.build(choice, measured.keep_float if measured else None)
        if work:
            work.end()
        return Made(
            model=made.model,
            facts={**types.as_json(), "per_channel": self.per_channel, "reason": types.reason},
            kept_float=made.placement.kept_float,
            details={
                "placement": measured.as_json() if measured else None,
                "embeddings": [table.as_json() for table in made.embeddings],
                "corrections": {
                    **choice.as_json(),
                    "held_back": len(parts.held_back) if parts.held_back else 0,
                    "tried": [one.as_json() for one in tried],
                    "origin": "host",
                },
            },
            warnings=(
                *calibration_doubts(data, made.ranges),
                *([_HUGE] if is_huge else []),
                *self._floats_left(made.placement.kept_float),
            ),
        )

    def _floats_left(self, kept_float: Mapping[str, str]) -> list[str]:
        """A warning where nodes stay float though the target runs integers alone."""
        left = [node for node, why in kept_float.items() if why != END_REASON]
        if not self.target.is_integer_only or not left:
            return []
        named = ", ".join(f"`{node}`" for node in left[:_MOST_NAMED]) + (", …" if len(left) > _MOST_NAMED else "")
        return [
            f"`{self.target.name}` runs integers alone, and {len(left)} node(s) stay float: {named}; after "
            "`edgeopt convert` they take float kernels, or `--io int8` is refused: take them out of the model, or put "
            "operators with int8 kernels in their place"
        ]

    def _measured(self, candidates: Candidates, choice: Choice, data: Dataset) -> PlacementByMeasurement | None:
        """What stays float since it is slower in int8 on this machine; None where nothing is measured."""
        if not self.measures or not fits_one_message(candidates.model):
            return None
        from edgeopt.steps.quantize.placement.profile import float_where_slower

        size, is_fixed = batch_size(candidates.model)
        feeds = next(data.batches(size if is_fixed else 1, is_filled=is_fixed))

        def build(keep: Mapping[str, str]) -> onnx.ModelProto:
            try:
                return candidates.build(choice, keep).model
            except Unsupported:  # nothing is left in int8
                return candidates.model

        found = float_where_slower(
            candidates.model, build, feeds, budget_seconds=_MEASURING_SECONDS, prefer=self.prefer
        )
        return found if build(found.keep_float) is not candidates.model else replace(found, keep_float={})

    def _stages(self, *, can_equalize: bool, can_smooth: bool) -> list[list[dict[str, Any]]]:
        """Ranges of weights by squared error gain nothing at 8 bits and a scale per channel (docs/adr/0014)."""
        is_coarse = not self.per_channel or int8_types(self.target).weight_limit < _EIGHT_BITS
        return self.wishes.stages(can_equalize=can_equalize, can_smooth=can_smooth, can_clip_weights=is_coarse)

    def _chosen(self, candidates: Candidates, parts: Parts, work: _Work | None) -> tuple[Choice, tuple[Tried, ...]]:
        """What comes out best on the samples held back; the start where there are none."""
        start = self.wishes.start(per_channel=self.per_channel, has_trial=parts.held_back is not None)
        if parts.held_back is None:
            return start, ()
        stages = self._stages(
            can_equalize=self.wishes.equalize is None and bool(candidates.changes_of(Choice(equalize=True))),
            can_smooth=self.wishes.smooth is None and bool(candidates.changes_of(Choice(smooth=True))),
        )
        if not stages:
            return start, ()
        trial = Trial(candidates.model, parts.held_back)

        def score(one: Choice) -> Score:
            found = trial.score(candidates.build(one).model)
            if work:
                work.end_trial()
            return found

        return choose(start, stages, score)


class _Work:
    """How far the whole is, in samples: the first pass over them, then trials that each cost as much as a few."""

    _TRIAL = 1 / 8  # of the first pass

    def __init__(self, *, progress: Progress, fit: int, trials: int) -> None:
        self._progress = progress
        self._fit = fit
        self._step = max(1, round(fit * self._TRIAL))
        self._total = fit + trials * self._step
        self._done = 0

    def within(self, done: int, total: int) -> None:
        """A pass is at `done` of `total` samples; only the first one counts."""
        if done > self._done and total == self._fit:
            self._tell(done)

    def end_trial(self) -> None:
        """A trial has ended."""
        self._tell(min(self._total, max(self._fit, self._done) + self._step))

    def end(self) -> None:
        """All is done."""
        self._tell(self._total)

    def _tell(self, done: int) -> None:
        self._done = done
        self._progress(done, self._total)


def _for_integers(model: onnx.ModelProto, source: Path) -> onnx.ModelProto:
    """The model in operators that run well on integers."""
    from edgeopt.graph.rewrite.order import rewrite_for_integers, with_shapes

    intermediate = taken_apart(with_shapes(model), source=source)
    rewrite_for_integers(intermediate)
    return put_together(intermediate, source=source)
