"""The pytest plugin: found by its entry point, light to load, and a test's failure says what a gate would say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeopt

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[1]
HEAVY = ("numpy", "click", "pydantic", "rich", "onnx", "onnxruntime", "torch")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH that offers the entry points of pyproject.toml, as an installation does."""
    folder = tmp_path_factory.mktemp("installed")
    points = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["pytest11"]
    metadata = folder / "edgeopt_entry_points-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: edgeopt-entry-points\nVersion: 0\n")
    lines = [f"{name} = {module}" for name, module in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]) + "\n")
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, small_models: Any, outputs_of: Any) -> Path:
    """A folder with `model.onnx`, its `int8.onnx` and `data.npz`."""
    folder = tmp_path_factory.mktemp("models")
    model = small_models.mlp()
    samples = np.random.default_rng(0).standard_normal((900, 3)).astype(np.float32)
    labels = outputs_of(model, {"x": samples})["scores"].argmax(axis=1)
    source, data = folder / "model.onnx", folder / "data.npz"
    source.write_bytes(model.SerializeToString())
    np.savez(data, x=samples, y=labels)
    edgeopt.quantize(source, output=folder / "int8.onnx", data=data, samples=100, target="rpi4", measure=False)
    return folder


@pytest.fixture
def project(
    pytester: pytest.Pytester, installed: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """A folder with the models, in which pytest knows the plugin."""
    monkeypatch.setenv("PYTHONPATH", f"{installed}{os.pathsep}{ROOT}")
    shutil.copytree(models, pytester.path, dirs_exist_ok=True)
    return pytester


def test_both_fixtures_are_there_with_what_they_do(project: pytest.Pytester) -> None:
    told = project.runpytest_subprocess("--fixtures", "-p", "no:cacheprovider").stdout.str()

    assert "edgeopt_bench [session scope]" in told
    assert "edgeopt_compare [session scope]" in told
    assert "A function that holds one model against another" in told


def test_rules_that_hold_pass_and_the_result_is_that_of_a_gate(project: pytest.Pytester) -> None:
    (project.path / "edgeopt.toml").write_text("a configuration is not read")
    project.makepyfile("""
        def test_a_candidate(edgeopt_compare):
            result = edgeopt_compare(
                "model.onnx", "int8.onnx", "data.npz", rules=["accuracy >= baseline - 5 pt", "size <= 1 MB"]
            )

            assert result.verdict.outcome == "passed"
            assert result.as_json()["accuracy"]["n"] == 800

        def test_a_model_itself(edgeopt_compare):
            edgeopt_compare("model.onnx", "model.onnx", "data.npz", rules=["flip_rate <= 1 %", "size <= baseline"])

        def test_undecided(edgeopt_compare):
            for undecided in ("pass", "warn"):
                edgeopt_compare("model.onnx", "int8.onnx", rules=["energy <= 1 J"], undecided=undecided)
    """)

    project.runpytest_subprocess().assert_outcomes(passed=3)


def test_a_failure_lists_every_rule_the_worst_first(project: pytest.Pytester) -> None:
    project.makepyfile("""
        def test_failed(edgeopt_compare):
            edgeopt_compare("model.onnx", "int8.onnx", rules=["size <= 1 MB", "energy <= 1 J", "size <= 1 B"])

        def test_undecided(edgeopt_compare):
            edgeopt_compare("model.onnx", "int8.onnx", rules=["energy <= 1 J"])
    """)
    result = project.runpytest_subprocess()

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: int8.onnx beside model.onnx: failed, 3 rules: 1 failed, 1 undecided, 1 passed",
            "E*failed     size <= 1 B: * limit 1 B (host); held to a plain tolerance",
            "E*undecided  energy <= 1 J: `energy` was not measured on `host`",
            "E*passed     size <= 1 MB: *",
            "E*AssertionError: int8.onnx beside model.onnx: undecided, 1 rule: 1 undecided",
        ]
    )
    assert "pytest_plugin.py" not in result.stdout.str()


_UNUSABLE = {
    '("model.onnx", "int8.onnx", rules=["accuracy >= 90 %"])': "rule `accuracy >= 90 %` needs*",
    '("model.onnx", "int8.onnx", rules=["speed <= 1"])': "*unknown metric `speed`*",
    '("model.onnx", "int8.onnx", rules=[])': "there is no rule to judge",
    '("model.onnx", "int8.onnx", rules="size <= 1 MB")': "`rules` is not a list of rules",
    '("model.onnx", "missing.onnx", rules=["size <= 1 MB"])': "model `missing.onnx` does not exist",
}


def test_what_cannot_be_judged_is_an_error_with_a_hint(project: pytest.Pytester) -> None:
    tests = [f"def test_{n}(edgeopt_compare):\n    edgeopt_compare{call}" for n, call in enumerate(_UNUSABLE)]
    project.makepyfile("\n\n".join(tests))
    result = project.runpytest_subprocess()

    result.assert_outcomes(failed=len(_UNUSABLE))
    result.stdout.fnmatch_lines(
        [line for message in _UNUSABLE.values() for line in (f"E*InputError: {message}", "E*hint: *")]
    )


@pytest.mark.slow
def test_models_are_timed_and_held_to_rules(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest

        def test_times(edgeopt_bench):
            result = edgeopt_bench("model.onnx", processes=2)

            assert result.rows[0].summary.median > 0

        def test_rules(edgeopt_bench):
            edgeopt_bench("int8.onnx", against="model.onnx", processes=2, rules=["latency.p50 <= 1 s", "size <= 1 MB"])

        def test_broken(edgeopt_bench):
            with pytest.raises(AssertionError, match="int8.onnx beside model.onnx: failed, 1 rule: 1 failed"):
                edgeopt_bench("int8.onnx", against="model.onnx", processes=2, rules=["latency.p90 <= 1 ns"])

        def test_without_a_base(edgeopt_bench):
            with pytest.raises(AssertionError, match="undecided, 1 rule"):
                edgeopt_bench("int8.onnx", processes=2, rules=["size <= baseline"])

        def test_latency_of_a_pair(edgeopt_compare):
            rules = ["latency.p50 <= baseline + 10000 %", "load <= 10 s"]
            result = edgeopt_compare("model.onnx", "int8.onnx", rules=rules, processes=2)

            assert result.as_json()["latency"]["comparison"]["ratio"] > 0
    """)

    project.runpytest_subprocess().assert_outcomes(passed=5)


def test_loading_it_imports_nothing_heavy() -> None:
    code = f"import sys, edgeopt.pytest_plugin; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert result.stdout == "[]\n"
