"""Samples that no range can rest on are said, once, loudest first."""

from __future__ import annotations

import numpy as np
import pytest

from edgeopt.core.dataset import Dataset
from edgeopt.steps.quantize.doubts import calibration_doubts
from edgeopt.steps.quantize.ranges.tensor import Range

MOVING, STILL = Range(-1.0, 2.0), Range(0.0, 0.0)


def dataset(**inputs):
    return Dataset(inputs=inputs, source="data.npz", indices=np.arange(len(next(iter(inputs.values())))))


def test_samples_that_move_every_tensor_raise_no_doubt():
    assert calibration_doubts(dataset(x=np.ones((8, 3), np.float32)), {"a": MOVING, "b": Range(1.0, 1.0)}) == ()


def test_samples_of_zeros_are_said_loudly_with_the_number_of_tensors():
    (said,) = calibration_doubts(dataset(x=np.zeros((8, 3), np.float32)), {"a": MOVING, "b": STILL})

    assert said.startswith("ALL CALIBRATION SAMPLES ARE ZERO in `data.npz`: the ranges of 2 tensors mean nothing")
    assert "--data" in said


@pytest.mark.parametrize("other", [np.zeros((8, 3), np.int64), np.ones((8, 3), np.float32)])
def test_zeros_beside_another_input_are_no_sample_of_zeros(other):
    said = calibration_doubts(dataset(x=np.zeros((8, 3), np.float32), other=other), {"a": MOVING})

    assert [line[:3] for line in said] == (["ALL"] if other.dtype.kind == "i" else [])


def test_zeros_among_the_integers_are_numbers_like_others():
    assert calibration_doubts(dataset(tokens=np.zeros((8, 3), np.int64)), {"a": MOVING}) == ()


def test_a_single_sample_is_said():
    (said,) = calibration_doubts(dataset(x=np.ones((1, 3), np.float32)), {"a": MOVING})

    assert said.startswith("ranges rest on a single sample")


def test_tensors_that_are_always_zero_are_counted():
    (said,) = calibration_doubts(dataset(x=np.ones((8, 3), np.float32)), {"a": MOVING, "b": STILL, "c": STILL})

    assert said.startswith("2 of 3 tensors are zero on every calibration sample, the first is `b`")
