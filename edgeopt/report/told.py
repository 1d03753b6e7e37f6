"""What a gate or a comparison rests on, in words that every report shares: baseline, looks, waivers and slices."""

from __future__ import annotations

from collections.abc import Sequence

from edgeopt.report.figures import Record, score_text
from edgeopt.units import format_points

SLICE_HEADERS = ("slice", "samples", "baseline", "candidate", "difference", "flips", "p (Holm)", "")
WAIVER_HEADERS = ("waiver", "state", "until", "by", "reason")
# From so many models on, the chance that one passes by luck alone is worth a word: 5 % each, a quarter for five.
_MANY_LOOKS = 5
_ORDER = ("worse", "not shown to be worse", "not judged")


def facts_of(record: Record) -> list[str]:
    """A line each on what the candidate was held against, who accepts it, and how often its samples were looked at."""
    return [line for line in (_baseline_text(record), _accepted_text(record), _looks_text(record)) if line]


def waiver_cells(record: Record) -> list[tuple[str, ...]]:
    """A row per waiver, used or not, with how long it lasts."""
    return [
        (waiver["rule"], waiver["state"], _until(waiver), waiver["by"], waiver["reason"])
        for waiver in record.get("waivers") or []
    ]


def waiver_lines(record: Record) -> list[str]:
    """The same as lines of text."""
    return [
        f"waiver of `{rule}`: {state}, until {until}, by {by}: {reason}"
        for rule, state, until, by, reason in waiver_cells(record)
    ]


def slice_cells(slices: Sequence[Record]) -> list[tuple[str, ...]]:
    """A row per slice, those that are worse first, then by how much was lost."""
    return [_slice_row(part) for part in sorted(slices, key=_slice_order)]


def slices_text(slices: Sequence[Record]) -> str:
    """How many slices ended how; empty without slices."""
    if not slices:
        return ""
    judged = [part for part in slices if part["verdict"] != "not judged"]
    worse = [f"{part['column']}={part['value']}" for part in judged if part["verdict"] == "worse"]
    told = f"worse on {', '.join(worse)}" if worse else "none shown to be worse"
    small = len(slices) - len(judged)
    left = f"; {small} not judged" if small else ""
    return f"slices: {len(judged)} judged, {told} (one-sided, Holm at 5 % over all){left}"


def _baseline_text(record: Record) -> str:
    baseline = record.get("baseline")
    if not isinstance(baseline, dict) or baseline.get("is_original"):
        return ""
    accepted = baseline.get("accepted")
    told = f", accepted {_by(accepted)}" if accepted else ""
    return f"held against baseline {baseline['name']}{told}"


def _accepted_text(record: Record) -> str:
    accepted = record.get("accepted")
    return f"accepted as the new baseline {_by(accepted)}" if accepted else ""


def _by(accepted: Record) -> str:
    return f"by {accepted['by']} on {accepted['date'][:10]}: {accepted['reason']}"


def _looks_text(record: Record) -> str:
    looks = record.get("looks")
    if not looks or looks["models"] < 2:
        return ""
    part = f" of part `{looks['part']}`" if looks["part"] else ""
    told = f"{looks['models']} models were judged on these {looks['n']:,} samples{part} of {looks['source']}"
    if looks["models"] < _MANY_LOOKS:
        return told
    return f"{told}: of so many one may pass by luck; confirm the choice on samples that none of them saw"


def _until(waiver: Record) -> str:
    days = waiver["days_left"]
    if days < 0:
        return f"{waiver['until']} (ended {-days} day{'s' * (days != -1)} ago)"
    return f"{waiver['until']} ({days} day{'s' * (days != 1)} left)"


def _slice_order(part: Record) -> tuple[int, float]:
    difference = part["difference"]
    return _ORDER.index(part["verdict"]), 0.0 if difference is None else difference


def _slice_row(part: Record) -> tuple[str, ...]:
    values = [
        "" if part[side] is None else score_text(part["metric"], part[side]) for side in ("baseline", "candidate")
    ]
    return (
        f"{part['column']}={part['value']}",
        f"{part['n']:,}",
        *values,
        _difference(part),
        "" if part["flips"] is None else str(part["flips"]),
        "" if part["p_holm"] is None else f"{part['p_holm']:.2g}",
        part["reason"] or part["verdict"],
    )


def _difference(part: Record) -> str:
    if part["difference"] is None:
        return ""
    return format_points(part["difference"]) if part["difference_pt"] is not None else f"{part['difference']:+.4g}"
