"""The windows of a soak: how many, how long, and what is kept of each; on a clock that calls alone move on."""

import json
from types import SimpleNamespace

import pytest

from edgeopt.measure import windows
from edgeopt.measure.sensors import Sensors
from edgeopt.measure.windows import Window, soak_windows, window_from_json, window_seconds

MILLISECOND = 1_000_000


class Clock:
    """Time that passes only when a call is made."""

    def __init__(self, monkeypatch, nanoseconds):
        self.now, self.calls, self.nanoseconds = 0, 0, nanoseconds
        seen = SimpleNamespace(perf_counter_ns=lambda: self.now, perf_counter=lambda: self.now * 1e-9)
        monkeypatch.setattr(windows, "time", seen)

    def call(self):
        self.calls += 1
        self.now += self.nanoseconds


@pytest.mark.parametrize(
    ("seconds", "length"), [(3, 0.1), (6, 0.1), (30, 0.5), (60, 1), (600, 1), (3600, 6), (7 * 86_400, 1008)]
)
def test_a_soak_has_30_to_600_windows(seconds, length):
    assert window_seconds(seconds) == pytest.approx(length)


def test_all_calls_are_made_and_20_of_a_window_are_kept(monkeypatch):
    clock = Clock(monkeypatch, MILLISECOND)

    found = list(soak_windows(clock.call, seconds=60, sensors=Sensors()))

    assert len(found) == 60
    assert clock.calls == 60_000
    assert {len(window.samples) for window in found} == {20}
    assert found[0].samples == pytest.approx([0.001] * 20)
    assert [window.end for window in found] == pytest.approx(range(1, 61))


def test_a_window_holds_a_call_that_is_longer_than_it(monkeypatch):
    clock = Clock(monkeypatch, 4000 * MILLISECOND)

    found = list(soak_windows(clock.call, seconds=10, sensors=Sensors()))

    assert [window.samples for window in found] == [(4.0,)] * 3


def test_a_stall_is_not_made_up_for_by_calls_in_a_row(monkeypatch):
    clock = Clock(monkeypatch, MILLISECOND)

    def stalling():
        clock.call()
        if clock.calls == 101:
            clock.now += 500 * MILLISECOND

    first = next(soak_windows(stalling, seconds=60, sensors=Sensors()))

    assert len(first.samples) < 14
    assert max(first.samples) == pytest.approx(0.501)


def test_what_the_system_does_not_tell_is_none(monkeypatch):
    clock = Clock(monkeypatch, MILLISECOND)
    monkeypatch.setattr(windows, "preemptions", lambda: None)

    window = next(soak_windows(clock.call, seconds=3, sensors=Sensors()))

    assert (window.preemptions, window.clock_hz, window.celsius, window.resident_bytes) == (None,) * 4


def test_lost_turns_are_those_of_the_window(monkeypatch):
    clock, counted = Clock(monkeypatch, MILLISECOND), iter([5, 8, 8, 20])
    monkeypatch.setattr(windows, "preemptions", lambda: next(counted))

    found = list(soak_windows(clock.call, seconds=0.3, sensors=Sensors()))

    assert [window.preemptions for window in found] == [3, 0, 12]


def test_a_window_survives_the_way_to_the_parent():
    window = Window(
        end=1.5, samples=(0.001, 0.002), preemptions=3, clock_hz=1.5e9, celsius=61.5, resident_bytes=50_000_000
    )

    assert window_from_json(json.loads(json.dumps(window.as_json()))) == window
