"""What a soak says about a rule: how much longer a call takes late in it than early."""

from __future__ import annotations

from edgeopt.judge.estimate import Estimate
from edgeopt.judge.evidence import Evidence, Finding
from edgeopt.judge.latency import MINIMUM_EFFECT
from edgeopt.judge.rules import Rule
from edgeopt.judge.soak import FEWEST_WINDOWS, soak_interval, soak_slowdown

SOAK = "soak"


def slowdown_finding(rule: Rule, evidence: Evidence) -> Finding:
    """What the candidate's last soak says about a rule like `slowdown <= 5 %`."""
    own = evidence.candidate.find(SOAK, rule.target)
    if own is None:
        record = "give the record of `edgeopt bench MODEL --soak 10min --json`"
        return Finding(missing=f"no soak was measured on `{rule.target}`: {record}")
    windows = own.samples
    if len(windows) < FEWEST_WINDOWS:
        return Finding(missing=f"the soak has {len(windows)} windows, {FEWEST_WINDOWS} are needed: soak for longer")
    value, limit = soak_slowdown(windows), rule.quantity.value
    seconds = own.details.get("seconds")
    lasted = f" in {seconds:.0f} s" if isinstance(seconds, int | float) else ""
    return Finding(
        estimate=Estimate(
            value=value,
            interval=lambda confidence: soak_interval(windows, confidence),
            basis=f"the last third against the first of {len(windows)} windows{lasted}",
        ),
        limit=limit,
        least=MINIMUM_EFFECT if rule.is_upper and 0 <= limit < MINIMUM_EFFECT else None,
        shown_value=value,
        shown_limit=limit,
        origin=own.origin,
    )
