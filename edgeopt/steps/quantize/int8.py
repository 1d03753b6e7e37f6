"""Static int8 with quantize/dequantize pairs: statistics, trials, the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeopt.core.dataset import Dataset
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.candidates import Candidates
from edgeopt.steps.quantize.choose import Choice, Tried, Wishes, choose
from edgeopt.steps.quantize.doubts import calibration_doubts
from edgeopt.steps.quantize.place import Placement
from edgeopt.steps.quantize.trial import Trial, parts_of
from edgeopt.steps.quantize.types import Int8Types

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Model:
    """What `int8_model` gives.

    Attributes:
        model: The int8 model.
        placement: What is quantized.
        choice: Which corrections it has.
        tried: What was tried on held-back samples.
        held_back: How many samples these were; 0 where there were too few to spare any.
        warnings: What the user should know.
    """

    model: onnx.ModelProto
    placement: Placement
    choice: Choice
    tried: tuple[Tried, ...]
    held_back: int
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Keys of the record of `quantize`."""
        kept_float = [{"node": node, "reason": why} for node, why in self.placement.kept_float.items()]
        corrections = {
            **self.choice.as_json(),
            "held_back": self.held_back,
            "tried": [one.as_json() for one in self.tried],
            "origin": "host",
        }
        return {"kept_float": kept_float, "corrections": corrections}


def int8_model(
    model: onnx.ModelProto,
    data: Dataset,
    *,
    source: Path,
    types: Int8Types,
    per_channel: bool,
    wishes: Wishes,
    keep_float: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Int8Model:
    """The best int8 model of a prepared float model that its calibration samples can find.

    Args:
        model: The prepared float model.
        data: Calibration samples, at least one.
        source: Where the model came from, for people.
        types: Integer types.
        per_channel: Whether weights get a scale per output channel.
        wishes: What the user fixed.
        keep_float: Node name -> why it stays float.
        progress: Called with (done, total).

    Raises:
        InputError: The model fails on the data.
        Unsupported: Nothing in it runs on integers.
    """
    parts = parts_of(data)
    trials = 1 + sum(map(len, wishes.stages(can_equalize=True, can_smooth=True))) if parts.held_back else 0
    work = _Work(progress=progress, fit=len(parts.fit), trials=trials) if progress else None
    model = _for_integers(model)
    candidates = Candidates(
        source=source,
        model=model,
        types=types,
        per_channel=per_channel,
        data=parts.fit,
        has_histograms=wishes.range != "minmax",
        keep_float=keep_float or {},
        progress=work.within if work else None,
    )
    start = wishes.start(per_channel=per_channel, has_trial=parts.held_back is not None)
    choice, tried = start, tuple[Tried, ...]()
    if parts.held_back is not None:
        trial = Trial(model, parts.held_back)
        stages = wishes.stages(
            can_equalize=bool(candidates.changes_of(Choice(equalize=True))),
            can_smooth=bool(candidates.changes_of(Choice(smooth=True))),
        )

        def score(one: Choice) -> float:
            found = trial.sqnr_db(candidates.build(one)[0])
            if work:
                work.end_trial()
            return found

        choice, tried = choose(start, stages, score)
        candidates.learn(choice, parts.held_back)
    made, placement = candidates.build(choice)
    if work:
        work.end()
    held_back = len(parts.held_back) if parts.held_back is not None else 0
    doubts = calibration_doubts(data, candidates.ranges(choice, placement))
    return Int8Model(model=made, placement=placement, choice=choice, tried=tried, held_back=held_back, warnings=doubts)


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


def _for_integers(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in operators that run well on integers."""
    import onnx_ir as ir

    from edgeopt.graph.rewrite.order import rewrite_for_integers, with_shapes

    intermediate = ir.serde.deserialize_model(with_shapes(model))
    rewrite_for_integers(intermediate)
    return ir.serde.serialize_model(intermediate)
