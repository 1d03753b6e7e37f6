"""Every family of networks predicted by a fit that has never seen it, on any target, and intervals made of that.

The interval of a group is its median residual times a factor that its class shares: the 90 % point of the residuals
over the groups' medians (split conformal prediction with a scale, arXiv 1604.04173), a family at a time, so that
siblings do not vouch for each other, at a level raised by (families + 1) / families. A group's median is drawn towards
its class's where it has few families.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from estimates.fit import Rows, Vector, fit
from estimates.priors import STRENGTHS, prior
from estimates.rows import Class, Key

LEVEL = 0.9
_SHRINK_FAMILIES = 3.0  # how many families the class's median counts as
_K = TypeVar("_K")


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """log(predicted / published) of a network whose family the fit has not seen."""

    model: str
    family: str
    log_ratio: float


def held_out(pool: Class, groups: Mapping[Key, Rows], wanted: Iterable[Key]) -> dict[Key, list[Residual]]:
    """Residuals of the `wanted` groups, each family left out of the whole class in turn."""
    keys = tuple(wanted)
    found: dict[Key, list[Residual]] = defaultdict(list)
    for family in sorted({family for key in keys for family in groups[key].families}):
        asked = [key for key in keys if family in groups[key].families]
        kept = {key: rows.without(family) for key, rows in groups.items()}
        rates = fit(kept, asked, prior(pool.engine), STRENGTHS[pool.engine])
        for key in asked:
            if key in rates:
                found[key] += _residuals(groups[key], family, rates[key])
    return found


def _residuals(rows: Rows, family: str, rates: Vector) -> list[Residual]:
    seen = rows.where(rows.families == family)
    ratios = np.log(seen.amounts @ rates / seen.seconds)
    return [
        Residual(model=model, family=family, log_ratio=float(ratio))
        for model, ratio in zip(seen.models, ratios, strict=True)
    ]


def half_widths(residuals: Mapping[_K, list[Residual]], *, without: str | None = None) -> dict[_K, float]:
    """Half width of each group's interval of log(latency), from all families but `without`."""
    kept = {key: [one for one in found if one.family != without] for key, found in residuals.items()}
    kept = {key: found for key, found in kept.items() if found}
    medians = {key: _median(found) for key, found in kept.items()}
    typical = float(np.median(list(medians.values())))
    scales = {key: _drawn(medians[key], typical, found) for key, found in kept.items()}
    ratios = np.concatenate([[abs(one.log_ratio) / scales[key] for one in found] for key, found in kept.items()])
    weights = np.concatenate([_by_family(found) for found in kept.values()])
    families = len({one.family for found in kept.values() for one in found})
    factor = _weighted_quantile(ratios, weights, min(1.0, LEVEL * (families + 1) / families))
    return {key: scale * factor for key, scale in scales.items()}


def _drawn(median: float, typical: float, found: list[Residual]) -> float:
    families = len({one.family for one in found})
    return (families * median + _SHRINK_FAMILIES * typical) / (families + _SHRINK_FAMILIES)


def _median(found: list[Residual]) -> float:
    return float(np.median([abs(one.log_ratio) for one in found]))


def _by_family(found: list[Residual]) -> Vector:
    """Weight per residual, so that each family counts once."""
    sizes: dict[str, int] = defaultdict(int)
    for one in found:
        sizes[one.family] += 1
    return np.array([1 / sizes[one.family] for one in found])


def _weighted_quantile(values: Vector, weights: Vector, level: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(np.searchsorted(reached, level), len(values) - 1)])


def covered(residuals: Mapping[_K, list[Residual]]) -> dict[_K, list[bool]]:
    """Whether each network lies in the interval that all other families give its group."""
    found: dict[_K, list[bool]] = defaultdict(list)
    for family in sorted({one.family for rows in residuals.values() for one in rows}):
        widths = half_widths(residuals, without=family)
        for key, rows in residuals.items():
            found[key] += [abs(one.log_ratio) <= widths[key] for one in rows if one.family == family and key in widths]
    return found
