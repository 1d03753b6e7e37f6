"""Figures and comparisons of a record in words: what the terminal and the Markdown report both show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeopt.units import (
    Dimension,
    format_bytes,
    format_points,
    format_quantity,
    format_seconds,
    format_share,
    format_watts,
)

Record = dict[str, Any]
# (what, baseline, candidate, in words)
Cells = tuple[str, str, str, str]

_COMPARED = {
    "faster": "faster",
    "slower": "slower",
    "same": "as fast",
    "undecided": "not shown to be faster or slower",
}


def figure_text(value: float | None, unit: str) -> str:
    """A figure in its base unit, as people read that unit; empty for None."""
    if value is None:
        return ""
    forms: dict[str, Callable[[float], str]] = {
        "Hz": lambda hertz: format_quantity(hertz, Dimension.HERTZ),
        "s": format_seconds,
        "B": format_bytes,
        "B/s": lambda rate: format_quantity(rate, Dimension.BYTES_PER_SECOND),
        "W": format_watts,
        "%": format_share,
        "pt": format_points,
    }
    return forms[unit](value) if unit in forms else f"{value:.5g}" + ("" if unit == "1" else f" {unit}")


def score_text(metric: str, value: float) -> str:
    """The value of a task metric: a share, or an error as a plain number."""
    return format_share(value) if is_share(metric) else f"{value:.5g}"


def is_share(metric: str) -> bool:
    """Whether a task metric lies in [0, 1], so that it reads in per cent; one of the user's own is a plain number."""
    from edgeopt.judge.metrics import METRICS  # it needs numpy, which a list of runs would wait 0.1 s for

    return metric in METRICS and METRICS[metric].is_share


def comparison_text(comparison: Record) -> str:
    """A latency ratio with its interval."""
    low, high = comparison["ci95"]
    return f"{_COMPARED[comparison['verdict']]} ({comparison['ratio']:.2f}x, 95 %: {low:.2f} to {high:.2f})"


def difference_text(accuracy: Record) -> str:
    """A difference of accuracy with its interval."""
    low, high = accuracy["ci95"]
    if accuracy["difference_pt"] is None:
        return f"{accuracy['difference']:+.4g} (95 %: {low:+.4g} to {high:+.4g})"
    return f"{accuracy['difference_pt']:+.2f} pt (95 %: {low:+.2f} to {high:+.2f})"


def size_cells(before: int, after: int) -> Cells:
    """Sizes in bytes, beside each other."""
    told = "as large" if after == before else f"{before / after:.2f}x smaller"
    told = told if after <= before else f"{after / before:.2f}x larger"
    return "size", format_bytes(before), format_bytes(after), told


def latency_cells(latency: Record | None) -> list[Cells]:
    """p50 with its comparison, and p90; nothing where nothing was timed."""
    if latency is None:
        return []
    before, after = latency["baseline"], latency["candidate"]
    rows = [("p50", f" ({before['origin']})", comparison_text(latency["comparison"])), ("p90", "", "")]
    return [
        (f"latency {key}{origin}", format_seconds(before[key]), format_seconds(after[key]), told)
        for key, origin, told in rows
    ]


def accuracy_cells(accuracy: Record | None) -> list[Cells]:
    """The metric, flips and signal to noise, as far as they are known."""
    if accuracy is None:
        return []
    rows: list[Cells] = []
    if accuracy["baseline"] is not None:
        before, after = (score_text(accuracy["metric"], accuracy[side]) for side in ("baseline", "candidate"))
        told = f"{difference_text(accuracy)}, {accuracy['verdict']}"
        rows.append((f"{accuracy['metric']}, {accuracy['n']} samples", before, after, told))
    if accuracy["flips"] is not None:
        told = f"{format_share(accuracy['flip_rate'])} of predictions changed{_directions(accuracy)}"
        rows.append(("flips", "", str(accuracy["flips"]), told))
    if accuracy["sqnr_db"] is not None:
        rows.append(("signal to noise", "", f"{accuracy['sqnr_db']:.1f} dB", "of the output"))
    return rows


def _directions(accuracy: Record) -> str:
    """Which way the flips went, where labels tell; those from one wrong class to another went neither."""
    if accuracy.get("negative_flip_rate") is None or not accuracy["flips"]:
        return ""
    return f": {accuracy['losses']} right before, {accuracy['gains']} right now"


def scheme_text(scheme: Record) -> str:
    """The types of a scheme, for the row `scheme`."""
    types = (
        f"{scheme['activations']} activations, {scheme.get('weights', 'int8')} weights of {scheme['weight_bits']} bits"
    )
    if scheme.get("name", "int8") != "int8":
        types = f"{scheme['name']}: {types}"
    if "block_size" in scheme:
        return f"{types} in blocks of {scheme['block_size']}"
    if scheme.get("per_channel") is None:
        return types
    return f"{types}, {'per channel' if scheme['per_channel'] else 'per tensor'}"


def calibration_text(calibration: Record) -> str:
    """How many samples of what a model was calibrated on."""
    if not calibration["samples"]:
        return "none: the scheme needs no samples"
    return f"{calibration['samples']} samples of {calibration['source']}"
