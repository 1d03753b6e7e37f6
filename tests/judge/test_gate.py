"""Verdicts: passed, failed, undecided or waived, over all rules together."""

from datetime import date

import numpy as np
import pytest

from edgeopt.core.config import Waiver
from edgeopt.core.measurement import Origin
from edgeopt.errors import GateFailed, GateUndecided
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import judge
from edgeopt.judge.rules import parse_rules

TODAY = date(2026, 6, 1)


def judged(evidence, *texts, **options):
    return judge(parse_rules(texts), evidence, today=TODAY, **options)


def outcomes(verdict):
    return [rule.verdict for rule in verdict.rules]


def waiver(rule="size <= 1 KB", until=date(2026, 7, 1)):
    return Waiver(rule=rule, until=until, by="ann", reason="next release shrinks it")


@pytest.mark.parametrize(
    ("rule", "counts", "verdict"),
    [
        ("accuracy >= 90 %", (1000, 20, 0), "passed"),
        ("accuracy >= 90 %", (1000, 200, 0), "failed"),
        ("accuracy >= 90 %", (1000, 95, 0), "undecided"),
        ("accuracy > 90 %", (1000, 20, 0), "passed"),
        ("accuracy >= baseline - 0.5 pt", (5000, 10, 10), "passed"),
        ("accuracy >= baseline - 0.5 pt", (1000, 60, 5), "failed"),
        ("accuracy >= baseline - 0.5 pt", (1000, 12, 8), "undecided"),
        ("flip_rate <= 2 %", (1000, 5, 0), "passed"),
        ("flip_rate <= 2 %", (1000, 50, 0), "failed"),
        ("flip_rate <= 2 %", (1000, 18, 0), "undecided"),
        ("sqnr >= 10 dB", (1000, 20, 0), "passed"),
        ("sqnr >= 30 dB", (1000, 20, 0), "failed"),
        ("f1 >= 50 %", (1000, 900, 0), "failed"),
    ],
)
def test_a_rule_about_predictions(made, rule, counts, verdict):
    assert outcomes(judged(made.counted(*counts), rule)) == [verdict]


@pytest.mark.parametrize(
    ("rule", "size", "verdict"),
    [
        ("size <= 1 KB", 1000, "passed"),
        ("size < 1 KB", 1000, "failed"),
        ("size < 1 KB", 999, "passed"),
        ("size <= 1 KB", 1001, "failed"),
        ("size >= 1 KB", 999, "failed"),
        ("size > 1 KB", 1000, "failed"),
        ("size <= baseline - 50 %", 1000, "passed"),
        ("size <= baseline - 51 %", 1000, "failed"),
        ("size < baseline", 2000, "failed"),
    ],
)
def test_a_rule_about_a_size_leaves_no_doubt(made, rule, size, verdict):
    old = made.figure("size", 2000, artifact="old", unit="B")

    found = judged(made.measured([made.figure("size", size, unit="B")], [old]), rule)

    assert outcomes(found) == [verdict]
    assert (found.rules[0].value, found.rules[0].unit, found.rules[0].origin) == (size, "B", Origin.HOST)


@pytest.mark.parametrize(
    ("texts", "undecided", "outcome", "exit_code"),
    [
        (["size <= 2 KB"], "fail", "passed", 0),
        (["size <= 2 KB", "size <= 1 B"], "fail", "failed", 3),
        (["size <= 2 KB", "energy <= 1 J"], "fail", "undecided", 4),
        (["size <= 2 KB", "energy <= 1 J"], "pass", "passed", 0),
        (["size <= 2 KB", "energy <= 1 J"], "warn", "passed", 0),
        (["size <= 1 B", "energy <= 1 J"], "fail", "failed", 3),
        (["size <= 1 B", "energy <= 1 J"], "pass", "failed", 3),
    ],
)
def test_the_whole_is_what_its_rules_are(made, texts, undecided, outcome, exit_code):
    found = judged(made.measured([made.figure("size", 1000, unit="B")]), *texts, undecided=undecided)

    assert (found.outcome, found.exit_code) == (outcome, exit_code)


def test_callers_that_want_an_error_get_one(made):
    evidence = made.measured([made.figure("size", 1000, unit="B")])

    judged(evidence, "size <= 2 KB").require_passed()
    with pytest.raises(GateFailed, match="`size <= 1 B` failed: held to a plain tolerance"):
        judged(evidence, "size <= 1 B", "energy <= 1 J").require_passed()
    with pytest.raises(GateUndecided, match="`energy <= 1 J` undecided: `energy` was not measured on `host`"):
        judged(evidence, "energy <= 1 J").require_passed()


def test_an_undecided_rule_says_how_many_samples_would_decide(made):
    reason = judged(made.counted(500, 3, 3), "accuracy >= baseline - 0.5 pt").rules[0].reason

    assert reason.startswith("between -0.9")
    assert "of the baseline (one-sided 95 % bounds)" in reason
    assert "samples would decide" in reason


def test_a_rule_that_sits_at_its_limit_says_that_no_number_decides(made):
    reason = judged(made.counted(1000, 10, 5), "accuracy >= baseline - 0.5 pt").rules[0].reason

    assert reason.endswith("it sits at the limit, no number decides")


@pytest.mark.parametrize(
    ("estimates", "verdict", "reason"),
    [
        ("refuse", "undecided", 'the only evidence is an estimate (`estimates = "refuse"`)'),
        ("allow", "passed", "between 8.00 ms and 11.0 ms"),
    ],
)
def test_an_estimate_decides_only_where_that_is_allowed(made, estimates, verdict, reason):
    stated = made.latency([[0.009]], target="rpi4", origin=Origin.ESTIMATED, interval90=[0.008, 0.011])

    found = judged(made.measured([stated]), "latency <= 12 ms @ rpi4", estimates=estimates).rules[0]

    assert found.verdict == verdict
    assert found.reason.startswith(reason)
    assert (found.value is None) == (verdict == "undecided")


def test_a_baseline_of_another_machine_leaves_latency_undecided(made):
    samples = [[0.01] * 20] * 3
    evidence = made.measured([made.latency(samples)], [made.latency(samples, artifact="old")], old_machine="another")

    found = judged(evidence, "latency <= baseline + 5 %")

    assert outcomes(found) == ["undecided"]
    assert "another machine; measure it again on this one" in found.rules[0].reason


def test_small_slices_are_said_and_the_others_decide(made):
    rooms = np.array(["hall"] * 500 + ["attic"] * 50)

    found = judged(made.counted(550, 5, 5, room=rooms), "slice(room).accuracy >= 90 %").rules[0]

    assert found.verdict == "passed"
    assert found.reason.startswith("room=hall: between")
    assert "room=attic holds 50 samples, fewer than the 200 that can be judged" in found.reason


def test_slices_that_are_all_small_leave_the_rule_undecided(made):
    rooms = np.array(["hall"] * 100 + ["attic"] * 100)

    found = judged(made.counted(200, 0, 0, room=rooms), "slice(room).accuracy >= 90 %").rules[0]

    assert (found.verdict, found.value) == ("undecided", None)


def test_one_broken_slice_fails_the_rule_and_is_named(made):
    rooms = np.array(["attic"] * 300 + ["hall"] * 300)

    found = judged(made.counted(600, 100, 0, room=rooms), "slice(room).accuracy >= baseline - 3 pt").rules[0]

    assert found.verdict == "failed"
    assert found.reason.startswith("room=attic: ")


def test_rules_that_fail_by_chance_are_corrected_for_their_number(made):
    # p of this drop alone is about 0.03: below 5 %, above a hundredth of it.
    evidence = made.counted(1000, 14, 1)
    rule = "accuracy >= baseline - 0.6 pt"
    others = [f"accuracy >= {percent / 10} %" for percent in range(1, 100)]

    assert outcomes(judged(evidence, rule)) == ["failed"]
    assert outcomes(judged(evidence, rule, *others))[0] == "undecided"


def test_a_rule_without_chance_needs_no_correction(made):
    evidence = Evidence(
        candidate=Side(
            sha256="new",
            measurements=(made.figure("size", 1001, unit="B"),),
            predictions=made.counted(1000, 0, 0).candidate.predictions,
        )
    )
    others = [f"accuracy >= {percent / 10} %" for percent in range(1, 100)]

    assert outcomes(judged(evidence, "size <= 1 KB", *others))[0] == "failed"


@pytest.mark.parametrize(
    ("until", "verdict", "said"),
    [
        (date(2026, 6, 2), "waived", "failed, waived until 2026-06-02 by ann: next release shrinks it"),
        (TODAY, "waived", "waived until 2026-06-01"),
        (date(2026, 5, 31), "failed", "the waiver by ann expired on 2026-05-31"),
    ],
)
def test_a_waiver_excuses_until_its_day_and_says_so(made, until, verdict, said):
    evidence = made.measured([made.figure("size", 2000, unit="B")])

    found = judged(evidence, "size <= 1 KB", waivers=[waiver(until=until)])

    assert outcomes(found) == [verdict]
    assert said in found.rules[0].reason
    assert found.exit_code == (0 if verdict == "waived" else 3)


def test_a_waiver_excuses_what_is_undecided_too(made):
    found = judged(made.measured(), "size <= 1 KB", waivers=[waiver()])

    assert (outcomes(found), found.exit_code) == (["waived"], 0)


def test_a_waiver_of_a_rule_that_passes_changes_nothing(made):
    found = judged(made.measured([made.figure("size", 1, unit="B")]), "size <= 1 KB", waivers=[waiver()])

    assert outcomes(found) == ["passed"]
    assert "waived" not in found.rules[0].reason


def test_a_waiver_excuses_its_own_rule_alone(made):
    evidence = made.measured([made.figure("size", 2000, unit="B")])

    found = judged(evidence, "size <= 1 KB", "size <= 1.5 KB", waivers=[waiver()])

    assert outcomes(found) == ["waived", "failed"]


def test_a_verdict_is_json_with_its_promised_keys(made):
    record = judged(made.measured([made.figure("size", 2000, unit="B")]), "size <= 1 KB").rules[0].as_json()

    assert record == {
        "rule": "size <= 1 KB",
        "verdict": "failed",
        "value": 2000.0,
        "limit": 1000.0,
        "unit": "B",
        "origin": "host",
        "reason": "held to a plain tolerance",
    }


def test_a_harmless_model_is_rarely_failed(made):
    generator = np.random.default_rng(0)
    found = []
    for _ in range(300):
        losses, gains, _ = generator.multinomial(1000, [0.025, 0.025, 0.95])
        found += outcomes(judged(made.counted(1000, int(losses), int(gains)), "accuracy >= baseline - 0.5 pt"))

    assert found.count("failed") <= 6


def test_a_model_at_the_limit_is_failed_or_passed_no_more_often_than_promised(made):
    generator = np.random.default_rng(1)
    found = []
    for _ in range(300):
        losses, gains, _ = generator.multinomial(2000, [0.03, 0.02, 0.95])
        found += outcomes(judged(made.counted(2000, int(losses), int(gains)), "accuracy >= baseline - 1 pt"))

    assert found.count("failed") <= 0.08 * 300
    assert found.count("passed") <= 0.08 * 300


def test_a_harmful_model_is_found(made):
    generator = np.random.default_rng(2)
    found = []
    for _ in range(100):
        losses, gains, _ = generator.multinomial(1000, [0.06, 0.02, 0.92])
        found += outcomes(judged(made.counted(1000, int(losses), int(gains)), "accuracy >= baseline - 0.5 pt"))

    assert found.count("failed") >= 95
    assert "passed" not in found


def timed_by_turns(made, generator, factor):
    shared = generator.normal(1, 0.05, (10, 1))
    layouts = [generator.normal(1, 0.004, (10, 1)) for _ in range(2)]
    calls = [1 + np.abs(generator.normal(0, 0.01, (10, 200))) for _ in range(2)]
    old, new = (0.001 * shared * layout * call for layout, call in zip(layouts, calls, strict=True))
    return made.measured([made.latency(factor * new, session="a")], [made.latency(old, artifact="old", session="a")])


@pytest.mark.parametrize(
    ("factor", "verdict", "least"), [(1.0, "passed", 40), (1.05, "failed", 38), (0.8, "passed", 40)]
)
def test_latency_against_a_baseline_is_judged_rightly(made, factor, verdict, least):
    generator = np.random.default_rng(3)

    found = [
        outcomes(judged(timed_by_turns(made, generator, factor), "latency <= baseline + 3 %"))[0] for _ in range(40)
    ]

    assert found.count(verdict) >= least
