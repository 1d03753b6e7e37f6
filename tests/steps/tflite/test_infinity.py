"""Masks of minus infinity hold with the portable kernels, which clip sums to finite numbers."""

from __future__ import annotations

import numpy as np

from edgeopt.steps.tflite.expand import expanded
from tests.steps.tflite.running import assert_same, kinds_of, parsed

HEAD = '<ir_version: 8, opset_import: ["" : 17]>'
INFINITY = "float infinity = {-inf}, float zero = {0.0}"


def test_a_sum_with_a_mask_that_shows_stays_infinite() -> None:
    model = parsed(
        f"""{HEAD}
        masked (float[2,3] x, bool[2,3] keep) => (float[2,3] y)
        <{INFINITY}> {{ m = Where (keep, zero, infinity) y = Add (x, m) }}"""
    )
    x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    keep = np.array([[True, False, True], [False, False, False]])
    from edgeopt.steps.tflite.flatbuffer import model_bytes
    from tests.steps.tflite.running import REFERENCE, XNNPACK, lowered_model, run_tflite

    content = model_bytes(lowered_model(model).net)
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(content, {"x": x, "keep": keep}, kernels)["y"]
        np.testing.assert_array_equal(given, np.where(keep, x, -np.inf))


def test_a_mask_before_a_softmax_is_a_plain_sum() -> None:
    model = parsed(
        f"""{HEAD}
        masked (float[2,3] x, bool[2,3] keep) => (float[2,3] y)
        <{INFINITY}> {{ m = Where (keep, zero, infinity) s = Add (x, m) y = Softmax (s) }}"""
    )
    feeds = {
        "x": np.array([[1, 2, 3], [4, 5, 6]], np.float32),
        "keep": np.array([[True, False, True], [False, True, True]]),
    }
    kinds = kinds_of(assert_same(model, feeds))
    assert kinds.count("SELECT_V2") == 1
    assert "EQUAL" not in kinds


def test_a_row_that_is_all_masked_is_found() -> None:
    model = parsed(
        f"""{HEAD}
        rows (bool[2,3] keep) => (bool[2,1] y)
        <{INFINITY}>
        {{ m = Where (keep, zero, infinity) l = ReduceMax <axes = [-1]> (m) y = Equal (l, infinity) }}"""
    )
    for keep in ([[True, False, True], [False, False, False]], [[False] * 3, [False, False, True]]):
        assert_same(model, {"keep": np.array(keep)})


def test_a_lowest_finite_number_is_no_infinity() -> None:
    lowest = float(np.finfo(np.float32).min)
    model = parsed(
        f"""{HEAD}
        rows (bool[2,3] keep) => (bool[2,1] y)
        <float lowest = {{{lowest!r}}}, {INFINITY}>
        {{ m = Where (keep, zero, lowest) l = ReduceMax <axes = [-1]> (m) y = Equal (l, infinity) }}"""
    )
    assert_same(model, {"keep": np.array([[True, False, True], [False, False, False]])})


def test_a_model_without_infinities_stays_the_same_object() -> None:
    model = parsed(f"{HEAD} plain (float[2] x) => (float[2] y) <float[2] c = {{1.0, 2.0}}> {{ y = Add (x, c) }}")
    assert expanded(model) is model
