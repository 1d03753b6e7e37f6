"""What `plan_rules` says of every kind of rule."""

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeopt.core.measurement import Origin
from edgeopt.core.run import json_text
from edgeopt.errors import InputError
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.plan.history import History
from edgeopt.judge.plan.outline import Situation
from edgeopt.judge.plan.rules import plan_rules
from edgeopt.judge.power_means import Speed
from edgeopt.judge.power_shares import PairedShares, Share
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import parse_rule, parse_rules

RELATIVE = [
    "accuracy >= baseline - 0.5 pt",
    "accuracy >= baseline - 2 %",
    "top5 >= baseline - 1 pt",
    "accuracy <= baseline + 1 pt",
    "latency.p50 <= baseline + 1 %",
    "latency.p90 < baseline + 3 %",
    "flip_rate <= 1.2 %",
    "accuracy >= 98.5 %",
    "accuracy <= 99.5 %",
    "latency <= 3 ms",
    "slice(room).accuracy >= baseline - 1 pt",
]
ROOMS = {"room": {"room=hall": 600, "room=cellar": 300}}


def regression(n, spread, seed=0, shift=0.0, **columns):
    """Evidence of two regressions whose absolute errors differ by normal noise around `shift`."""
    generator = np.random.default_rng(seed)
    labels = generator.standard_normal(n)
    before = np.full(n, 10.0)
    after = before + generator.normal(shift, spread, n)
    return Evidence(
        candidate=Side(sha256="new", predictions=Predictions(scores=labels + after, labels=labels, columns=columns)),
        baseline=Side(sha256="old", predictions=Predictions(scores=labels + before, labels=labels, columns=columns)),
    )


def test_without_earlier_runs_three_shares_of_changed_answers_are_told(plan):
    told = plan("accuracy >= baseline - 0.5 pt")

    shares = [case.inputs[0].value for case in told.cases]
    assert shares == [0.02, 0.01, 0.05]
    assert {case.inputs[0].origin for case in told.cases} == {Origin.ESTIMATED}
    assert all("assumed" in case.inputs[0].source for case in told.cases)
    middle, few, many = (case.needed["80"] for case in told.cases)
    assert few < middle < many


def test_what_is_told_is_the_power_of_the_gates_own_test(plan):
    told = plan("accuracy >= baseline - 0.5 pt").main

    experiment = PairedShares(limit=-0.005, discordance=0.02)
    assert told.power == experiment.passes(1000)
    assert experiment.passes(told.needed["80"]) >= 0.8
    assert experiment.passes(told.needed["95"]) >= 0.95


def test_an_earlier_run_tells_how_many_answers_change(plan, earlier):
    told = plan("accuracy >= baseline - 0.5 pt", earlier(4, 5))

    known = told.main.inputs[0]
    assert (known.name, known.value, known.origin) == ("discordance", 10 / 1002, Origin.HOST)
    assert known.source == "run 1: 4 lost and 5 gained of 1,000"
    assert len(told.cases) == 1


def test_a_recorded_drop_is_told_beside_a_harmless_candidate(plan, earlier):
    told = plan("accuracy >= baseline - 1 pt", earlier(9, 3))

    harmless, recorded = told.cases
    assert recorded.assumption == "as recorded: -0.60 pt"
    assert recorded.inputs[1].value == -0.006
    assert recorded.power < harmless.power
    assert recorded.needed["80"] > harmless.needed["80"]


def test_a_recorded_breach_is_never_shown_to_be_harmless(plan, earlier):
    recorded = plan("accuracy >= baseline - 1 pt", earlier(30, 3)).cases[1]

    assert recorded.needed == {"80": None, "95": None}
    assert recorded.power < 0.01


def test_where_a_gain_is_demanded_the_recorded_gain_is_planned_with(plan, earlier):
    told = plan("accuracy >= baseline + 0.5 pt", earlier(3, 30))

    assert told.main.assumption == "as recorded: +2.70 pt"
    assert told.main.power > 0.9
    assert told.cases[1].needed["80"] is None


@pytest.mark.parametrize("rule", RELATIVE)
def test_the_strictest_rule_can_be_copied_and_is_likely_to_pass(plan, rule):
    situation = {"samples": 900, "slices": ROOMS, "processes": 6}
    told = plan(rule, **situation)

    strictest = parse_rule(told.main.strictest)
    again = plan(told.main.strictest, **situation)
    same = [case for case in again.cases if case.inputs[0] == told.main.inputs[0]]

    assert strictest.quantity.value == pytest.approx(told.main.strictest_limit)
    assert strictest.comparison == parse_rule(rule).comparison
    assert (strictest.metric, strictest.statistic, strictest.slice_column) == (
        parse_rule(rule).metric,
        parse_rule(rule).statistic,
        parse_rule(rule).slice_column,
    )
    if strictest.is_relative or "flip_rate" in rule:  # the truth assumed for a fixed limit moves with it
        assert same[0].power >= 0.8


@pytest.mark.parametrize("rule", RELATIVE)
def test_more_samples_and_processes_never_hurt(plan, rule):
    few = plan(rule, samples=900, slices=ROOMS, processes=6)
    more = plan(rule, samples=2700, slices={"room": {"room=hall": 1800, "room=cellar": 900}}, processes=18)

    assert more.main.power > few.main.power - 0.02
    assert more.main.needed == few.main.needed


@pytest.mark.parametrize("rule", RELATIVE)
def test_what_is_detected_lies_beyond_the_limit(plan, rule):
    told, parsed = plan(rule, samples=900, slices=ROOMS, processes=6), parse_rule(rule)

    sign = 1 if parsed.is_upper else -1
    assert sign * (told.main.detects - parsed.quantity.value) > 0
    assert told.main.detects_told
    powers = [breach.power for breach in told.main.fails]
    assert powers == sorted(powers)


def test_no_number_of_samples_shows_that_nothing_at_all_is_lost(plan):
    told = plan("accuracy >= baseline")

    assert told.main.needed == {"80": None, "95": None}
    assert told.main.power == pytest.approx(0.05, abs=0.01)
    assert [breach.told for breach in told.main.fails] == ["-0.50 pt", "-1.00 pt", "-2.00 pt"]
    assert told.main.fails[0].needed["80"] > told.main.fails[1].needed["80"] > told.main.fails[2].needed["80"]
    assert told.advice == "no number shows it; write `baseline - 1.18 pt`"


def test_failing_is_planned_at_the_level_that_all_findings_share():
    rules = parse_rules(
        [
            "accuracy >= baseline - 1 pt",
            "latency <= baseline + 5 %",
            "size <= 1 MB",
            "energy <= 1 J",
            "latency <= 1 ms @ rpi4",
            "slice(room).accuracy >= baseline - 3 pt",
        ]
    )
    slices = {"room": {"room=hall": 600, "room=cellar": 300, "room=attic": 100}}

    plans = plan_rules(rules, Situation(samples=1000, slices=slices))

    assert [told.fail_level for told in plans] == [0.0125, 0.0125, None, None, None, 0.0125]
    alone = plan_rules(rules[:1], Situation(samples=1000))[0]
    assert alone.main.detects > plans[0].main.detects


def test_every_slice_must_pass(plan):
    told = plan("slice(room).accuracy >= baseline - 3 pt", slices=ROOMS)

    experiment = PairedShares(limit=-0.03, discordance=0.02)
    assert told.main.power == pytest.approx(experiment.passes(600) * experiment.passes(300))
    assert told.at_hand == 300
    assert experiment.passes(told.main.needed["80"]) >= 0.8**0.5
    assert [(part.part, part.at_hand, part.is_judged) for part in told.slices] == [
        ("room=hall", 600, True),
        ("room=cellar", 300, True),
    ]


def test_small_slices_are_said_not_to_be_judged(plan):
    slices = {"room": {"room=hall": 900, "room=cellar": 199}}

    told = plan("slice(room).accuracy >= baseline - 3 pt", slices=slices)

    assert [part.is_judged for part in told.slices] == [True, False]
    assert told.slices[1].power is None
    assert told.slices[1].needed["80"] >= 200
    assert "not judged, under 200 samples: room=cellar" in told.advice


def test_a_rule_whose_slices_are_all_small_is_undecided(plan):
    told = plan("slice(room).accuracy >= baseline - 3 pt", slices={"room": {"room=hall": 90}})

    assert (told.at_hand, told.main.power) == (None, None)
    assert "no slice holds the 200 samples" in told.advice


def test_slices_have_shares_of_their_own_where_a_run_kept_them(plan, earlier):
    rooms = np.array(["hall"] * 500 + ["cellar"] * 500)
    run = earlier(20, 0, columns={"room": rooms})

    told = plan("slice(room).accuracy >= baseline - 3 pt", run, slices={"room": {"room=hall": 500, "room=cellar": 500}})

    hall, cellar = told.slices
    assert hall.needed["80"] > cellar.needed["80"]


def test_a_fixed_limit_is_planned_with_the_recorded_figure(plan, earlier):
    told = plan("accuracy >= 97 %", earlier(10, 0))

    assert told.main.inputs[0].value == 0.99
    assert told.main.inputs[0].origin is Origin.HOST
    assert told.main.power == Share(limit=0.97, truth=0.99).passes(1000)


def test_a_fixed_limit_without_a_record_takes_distances_from_it(plan):
    told = plan("accuracy >= 97 %")

    assert [case.inputs[0].value for case in told.cases] == [pytest.approx(0.99), pytest.approx(0.98)]


@pytest.mark.parametrize("rule", ["accuracy >= 100 %", "flip_rate <= 0 %", "accuracy >= baseline - 100 pt"])
def test_a_limit_at_the_end_of_the_scale_leaves_nothing_to_plan(plan, rule):
    told = plan(rule)

    assert (told.kind, told.cases) == ("unknown", ())
    assert "nothing to decide" in told.advice


def test_flips_are_planned_with_the_recorded_share(plan, earlier):
    told = plan("flip_rate <= 2 %", earlier(4, 5))

    assert told.main.inputs[0].value == 10 / 1002
    assert told.main.power == pytest.approx(Share(limit=0.98, truth=1 - 10 / 1002).passes(1000))


def test_flips_without_a_record_are_planned_with_a_share_that_keeps_the_limit(plan):
    told = plan("flip_rate <= 1.5 %")

    assert [case.inputs[0].value for case in told.cases] == [0.01, 0.02, 0.05]
    assert told.cases[1].needed["80"] is None


def test_without_labels_few_flips_show_that_accuracy_stays(plan):
    told = plan("accuracy >= baseline - 3 pt", has_labels=False)

    assert told.main.assumption == "no labels, 2 % of predictions change"
    assert told.main.detects is None
    assert told.cases[-1].needed["80"] is None
    assert parse_rule(told.main.strictest).quantity.value < -0.02


def test_without_labels_no_rise_can_be_shown(plan):
    told = plan("accuracy >= baseline", has_labels=False)

    assert (told.kind, told.cases) == ("unknown", ())
    assert "labels" in told.advice


def test_latency_without_a_record_assumes_noise(plan):
    told = plan("latency.p50 <= baseline + 5 %", processes=10)

    known = told.main.inputs[0]
    assert (known.value, known.origin) == (pytest.approx(0.02 * math.sqrt(2)), Origin.ESTIMATED)
    experiment = Speed(limit=-math.log(1.05), truth=0.0, deviation=known.value, is_slowdown=True)
    assert (told.unit, told.at_hand) == ("processes", 10)
    assert told.main.power == experiment.passes(10)


def test_latency_takes_the_noise_of_the_recorded_pair(plan, timed):
    told = plan("latency.p50 <= baseline + 5 %", timed(deviation=0.03))

    assert told.main.inputs[0].value == pytest.approx(0.03)
    assert told.main.inputs[0].source == "run 1: 8 processes"


def test_a_candidate_that_was_faster_is_planned_with_where_no_slowdown_is_allowed(plan, timed):
    told = plan("latency <= baseline", timed(speed=1.5))

    assert told.main.assumption.startswith("as recorded: 1.50x the speed")
    assert told.main.power > 0.99
    assert told.cases[1].needed["80"] is None


def test_a_candidate_that_was_slower_is_told_beside_one_that_is_not(plan, timed):
    harmless, recorded = plan("latency <= baseline + 5 %", timed(speed=0.97)).cases

    assert recorded.power < harmless.power


def test_without_a_pair_the_noise_of_any_run_here_is_taken(plan):
    noise = {"ratio": 1.001, "ci95": [0.991, 1.009]}
    elsewhere = History(name="run 2", noise={"ci95": [0.5, 2.0]}, processes=10)
    here = History(name="run 3", noise=noise, processes=10, is_here=True)

    known = plan("latency <= baseline + 5 %", elsewhere, here).main.inputs[0]

    half = math.log(1.009 / 0.991) / 2
    assert known.value == pytest.approx(half / 2.262 * math.sqrt(10), rel=1e-3)
    assert known.source == "run 3: a model against itself, 10 processes"


def test_a_baseline_that_is_held_needs_more_processes(plan):
    by_turns = plan("latency <= baseline + 8 %", processes=6)
    held = plan("latency <= baseline + 8 %", processes=6, held_processes=6)

    assert held.main.assumption.startswith("as fast as the baseline held")
    assert held.main.inputs[0].value == 0.02
    assert held.main.power < by_turns.main.power + 0.02


def test_a_time_is_planned_with_the_recorded_one(plan, timed):
    told = plan("latency.p50 <= 0.6 ms", timed(speed=2.0))

    assert told.main.inputs[1].value == pytest.approx(0.0005, rel=0.02)
    assert told.main.inputs[1].unit == "s"
    assert told.main.power > 0.99


def test_an_allowance_in_seconds_needs_the_baselines_own_time(plan, timed):
    unknown = plan("latency <= baseline + 1 ms")
    known = plan("latency <= baseline + 0.05 ms", timed())

    assert (unknown.kind, unknown.unit) == ("unknown", "processes")
    assert "edgeopt bench" in unknown.advice
    assert known.main.power == pytest.approx(plan("latency <= baseline + 5 %", timed()).main.power, abs=1e-3)


@pytest.mark.parametrize("rule", ["latency <= 0 ms", "latency <= baseline - 100 %"])
def test_a_time_that_nothing_can_keep_is_said_to_be_so(plan, rule):
    assert "can only fail" in plan(rule).advice


def test_the_time_that_measuring_takes_is_told(plan):
    told = plan("latency <= baseline + 5 %", processes=3, seconds=lambda count, _: 2.0 * count)

    assert told.seconds == {"at_hand": 6.0, "80": 2.0 * told.main.needed["80"], "95": 2.0 * told.main.needed["95"]}
    assert f"set `processes = {told.main.needed['80']}` under [bench] (about 8.00 s)" in told.advice


def test_means_need_a_run_that_tells_how_far_errors_differ(plan):
    told = plan("mae <= baseline + 5 %")

    assert (told.kind, told.cases) == ("unknown", ())
    assert "edgeopt compare ORIGINAL CANDIDATE --data DATA --metric mae" in told.advice
    assert told.as_json()["needed"] == {"80": None, "95": None}


def test_means_take_the_spread_of_recorded_predictions(plan):
    told = plan("mae <= baseline + 1 %", History(name="run 1", evidence=regression(400, 0.5)))

    assert told.main.inputs[0].value == pytest.approx(0.5, rel=0.1)
    # n = (z_0.95 + z_0.80)² σ² / M² with M = 1 % of 10.
    assert told.main.needed["80"] == pytest.approx(6.18 * told.main.inputs[0].value ** 2 / 0.1**2, rel=0.03)
    assert parse_rule(told.main.strictest).quantity.dimension == "%"


def test_a_recorded_rise_of_an_error_is_told(plan):
    run = History(name="run 1", evidence=regression(4000, 0.5, shift=0.05))

    harmless, recorded = plan("mae <= baseline + 1 %", run).cases

    assert recorded.assumption.startswith("as recorded: +0.")
    assert recorded.needed["80"] > harmless.needed["80"]


def test_a_metric_that_an_earlier_comparison_led_with_is_known(plan):
    told = {"metric": "auc", "difference": -0.001, "baseline": 0.9, "ci95": [-0.6, 0.4], "unit": "pt", "n": 2500}
    known = plan("auc >= baseline - 1 pt", History(name="run 1", comparison=told)).main.inputs[0]

    assert known.value == pytest.approx(0.005 / 1.96 * 50, rel=1e-3)


def test_a_fixed_limit_of_an_error_takes_the_recorded_interval(plan, made):
    own = made.figure("mse", 0.5, n=400, ci95=[0.4, 0.6])
    run = History(name="run 1", evidence=made.measured([own]))

    told = plan("mse <= 0.6", run)

    assert told.main.inputs[0].value == pytest.approx(0.1 / 1.96 * 20, rel=1e-3)
    assert told.main.assumption == "as recorded: 0.5"


def test_of_unchanged_predictions_the_spread_of_f1_is_not_known(plan, earlier):
    told = plan("f1 >= baseline - 1 pt", earlier(0, 0))

    assert told.kind == "unknown"
    assert "no prediction changed" in told.advice


def test_samples_that_depend_on_each_other_are_planned_by_their_clusters(plan, made):
    rooms = np.repeat(np.arange(50), 20)
    evidence = made.counted(1000, 40, 0, room=rooms)
    clustered = Evidence(candidate=evidence.candidate, baseline=evidence.baseline, cluster="room")

    alone = plan("accuracy >= baseline - 8 pt", History(name="run 1", evidence=evidence))
    together = plan("accuracy >= baseline - 8 pt", History(name="run 1", evidence=clustered), cluster="room")

    assert together.main.needed["80"] > 2 * alone.main.needed["80"]


def test_without_a_run_clusters_are_said_to_be_unknown(plan):
    told = plan("accuracy >= baseline - 8 pt", cluster="room")

    assert told.kind == "unknown"
    assert "how alike those of one `room` are" in told.advice


@pytest.mark.parametrize(
    "rule", ["size <= 1 MB", "size <= baseline @ rpi4", "sqnr >= 20 dB", "memory <= 50 MB", "load <= 1 s"]
)
def test_figures_without_chance_are_always_decided(plan, rule):
    told = plan(rule)

    assert (told.kind, told.unit, told.main.needed) == ("plain", "measurements", {"80": 1, "95": 1})
    assert told.fail_level is None


@pytest.mark.parametrize("rule", ["energy <= 1 J", "instructions <= baseline + 1 %", "latency <= 1 ms @ rpi4"])
def test_what_nothing_here_measures_is_said_to_stay_undecided(plan, rule):
    told = plan(rule)

    assert (told.kind, told.cases, told.at_hand) == ("unmeasured", (), 0)
    assert "undecided, unless a RUN.json that holds it is given" in told.advice


def test_a_slowdown_is_measured_by_a_soak(plan, made):
    soaked = History(name="`run.json`", evidence=made.measured([made.figure("soak", 1.0)]), is_given=True)

    assert "edgeopt bench MODEL --soak" in plan("slowdown <= 10 %").advice
    assert plan("slowdown <= 10 %", soaked).advice == "decided by what `run.json` holds"


def test_growth_of_memory_is_told_to_need_all_of_three(plan):
    assert "all three of both models differ" in plan("memory <= baseline + 5 %").advice
    assert "plain tolerance" in plan("memory <= 50 MB").advice


def test_what_a_given_record_holds_of_another_target_decides(plan, made):
    run = History(name="`run.json`", evidence=made.measured([made.figure("energy", 1.0, target="rpi4")]), is_given=True)

    told = plan("energy <= 2 J @ rpi4", run)

    assert (told.kind, told.advice) == ("plain", "decided by what `run.json` holds")


def test_without_data_the_needed_samples_are_told_all_the_same(plan):
    told = plan("accuracy >= baseline - 0.5 pt", samples=None)

    assert (told.at_hand, told.main.power, told.main.strictest) == (None, None, "")
    assert told.advice == f"collect {told.main.needed['80']:,} samples"


@pytest.mark.parametrize(
    "rule", [*RELATIVE, "size <= 1 MB", "energy <= 1 J", "mse <= baseline + 1 %", "f1 >= baseline - 1 pt"]
)
def test_every_figure_is_marked_as_an_estimate(plan, rule):
    record = plan(rule, slices=ROOMS).as_json()

    assert record["origin"] == "estimated"
    assert record.keys() >= {"rule", "needed", "at_hand", "power", "unit", "origin", "assumption", "inputs", "advice"}
    for case in record["cases"]:
        assert all(known.keys() >= {"origin", "source", "unit", "value"} for known in case["inputs"])


metrics = st.sampled_from(["accuracy", "flip_rate", "latency", "latency.p90", "brier", "slice(room).accuracy"])


@st.composite
def rules(draw):
    """Any rule that the grammar takes, sensible or not."""
    metric, comparison = draw(metrics), draw(st.sampled_from(["<=", ">=", "<", ">"]))
    number = draw(st.sampled_from([0, 0.001, 0.5, 1, 7, 99.9, 100, 5000]))
    unit = "ms" if "latency" in metric else "" if metric == "brier" else "%"
    relative = draw(st.booleans()) and metric != "flip_rate"
    sign = draw(st.sampled_from("+-"))
    return f"{metric} {comparison} " + (f"baseline {sign} {number} %" if relative else f"{number} {unit}")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules(), st.sampled_from([None, 1, 2, 199, 5000]), st.tuples(st.integers(1, 12), st.booleans()))
def test_no_rule_breaks_the_plan(situations, rule, samples, more):
    plan, histories = situations
    processes, is_known = more

    told = plan(rule, *(histories if is_known else ()), samples=samples, slices=ROOMS, processes=processes)

    record = json.loads(json_text(told.as_json()))
    assert record["advice"]
    for case in record["cases"]:
        assert case["power"] is None or -1e-9 <= case["power"] <= 1 + 1e-9
        assert all(count is None or count >= 1 for count in case["needed"].values())
        assert case["strictest"] is None or parse_rule(case["strictest"])


@pytest.fixture
def situations(plan, earlier, timed):
    """The plan, and runs that it may know."""
    return plan, (earlier(9, 3, n=300), timed(speed=1.2))


def test_all_metrics_that_do_not_suit_the_recorded_predictions_are_told_at_once(earlier):
    rules = parse_rules(["top5 >= baseline - 1 pt", "accuracy >= 90 %", "auc >= baseline - 1 pt"])

    with pytest.raises(InputError, match=r"rule `top5 .* at least 6; rule `auc .* it needs two classes"):
        plan_rules(rules, Situation(samples=1000, histories=(earlier(9, 3),)))


@pytest.mark.parametrize(("rule", "share"), [("accuracy >= 99.5 %", 0.9975), ("accuracy <= 0.5 %", 0.0025)])
def test_near_the_end_of_the_scale_the_assumed_share_lies_half_way(plan, rule, share):
    assert [case.inputs[0].value for case in plan(rule).cases] == [pytest.approx(share)]
