"""TFLite files in every command that takes models: alone, beside ONNX, and refused where a graph of ONNX is needed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import edgeopt
from edgeopt.core.config import load_config
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.calibration_rows import calibration_note
from edgeopt.workflow.gate_pair import gate_pair
from edgeopt.workflow.inputs import data_for, model_artifact
from tests.small_tflite import Operator, Small, SmallTflite, Tensor

IC = ("mlperf_tiny/ic_resnet8.onnx", "mlperf_tiny/ic_eval500.npz")
KWS = ("kws/kws_dscnn.onnx", "kws/eval.npz")
RULES = ["accuracy >= baseline - 2 pt", "size <= 1 MB"]


def float_twin(task: Any, *, name: str = "features") -> Small:
    """The task's model as a TFLite one whose input has another name."""
    held = {one.name: numpy_helper.to_array(one) for one in onnx.load(task.model).graph.initializer}
    small = SmallTflite.mlp()
    values = {
        "first_weight": held["first"].T,
        "first_bias": held["bias"],
        "second_weight": held["second"].T,
        "second_bias": np.zeros(2, np.float32),
    }
    for tensor in small.tensors:
        if tensor.data is not None:
            tensor.data = np.ascontiguousarray(values[tensor.name])
    small.signature = ({name: "x"}, {"scores": "scores"})
    return small


def int8_twin(task: Any) -> Small:
    """The same between QUANTIZE and DEQUANTIZE taken off: int8 goes in and comes out of a float model."""
    small = float_twin(task)
    edges = [
        Tensor(name="x_int8", shape=(1, 3), dtype="int8", free=(0,), scales=[0.04], zero_points=[2]),
        Tensor(name="scores_int8", shape=(1, 2), dtype="int8", free=(0,), scales=[0.05], zero_points=[-4]),
    ]
    return Small(
        tensors=[*small.tensors, *edges],
        operators=[
            Operator(kind="DEQUANTIZE", inputs=["x_int8"], outputs=["x"]),
            *small.operators,
            Operator(kind="QUANTIZE", inputs=["scores"], outputs=["scores_int8"]),
        ],
        inputs=["x_int8"],
        outputs=["scores_int8"],
        metadata=small.metadata,
    )


@pytest.fixture
def twins(task: Any) -> tuple[Path, Path]:
    """The task's model as a float TFLite file and as one that takes and gives int8."""
    paths = (task.folder / "twin.tflite", task.folder / "int8.tflite")
    for path, build in zip(paths, (float_twin, int8_twin), strict=True):
        path.write_bytes(build(task).content())
    return paths


def test_inspect_has_the_keys_that_it_has_for_onnx(task: Any, twins: tuple[Path, Path]) -> None:
    records = [edgeopt.inspect(path, target="rpi4").as_json() for path in (task.model, twins[0])]

    assert records[0].keys() == records[1].keys()
    for key in ("cost", "quantization", "fit"):
        assert records[0][key].keys() == records[1][key].keys()
    assert records[1]["artifact"]["format"] == "tflite"
    assert records[0]["cost"]["macs"] == records[1]["cost"]["macs"]
    assert records[1]["operators"] == {"FULLY_CONNECTED": 2, "RELU": 1}


def test_a_float_twin_says_what_the_onnx_model_says(task: Any, twins: tuple[Path, Path]) -> None:
    comparison = edgeopt.compare(task.model, twins[0], task.data).comparison

    assert comparison.flip_rate == 0
    assert comparison.sqnr_db is not None
    assert comparison.sqnr_db > 100


@pytest.mark.parametrize("runtime", [None, "litert", "litert-reference"])
def test_integers_are_fed_and_judged_as_the_reals_that_they_stand_for(
    task: Any, twins: tuple[Path, Path], runtime: str | None
) -> None:
    whole = edgeopt.evaluate(task.model, task.data, metrics=["accuracy"])
    made = edgeopt.evaluate(twins[1], task.data, metrics=["accuracy"], runtime=runtime)

    assert made.predictions.scores.dtype == np.float32
    np.testing.assert_allclose(made.predictions.scores, whole.predictions.scores, atol=0.2)
    assert made.metrics["accuracy"].value == pytest.approx(whole.metrics["accuracy"].value, abs=0.03)
    assert made.as_json()["environment"]["versions"]["ai-edge-litert"] == version("ai-edge-litert")


def test_data_of_the_models_own_integers_are_taken_as_they_are(task: Any, twins: tuple[Path, Path]) -> None:
    artifact = model_artifact(twins[1])
    quantization = artifact.inputs[0].quantization
    assert quantization is not None
    with np.load(task.data) as held:
        integers = quantization.quantized(held["x"], "int8")
    own, reals = task.with_arrays("own.npz", x=integers), task.data

    for data in (own, reals):
        np.testing.assert_array_equal(data_for(artifact, data).inputs["x_int8"], integers)


def test_a_batch_that_is_fixed_inside_is_fed_one_sample_at_a_time(task: Any) -> None:
    small, path = float_twin(task), task.folder / "reshaped.tflite"
    small.tensors = [
        *small.tensors,
        Tensor(name="shape", data=np.array([1, 2], np.int32)),
        Tensor(name="row", shape=(1, 2)),
    ]
    small.operators = [*small.operators, Operator(kind="RESHAPE", inputs=["scores", "shape"], outputs=["row"])]
    small.outputs, small.signature = ["row"], None
    path.write_bytes(small.content())

    assert edgeopt.compare(task.model, path, task.data).comparison.flip_rate == 0


def test_samples_that_either_was_calibrated_on_do_not_count(task: Any) -> None:
    calibration = data_for(model_artifact(task.model), task.data).rows(np.arange(100))
    small, path = float_twin(task), task.folder / "noted.tflite"
    small.metadata = calibration_note(calibration)
    path.write_bytes(small.content())

    assert edgeopt.compare(task.model, path, task.data).comparison.n == 800


def test_images_of_the_other_layout_reach_both_models(
    small_models: Any, save_model: Callable[..., Path], tmp_path: Path
) -> None:
    model = small_models.conv()
    held = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    small = SmallTflite.conv()
    values = {
        "kernel": held["kernel"].transpose(0, 2, 3, 1),
        "bias": held["bias"],
        "dense_weight": held["dense"],
        "dense_bias": np.zeros(5, np.float32),
    }
    for tensor in small.tensors:
        tensor.shape = {"image": (1, 8, 8, 3), "features": (1, 8, 8, 4)}.get(tensor.name, tensor.shape)
        if tensor.name in values:
            tensor.data = np.ascontiguousarray(values[tensor.name])
    twin, data = tmp_path / "twin.tflite", tmp_path / "data.npz"
    twin.write_bytes(small.content())
    np.savez(data, x=np.random.default_rng(0).standard_normal((40, 3, 8, 8)).astype(np.float32))
    comparison = edgeopt.compare(save_model(model), twin, data).comparison

    assert comparison.sqnr_db is not None
    assert comparison.sqnr_db > 100


def test_each_model_is_timed_by_the_runtime_of_its_format(
    task: Any, twins: tuple[Path, Path], scripted_times: Callable[..., list[Any]]
) -> None:
    jobs = scripted_times(model=0.002, twin=0.001)
    result = edgeopt.bench(twins[0], against=task.model, processes=2)

    assert [row.runtime for row in result.rows] == ["onnxruntime", "litert"]
    assert [row["runtime"] for row in result.as_json()["runs"]] == ["onnxruntime", "litert"]
    assert {job.runtimes for job in jobs if job.kind == "latency"} == {("onnxruntime", "litert", "onnxruntime")}
    assert [job.runtimes for job in jobs if job.kind == "footprint"] == [("onnxruntime",)] * 3 + [("litert",)] * 3
    assert result.comparisons[0].verdict == "faster"


def test_a_runtime_that_is_asked_for_runs_the_models_of_its_formats(
    task: Any, twins: tuple[Path, Path], scripted_times: Callable[..., list[Any]]
) -> None:
    scripted_times()
    result = edgeopt.bench(twins[0], against=task.model, processes=2, runtime="litert-reference")

    assert [row.runtime for row in result.rows] == ["onnxruntime", "litert-reference"]
    with pytest.raises(Unsupported, match="runtime `litert` does not run onnx files") as caught:
        edgeopt.bench(task.model, runtime="litert")
    assert "`onnxruntime`" in caught.value.hint
    with pytest.raises(Unsupported, match="runtime `onnxruntime` does not run tflite files"):
        edgeopt.evaluate(twins[0], task.data, runtime="onnxruntime")


def test_both_runtimes_are_timed_in_one_process_of_their_own(task: Any, twins: tuple[Path, Path]) -> None:
    rows = edgeopt.bench(*twins, against=task.model, processes=2).rows

    assert [row.runtime for row in rows] == ["onnxruntime", "litert", "litert"]
    for row in rows:
        assert 0 < row.summary.median < 0.1
        assert row.memory_bytes > row.model_memory_bytes


def test_rules_are_held_against_a_pair_of_two_formats(task: Any, twins: tuple[Path, Path], tmp_path: Path) -> None:
    for candidate in twins:
        result = gate_pair(task.model, candidate, task.data, rules=[*RULES, "flip_rate <= 9 %"], record=tmp_path)
        assert [rule.verdict for rule in result.verdict.rules] == ["passed"] * 3


def test_a_gate_holds_a_tflite_model_against_the_onnx_one_that_was_accepted(
    task: Any, twins: tuple[Path, Path]
) -> None:
    config = task.configured(*RULES, recipe="steps = []", gate='baseline = "baseline.json"')
    config.write_text(config.read_text().replace('steps = [{ quantize = { target = "rpi4" } }]\n', ""))
    assert edgeopt.gate(config=config, accept=True).verdict.exit_code == 0
    config.write_text(config.read_text().replace("model.onnx", "int8.tflite"))
    assert load_config(config).model.path == "int8.tflite"
    result = edgeopt.gate(config=config)

    assert [rule.verdict for rule in result.verdict.rules] == ["passed"] * 2
    formats = {entry["role"]: entry["format"] for entry in result.as_json()["artifacts"]}
    assert formats == {"baseline": "onnx", "candidate": "tflite"}
    assert (task.folder / ".edgeopt" / "int8.candidate.tflite").read_bytes() == twins[1].read_bytes()


def test_a_recipe_with_steps_is_refused_for_a_tflite_model(task: Any, twins: tuple[Path, Path]) -> None:
    config = task.configured(*RULES)
    config.write_text(config.read_text().replace("model.onnx", "twin.tflite"))
    with pytest.raises(Unsupported, match="step `quantize` works on ONNX models"):
        edgeopt.gate(config=config)


def test_what_needs_the_graph_of_an_onnx_model_says_so(task: Any, twins: tuple[Path, Path]) -> None:
    for refused in (
        lambda: edgeopt.quantize(twins[0], data=task.data),
        lambda: edgeopt.diagnose(task.model, twins[1], task.data),
        lambda: edgeopt.init(twins[0], output=task.folder / "new.toml"),
    ):
        with pytest.raises(Unsupported, match=r"works on ONNX models, `.*\.tflite` is a tflite file") as caught:
            refused()
        assert "edgeopt convert" in caught.value.hint
    assert not (task.folder / "new.toml").exists()


def test_a_custom_operator_is_named_by_inspect_and_not_run(task: Any) -> None:
    path = task.folder / "custom.tflite"
    path.write_bytes(SmallTflite.custom().content())

    assert edgeopt.inspect(path).as_json()["operators"] == {"custom.Mystery": 1}
    with pytest.raises(Unsupported, match="Mystery"):
        edgeopt.evaluate(path, task.data)
    with pytest.raises(Unsupported, match="Mystery"):
        edgeopt.bench(path, processes=2)


def test_a_damaged_file_ends_every_command_before_litert_sees_it(task: Any, twins: tuple[Path, Path]) -> None:
    path = task.folder / "cut.tflite"
    path.write_bytes(twins[0].read_bytes()[:-300])
    for refused in (
        lambda: edgeopt.inspect(path),
        lambda: edgeopt.bench(path),
        lambda: edgeopt.evaluate(path, task.data),
        lambda: edgeopt.compare(task.model, path, task.data),
    ):
        with pytest.raises(InputError, match=r"cut\.tflite` is a damaged TFLite file"):
            refused()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("tflite", "twin", "accuracy", "lost"),
    [("ic_resnet8_fp32", IC, 0.878, 0.0), ("ic_resnet8_int8", IC, 0.878, 0.006), ("kws_dscnn_int8", KWS, 0.913, 0.012)],
)
def test_the_official_models_are_compared_with_their_onnx_twins(
    shared_data: Path, tflite: str, twin: tuple[str, str], accuracy: float, lost: float
) -> None:
    """Names and layouts of inputs differ (`features` 1x49x10 beside `input_1` 49x10x1); the data is one file."""
    candidate = shared_data / "mlperf_tiny" / f"{tflite}.tflite"
    model, data = (shared_data / name for name in twin)
    comparison = edgeopt.compare(model, candidate, data).comparison

    assert comparison.baseline == pytest.approx(accuracy, abs=0.0005)
    assert comparison.candidate is not None
    assert abs(comparison.candidate - accuracy) <= lost + 0.0005
