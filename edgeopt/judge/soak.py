"""Sustained speed: the end of a long run held against its beginning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeopt.errors import InputError
from edgeopt.judge.intervals import CONFIDENCE, Interval
from edgeopt.judge.latency import MINIMUM_EFFECT, Samples, latency_verdict
from edgeopt.judge.means import welch_interval
from edgeopt.judge.soak_causes import Conditions, cause_of_slowing, cause_of_speeding

# Windows next to each other are alike (heat, clock, neighbours), so each third is cut into this many batches at most,
# whose means are nearly independent (batch means; Law 2015, Simulation Modeling and Analysis, section 9.5.3). 10 would
# find more, and excluded 1 twice as often where there was nothing; with 5 a short soak on a busy machine still cries
# wolf (docs/results/soak-simulations.md).
_BATCHES = 5
FEWEST_WINDOWS = 6
UNTOLD = Conditions()
_LARGEST_EXPONENT = 700.0

Floats = NDArray[np.float64]
SoakVerdict = Literal["sustained", "slows", "speeds up", "undecided"]
_VERDICTS: dict[str, SoakVerdict] = {"same": "sustained", "slower": "slows", "faster": "speeds up"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """The last third of a long run against the first.

    Attributes:
        early: Median of the windows of the first third, in seconds per call.
        late: Median of the windows of the last third.
        ratio: Early time over late time; below 1 the model slows down.
        ci95: 95 % interval of the ratio.
        verdict: `slows` or `speeds up` when the interval excludes 1 and the effect reaches `minimum_effect`;
            `sustained` when the whole interval lies within it; else `undecided`.
        minimum_effect: The smallest relative change that counts.
        text: The verdict for people, with the likely cause.
    """

    early: float
    late: float
    ratio: float
    ci95: tuple[float, float]
    verdict: SoakVerdict
    minimum_effect: float
    text: str

    def as_json(self) -> dict[str, Any]:
        """The comparison under its JSON keys."""
        return {
            "early": self.early,
            "late": self.late,
            "unit": "s",
            "ratio": self.ratio,
            "ci95": list(self.ci95),
            "verdict": self.verdict,
            "minimum_effect": self.minimum_effect,
            "text": self.text,
        }


def early_late(windows: Samples, *, conditions: Conditions = UNTOLD, minimum_effect: float = MINIMUM_EFFECT) -> Soak:
    """Whether speed lasts, from one long run without a pause.

    Args:
        windows: Seconds per call, a sequence per window of equal time (a second, say) in the order taken; windows
            without a call do not count.
        conditions: What the system told in each window, which explains the verdict and does not change it.
        minimum_effect: The smallest relative change that counts.

    Raises:
        InputError: Fewer than 6 windows hold calls, so that a third cannot be told from chance.
    """
    early, late = _thirds(windows)
    low, high = _log_interval(windows, CONFIDENCE)
    slowdown = soak_slowdown(windows)
    ratio, interval = 1 / (1 + slowdown), (_exponential(-high), _exponential(-low))
    verdict = _VERDICTS.get(latency_verdict(ratio, interval, minimum_effect), "undecided")
    return Soak(
        early=math.exp(np.median(early)),
        late=math.exp(np.median(late)),
        ratio=ratio,
        ci95=interval,
        verdict=verdict,
        minimum_effect=minimum_effect,
        text=_told(verdict, slowdown, conditions),
    )


def soak_slowdown(windows: Samples) -> float:
    """Time per call late in a soak over that early in it, less 1: geometric means of the medians of the windows.

    Raises:
        InputError: Fewer than 6 windows hold calls.
    """
    early, late = map(_batches, _thirds(windows))
    return math.expm1(late.mean() - early.mean())


def soak_interval(windows: Samples, confidence: float) -> Interval:
    """Welch's interval of `soak_slowdown`, over batches of windows.

    Raises:
        InputError: Fewer than 6 windows hold calls.
    """
    low, high = _log_interval(windows, confidence)
    return _exponential(low) - 1, _exponential(high) - 1


def _log_interval(windows: Samples, confidence: float) -> Interval:
    """The interval of ln of late time over early time."""
    early, late = map(_batches, _thirds(windows))
    return welch_interval(early, late, confidence)


def _exponential(value: float) -> float:
    """The exponential of `value`; a bound of few batches may lie beyond all numbers."""
    return math.exp(min(value, _LARGEST_EXPONENT))


def _thirds(windows: Samples) -> tuple[Floats, Floats]:
    """(window,) ln of median seconds per call of the first third and of the last."""
    medians = np.log([float(np.median(window)) for window in windows if len(window)])
    if len(medians) < FEWEST_WINDOWS:
        raise InputError(
            f"the run has {len(medians)} windows, early and late need {FEWEST_WINDOWS} in all", hint="soak for longer"
        )
    third = len(medians) // 3
    return medians[:third], medians[-third:]


def _batches(values: Floats) -> Floats:
    """(batch,) means of values that follow each other."""
    return np.array([part.mean() for part in np.array_split(values, min(_BATCHES, len(values)))])


def _told(verdict: SoakVerdict, slowdown: float, conditions: Conditions) -> str:
    match verdict:
        case "sustained":
            return "speed lasts: the last third is as fast as the first"
        case "slows":
            cause = cause_of_slowing(slowdown, conditions)
            return f"the last third takes {slowdown:.1%} longer than the first; {cause}"
        case "speeds up":
            return f"the last third takes {-slowdown:.1%} less time than the first; {cause_of_speeding(conditions)}"
        case "undecided":
            return "whether speed lasts cannot be told, noise hides what matters: soak longer, or stop other work"
