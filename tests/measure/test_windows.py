"""Windows of a soak: how long, how many, and what each holds."""

import pytest

from edgeopt.measure import windows
from edgeopt.measure.sensors import Sensors
from edgeopt.measure.windows import soak_windows, window_from_json, window_seconds


class Clock:
    """A clock that stands still but for the calls made under it."""

    def __init__(self):
        self.now = 0

    def perf_counter_ns(self):
        return self.now

    def perf_counter(self):
        return self.now * 1e-9


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(windows, "time", made)
    return made


def call_of(clock, seconds, calls=None):
    def call():
        clock.now += int(seconds * 1e9)
        if calls is not None:
            calls.append(clock.now)

    return call


@pytest.mark.parametrize(
    ("seconds", "length", "count"),
    [(1, 0.1, 10), (6, 0.1, 60), (30, 0.5, 60), (60, 1, 60), (600, 1, 600), (3600, 6, 600), (86_400, 144, 600)],
)
def test_a_soak_has_sixty_to_six_hundred_windows_where_it_is_long_enough(seconds, length, count):
    assert window_seconds(seconds) == pytest.approx(length)
    assert round(seconds / window_seconds(seconds)) == count


def test_each_window_keeps_twenty_calls_evenly_spaced_and_makes_them_all(clock):
    calls = []

    found = soak_windows(call_of(clock, 0.01, calls), seconds=60, sensors=Sensors())

    assert len(found) == 60
    assert {len(window.samples) for window in found} == {20}
    assert found[0].samples == pytest.approx([0.01] * 20)
    assert len(calls) == 6000
    assert [window.end for window in found] == pytest.approx([1.0 * n for n in range(1, 61)])


def test_a_slow_model_has_a_call_per_window_and_no_window_is_empty(clock):
    found = soak_windows(call_of(clock, 7), seconds=60, sensors=Sensors())

    assert [window.samples for window in found] == [(7.0,)] * 9
    assert found[-1].end == pytest.approx(63)


def test_what_the_system_does_not_tell_is_none_not_nought(clock, monkeypatch):
    monkeypatch.setattr(windows, "preemptions", lambda: None)

    window = soak_windows(call_of(clock, 0.05), seconds=1, sensors=Sensors())[0]

    assert (window.preemptions, window.clock_hz, window.celsius, window.resident_bytes) == (None,) * 4


def test_sensors_are_read_at_the_end_of_each_window(clock, monkeypatch, tmp_path):
    (tmp_path / "clock").write_text("1200000")
    (tmp_path / "celsius").write_text("71500")
    (tmp_path / "statm").write_text("900 100 7")
    lost = iter(range(0, 1000, 3))
    monkeypatch.setattr(windows, "preemptions", lambda: next(lost))
    sensors = Sensors(clocks=(tmp_path / "clock",), temperatures=(tmp_path / "celsius",), memory=tmp_path / "statm")

    found = soak_windows(call_of(clock, 0.05), seconds=1, sensors=sensors)

    assert {(w.preemptions, w.clock_hz, w.celsius) for w in found} == {(3, 1.2e9, 71.5)}
    assert all(w.resident_bytes and w.resident_bytes % 100 == 0 for w in found)


def test_a_window_comes_back_from_its_json(clock):
    window = soak_windows(call_of(clock, 0.05), seconds=1, sensors=Sensors())[0]

    assert window_from_json({**window.as_json(), "samples": list(window.samples)}) == window
