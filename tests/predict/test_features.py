"""Amounts of work: what a kernel costs grows with it, whatever its kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.predict.estimate import estimate_of
from edgeopt.predict.features import FEATURES, amounts, feature_vector
from edgeopt.predict.kernels import Kernel, Kind
from edgeopt.predict.rates import Rates, all_rates

_COUNTS = st.integers(0, 10**9)
_KERNELS = st.builds(
    Kernel,
    name=st.just("k"),
    kind=st.sampled_from(list(Kind)),
    macs=_COUNTS,
    read=_COUNTS,
    written=_COUNTS,
    weights=_COUNTS,
    window=st.integers(1, 121),
    stride=st.integers(1, 4),
)
_GROWING = ("macs", "read", "written", "weights")


@given(kernel=_KERNELS, rates=st.sampled_from(all_rates()))
def test_twice_the_work_never_costs_less(kernel: Kernel, rates: Rates) -> None:
    whole = estimate_of([kernel], rates).median

    for counts in ([name] for name in _GROWING):
        assert estimate_of([_doubled(kernel, counts)], rates).median >= whole
    assert estimate_of([_doubled(kernel, _GROWING)], rates).median >= whole
    assert estimate_of([kernel, kernel], rates).median >= whole


@given(kernel=_KERNELS)
def test_a_kernel_twice_as_large_stays_in_its_class(kernel: Kernel) -> None:
    assert amounts(kernel).keys() == amounts(_doubled(kernel, _GROWING)).keys()


@given(kernels=st.lists(_KERNELS, max_size=4))
def test_amounts_of_a_network_are_those_of_its_kernels_and_one_inference(kernels: list[Kernel]) -> None:
    total = dict(zip(FEATURES, feature_vector(kernels), strict=True))

    for name in FEATURES:
        assert total[name] == pytest.approx((name == "base") + sum(amounts(one).get(name, 0) for one in kernels))


def test_a_window_at_stride_1_is_fast_only_where_it_is_3_by_3() -> None:
    square = Kernel(name="k", kind=Kind.WINDOW, macs=90, read=10, written=10, weights=9, window=9)

    assert amounts(square)["fast_window_macs"] == 90
    assert amounts(replace(square, stride=2))["window_macs"] == 90
    assert amounts(replace(square, window=25))["window_macs"] == 90


def test_gathering_reads_each_element_as_often_as_a_window_covers_it() -> None:
    wide = Kernel(name="k", kind=Kind.WINDOW, macs=1, read=400, written=100, weights=1, window=25, stride=2)

    assert amounts(wide)["gathered"] == 400 * 25 / 4


def test_every_feature_is_bounded_by_something() -> None:
    assert set(FEATURES.values()) == {"arithmetic", "memory", "overhead"}
    assert len(feature_vector([])) == len(FEATURES)
    assert np.count_nonzero(feature_vector([])) == 1


def _doubled(kernel: Kernel, names: tuple[str, ...] | list[str]) -> Kernel:
    return replace(kernel, **{name: 2 * getattr(kernel, name) for name in names})
