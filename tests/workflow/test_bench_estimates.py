"""`bench` for targets that are not here: an estimate with origin, interval and basis, never a measurement."""

from __future__ import annotations

import pytest

import edgeopt
from edgeopt.core.run import run_from_json
from edgeopt.errors import Unsupported
from edgeopt.store.headline import headline


@pytest.fixture
def model(save_model, small_models):
    return save_model(small_models.conv())


def test_an_estimate_is_named_as_one_and_has_no_samples(model):
    record = edgeopt.bench(model, target="rpi4").as_json()
    (row,) = record["runs"]

    assert (row["target"], row["origin"]) == ("rpi4", "estimated")
    assert (row["runtime"], row["dtype"], row["threads"], row["batch"]) == ("litert-2.7.1", "float32", 4, 1)
    assert row["latency"].keys() == {"median", "interval90", "unit"}
    low, high = row["latency"]["interval90"]
    assert 0 < low < row["latency"]["median"] < high
    assert row["energy"]["value"] == pytest.approx(row["latency"]["median"] * row["energy"]["watts"])
    assert row["basis"]["networks"] == 41


def test_the_record_holds_no_measurement_that_a_gate_could_take(model):
    record = edgeopt.bench(model, target="rpi4").as_json()

    assert record["measurements"] == []
    assert run_from_json(record, where="run.json").measurements == ()


def test_what_is_measured_stands_apart_from_what_is_estimated(model, scripted_times):
    scripted_times()

    result = edgeopt.bench(model, target=["rpi5", "host"], processes=2)
    rows = result.as_json()["runs"]

    assert [(row["target"], row["origin"]) for row in rows] == [("host", "host"), ("rpi5", "estimated")]
    assert len(result.rows) == len(result.estimates) == 1
    assert {measurement.target for measurement in result.run.measurements} <= {"host", ""}
    assert all(measurement.origin.value == "host" for measurement in result.run.measurements)


def test_every_model_is_estimated_on_every_target(model, save_model, small_models):
    other = save_model(small_models.mlp(), "mlp.onnx")
    rows = edgeopt.bench(model, other, target=["rpi4", "rpi5"], runtime="ncnn", threads=1).as_json()["runs"]

    assert [(row["path"], row["target"]) for row in rows] == [
        (str(path), target) for path in (model, other) for target in ("rpi4", "rpi5")
    ]
    assert {row["runtime"] for row in rows} == {"ncnn"}


def test_an_explained_estimate_adds_up(model):
    (row,) = edgeopt.bench(model, target="rpi4", explain=True).as_json()["runs"]

    assert 0 < sum(one["seconds"] for one in row["kernels"]) < row["latency"]["median"]
    assert {one["bound"] for one in row["kernels"]} <= {"arithmetic", "memory", "overhead"}
    assert "kernels" not in edgeopt.bench(model, target="rpi4").as_json()["runs"][0]


def test_a_dtype_can_be_asked_for(model):
    (row,) = edgeopt.bench(model, target="rpi4", dtype="int8").as_json()["runs"]

    assert row["dtype"] == "int8"


def test_energy_is_refused_where_no_power_was_measured(model):
    with pytest.raises(Unsupported, match="no power was measured of `rpi5: ncnn, float16, 4 threads`") as caught:
        edgeopt.bench(model, target="rpi5", metric="energy")

    assert "rpi4: litert-2.7.1" in caught.value.hint


def test_what_the_estimate_rests_on_is_said(model):
    warnings = edgeopt.bench(model, target="rpi4").warnings

    assert any("measured at 1.8 GHz" in warning for warning in warnings)
    assert any("number of threads is not in the logs" in warning for warning in warnings)


def test_a_list_of_runs_shows_the_median_with_its_origin(model):
    figures = headline(edgeopt.bench(model, target="rpi4").as_json())["figures"]

    assert [(figure["name"], figure["origin"]) for figure in figures] == [("median", "estimated")]
