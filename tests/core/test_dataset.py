"""Parts of a data set are disjoint, stratified, repeatable, and those that the data names itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.core.dataset import CALIBRATION, CONFIRM, SELECT, Dataset, sample_rows, split_dataset
from edgeopt.errors import InputError


def dataset(count: int, *, labels: Any = None, part: Any = None) -> Dataset:
    """`count` samples that hold their own position."""
    positions = np.arange(count)
    return Dataset(
        inputs={"x": positions.reshape(-1, 1)},
        labels=None if labels is None else np.asarray(labels),
        columns={"name": np.array([f"sample {position}" for position in positions])},
        part=None if part is None else np.asarray(part),
        source="test.npz",
        indices=positions,
    )


def test_rows_keep_every_array_in_step() -> None:
    chosen = dataset(5, labels=[0, 1, 2, 3, 4], part=[CALIBRATION] * 4 + [CONFIRM]).rows(np.array([4, 1]))

    assert len(chosen) == 2
    assert chosen.inputs["x"].tolist() == [[4], [1]]
    assert chosen.labels is not None
    assert chosen.labels.tolist() == [4, 1]
    assert chosen.columns["name"].tolist() == ["sample 4", "sample 1"]
    assert chosen.part is not None
    assert chosen.part.tolist() == [CONFIRM, CALIBRATION]
    assert chosen.indices.tolist() == [4, 1]


def test_batches_are_in_order_and_the_last_may_be_short() -> None:
    assert [batch["x"].ravel().tolist() for batch in dataset(5).batches(2)] == [[0, 1], [2, 3], [4]]


def test_a_short_last_batch_is_filled_with_its_first_sample_where_asked() -> None:
    batches = [batch["x"].ravel().tolist() for batch in dataset(5).batches(3, is_filled=True)]

    assert batches == [[0, 1, 2], [3, 4, 3]]


def test_calibration_keeps_the_shares_of_the_classes() -> None:
    split = split_dataset(dataset(100, labels=[0] * 60 + [1] * 30 + [2] * 10), samples=20, seed=0)

    assert split.calibration.labels is not None
    assert np.bincount(split.calibration.labels).tolist() == [12, 6, 2]
    assert len(split.judged) == 80


def test_the_same_seed_draws_the_same_samples_and_another_others() -> None:
    data = dataset(200, labels=np.arange(200) % 10)
    first, again, other = (split_dataset(data, samples=50, seed=seed).calibration.indices for seed in (1, 1, 2))

    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_at_most_half_of_the_samples_calibrate() -> None:
    split = split_dataset(dataset(11), samples=200, seed=0)

    assert (len(split.calibration), len(split.judged)) == (5, 6)


def test_the_only_sample_calibrates_and_nothing_is_judged() -> None:
    split = split_dataset(dataset(1), samples=200, seed=0)

    assert (len(split.calibration), len(split.judged)) == (1, 0)


@pytest.mark.parametrize("labels", [None, np.linspace(0, 1, 40), np.arange(80).reshape(40, 2)])
def test_labels_that_are_no_classes_do_not_steer_the_draw(labels: Any) -> None:
    first, other = (split_dataset(dataset(40, labels=labels), samples=10, seed=seed) for seed in (0, 1))

    assert len(set(first.calibration.indices.tolist())) == 10
    assert (
        first.calibration.indices.tolist()
        == split_dataset(dataset(40), samples=10, seed=0).calibration.indices.tolist()
    )
    assert first.calibration.indices.tolist() != other.calibration.indices.tolist()


def test_named_parts_are_taken_at_their_word() -> None:
    part = [CALIBRATION, SELECT, CONFIRM] * 10
    split = split_dataset(dataset(30, part=part), samples=6, seed=0)

    assert len(split.calibration) == 6
    assert set(split.calibration.indices % 3) == {0}
    assert split.judged.indices.tolist() == list(range(2, 30, 3))


def test_named_parts_calibrate_on_all_rows_where_fewer_are_there_than_asked_for() -> None:
    split = split_dataset(dataset(30, part=[CALIBRATION, SELECT, CONFIRM] * 10), samples=200, seed=0)

    assert split.calibration.indices.tolist() == list(range(0, 30, 3))


def test_named_parts_without_rows_to_judge_leave_nothing_to_judge() -> None:
    split = split_dataset(dataset(4, part=[CALIBRATION] * 4), samples=2, seed=0)

    assert len(split.judged) == 0


def test_named_parts_without_calibration_rows_are_refused() -> None:
    with pytest.raises(InputError, match=r"data `test\.npz` has no sample to calibrate on") as caught:
        split_dataset(dataset(4, part=[CONFIRM] * 4), samples=2, seed=0)

    assert caught.value.hint == "give it at least one row of part `calibration`"


@pytest.mark.parametrize("samples", [0, -3])
def test_fewer_than_one_sample_is_refused(samples: int) -> None:
    with pytest.raises(InputError, match=f"`--samples {samples}`: calibration needs at least one sample"):
        split_dataset(dataset(4), samples=samples, seed=0)


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    samples=st.integers(1, 80),
    seed=st.integers(0, 2**32 - 1),
)
def test_parts_are_disjoint_complete_and_as_large_as_asked(labels: list[int], samples: int, seed: int) -> None:
    split = split_dataset(dataset(len(labels), labels=labels), samples=samples, seed=seed)
    calibration, judged = set(split.calibration.indices.tolist()), set(split.judged.indices.tolist())

    assert not calibration & judged
    assert calibration | judged == set(range(len(labels)))
    assert len(calibration) == len(split.calibration) == min(samples, len(labels) // 2)
    assert split.calibration.inputs["x"].ravel().tolist() == sorted(calibration)


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    samples=st.integers(1, 30),
    seed=st.integers(0, 1000),
)
def test_no_class_is_off_its_share_by_a_sample_or_more(labels: list[int], samples: int, seed: int) -> None:
    split = split_dataset(dataset(len(labels), labels=labels), samples=samples, seed=seed)
    assert split.calibration.labels is not None
    drawn = np.bincount(split.calibration.labels, minlength=5)
    shares = np.bincount(labels, minlength=5) * len(split.calibration) / len(labels)

    assert np.abs(drawn - shares).max() < 1


@given(
    part=st.lists(st.sampled_from([CALIBRATION, SELECT, CONFIRM]), min_size=1, max_size=40), samples=st.integers(1, 20)
)
def test_rows_of_other_parts_are_never_drawn_or_judged(part: list[str], samples: int) -> None:
    if CALIBRATION not in part:
        return
    split = split_dataset(dataset(len(part), part=part), samples=samples, seed=0)
    assert split.calibration.part is not None
    assert split.judged.part is not None

    assert set(split.calibration.part.tolist()) == {CALIBRATION}
    assert set(split.judged.part.tolist()) <= {CONFIRM}
    assert len(split.judged) == part.count(CONFIRM)


def test_rows_are_sampled_by_seed_and_keep_the_shares_of_classes():
    labels = np.repeat([0, 1], [75, 25])
    data = Dataset(inputs={"x": np.arange(100)}, labels=labels, source="rows", indices=np.arange(100))

    drawn, again, other = (sample_rows(data, samples=20, seed=seed) for seed in (0, 0, 1))

    assert np.bincount(drawn.labels).tolist() == [15, 5]
    assert drawn.indices.tolist() == again.indices.tolist()
    assert drawn.indices.tolist() != other.indices.tolist()
    assert len(sample_rows(data, samples=500, seed=0)) == 100


def test_no_rows_to_sample_are_refused():
    data = Dataset(inputs={"x": np.arange(3)}, source="rows", indices=np.arange(3))

    with pytest.raises(InputError, match="`--samples 0`: it takes at least one sample"):
        sample_rows(data, samples=0, seed=0)
