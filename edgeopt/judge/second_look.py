"""Two looks before red: what a first measurement points to, fresh processes have to bear out.

A file beside itself is measured anew each time, so a gate that is right 19 times in 20 would be red for nothing once a
month. `slower` therefore needs all of these:

1. Each look alone, ten processes by default, points to it: the slowdown reaches the minimum effect of 2 %. It need not
   be significant alone. A disturbance that lasts for one look does not pass.
2. Both looks pooled show it beyond chance, at one-sided 0.1 % (`RED`), by Student's t over all processes.
3. Pooled, it reaches the minimum effect, raised to twice what the base shows against itself in the same processes.

The first look only decides whether to go on. To stop there makes red rarer and never more frequent, so the level of
the second point holds for the whole, whatever starts the second look; it may start leniently, and that finds more.
Simulated: docs/results/judge-latency.md. Why: docs/adr/0006-latency.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgeopt.core.measurement import Measurement
from edgeopt.judge.intervals import Bounds
from edgeopt.judge.latency import MINIMUM_EFFECT, LatencyComparison, Samples, compare_latency, slowdown_bounds

# One-sided level at which a file may be called slower than itself.
RED = 0.001
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

    @property
    def comparison(self) -> LatencyComparison:
        """The candidate against the base, beside the noise; what it calls slower is not borne out yet."""
        effect = least_effect(self.noise.ratio)
        return compare_latency(self.base, self.candidate, calls_per_block=self.calls_per_block, minimum_effect=effect)

    @property
    def bounds(self) -> Bounds:
        """Intervals of the candidate's time over the base's."""
        return slowdown_bounds(self.base, self.candidate, 0.5, calls_per_block=self.calls_per_block, is_paired=True)


def needs_second_look(first: Look) -> bool:
    """Whether the candidate looks slower, by as much as ever counts; how sure that is does not matter yet."""
    return _points_to_slower(first.comparison)


def compare_looks(first: Look, second: Look | None = None) -> LatencyComparison:
    """The candidate against the base in all looks; never `slower` without a second one that bears it out."""
    if second is None:
        return _unless_slower(first.comparison, is_borne_out=False)
    pooled = first.joined(second)
    found = pooled.comparison
    alone = all(_points_to_slower(look.comparison) for look in (first, second))
    return _unless_slower(
        found, is_borne_out=alone and is_beyond_noise(1 / found.ratio, pooled.bounds, pooled.noise.ratio)
    )


def least_effect(noise: float) -> float:
    """The smallest relative change that counts, beside a base that shows the ratio `noise` against itself."""
    return max(MINIMUM_EFFECT, _NOISE_FACTOR * abs(noise - 1))


def is_beyond_noise(slowdown: float, bounds: Bounds, noise: float) -> bool:
    """Whether a slowdown is more than the same file would show beside itself.

    Args:
        slowdown: Candidate time over base time.
        bounds: Intervals of it.
        noise: The ratio that the base shows against itself; 1 where that was not measured.
    """
    return slowdown >= 1 + least_effect(noise) and bounds(1 - 2 * RED)[0] > 1


def joined_looks(first: Measurement, second: Measurement) -> Measurement:
    """Both looks at one figure as one measurement, whose details count them and pool the noise."""
    details = {**first.details, "looks": look_count(first) + look_count(second)}
    if "noise" in first.details and "noise" in second.details:
        details["noise"] = math.sqrt(noise_of(first) * noise_of(second))
    return replace(first, samples=(*first.samples, *second.samples), details=details)


def look_count(measurement: Measurement) -> int:
    """How many looks a measurement holds, each of as many processes; 1 where it does not say."""
    count = measurement.details.get("looks")
    return count if isinstance(count, int) and 1 <= count <= len(measurement.samples) else 1


def looks_alone(measurement: Measurement) -> list[Sequence[Sequence[float]]]:
    """The samples of each look; the last one has what does not divide evenly."""
    count, samples = look_count(measurement), measurement.samples
    size = len(samples) // count
    return [samples[index * size : (index + 1) * size if index < count - 1 else None] for index in range(count)]


def noise_of(measurement: Measurement) -> float:
    """The ratio that the base showed against itself in the same processes; 1 where that was not measured."""
    ratio = measurement.details.get("noise")
    return float(ratio) if isinstance(ratio, int | float) and 0 < ratio < math.inf else 1.0


def _points_to_slower(comparison: LatencyComparison) -> bool:
    return comparison.ratio <= 1 / (1 + MINIMUM_EFFECT)


def _unless_slower(comparison: LatencyComparison, *, is_borne_out: bool) -> LatencyComparison:
    if comparison.verdict != "slower" or is_borne_out:
        return comparison
    return replace(comparison, verdict="undecided")
