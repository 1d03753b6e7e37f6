"""The rates that ship, and what is said where there are none."""

from __future__ import annotations

import math

import pytest

from edgeopt.errors import Unsupported
from edgeopt.predict.features import FEATURES
from edgeopt.predict.rates import all_rates, rates_for


def test_every_group_that_ships_is_physical_and_sourced() -> None:
    for rates in all_rates():
        assert len(rates.seconds) == len(FEATURES)
        assert min(rates.seconds) >= 0
        assert 0 < rates.half_width <= math.log(3.0) + 1e-4
        assert rates.networks >= rates.families >= 2
        assert rates.fastest_seconds <= rates.slowest_seconds
        assert rates.source
        assert (rates.watts is None) == (not rates.watts_source)


def test_no_two_groups_are_of_the_same() -> None:
    keys = [(one.target, one.runtime, one.dtype, one.threads) for one in all_rates()]

    assert len(keys) == len(set(keys))


def test_a_runtime_without_a_version_is_its_newest() -> None:
    assert rates_for("rpi4", runtime="litert", dtypes=["int8"], threads=None).runtime == "litert-2.7.1"
    assert rates_for("rpi4", runtime="litert-2.5.0", dtypes=["int8"], threads=None).runtime == "litert-2.5.0"


def test_without_a_runtime_the_first_of_the_target_is_taken_and_named() -> None:
    found = rates_for("rpi4", runtime=None, dtypes=["float32"], threads=1)

    assert (found.runtime, found.threads) == ("ncnn", 1)
    assert found.label == "rpi4: ncnn, float32, 1 thread"


def test_a_float_model_may_run_in_half_precision_where_that_is_what_there_is() -> None:
    found = rates_for("rpi5", runtime="ncnn", dtypes=["float32", "float16"], threads=4)

    assert found.dtype == "float16"


def test_a_thread_count_without_data_is_refused_with_what_has() -> None:
    with pytest.raises(Unsupported, match="`rpi4` with litert, int8, 2 threads") as caught:
        rates_for("rpi4", runtime="litert", dtypes=["int8"], threads=2)

    assert "rpi4: litert-2.7.1, int8, 4 threads" in caught.value.hint
    assert "rpi5" not in caught.value.hint


def test_a_runtime_without_data_is_refused_with_what_has() -> None:
    with pytest.raises(Unsupported, match="`rpi5` with litert, float32, any threads") as caught:
        rates_for("rpi5", runtime="litert", dtypes=["float32"], threads=None)

    assert "rpi5: ncnn, float16, 4 threads" in caught.value.hint


def test_part_of_a_runtimes_name_is_not_the_runtime() -> None:
    with pytest.raises(Unsupported):
        rates_for("rpi4", runtime="lite", dtypes=["int8"], threads=None)


def test_a_target_without_data_is_refused_with_those_that_have_some() -> None:
    with pytest.raises(Unsupported, match="no measurements to estimate `n100` from") as caught:
        rates_for("n100", runtime=None, dtypes=["int8"], threads=None)

    assert "rpi4" in caught.value.hint
