"""Two looks before red: what a first measurement suspects, a second one in fresh processes has to bear out.

Slower is what (1) the first look suspects: the one-sided 95 % bound on the slowdown is above 0, and the slowdown itself
reaches the minimum effect; (2) the second look alone repeats: it reaches the minimum effect again; (3) both looks
pooled show: the 95 % interval excludes 1 and the ratio reaches the minimum effect, raised to twice what the base shows
against itself in the same processes.

The second look alone need not be significant: demanding that of each look by itself misses too many files that are 5 %
slower (docs/adr/0006-latency.md). Significance is asked of all the data, and of the second look only what chance at the
first does not bring about again. The noise of the machine counts on the pooled data alone, since one look knows it no
better than it knows the slowdown. Simulated: docs/results/judge-latency.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgeopt.core.measurement import Measurement
from edgeopt.judge.estimate import ALPHA
from edgeopt.judge.latency import MINIMUM_EFFECT, LatencyComparison, Samples, compare_latency, slowdown_interval

# An effect counts when it is at least twice what the base shows against itself in the same processes.
_NOISE_FACTOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One measurement of a base, a candidate, and the base once more, by turns in the same processes.

    Attributes:
        base: Seconds per call, a sequence per process.
        candidate: The same of the candidate.
        twin: The same of the base's second copy.
        calls_per_block: Calls timed in a row.
    """

    base: Samples
    candidate: Samples
    twin: Samples
    calls_per_block: int

    def joined(self, other: Look) -> Look:
        """Both looks as one, processes in order."""
        return Look(
            base=[*self.base, *other.base],
            candidate=[*self.candidate, *other.candidate],
            twin=[*self.twin, *other.twin],
            calls_per_block=min(self.calls_per_block, other.calls_per_block),
        )

    @property
    def noise(self) -> LatencyComparison:
        """The base against itself."""
        return compare_latency(self.base, self.twin, calls_per_block=self.calls_per_block)

    def compared(self, minimum_effect: float = MINIMUM_EFFECT) -> LatencyComparison:
        """The candidate against the base."""
        return compare_latency(
            self.base, self.candidate, calls_per_block=self.calls_per_block, minimum_effect=minimum_effect
        )


def least_effect(noise: float) -> float:
    """The smallest relative change that counts, beside a base that shows the ratio `noise` against itself."""
    return max(MINIMUM_EFFECT, _NOISE_FACTOR * abs(noise - 1))


def is_suspect(first: Look) -> bool:
    """Whether the candidate looks slower, so that a second look is worth its time."""
    low, _ = slowdown_interval(
        first.base, first.candidate, 0.5, 1 - 2 * ALPHA, calls_per_block=first.calls_per_block, is_paired=True
    )
    return low > 1 and _is_slower(first.compared().ratio)


def verdict_of_one(first: Look) -> LatencyComparison:
    """What one look says of a candidate that is no suspect: faster, the same or undecided, beside the noise."""
    comparison = first.compared(least_effect(first.noise.ratio))
    return replace(comparison, verdict="undecided") if comparison.verdict == "slower" else comparison


def verdict_of_two(first: Look, second: Look) -> LatencyComparison:
    """What both looks pooled say; `slower` where the first suspected it and the second alone repeats it."""
    both = first.joined(second)
    comparison = both.compared(least_effect(both.noise.ratio))
    is_borne_out = is_suspect(first) and _is_slower(second.compared().ratio)
    if comparison.verdict == "slower" and not is_borne_out:
        return replace(comparison, verdict="undecided")
    return comparison


def joined_looks(first: Measurement, second: Measurement) -> Measurement:
    """Both looks at one figure as one measurement, whose details count them and pool the noise."""
    details = {**first.details, "looks": looks_at(first) + looks_at(second)}
    noises = [m.details["noise"] for m in (first, second) if "noise" in m.details]
    if noises:
        details["noise"] = math.exp(sum(math.log(noise) for noise in noises) / len(noises))
    return replace(first, samples=(*first.samples, *second.samples), details=details)


def looks_at(measurement: Measurement) -> int:
    """How many looks a measurement holds, at least 1 and no more than it has processes."""
    return max(1, min(int(measurement.details.get("looks", 1)), len(measurement.samples)))


def second_samples(measurement: Measurement) -> Sequence[Sequence[float]]:
    """(process, sample) what the last look took; all there is where there was one look."""
    return measurement.samples[-(len(measurement.samples) // looks_at(measurement)) :]


def _is_slower(ratio: float) -> bool:
    return ratio <= 1 / (1 + MINIMUM_EFFECT)
