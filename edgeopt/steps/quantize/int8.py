"""Static int8 with quantize/dequantize pairs: statistics, trials, the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.core.dataset import Dataset
from edgeopt.core.target import Target
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.candidates import Candidates
from edgeopt.steps.quantize.choose import Choice, Tried, Wishes, choose
from edgeopt.steps.quantize.doubts import calibration_doubts
from edgeopt.steps.quantize.scheme import Made, put_together, taken_apart
from edgeopt.steps.quantize.trial import Parts, Trial, parts_of
from edgeopt.steps.quantize.types import int8_types

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Static:
    """Options of the scheme.

    Attributes:
        target: The device that it is for.
        per_channel: Whether weights get a scale per output channel.
        wishes: Which corrections the user fixed.
        keep_float: Node name -> why it stays float.
    """

    target: Target
    per_channel: bool = True
    wishes: Wishes = field(default_factory=Wishes)
    keep_float: Mapping[str, str] = field(default_factory=dict)

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
        parts, types = parts_of(data), int8_types(self.target)
        trials = 1 + sum(map(len, self.wishes.stages(can_equalize=True, can_smooth=True))) if parts.held_back else 0
        work = _Work(progress=progress, fit=len(parts.fit), trials=trials) if progress else None
        candidates = Candidates(
            source=source,
            model=_for_integers(model, source),
            types=types,
            per_channel=self.per_channel,
            data=parts.fit,
            has_histograms=self.wishes.range != "minmax",
            keep_float=self.keep_float,
            progress=work.within if work else None,
        )
        choice, tried = self._chosen(candidates, parts, work)
        if parts.held_back is not None:
            candidates.learn(choice, parts.held_back)
        made = candidates.build(choice)
        if work:
            work.end()
        return Made(
            model=made.model,
            facts={**types.as_json(), "per_channel": self.per_channel, "reason": types.reason},
            kept_float=made.placement.kept_float,
            details={
                "embeddings": [table.as_json() for table in made.embeddings],
                "corrections": {
                    **choice.as_json(),
                    "held_back": len(parts.held_back) if parts.held_back else 0,
                    "tried": [one.as_json() for one in tried],
                    "origin": "host",
                },
            },
            warnings=calibration_doubts(data, made.ranges),
        )

    def _chosen(self, candidates: Candidates, parts: Parts, work: _Work | None) -> tuple[Choice, tuple[Tried, ...]]:
        """What comes out best on the samples held back; the start where there are none."""
        start = self.wishes.start(per_channel=self.per_channel, has_trial=parts.held_back is not None)
        if parts.held_back is None:
            return start, ()
        trial = Trial(candidates.model, parts.held_back)
        stages = self.wishes.stages(
            can_equalize=bool(candidates.changes_of(Choice(equalize=True))),
            can_smooth=bool(candidates.changes_of(Choice(smooth=True))),
        )

        def score(one: Choice) -> float:
            found = trial.sqnr_db(candidates.build(one).model)
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
