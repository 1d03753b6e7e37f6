"""What evidence says about one rule, by the kind of its metric, and why it says nothing."""

from dataclasses import replace

import numpy as np
import pytest

from edgeopt.core.measurement import Origin
from edgeopt.errors import InputError
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.findings import findings
from edgeopt.judge.rules import parse_rule


def only(text, evidence):
    found = findings(parse_rule(text), evidence)
    assert len(found) == 1
    return found[0]


def test_a_size_is_held_to_a_plain_limit(made):
    found = only("size <= 200 KB", made.measured([made.figure("size", 150_000, unit="B")]))

    assert (found.estimate.value, found.limit, found.shown_value, found.shown_limit) == (150_000, 200_000) * 2
    assert found.estimate.interval is None
    assert found.origin is Origin.HOST


def test_a_size_counts_for_every_target_and_machine(made):
    evidence = made.measured(
        [made.figure("size", 90, unit="B")], [made.figure("size", 100, artifact="old", unit="B")], old_machine="there"
    )

    found = only("size <= baseline - 5 % @ rpi4", evidence)

    assert found.limit == pytest.approx(95)
    assert found.missing == ""


@pytest.mark.parametrize("metric", ["load", "memory"])
def test_figures_of_two_machines_are_not_compared(made, metric):
    evidence = made.measured(
        [made.figure(metric, 1.0)], [made.figure(metric, 2.0, artifact="old")], old_machine="there"
    )

    assert "another machine" in only(f"{metric} <= baseline", evidence).missing


def test_a_load_time_is_the_median_of_its_processes(made):
    samples = made.latency([[0.3], [0.1], [0.2]])
    load = type(samples)(**{**{name: getattr(samples, name) for name in samples.__slots__}, "metric": "load"})

    assert only("load <= 1 s", made.measured([load])).estimate.value == 0.2


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        ("size <= 1 KB", "`size` was not measured on `host`"),
        ("memory <= 1 KB @ rpi4", "`memory` was not measured on `rpi4`"),
        ("energy <= 1 J", "`energy` was not measured on `host`"),
        ("latency <= 1 s", "latency was not measured on `host`"),
        ("accuracy >= 90 %", "`accuracy` was not measured on `host`: labelled data is needed"),
        ("accuracy >= baseline", "there is no baseline"),
        ("flip_rate <= 2 %", "there is no baseline"),
        ("sqnr >= 20 dB", "there is no baseline"),
        ("slice(room).accuracy >= 90 %", "slices need predictions, and there are none of `host`"),
    ],
)
def test_what_was_not_measured_is_said(made, rule, missing):
    found = only(rule, made.measured())

    assert (found.estimate, found.missing) == (None, missing)


@pytest.mark.parametrize("rule", ["size <= baseline", "memory <= baseline + 5 %", "latency <= baseline"])
def test_a_baseline_that_was_not_measured_is_said(made, rule):
    metric = rule.split()[0]
    own = made.latency([[0.1] * 20] * 3) if metric == "latency" else made.figure(metric, 1.0)

    assert "of the baseline was not measured on `host`" in only(rule, made.measured([own], [])).missing


def test_a_share_has_the_interval_of_its_counts(made):
    found = only("accuracy >= 90 %", made.counted(200, 30, 0))

    assert found.estimate.value == 0.85
    assert found.estimate.interval(0.9)[0] < 0.85 < found.estimate.interval(0.9)[1]
    assert found.estimate.basis == "200 samples"


def test_a_difference_is_paired_and_says_what_was_lost(made):
    found = only("accuracy >= baseline - 0.5 pt", made.counted(1000, 20, 5))

    assert found.estimate.value == pytest.approx(-0.015)
    assert found.limit == pytest.approx(-0.005)
    assert (found.shown_value, found.shown_limit) == (pytest.approx(0.98), pytest.approx(0.99))
    assert found.estimate.basis == "20 lost and 5 gained of 1000 paired samples"


def test_an_undecided_difference_knows_how_many_samples_it_needs(made):
    found = only("accuracy >= baseline - 0.5 pt", made.counted(500, 3, 3))

    assert found.estimate.needed(found.limit) > 500


def test_flips_count_whatever_the_labels_say(made):
    evidence = made.counted(1000, 7, 5)
    bare = Evidence(
        candidate=Side(sha256="new", predictions=made.predictions(evidence.candidate.predictions.scores.argmax(1))),
        baseline=Side(sha256="old", predictions=made.predictions(evidence.baseline.predictions.scores.argmax(1))),
    )

    assert only("flip_rate <= 2 %", evidence).estimate.value == only("flip_rate <= 2 %", bare).estimate.value == 0.012


def test_signal_to_noise_has_no_interval(made):
    found = only("sqnr >= 20 dB", made.counted(1000, 10, 0))

    assert found.estimate.interval is None
    assert found.estimate.value == pytest.approx(10 * np.log10(1000 / 20))


def test_a_recorded_difference_counts_where_it_is_from_this_baseline(made):
    recorded = [made.figure("flip_rate", 0.01, n=1000, baseline="old"), made.figure("sqnr", 25.0, unit="dB", n=1000)]

    flips = only("flip_rate <= 2 %", made.measured(recorded, []))
    noise = only("sqnr >= 20 dB", made.measured(recorded, []))
    alone = only("sqnr >= 20 dB", made.measured(recorded))

    assert flips.estimate.value == 0.01
    assert flips.estimate.interval(0.9)[1] < 0.02
    assert noise.missing == "there are no predictions of both models on the same samples"
    assert (alone.estimate.value, alone.estimate.interval) == (25.0, None)


def test_unequal_numbers_of_samples_are_not_paired(made):
    first, second = made.counted(1000, 0, 0), made.counted(900, 0, 0)
    evidence = Evidence(candidate=first.candidate, baseline=second.baseline)

    assert only("flip_rate <= 2 %", evidence).missing == (
        "the baseline was judged on 900 samples and the candidate on 1000"
    )


def test_recorded_shares_without_predictions_are_compared_unpaired(made):
    evidence = made.measured(
        [made.figure("accuracy", 0.90, n=1000)], [made.figure("accuracy", 0.91, artifact="old", n=1000)]
    )

    found = only("accuracy >= baseline - 0.5 pt", evidence)
    low, high = found.estimate.interval(0.95)

    assert found.estimate.value == pytest.approx(-0.01)
    assert (low, high) == pytest.approx((-0.0357, 0.0157), abs=2e-4)  # Newcombe 1998, method 10
    assert "pairs decide sooner" in found.estimate.basis


def test_a_recorded_figure_without_counts_has_no_bounds(made):
    found = only("f1 >= 90 %", made.measured([made.figure("f1", 0.95, n=1000)]))

    assert found.estimate.interval(0.9) == (-np.inf, np.inf)
    assert found.estimate.basis == "its interval is not known"


@pytest.mark.parametrize("rule", ["accuracy >= 90 % @ rpi4", "accuracy >= baseline @ rpi4", "flip_rate <= 2 % @ rpi4"])
def test_predictions_of_this_machine_say_nothing_of_another_target(made, rule):
    assert only(rule, made.counted(1000, 0, 0)).estimate is None


def test_an_emulated_accuracy_counts_for_its_target(made):
    recorded = made.figure("accuracy", 0.95, n=5000, target="rpi4", origin=Origin.EMULATED)

    found = only("accuracy >= 90 % @ rpi4", made.measured([recorded]))

    assert (found.estimate.value, found.origin) == (0.95, Origin.EMULATED)


def test_every_value_of_a_slice_column_is_judged_and_small_ones_are_said(made):
    rooms = np.array(["hall"] * 300 + ["cellar"] * 250 + ["attic"] * 199)

    found = findings(parse_rule("slice(room).accuracy >= 90 %"), made.counted(749, 0, 0, room=rooms))

    assert [finding.part for finding in found] == ["room=attic", "room=cellar", "room=hall"]
    assert found[0].missing == "room=attic holds 199 samples, fewer than the 200 that can be judged"
    assert [finding.estimate.basis for finding in found[1:]] == ["250 samples", "300 samples"]


def test_a_slice_of_a_paired_rule_counts_its_own_pairs(made):
    rooms = np.array(["hall"] * 300 + ["cellar"] * 300)

    cellar, hall = findings(parse_rule("slice(room).accuracy >= baseline"), made.counted(600, 30, 0, room=rooms))

    assert hall.estimate.basis == "30 lost and 0 gained of 300 paired samples"
    assert cellar.estimate.value == 0


def test_a_column_that_is_not_there_is_said(made):
    assert only("slice(room).accuracy >= 90 %", made.counted(500, 0, 0)).missing == "the data has no column `room`"


def test_a_metric_that_does_not_suit_the_predictions_is_bad_input(made):
    with pytest.raises(InputError, match="metric `mse` cannot be computed"):
        only("mse <= 1", made.counted(500, 0, 0))


def test_latency_is_bounded_by_its_processes(made):
    samples = np.random.default_rng(0).normal(0.01, 0.0001, (10, 200))

    found = only("latency.p90 <= 12 ms", made.measured([made.latency(samples)]))

    low, high = found.estimate.interval(0.9)
    assert found.estimate.value == pytest.approx(np.quantile(samples, 0.9))
    assert low < found.estimate.value < high
    assert (found.limit, found.estimate.basis) == (0.012, "10 processes")


def test_an_estimate_has_the_interval_that_it_states(made):
    stated = made.latency([[0.01]], target="rpi4", origin=Origin.ESTIMATED, interval90=[0.008, 0.013])
    silent = made.latency([[0.01]], target="rpi4", origin=Origin.ESTIMATED)

    first, second = (only("latency <= 12 ms @ rpi4", made.measured([m])) for m in (stated, silent))

    assert first.estimate.interval(0.9) == (0.008, 0.013)
    assert second.estimate.interval(0.9) == (0.0, np.inf)
    assert first.origin is Origin.ESTIMATED


@pytest.mark.parametrize(
    ("new", "old", "machines", "missing"),
    [
        ({"threads": 2}, {}, {}, "`threads` is 2 for the candidate and 1 for the baseline"),
        ({}, {"batch": 8}, {}, "`batch` is 1 for the candidate and 8 for the baseline"),
        ({"runtime": "litert"}, {}, {}, "`runtime` is litert for the candidate and onnxruntime for the baseline"),
        ({"runtime": "litert", "format": "tflite"}, {"format": "onnx"}, {}, ""),
        ({}, {"origin": Origin.ESTIMATED}, {}, "the candidate's latency is `host`, the baseline's `estimated`"),
        (
            {},
            {},
            {"old_machine": "there"},
            "the baseline was measured on another machine; measure it again on this one",
        ),
        ({"machine": "there"}, {}, {}, "the baseline was measured on another machine; measure it again on this one"),
        ({"machine": "there"}, {"machine": "there"}, {}, ""),
        ({}, {}, {}, ""),
    ],
)
def test_latencies_that_cannot_be_compared_say_why(made, new, old, machines, missing):
    samples = [[0.01] * 20] * 3
    evidence = made.measured([made.latency(samples, **new)], [made.latency(samples, artifact="old", **old)], **machines)

    assert only("latency <= baseline", evidence).missing == missing


@pytest.mark.parametrize(("session", "basis"), [("now", "timed by turns"), ("then", "not timed by turns")])
def test_samples_of_one_session_are_paired_by_process(made, session, basis):
    generator = np.random.default_rng(0)
    shared = generator.normal(1, 0.1, (10, 1))
    old, new = (0.01 * shared * generator.normal(1, 0.002, (10, 200)) for _ in range(2))
    evidence = made.measured([made.latency(new, session="now")], [made.latency(old, artifact="old", session=session)])

    found = only("latency <= baseline + 5 %", evidence)

    low, high = found.estimate.interval(0.9)
    assert found.estimate.basis.startswith(basis)
    assert (high - low < 0.01) == (session == "now")
    assert found.limit == 0.05


def test_an_allowance_in_seconds_is_held_against_the_difference_in_seconds(made):
    old, new = [[0.010] * 20] * 3, [[0.012] * 20] * 3
    evidence = made.measured([made.latency(new, session="a")], [made.latency(old, artifact="old", session="a")])

    found = only("latency <= baseline + 1 ms", evidence)

    assert found.estimate.value == pytest.approx(0.002)
    assert (found.limit, found.shown_limit) == (0.001, pytest.approx(0.011))


@pytest.mark.parametrize(
    ("rule", "processes", "is_judged"),
    [
        ("memory <= baseline", [[101.0], [103.0], [104.0]], False),  # its smallest is below the baseline's largest
        ("memory <= baseline", [[103.0], [104.0], [105.0]], True),
        ("memory <= baseline", [[99.0], [100.0], [103.0]], True),  # it keeps the limit
        ("memory <= baseline - 5 %", [[101.0], [103.0], [104.0]], True),  # it is to shrink, and did not
        ("memory <= 102 B", [[101.0], [103.0], [104.0]], True),
    ],
)
def test_growth_that_no_process_shows_for_sure_is_not_broken(made, rule, processes, is_judged):
    figure = made.figure("memory", 0.0, unit="B")
    new = replace(figure, samples=tuple(map(tuple, processes)))
    old = replace(figure, artifact="old", samples=((100.0,), (101.0,), (102.0,)))

    found = only(rule, made.measured([new], [old]))

    assert (found.missing == "") is is_judged
    assert is_judged or "may be noise" in found.missing
