"""What every step promises: one suite over all of `STEPS`."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Dataset, no_samples
from edgeopt.errors import EdgeoptError
from edgeopt.graph.calibration_rows import calibration_rows_in
from edgeopt.graph.load import onnx_artifact
from edgeopt.graph.tflite.read import read_tflite
from edgeopt.runners import RUNNER_OF_FORMAT, runner_named
from edgeopt.steps import STEPS
from edgeopt.steps.protocol import Step, StepReport
from edgeopt.workflow.inputs import model_artifact

# Builders of the models that steps are tried on, of `tests/conftest.py`; some schemes multiply matrices alone.
MODELS = ("conv", "conv_fixed_batch", "padded", "mlp", "nhwc", "listed_initializers")
WITH_PRODUCTS = ("conv", "conv_fixed_batch", "mlp", "attention")
# step -> options, and the models in which it has something to do: on x86 int8 leaves their thin convolutions float.
CASES: dict[str, list[tuple[dict[str, Any], tuple[str, ...]]]] = {
    "simplify": [({}, (*MODELS, "attention"))],
    "convert": [({}, MODELS)],
    "quantize": [
        ({"target": "rpi4"}, MODELS),
        ({"scheme": "int8-dynamic"}, WITH_PRODUCTS),
        ({"scheme": "int4-weights"}, WITH_PRODUCTS),
        ({"scheme": "fp16"}, (*MODELS, "attention")),
    ],
}
PARAMETERS = [
    pytest.param((name, options, model), id="-".join([name, *map(str, options.values()), model]))
    for name, cases in CASES.items()
    for options, models in cases
    for model in models
]
ONE_MODEL_EACH = [parameter for parameter in PARAMETERS if parameter.values[0][2] == "conv"]
SaveModel = Callable[..., Path]


def kind_of(name: str) -> type:
    module, _, attribute = STEPS[name].partition(":")
    kind: type = getattr(import_module(module), attribute)
    return kind


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every step under each of its schemes; where a test takes a `source` too, on each of the models."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", PARAMETERS if "source" in metafunc.fixturenames else ONE_MODEL_EACH)


@pytest.fixture
def step(case: tuple[str, dict[str, Any], str]) -> Step:
    name, options, _ = case
    made: Step = kind_of(name)(**options)
    return made


@pytest.fixture
def source(case: tuple[str, dict[str, Any], str], small_models: Any, save_model: SaveModel) -> Path:
    return save_model(getattr(small_models, case[2])())


def samples_for(path: Path, count: int = 40) -> Dataset:
    generator = np.random.default_rng(0)
    inputs = {
        spec.name: generator.standard_normal((count, *spec.concrete_shape()[1:])).astype(spec.dtype)
        for spec in onnx_artifact(path).inputs
    }
    return Dataset(inputs=inputs, source="normal samples", indices=np.arange(count))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_step_has_a_case() -> None:
    assert CASES.keys() == STEPS.keys()


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_step_is_a_frozen_dataclass_of_options_under_its_name(name: str) -> None:
    kind = kind_of(name)
    step = kind()

    assert dataclasses.is_dataclass(kind)
    assert kind.name == name
    assert isinstance(step, Step)
    assert hash(step) == hash(kind())
    for field in dataclasses.fields(kind):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(step, field.name, None)


def output_of(step: Step, source: Path) -> Path:
    """Where a step may write, beside the source."""
    return source.with_name(f"out{step.ending}")


def require_valid(path: Path) -> None:
    if path.suffix == ".onnx":
        onnx.checker.check_model(onnx.load(path), full_check=True)
    else:
        read_tflite(path)


def ports(specs: tuple[TensorSpec, ...]) -> list[tuple[str, tuple[int, ...], str]]:
    """What is the same in every format: names, types, and shapes at a batch of 1."""
    return [(spec.name, spec.concrete_shape(), spec.dtype) for spec in specs]


def test_a_step_writes_a_valid_model_that_runs(step: Step, source: Path) -> None:
    output, data = output_of(step, source), samples_for(source)

    report = step.apply(source, output, data)

    assert isinstance(report, StepReport)
    require_valid(output)
    before, after = model_artifact(source), model_artifact(output)
    assert (ports(after.inputs), ports(after.outputs)) == (ports(before.inputs), ports(before.outputs))
    assert step.ending != ".onnx" or (after.inputs, after.outputs) == (before.inputs, before.outputs)
    with runner_named(RUNNER_OF_FORMAT[after.format]).open(output) as session:
        size = after.inputs[0].shape[0] if isinstance(after.inputs[0].shape[0], int) else 3
        answers = session.infer({name: array[:size] for name, array in data.inputs.items()})
    assert all(np.isfinite(answer).all() and len(answer) == size for answer in answers.values())


def test_a_step_leaves_nothing_but_its_output(step: Step, source: Path) -> None:
    before = digest(source)

    step.apply(source, output_of(step, source), samples_for(source))

    assert digest(source) == before
    assert {path.name for path in source.parent.iterdir()} == {"model.onnx", f"out{step.ending}"}


def test_the_same_input_gives_the_same_bytes(step: Step, source: Path) -> None:
    outputs = [source.with_name(f"{number}{step.ending}") for number in range(3)]

    for output in outputs:
        step.apply(source, output, samples_for(source))

    assert len({digest(output) for output in outputs}) == 1


def test_what_a_step_makes_rests_on_samples_only_where_it_takes_them(step: Step, source: Path) -> None:
    with_data, without = (source.with_name(f"{name}{step.ending}") for name in ("with", "without"))

    step.apply(source, with_data, replace(samples_for(source), digest="ab"))
    if not step.needs_data:
        step.apply(source, without, no_samples())

    assert step.takes_data or not step.needs_data
    assert (step.ending == ".onnx" and calibration_rows_in(with_data) is not None) == step.takes_data
    assert step.takes_data or digest(with_data) == digest(without)


def test_a_step_replaces_an_older_output(step: Step, source: Path) -> None:
    output = output_of(step, source)
    output.write_text("older")

    step.apply(source, output, samples_for(source))

    require_valid(output)


def test_a_step_tells_how_far_it_is(step: Step, small_models: Any, save_model: SaveModel) -> None:
    source = save_model(small_models.conv())
    told: list[tuple[int, int]] = []

    step.apply(source, output_of(step, source), samples_for(source), progress=lambda *pair: told.append(pair))

    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_what_a_step_reports_is_json(step: Step, small_models: Any, save_model: SaveModel) -> None:
    import json

    source = save_model(small_models.conv())

    report = step.apply(source, output_of(step, source), samples_for(source))

    assert json.loads(json.dumps(report.details, allow_nan=False)) == report.details
    assert all(isinstance(warning, str) for warning in report.warnings)


@pytest.mark.parametrize(
    "content",
    [b"", b"this is no model", b"<!doctype html>", b"\x08\x08\x12"],
    ids=["empty", "text", "a web page", "cut off"],
)
def test_a_file_that_is_no_model_is_refused_and_nothing_is_written(step: Step, tmp_path: Path, content: bytes) -> None:
    source, output = tmp_path / "model.onnx", tmp_path / "out.onnx"
    source.write_bytes(content)

    with pytest.raises(EdgeoptError) as caught:
        step.apply(source, output, Dataset(inputs={}, source="none", indices=np.arange(0)))

    assert "\n" not in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_missing_file_is_refused(step: Step, tmp_path: Path) -> None:
    with pytest.raises(EdgeoptError, match="does not exist"):
        step.apply(
            tmp_path / "none.onnx", tmp_path / "out.onnx", Dataset(inputs={}, source="none", indices=np.arange(0))
        )

    assert list(tmp_path.iterdir()) == []
