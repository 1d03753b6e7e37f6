"""Rules about a soak: passed, failed, undecided, and what is missing."""

from datetime import date

import numpy as np
import pytest

from edgeopt.core.measurement import Measurement, Origin
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import judge
from edgeopt.judge.rules import parse_rule


def measured(metric="soak", *, slowdown=0.0, windows=600, noise=0.005):
    generator = np.random.default_rng(0)
    times = np.where(np.arange(windows) < windows / 2, 0.001, 0.001 * (1 + slowdown))
    samples = times[:, None] * generator.normal(1, noise, (windows, 20))
    return Measurement(
        metric=metric,
        artifact="a" * 64,
        target="host",
        unit="s",
        origin=Origin.HOST,
        samples=tuple(map(tuple, samples.tolist())),
        details={"seconds": float(windows)},
    )


def verdict(text, *measurements):
    evidence = Evidence(candidate=Side(sha256="a" * 64, measurements=measurements))
    return judge([parse_rule(text)], evidence, today=date(2026, 11, 25)).rules[0]


@pytest.mark.parametrize(
    ("rule", "slowdown", "outcome"),
    [
        ("slowdown <= 5 %", 0.01, "passed"),
        ("slowdown <= 5 %", 0.12, "failed"),
        ("slowdown <= 0.05", 0.12, "failed"),
        ("slowdown < 1 %", 0.015, "undecided"),
        ("slowdown < 1 %", 0.025, "failed"),
        ("slowdown <= 5 % @ host", -0.1, "passed"),
    ],
)
def test_the_end_of_a_soak_is_held_against_its_beginning(rule, slowdown, outcome):
    found = verdict(rule, measured(slowdown=slowdown))

    assert (found.verdict, found.unit, found.origin) == (outcome, "%", Origin.HOST)
    assert found.value == pytest.approx(slowdown, abs=0.002)
    assert "600 windows in 600 s" in found.reason


def test_noise_is_undecided():
    assert verdict("slowdown <= 2 %", measured(windows=30, noise=0.3)).verdict == "undecided"


def test_a_rule_without_a_soak_says_how_to_get_one():
    found = verdict("slowdown <= 5 %", measured("latency"))

    assert (found.verdict, found.value) == ("undecided", None)
    assert "`edgeopt bench MODEL --soak 10min --json`" in found.reason


def test_a_soak_too_short_to_judge_is_told():
    assert "the soak has 5 windows, 6 are needed" in verdict("slowdown <= 5 %", measured(windows=5)).reason


def test_a_soak_is_no_evidence_about_latency():
    assert "latency was not measured" in verdict("latency <= 1 s", measured()).reason
