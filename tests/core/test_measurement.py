"""A figure keeps its unit, its origin and its raw samples, on paper too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.core.measurement import Measurement, Origin, measurement_from_json, single_value
from edgeopt.errors import InputError

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def record(**changes: Any) -> dict[str, Any]:
    """The JSON form of a latency."""
    measurement = Measurement(
        metric="latency",
        artifact="ab",
        target="host",
        unit="s",
        origin=Origin.HOST,
        samples=((0.1, 0.2), (0.3,)),
        details={"threads": 1},
    )
    return measurement.as_json() | changes


def test_the_json_form_keeps_every_sample_and_the_origin() -> None:
    assert record() == {
        "metric": "latency",
        "artifact": "ab",
        "target": "host",
        "unit": "s",
        "origin": "host",
        "samples": [[0.1, 0.2], [0.3]],
        "details": {"threads": 1},
    }


def test_a_metric_that_is_computed_once_has_one_process_with_one_value() -> None:
    size = single_value("size", 7, artifact="ab", unit="B", origin=Origin.HOST, n=3)

    assert size.samples == ((7.0,),)
    assert size.target == "host"
    assert size.details == {"n": 3}


def test_a_measurement_without_details_needs_none_on_paper() -> None:
    size = single_value("size", 7, artifact="ab", unit="B", origin=Origin.ESTIMATED)

    assert "details" not in size.as_json()
    assert measurement_from_json(size.as_json()) == size


@pytest.mark.parametrize("key", ["metric", "artifact", "target", "unit", "origin", "samples"])
def test_a_missing_key_is_refused_by_name(key: str) -> None:
    broken = record()
    del broken[key]
    with pytest.raises(InputError, match=f"a measurement of the run cannot be read: .*{key}"):
        measurement_from_json(broken)


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "guessed"},
        {"samples": 3},
        {"samples": [0.1]},
        {"samples": ["123"]},
        {"samples": [["0.1"]]},
        {"samples": [[None]]},
        {"samples": [[True]]},
        {"samples": [[float("nan")]]},
        {"samples": [[float("inf")]]},
        {"samples": [[10**400]]},
        {"details": 3},
    ],
)
def test_what_is_no_origin_and_no_finite_number_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="a measurement of the run cannot be read"):
        measurement_from_json(record(**changes))


@pytest.mark.parametrize("broken", [None, 3, "latency", []])
def test_what_is_no_object_is_refused(broken: Any) -> None:
    with pytest.raises(InputError, match="a measurement of the run cannot be read"):
        measurement_from_json(broken)


@given(samples=st.lists(st.lists(FINITE, max_size=4), max_size=3), origin=st.sampled_from(Origin))
def test_what_is_written_reads_back(samples: list[list[float]], origin: Origin) -> None:
    measurement = Measurement(
        metric="latency",
        artifact="ab",
        target="rpi4",
        unit="s",
        origin=origin,
        samples=tuple(tuple(process) for process in samples),
        details={},
    )

    assert measurement_from_json(measurement.as_json()) == measurement
