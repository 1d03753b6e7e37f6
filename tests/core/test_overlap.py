"""Samples of two parts that are one and the same are found by content and refused."""

import numpy as np
import pytest

from edgeopt.core.dataset import Dataset
from edgeopt.core.overlap import require_disjoint_parts, sample_digests
from edgeopt.errors import InputError

PARTS = np.array(["calibration", "select", "confirm"])


def dataset(samples, part=None, **more):
    n = len(samples)
    return Dataset(inputs={"x": samples, **more}, part=part, source="d.npz", indices=np.arange(n))


def test_parts_without_a_common_sample_are_taken():
    samples = np.arange(12, dtype=np.float32).reshape(6, 2)

    require_disjoint_parts(dataset(samples, PARTS[np.arange(6) % 3]))


def test_equal_samples_of_one_part_are_taken():
    samples = np.zeros((4, 2), np.float32)

    require_disjoint_parts(dataset(samples, PARTS[[2, 2, 2, 2]]))


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 2), (1, 2)])
def test_a_sample_of_two_parts_is_refused_with_its_places(one, other):
    samples = np.arange(12, dtype=np.float32).reshape(6, 2)
    samples[4] = samples[1]
    part = PARTS[[0, one, 2, 2, other, 2]]

    with pytest.raises(InputError, match=r"1 sample\(s\) of `d.npz` .* sample 4 .* equals sample 1") as caught:
        require_disjoint_parts(dataset(samples, part))

    assert "one part" in caught.value.hint


def test_data_that_names_no_parts_is_not_looked_at():
    require_disjoint_parts(dataset(np.zeros((4, 2), np.float32)))


def test_all_inputs_count_and_where_one_ends():
    left = np.array([[1, 2], [1, 2], [1, 2]], np.uint8)
    right = np.array([[3], [4], [3]], np.uint8)

    first, second, third = sample_digests(dataset(left, y=right))

    assert first == third != second


def test_an_identity_tells_rows_file_and_part_apart():
    whole = Dataset(
        inputs={"x": np.zeros((4, 1))}, part=PARTS[[0, 2, 2, 2]], source="d.npz", digest="ab", indices=np.arange(4)
    )
    confirm, mixed = whole.rows(np.array([1, 2])), whole.rows(np.array([0, 1]))

    assert confirm.identity() == {
        "source": "d.npz", "sha256": "ab", "rows": confirm.identity()["rows"], "n": 2, "part": "confirm",
    }  # fmt: skip
    assert mixed.identity()["part"] == ""
    assert mixed.identity()["rows"] != confirm.identity()["rows"]
    assert whole.rows(np.array([1, 2])).identity() == confirm.identity()
