"""What earlier runs tell of hits, from predictions, from details of a metric, and from what compared both."""

import numpy as np
import pytest

from edgeopt.errors import InputError
from edgeopt.judge.plan.history import History, Pairs, counted_flips, paired_hits, recorded_share
from edgeopt.judge.rules import parse_rule

RULE = parse_rule("accuracy >= baseline - 1 pt")
COMPARED = {"metric": "accuracy", "losses": 4, "gains": 5, "n": 1000, "flips": 12, "candidate": 0.93}


def recorded(**comparison):
    return History(name="run 2", comparison=comparison)


def test_pairs_are_counted_in_predictions(earlier):
    whole, parts = paired_hits(RULE, [earlier(20, 3)])

    assert (whole, parts) == (Pairs(losses=20, gains=3, n=1000, run="run 1"), {})
    assert whole.difference == -0.017


def test_pairs_are_counted_per_slice(earlier):
    rooms = np.array(["hall"] * 10 + ["attic"] * 199 + ["cellar"] * 200 + ["hall"] * 591)
    _, parts = paired_hits(
        parse_rule("slice(room).accuracy >= baseline - 1 pt"), [earlier(20, 3, columns={"room": rooms})]
    )

    assert {part: (pairs.losses, pairs.gains, pairs.n) for part, pairs in parts.items()} == {
        "room=cellar": (0, 0, 200),
        "room=hall": (10, 0, 601),
    }


def test_pairs_are_read_from_the_details_of_the_metric(made):
    own = made.figure("accuracy", 0.9, losses=4, gains=5, n=1000, baseline="old")

    whole, _ = paired_hits(RULE, [History(name="run 1", evidence=made.measured([own]))])

    assert (whole.losses, whole.gains, whole.n) == (4, 5, 1000)


def test_pairs_are_read_from_what_compared_both():
    assert paired_hits(RULE, [recorded(**COMPARED)])[0] == Pairs(losses=4, gains=5, n=1000, run="run 2")


def test_the_first_run_that_knows_is_believed(earlier):
    whole, _ = paired_hits(RULE, [recorded(), recorded(**COMPARED), earlier(20, 3)])

    assert whole.run == "run 2"


def test_flips_bound_the_answers_that_change():
    whole, _ = paired_hits(RULE, [recorded(flips=12, n=1000)])

    assert (whole.difference, whole.discordance.value) == (None, 13 / 1002)
    assert whole.discordance.source == "run 2: 12 of 1,000 predictions changed"


def test_counts_are_believed_before_flips_of_a_later_run():
    whole, _ = paired_hits(RULE, [recorded(flips=12, n=1000), recorded(**COMPARED)])

    assert (whole.losses, whole.gains) == (4, 5)


def test_what_is_known_of_accuracy_tells_nothing_of_top_5():
    assert paired_hits(parse_rule("top5 >= baseline - 1 pt"), [recorded(**COMPARED)]) == (None, {})


@pytest.mark.parametrize(
    "damage",
    [{"losses": "4"}, {"n": 0}, {"n": True}, {"losses": -1}, {"gains": 2000}, {"losses": None}],
)
def test_counts_that_cannot_be_are_not_used(damage):
    assert paired_hits(RULE, [recorded(**{**COMPARED, "flips": None, **damage})]) == (None, {})


def test_a_metric_that_does_not_suit_the_recorded_predictions_is_refused(earlier):
    with pytest.raises(InputError, match="`top5` cannot be computed"):
        paired_hits(parse_rule("top5 >= baseline - 1 pt"), [earlier(20, 3)])


def test_flips_are_counted_in_predictions(earlier):
    rooms = np.array(["hall"] * 500 + ["cellar"] * 500)

    whole, parts = counted_flips([earlier(20, 3, columns={"room": rooms})], "room")

    assert (whole.losses, whole.gains, whole.is_bound) == (23, 0, True)
    assert {part: pairs.losses for part, pairs in parts.items()} == {"room=cellar": 0, "room=hall": 23}


def test_flips_are_read_from_the_record(made):
    own = made.figure("flip_rate", 0.012, n=1000, baseline="old")

    assert counted_flips([recorded(flips=7, n=100)])[0].losses == 7
    assert counted_flips([History(name="run 1", evidence=made.measured([own]))])[0].losses == 12


@pytest.mark.parametrize("told", [{}, {"flips": 5}, {"flips": 12, "n": 10}, {"flips": 1.5, "n": 10}])
def test_flips_that_cannot_be_are_not_used(told):
    assert counted_flips([recorded(**told)]) == (None, {})


def test_the_share_of_hits_is_read_from_the_metric_or_from_what_compared_both(made):
    own = made.figure("accuracy", 0.91, n=500)
    rule = parse_rule("accuracy >= 90 %")

    assert recorded_share(rule, [History(name="run 1", evidence=made.measured([own]))]) == (0.91, 500, "run 1")
    compared = History(name="run 2", evidence=made.measured(), comparison=COMPARED)
    assert recorded_share(rule, [compared]) == (0.93, 1000, "run 2")
    assert recorded_share(rule, [recorded(**COMPARED)]) is None
