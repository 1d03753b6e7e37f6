"""Situations with given samples and earlier runs, and the plan of one rule in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeopt.judge.evidence import Evidence
from edgeopt.judge.plan.history import History
from edgeopt.judge.plan.nouns import RulePlan
from edgeopt.judge.plan.outline import Situation
from edgeopt.judge.plan.rules import plan_rules
from edgeopt.judge.rules import parse_rule

SAMPLES = 1000


def history(evidence: Evidence | None = None, **options: Any) -> History:
    """An earlier run on this machine."""
    return History(**{"name": "run 1", "evidence": evidence, "is_here": True, **options})


@pytest.fixture
def plan() -> Callable[..., RulePlan]:
    """The plan of a rule: `plan("accuracy >= 90 %", history, samples=500)`."""

    def make(rule: str, *histories: History, **situation: Any) -> RulePlan:
        given = Situation(**{"samples": SAMPLES, "histories": histories, **situation})
        return plan_rules([parse_rule(rule)], given)[0]

    return make


@pytest.fixture
def earlier(made: Any) -> Callable[..., History]:
    """An earlier run of two models on 1,000 samples, of which so many were lost and gained."""

    def make(losses: int = 0, gains: int = 0, n: int = 1000, **options: Any) -> History:
        columns = options.pop("columns", {})
        return history(made.counted(n, losses, gains, **columns), **options)

    return make


@pytest.fixture
def timed(made: Any) -> Callable[..., History]:
    """An earlier run that timed both models by turns: base at 1 ms, the candidate `speed` times as fast."""

    def make(speed: float = 1.0, deviation: float = 0.01, processes: int = 8, **options: Any) -> History:
        generator = np.random.default_rng(0)
        strays = generator.normal(0, 1, (processes, 1))
        strays = (strays - strays.mean()) / strays.std(ddof=1) * deviation
        base, own = np.full((processes, 2), 0.001), np.full((processes, 2), 0.001) / speed * np.exp(strays)
        session = options.pop("session", "s")
        evidence = made.measured(
            [made.latency(own, session=session)], [made.latency(base, artifact="old", session=session)]
        )
        return history(evidence, **options)

    return make
