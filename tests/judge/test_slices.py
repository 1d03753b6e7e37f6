"""Slices: whom a change harms that the mean does not show, with the correction for looking at many."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from edgeopt.errors import InputError
from edgeopt.judge.compare import compare_predictions
from edgeopt.judge.estimate import holm_adjusted
from edgeopt.judge.intervals import mcnemar_drop_p
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.slices import compare_slices


def pair(made, sizes, losses, **columns):
    """Two models: the second loses `losses[k]` hits on slice k of `sizes[k]` samples."""
    side = np.repeat([f"s{k}" for k in range(len(sizes))], sizes)
    after = np.concatenate([(np.arange(n) < lost).astype(int) for n, lost in zip(sizes, losses, strict=True)])
    labels = np.zeros(len(side), np.int64)
    more = {"side": side, **columns}
    return made.predictions(np.zeros(len(side), int), labels, **more), made.predictions(after, labels, **more)


def test_harm_to_one_slice_is_found_though_the_mean_hides_it(made):
    base, candidate = pair(made, [1000, 1000, 1000], [1, 30, 2])

    slices = compare_slices(base, candidate)

    assert [part.verdict for part in slices] == ["not shown to be worse", "worse", "not shown to be worse"]
    assert slices[1].difference == pytest.approx(-0.03)
    assert slices[1].flips == 30
    assert slices[1].p == pytest.approx(mcnemar_drop_p(30, 0))


def test_p_values_are_adjusted_as_statsmodels_does(made):
    base, candidate = pair(made, [400] * 6, [0, 2, 4, 5, 6, 9])

    slices = compare_slices(base, candidate)

    adjusted = multipletests([part.p for part in slices], method="holm")[1]
    assert [part.p_holm for part in slices] == pytest.approx(adjusted)
    assert [part.verdict == "worse" for part in slices] == (adjusted <= 0.05).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_adjusted_p_values_are_those_of_statsmodels(seed):
    p = np.random.default_rng(seed).uniform(0, 0.2, 9)

    assert holm_adjusted(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])


def test_small_slices_are_listed_and_not_judged(made):
    base, candidate = pair(made, [199, 1000], [150, 1])

    small, large = compare_slices(base, candidate)

    assert (small.verdict, small.p, small.n) == ("not judged", None, 199)
    assert "fewer than the 200" in small.reason
    assert large.p_holm == large.p


def test_a_slice_on_which_the_metric_means_nothing_says_so(made):
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 1], 300)
    columns = {"side": np.repeat(["one class", "both", "both"], 300)}
    labels[300:450] = 0
    scores = generator.random(900)
    sides = [Predictions(scores=scores, labels=labels, columns=columns) for _ in range(2)]

    both, one = compare_slices(*sides, metric="auc")

    assert (one.verdict, one.baseline) == ("not judged", None)
    assert "labels of both classes" in one.reason
    assert both.difference == 0


def test_slices_of_the_whole_are_the_whole(made):
    base, candidate = pair(made, [600], [12], all=np.zeros(600, int))

    whole = compare_predictions(base, candidate)
    (part,) = compare_slices(base, candidate, columns=["all"])

    assert (part.baseline, part.candidate, part.difference, part.ci95, part.flips) == (
        whole.baseline, whole.candidate, whole.difference, whole.ci95, whole.flips,
    )  # fmt: skip


def test_columns_of_many_values_are_not_taken_for_slices_unless_they_are_named(made):
    base, candidate = pair(made, [600], [12], name=np.arange(600), half=np.arange(600) % 2)

    assert {part.column for part in compare_slices(base, candidate)} == {"half"}
    assert len(compare_slices(base, candidate, columns=["name"])) == 600


def test_clusters_are_no_slices_and_weigh_on_every_slice(made):
    video = np.arange(1000) // 100
    base, candidate = pair(made, [1000], [60], video=video, half=np.arange(1000) % 2)

    plain = compare_slices(base, candidate, columns=["half"])
    grouped = compare_slices(base, candidate, cluster="video")

    assert {part.column for part in grouped} == {"half"}
    assert all(grouped[k].p > plain[k].p for k in range(2))


def test_an_error_that_grows_is_worse(made):
    generator = np.random.default_rng(1)
    labels, side = generator.normal(size=800), np.repeat(["a", "b"], 400)
    errors = generator.normal(0, 0.1, 800)
    base = Predictions(scores=labels + errors, labels=labels, columns={"side": side})
    candidate = Predictions(scores=labels + errors * np.where(side == "b", 2, 1), labels=labels, columns={"side": side})

    same, worse = compare_slices(base, candidate)

    assert (same.metric, same.verdict, worse.verdict) == ("mse", "not shown to be worse", "worse")
    assert worse.as_json()["difference_pt"] is None


def test_an_unknown_column_is_refused_and_without_labels_there_is_nothing(made):
    base, candidate = pair(made, [600], [12])

    with pytest.raises(InputError, match="no column `sid`") as caught:
        compare_slices(base, candidate, columns=["sid"])
    bare = [Predictions(scores=one.scores, columns=one.columns) for one in (base, candidate)]

    assert "side" in caught.value.hint
    assert compare_slices(*bare) == ()
