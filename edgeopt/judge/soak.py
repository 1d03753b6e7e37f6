"""Sustained speed: the end of a long run held against its beginning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeopt.errors import InputError
from edgeopt.judge.intervals import CONFIDENCE
from edgeopt.judge.latency import MINIMUM_EFFECT, Samples, latency_verdict
from edgeopt.judge.means import welch_interval

# Windows next to each other are alike (heat, clock, neighbours), so each third is cut into this many batches at most,
# whose means are nearly independent (batch means; Law 2015, Simulation Modeling and Analysis, section 9.5.3). With 5
# the interval of 600 windows that are alike by 0.8 from one to the next excludes 1 in 6 of 100, with 10 in 8; of 60
# such windows in 21 and 41, so a short soak on a busy machine cries wolf.
_BATCHES = 5
_FEWEST_WINDOWS = 6

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


def early_late(windows: Samples, *, minimum_effect: float = MINIMUM_EFFECT) -> Soak:
    """Whether speed lasts, from one long run without a pause.

    Args:
        windows: Seconds per call, a sequence per window of equal time (a second, say) in the order taken; windows
            without a call do not count.
        minimum_effect: The smallest relative change that counts.

    Raises:
        InputError: Fewer than 6 windows hold calls, so that a third cannot be told from chance.
    """
    medians = np.log([float(np.median(window)) for window in windows if len(window)])
    if len(medians) < _FEWEST_WINDOWS:
        raise InputError(
            f"the run has {len(medians)} windows, early and late need {_FEWEST_WINDOWS} in all", hint="soak for longer"
        )
    third = len(medians) // 3
    early, late = medians[:third], medians[-third:]
    low, high = welch_interval(_batches(late), _batches(early), CONFIDENCE)
    ratio = math.exp(_batches(early).mean() - _batches(late).mean())
    interval = (math.exp(low), math.exp(high))
    verdict = _VERDICTS.get(latency_verdict(ratio, interval, minimum_effect), "undecided")
    return Soak(
        early=math.exp(np.median(early)),
        late=math.exp(np.median(late)),
        ratio=ratio,
        ci95=interval,
        verdict=verdict,
        minimum_effect=minimum_effect,
        text=_told(verdict, 1 / ratio - 1),
    )


def _batches(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(batch,) means of values that follow each other."""
    return np.array([part.mean() for part in np.array_split(values, min(_BATCHES, len(values)))])


def _told(verdict: SoakVerdict, change: float) -> str:
    match verdict:
        case "sustained":
            return "speed lasts: the last third is as fast as the first"
        case "slows":
            return (
                f"the last third takes {change:.1%} longer than the first: the clock fell as the chip grew hot "
                "(cool it), or other work on the machine grew (stop it)"
            )
        case "speeds up":
            return f"the last third takes {-change:.1%} less time than the first: other work ended, or the clock rose"
        case "undecided":
            return "early and late differ by no more than noise explains, and the noise hides what matters: soak longer"
