"""The conditions that figures depend on, and what is said of them."""

import json
import os
import re

import pytest

from edgeopt import __version__
from edgeopt.measure import environment as module
from edgeopt.measure.environment import Disturbance, disturbance, environment, machine_identity, noise_warnings

QUIET = Disturbance(total=1000, stolen=0, throttled=0)


def test_the_record_has_its_keys_and_is_json():
    record = environment(threads=2)

    assert set(record) == {
        *("date", "machine", "cpu", "architecture", "isa", "cores", "governor", "load_average"),
        *("memory_bytes", "cpu_limit", "os", "python", "versions", "threads"),
    }
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["date"])
    assert record["versions"]["edgeopt"] == __version__
    assert {"numpy", "onnx", "onnxruntime"} < set(record["versions"])
    assert record["threads"] == 2


def test_threads_are_told_only_where_something_was_timed():
    assert "threads" not in environment()


def test_a_machine_keeps_its_identity_and_another_has_its_own(monkeypatch):
    mine = machine_identity()
    monkeypatch.setattr(os, "cpu_count", lambda: 1234)

    assert re.fullmatch(r"[0-9a-f]{12}", mine)
    assert machine_identity() != mine


def test_a_package_that_is_missing_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "_PACKAGES", ("numpy", "no-such-package"))

    assert list(environment()["versions"]) == ["edgeopt", "numpy"]


@pytest.mark.parametrize(
    ("text", "limit"), [("200000 100000", 2.0), ("50000 100000", 0.5), ("max 100000", None), ("", None)]
)
def test_the_limit_of_a_container_is_told_in_cores(tmp_path, monkeypatch, text, limit):
    (tmp_path / "cpu.max").write_text(text)
    monkeypatch.setattr(module, "_CGROUP", tmp_path)

    assert environment()["cpu_limit"] == limit


def test_a_system_without_load_average_has_none(monkeypatch):
    def refuse():
        raise OSError

    monkeypatch.setattr(os, "getloadavg", refuse)

    assert module.load_average() is None


@pytest.mark.parametrize(
    ("stat", "cpu_stat", "expected"),
    [
        ("cpu  10 1 5 100 2 0 1 7 0 0\ncpu0 1 2", "nr_periods 9\nnr_throttled 4", Disturbance(126, 7, 4)),
        ("cpu  10 1 5 100", "", Disturbance(116, 0, 0)),
        (None, None, Disturbance(0, 0, 0)),
    ],
)
def test_counters_come_from_the_system_and_are_zero_where_it_has_none(monkeypatch, stat, cpu_stat, expected):
    monkeypatch.setattr(module, "_read", lambda path: stat if str(path) == "/proc/stat" else cpu_stat)

    assert disturbance() == expected


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({}, []),
        ({"load": None, "governor": "performance"}, []),
        ({"load": 2.8, "preempted": 50.0}, []),
        ({"load": 2.9}, ["the load average was 2.9 on 4 cores before measuring: stop other work"]),
        (
            {"after": Disturbance(2000, 20, 0)},
            ["the hypervisor gave 2% of the time to other machines"],
        ),
        ({"after": Disturbance(2000, 10, 0)}, []),
        ({"after": Disturbance(2000, 0, 1)}, ["throttled the measurement: raise the limit (`docker run --cpus`)"]),
        ({"preempted": 51.0}, ["the measurement was preempted 51 times a second: stop other work"]),
        ({"governor": "powersave"}, ["`powersave`, so the clock varies: `sudo cpupower frequency-set -g performance`"]),
        (
            {"after": Disturbance(2000, 500, 3), "load": 9.0, "preempted": 99.0, "governor": "ondemand"},
            ["load average", "hypervisor", "throttled", "preempted", "governor"],
        ),
    ],
)
def test_what_disturbs_is_said_with_the_cause_to_remove(monkeypatch, conditions, said):
    given = {"after": QUIET, "load": 0.0, "preempted": 0.0, "governor": None, **conditions}
    monkeypatch.setattr(module, "governor", lambda: given["governor"])
    monkeypatch.setattr(module, "usable_cpus", lambda: [3, 2, 1, 0])

    warnings = noise_warnings(QUIET, given["after"], load=given["load"], preempted=given["preempted"])

    assert len(warnings) == len(said)
    assert all(text in warning for text, warning in zip(said, warnings, strict=True))
