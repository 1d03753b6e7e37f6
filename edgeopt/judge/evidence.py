"""What was measured of a candidate and its baseline, and what that says about a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeopt.core.measurement import Measurement, Origin
from edgeopt.judge.estimate import Estimate
from edgeopt.judge.predictions import Predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two models.

    Attributes:
        sha256: Digest of the artifact.
        machine: Identity of the machine that the figures come from, where their own `machine` does not say another.
        measurements: All that was measured of it.
        predictions: Scores per sample, where they are at hand.
    """

    sha256: str
    machine: str = ""
    measurements: tuple[Measurement, ...] = ()
    predictions: Predictions | None = None

    def find(self, metric: str, target: str) -> Measurement | None:
        """The last measurement of a metric on a target; a size is the same on every target."""
        found = [m for m in self.measurements if m.metric == metric and (m.target == target or metric == "size")]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A candidate and what it is held against.

    Attributes:
        candidate: The model that may ship.
        baseline: The model that it is compared with; None where there is none.
        seed: Seed of bootstraps.
        cluster: Column of samples that depend on each other, as frames of one video; empty where none do.
    """

    candidate: Side
    baseline: Side | None = None
    seed: int = 0
    cluster: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the evidence says about a rule, or about one slice of it.

    Attributes:
        estimate: The figure; None where there is no evidence.
        limit: The limit in the estimate's terms.
        shown_value: The candidate's own figure in the base unit.
        shown_limit: The limit on that figure.
        origin: Where the figure comes from.
        missing: Why there is no estimate.
        part: Value of the slice column; empty for all samples.
        least: What the figure must reach, besides breaking the limit, for the rule to fail; None: the limit alone says.
        second: The figure in the second of two looks alone; None where there was one look.
        second_least: What it must reach, besides breaking the limit, for the rule to fail.
    """

    estimate: Estimate | None = None
    limit: float = 0.0
    shown_value: float | None = None
    shown_limit: float | None = None
    origin: Origin | None = None
    missing: str = ""
    part: str = ""
    least: float | None = None
    second: float | None = None
    second_least: float | None = None


def unlike(own: Measurement, other: Measurement, evidence: Evidence) -> str:
    """Why the candidate's figure cannot be held against the baseline's; empty when it can. A size always can.

    Models of one format are compared on one runtime; another format has a runtime of its own.
    """
    if own.metric == "size":
        return ""
    if own.origin is not other.origin:
        return f"the candidate's {own.metric} is `{own.origin}`, the baseline's `{other.origin}`"
    if own.origin is Origin.HOST and _machine(own, evidence.candidate) != _machine(other, evidence.baseline):
        return "the baseline was measured on another machine; measure it again on this one"
    is_same_format = own.details.get("format") == other.details.get("format")
    for key in ("threads", "batch", *(["runtime"] if is_same_format else [])):
        if own.details.get(key) != other.details.get(key):
            return f"`{key}` is {own.details.get(key)} for the candidate and {other.details.get(key)} for the baseline"
    return ""


def _machine(measurement: Measurement, side: Side | None) -> str:
    return str(measurement.details.get("machine", side.machine if side else ""))


def median_of(samples: Sequence[Sequence[float]]) -> float:
    """Median of all samples of all processes."""
    return float(np.median([value for process in samples for value in process]))
