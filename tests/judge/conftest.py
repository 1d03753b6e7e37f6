"""Evidence with given counts, figures and times."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgeopt.core.measurement import Measurement, Origin, single_value
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.predictions import Predictions


def predictions_of(classes: Any, labels: Any = None, **columns: Any) -> Predictions:
    """Predictions of three classes, with full confidence."""
    scores = np.eye(3, dtype=np.float32)[np.asarray(classes)]
    return Predictions(scores=scores, labels=labels, columns=columns)


def figure(metric: str, value: float, *, artifact: str = "new", unit: str = "1", **details: Any) -> Measurement:
    """A figure that is computed once."""
    origin = details.pop("origin", Origin.HOST)
    target = details.pop("target", "host")
    return single_value(metric, value, artifact=artifact, unit=unit, origin=origin, target=target, **details)


def latency(samples: Any, *, artifact: str = "new", session: str = "", **options: Any) -> Measurement:
    """Seconds per call, a sequence per process."""
    details = {"runtime": "onnxruntime", "threads": 1, "batch": 1, "calls_per_block": 10, "session": session}
    return Measurement(
        metric="latency",
        artifact=artifact,
        target=options.pop("target", "host"),
        unit="s",
        origin=options.pop("origin", Origin.HOST),
        samples=tuple(tuple(process) for process in samples),
        details={**details, **options},
    )


def counted(n: int, losses: int, gains: int, **columns: Any) -> Evidence:
    """Two models on `n` samples of class 0, of which only the baseline hits `losses` and only the candidate `gains`."""
    before, after, labels = (np.zeros(n, np.int64) for _ in range(3))
    after[:losses] = 1
    before[losses : losses + gains] = 1
    return Evidence(
        candidate=Side(sha256="new", predictions=predictions_of(after, labels, **columns)),
        baseline=Side(sha256="old", predictions=predictions_of(before, labels, **columns)),
    )


def measured(new: Any = (), old: Any = None, **machines: str) -> Evidence:
    """A candidate and, unless `old` is None, a baseline with these measurements."""
    return Evidence(
        candidate=Side(sha256="new", machine=machines.get("new_machine", "here"), measurements=tuple(new)),
        baseline=None
        if old is None
        else Side(sha256="old", machine=machines.get("old_machine", "here"), measurements=tuple(old)),
    )


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """Builders of evidence: `made.counted(1000, 20, 3)` and so on."""
    return SimpleNamespace(
        predictions=predictions_of, figure=figure, latency=latency, counted=counted, measured=measured
    )
