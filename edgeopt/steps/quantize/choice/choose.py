"""Which corrections an int8 model gets: each is kept only where held-back samples come out better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from edgeopt.steps.quantize.choice.trial import Score

RangeMethod = Literal["minmax", "percentile", "entropy", "mse"]
WeightRange = Literal["minmax", "mse"]
Rounding = Literal["nearest", "gptq", "adaround"]

# A gain (`Score.gain_over`) below this is noise of the few samples held back.
SMALLEST_GAIN_DB = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One way to make the int8 model; the fields in the order in which they are decided.

    Attributes:
        equalize: Cross-layer equalization before all else.
        smooth: SmoothQuant before all else.
        range: How ranges of activations are taken.
        weight_range: How ranges of weights are taken.
        rounding: How weights are rounded.
        correct_bias: Whether biases make up for the mean error of the rounded weights.
    """

    equalize: bool = False
    smooth: bool = False
    range: RangeMethod = "minmax"
    weight_range: WeightRange = "minmax"
    rounding: Rounding = "nearest"
    correct_bias: bool = False

    def as_json(self) -> dict[str, Any]:
        """Keys of `corrections` in the record of `quantize`."""
        return {
            "equalize": self.equalize,
            "smooth": self.smooth,
            "range": self.range,
            "weight_range": self.weight_range,
            "rounding": self.rounding,
            "bias_correction": self.correct_bias,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What of a `Choice` the user fixed; the rest, None or `auto`, is decided by trial."""

    equalize: bool | None = None
    smooth: bool | None = None
    range: RangeMethod | Literal["auto"] = "auto"
    weight_range: WeightRange | Literal["auto"] = "auto"
    rounding: Rounding | Literal["auto"] = "auto"
    correct_bias: bool | None = None

    def start(self, *, per_channel: bool, has_trial: bool) -> Choice:
        """What holds before anything is tried: what the user fixed, and the plain way of the rest.

        Args:
            per_channel: Whether weights get a scale per channel. With one in all, and nothing to try on,
                equalization is the safer start: it needs no data and changes no function.
            has_trial: Whether samples are held back to decide on.
        """
        plain = Choice(equalize=not per_channel and not has_trial)
        fixed = {name: getattr(self, name) for name in _FIELDS if getattr(self, name) not in (None, "auto")}
        return replace(plain, **fixed)

    def stages(self, *, can_equalize: bool, can_smooth: bool, can_clip_weights: bool) -> list[list[dict[str, Any]]]:
        """The alternatives to try, stage by stage; only what can change anything."""
        stages: list[list[dict[str, Any]]] = [
            [{"smooth": True}] if self.smooth is None and can_smooth else [],
            [{"equalize": True}] if self.equalize is None and can_equalize else [],
            [{"range": method} for method in ("percentile", "entropy", "mse")] if self.range == "auto" else [],
            [{"weight_range": "mse"}] if self.weight_range == "auto" and can_clip_weights else [],
            self._roundings(),
        ]
        return [stage for stage in stages if stage]

    def _roundings(self) -> list[dict[str, Any]]:
        """GPTQ, and GPTQ that leaves the mean error to the bias; biases alone came out best on no network."""
        rounding: dict[str, Any] = {"rounding": "gptq"} if self.rounding == "auto" else {}
        bias: dict[str, Any] = {"correct_bias": True} if self.correct_bias is None else {}
        alternatives = [rounding, {**rounding, **bias}] if bias else [rounding]
        return [change for change in alternatives if change]


_FIELDS = tuple(Wishes.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One alternative that was tried on held-back samples.

    Attributes:
        change: What it changes: field of `Choice` -> value.
        before_db: Score (`Score.db`) of the best before it.
        after_db: Score with it.
        is_kept: Whether it was kept.
    """

    change: dict[str, Any]
    before_db: float
    after_db: float
    is_kept: bool = False

    def as_json(self) -> dict[str, Any]:
        """One entry of `tried` in the record of `quantize`."""
        return {
            "change": self.change,
            "before_db": round(self.before_db, 3),
            "after_db": round(self.after_db, 3),
            "kept": self.is_kept,
        }


def choose(
    start: Choice,
    stages: Sequence[Sequence[dict[str, Any]]],
    score: Callable[[Choice], Score],
) -> tuple[Choice, tuple[Tried, ...]]:
    """The best choice found from `start` by deciding stage after stage.

    Of a stage's alternatives that are better than what held before it, the one with the best score is kept.

    Args:
        start: What holds before anything is tried.
        stages: Per stage the alternatives to what holds, each a change of fields of `Choice`.
        score: Of a choice on held-back samples.

    Returns:
        The choice, and every alternative tried in order.
    """
    best, best_score = start, score(start)
    tried: list[Tried] = []
    for alternatives in stages:
        base, base_score, kept = best, best_score, None
        for change in alternatives:
            choice = replace(base, **change)
            found = base_score if choice == base else score(choice)
            if found.gain_over(base_score) > SMALLEST_GAIN_DB and found.db > best_score.db:
                best, best_score, kept = choice, found, len(tried)
            tried.append(Tried(change=change, before_db=base_score.db, after_db=found.db))
        if kept is not None:
            tried[kept] = replace(tried[kept], is_kept=True)
    return best, tuple(tried)
