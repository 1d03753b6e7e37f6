"""`edgeopt.doctor`: what is there, what is missing, and the line that mends it."""

import json
from importlib import metadata

import pytest

import edgeopt
from edgeopt._optional import EXTRAS
from edgeopt.workflow import doctor


def checks():
    return {check["name"]: check for check in edgeopt.doctor()["checks"]}


def test_every_check_has_its_keys_and_what_is_wrong_has_a_cure():
    found = edgeopt.doctor()

    assert found.keys() == {"environment", "checks"}
    for check in found["checks"]:
        assert check.keys() == {"name", "state", "detail", "mend"}
        assert check["state"] in {"ok", "missing", "noisy", "unknown"}
        assert bool(check["mend"]) == (check["state"] in {"missing", "noisy"})
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_packages_that_edgeopt_needs_are_checked():
    assert {"edgeopt", "numpy", "onnx", "onnxruntime", "processor", "int8 here", "load", "clock"} <= checks().keys()


def test_a_missing_package_is_told(monkeypatch):
    def version(name):
        if name == "onnx":
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(doctor, "version", version)

    assert checks()["onnx"]["state"] == "missing"
    assert checks()["onnx"]["mend"].startswith("pip install")


def test_a_missing_extra_comes_with_its_pip_line(monkeypatch):
    monkeypatch.setattr(doctor, "find_spec", lambda _name: None)

    extras = {name: check for name, check in checks().items() if name.startswith("[")}
    assert extras
    assert all(name.strip("[]") in EXTRAS.values() for name in extras)
    assert all(check["mend"] == f"pip install 'edgeopt{name}'" for name, check in extras.items())


@pytest.mark.parametrize(
    ("load", "governor", "states"),
    [(None, None, ("unknown", "unknown")), (0.0, "performance", ("ok", "ok")), (1e6, "powersave", ("noisy", "noisy"))],
)
def test_load_and_clock_are_judged(monkeypatch, load, governor, states):
    monkeypatch.setattr(doctor, "load_average", lambda: load)
    monkeypatch.setattr(doctor, "governor", lambda: governor)

    found = checks()

    assert (found["load"]["state"], found["clock"]["state"]) == states
