"""The bars that edgeopt is held to, as pure functions of figures.

A figure is a mean over draws of the calibration samples. The best rival is the best on average, not the best of each
draw, which would be a rival that nobody can choose.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeopt.judge.means import student_interval

SPARE_FLIPS = 1.0
LEAST_SHARE_OF_SPEED = 0.98
PLANTED_DB = 27.0
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what was held against what, and whether it was reached."""

    text: str
    is_reached: bool

    def __str__(self) -> str:
        return f"{self.text}: {'reached' if self.is_reached else 'MISSED'}"


def best_rival(figures: Mapping[str, Sequence[float]], *, is_larger_better: bool) -> str:
    """The rival with the best mean over its draws; the first of equals.

    Args:
        figures: Rival -> a figure per draw; at least one rival.
        is_larger_better: Whether the largest is best.
    """
    means = {name: statistics.fmean(values) for name, values in figures.items()}
    return max(means, key=means.__getitem__) if is_larger_better else min(means, key=means.__getitem__)


def flips_bar(ours: Sequence[float], rivals: Mapping[str, Sequence[float]]) -> Bar:
    """Mean flips at most the best rival's plus one sample."""
    best = best_rival(rivals, is_larger_better=False)
    mean, limit = statistics.fmean(ours), statistics.fmean(rivals[best]) + SPARE_FLIPS
    return Bar(f"flips {mean:.1f} <= {limit:.1f} ({best}, one more)", mean <= limit + 1e-9)


def sqnr_bar(ours: Sequence[float], rivals: Mapping[str, Sequence[float]]) -> Bar:
    """Mean signal to noise at least the best rival's, in dB.

    The text has the 95 % interval of the difference over draws too: one draw tells little of networks whose figure
    moves by 2 dB from draw to draw, and the best of several rivals has luck on its side.

    Args:
        ours: dB per draw.
        rivals: Rival -> dB of the same draws.
    """
    best = best_rival(rivals, is_larger_better=True)
    differences = np.subtract(ours, rivals[best])
    text = f"SQNR {statistics.fmean(ours):.2f} >= {statistics.fmean(rivals[best]):.2f} dB ({best}"
    if len(differences) > 1:
        low, high = student_interval(differences, 0.95)
        text += f"; by {low:+.2f} to {high:+.2f}"
    return Bar(f"{text})", bool(differences.mean() >= 0))


def drop_bar(p_values: Sequence[float], best: str) -> Bar:
    """Accuracy not below the best rival's by a paired test per draw.

    The draws judge much the same samples, so their tests are no independent evidence: the smallest p is multiplied by
    their number (Bonferroni).

    Args:
        p_values: Per draw, one-sided mid-p of McNemar's test that edgeopt is not worse.
        best: Name of the rival.
    """
    p = min(1.0, min(p_values) * len(p_values))
    return Bar(f"drop no worse than {best}: p {p:.2f} >= {LEVEL}", p >= LEVEL)


def planted_bar(decibels: float) -> Bar:
    """The planted failure repaired."""
    return Bar(f"SQNR {decibels:.2f} >= {PLANTED_DB:.0f} dB", decibels >= PLANTED_DB)


def speed_bar(ratio: float, best: str) -> Bar:
    """Speed at least 0.98 of the best rival's.

    Args:
        ratio: Speed of edgeopt's model over the rival's.
        best: Name of the rival.
    """
    text = f"{ratio:.3f}x >= {LEAST_SHARE_OF_SPEED}x of {best}"
    return Bar(text, ratio >= LEAST_SHARE_OF_SPEED)


def float_bar(ratio: float, interval: tuple[float, float], *, is_float: bool) -> Bar:
    """With `--prefer latency` never slower than the float model.

    Args:
        ratio: Speed over the float model.
        interval: Its 95 % interval.
        is_float: Whether the output is the float model itself, which cannot be slower than itself.
    """
    if is_float:
        return Bar("the float model was kept, 1.000x by choice", is_reached=True)
    if ratio < 1 <= interval[1]:
        return Bar(f"{ratio:.3f}x >= 1.0x within the interval ({interval[0]:.3f} to {interval[1]:.3f})", True)
    return Bar(f"{ratio:.3f}x >= 1.0x of fp32", ratio >= 1)


def cost_bar(seconds: float, peak_bytes: int, *, most_seconds: float, most_bytes: float) -> tuple[Bar, Bar]:
    """Wall seconds and peak bytes of a whole command within a budget."""
    return (
        Bar(f"{seconds:.2f} <= {most_seconds:.1f} s", seconds <= most_seconds),
        Bar(f"{peak_bytes / 1e6:.0f} <= {most_bytes / 1e6:.0f} MB", peak_bytes <= most_bytes),
    )


def growth_bar(small: int, large: int) -> Bar:
    """Peak bytes with many samples within 10 % of those with few."""
    return Bar(f"{large / small - 1:+.1%} <= +10 % of {small / 1e6:.0f} MB", large <= 1.1 * small)
