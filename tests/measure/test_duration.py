import pytest

from edgeopt.measure import latency
from edgeopt.measure.duration import expected_seconds
from edgeopt.measure.latency import Plan, measure_models


def test_more_processes_take_longer_and_so_do_slower_models() -> None:
    assert expected_seconds(2, 4) < expected_seconds(2, 5)
    assert expected_seconds(2, 4, call_seconds=1e-4) < expected_seconds(2, 4, call_seconds=1e-3)


def test_a_model_whose_speed_is_not_known_takes_its_whole_budget() -> None:
    assert expected_seconds(2, 10) > expected_seconds(2, 10, call_seconds=1e-4)


def test_a_model_slower_than_the_budget_is_called_a_few_times_all_the_same() -> None:
    assert expected_seconds(2, 10, call_seconds=2.0) > 10 * 3 * 8 * 2.0


@pytest.mark.slow
def test_the_expected_time_is_of_the_order_of_the_real_one(digits_model, monkeypatch) -> None:
    import time

    monkeypatch.setattr(latency, "load_average", lambda: 0.0)
    begun = time.monotonic()
    timings = measure_models([digits_model, digits_model], Plan(processes=4), has_twin=True)
    taken = time.monotonic() - begun

    call = sorted(timings.models[0].samples[0])[0]
    assert expected_seconds(2, 4, call_seconds=call) / 4 < taken < 4 * expected_seconds(2, 4, call_seconds=call)
