"""Rates from latencies: non-negative, pooled over what targets share, and held back from what the data do not say.

For a group of rows, the same (target, runtime, dtype, threads), the model is t = rates . amounts with rates >= 0.
The residuals are relative, (t - y) / y, and large ones count as their absolute value (Huber at 5 %). Two levels of
ridge hold the rates: those of a class of targets (one runtime and dtype, one thread or several) towards a
written-down prior, those of a target towards its class, each scaled to the rows' median. The strength of both is not
chosen by the data but averaged over a short list: a mean of non-negative rates is non-negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from edgeopt.predict.features import FEATURES

Vector = NDArray[np.float64]
_HUBER = 0.05
_TINY = 1e-9
# All of these are products of matrices in the end: what the rows say of one says something of the others. A network
# whose only 3x3 convolution reads three channels must not tell how fast one of 256 channels is.
_TIED_TO = "pointwise_macs"
_TIED = ("fast_window_macs", "window_macs", "gemm_macs", "attention_macs")
_TIE = 3.0  # how much stronger than the other ridges


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Latencies of one group.

    Attributes:
        models: Name per row.
        families: Family per row; siblings share one.
        amounts: (row, feature) float64.
        seconds: (row,) float64.
    """

    models: tuple[str, ...]
    families: NDArray[np.str_]
    amounts: Vector
    seconds: Vector

    def without(self, family: str) -> Rows:
        """All rows but those of a family."""
        return self.where(self.families != family)

    def where(self, is_kept: NDArray[np.bool_]) -> Rows:
        """The rows that are marked."""
        places = np.flatnonzero(is_kept)
        return Rows(
            models=tuple(self.models[place] for place in places),
            families=self.families[places],
            amounts=self.amounts[places],
            seconds=self.seconds[places],
        )


def rates_of_class(groups: Sequence[Rows], prior: Vector, strength: float) -> Vector:
    """Rates that a class of targets shares up to a factor each, held to `prior`."""
    shared = prior
    for _ in range(4):
        scaled = [rows.amounts * _factor(rows, shared) / rows.seconds[:, None] for rows in groups]
        weights = np.concatenate([np.full(len(part), 1 / np.sqrt(len(part))) for part in scaled])
        shared = _robust(np.vstack(scaled), weights, prior, strength * np.sqrt(len(groups)), rounds=3)
    return shared


def rates_of_target(rows: Rows, shared: Vector, strength: float) -> Vector:
    """Rates of one group of rows, held to those of its class."""
    relative = rows.amounts / rows.seconds[:, None]
    count = np.sqrt(len(rows.models))
    return _robust(relative, np.ones(len(rows.models)), shared * _factor(rows, shared), strength * count, rounds=6)


def fit(
    groups: Mapping[str, Rows], wanted: Sequence[str], prior: Vector, strengths: Sequence[float]
) -> dict[str, Vector]:
    """Rates of the `wanted` groups of a class, averaged over the strengths of the ridge.

    Args:
        groups: All groups of the class by key; those without rows are left out.
        wanted: Keys to fit.
        prior: Rates in seconds per unit, right up to a factor.
        strengths: Of the ridge, relative to the rows' weight.
    """
    usable = {key: rows for key, rows in groups.items() if rows.models}
    total: dict[str, Vector] = {key: np.zeros(len(FEATURES)) for key in wanted if key in usable}
    for strength in strengths:
        shared = rates_of_class(list(usable.values()), prior, strength)
        parts = {key: rates_of_target(usable[key], shared, strength) for key in total}
        total = {key: rates + parts[key] / len(strengths) for key, rates in total.items()}
    return total


def _ridge(strength: float) -> tuple[Vector, Vector]:
    """Rows and right-hand side that hold rates, in units of the prior: each to 1, those that are tied to each other."""
    names = list(FEATURES)
    held, hold_at = strength * np.eye(len(names)), np.full(len(names), strength)
    for name in _TIED:
        place = names.index(name)
        held[place] *= _TIE
        held[place, names.index(_TIED_TO)] = -strength * _TIE
        hold_at[place] = 0.0
    return held, hold_at


def _factor(rows: Rows, rates: Vector) -> float:
    """What the rates must be multiplied by for the median row to be right."""
    return float(1 / np.median(rows.amounts @ rates / rows.seconds))


def _robust(relative: Vector, weights: Vector, prior: Vector, strength: float, *, rounds: int) -> Vector:
    """Non-negative rates with relative . rates near 1, in units of the prior, re-weighted by their residuals.

    A feature whose prior is 0 stays 0.
    """
    units = np.maximum(prior, _TINY * prior.max())
    design, (held, hold_at) = relative * units, _ridge(strength)
    again = np.ones(len(weights))
    answer = np.ones(len(prior))
    for _ in range(rounds):
        row_weights = weights * again
        stacked = np.vstack([design * row_weights[:, None], held])
        target = np.concatenate([row_weights, hold_at])
        answer = nnls(stacked, target)[0]
        again = np.sqrt(_HUBER / np.maximum(np.abs(design @ answer - 1), _HUBER))
    return answer * units
