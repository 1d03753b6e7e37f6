"""`edgeopt.quantize`: what is made, what is measured of it, and what is said."""

import json

import numpy as np
import onnx
import pytest

import edgeopt
from edgeopt.core.files import sha256_of
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.load import load_onnx, onnx_artifact
from edgeopt.steps.quantize.step import Quantize
from edgeopt.workflow.step_cache import step_options


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_writes_beside_the_model_and_tells_where_it_comes_from(task):
    result = edgeopt.quantize(task.model, data=task.data, target="rpi4", measure=False, seed=3)

    made = task.folder / "model.int8.onnx"
    assert result.artifact.path == made
    assert result.artifact.sha256 == sha256_of(made)
    assert result.artifact.lineage == {
        "parent": sha256_of(task.model),
        "step": "quantize",
        "options": step_options(Quantize(target="rpi4")),
        "data": {"source": str(task.data), "sha256": sha256_of(task.data), "samples": 200},
        "seed": 3,
    }
    assert onnx_artifact(made).outputs == result.source.outputs


def test_it_measures_both_models_on_what_did_not_calibrate(task, scripted_times):
    jobs = scripted_times(**{"model.int8": 0.0005})

    result = edgeopt.quantize(task.model, data=task.data)

    assert {job.kind for job in jobs} == {"footprint", "latency"}
    assert result.accuracy.n == 700
    assert result.accuracy.flip_rate < 0.02
    assert result.accuracy.sqnr_db > 25
    assert result.timing.comparisons[0].verdict == "faster"
    assert result.warnings == ()


def test_the_record_has_the_promised_keys(task, scripted_times):
    scripted_times()

    record = edgeopt.quantize(task.model, data=task.data).as_json()

    assert {"schema", "edgeopt", "command", "environment", "artifacts", "measurements"} <= record.keys()
    assert {"input", "output", "scheme", "calibration", "kept_float", "fidelity", "accuracy", "latency"} < record.keys()
    assert {"activations", "weights", "per_channel", "target"} < record["scheme"].keys()
    assert record["calibration"] == {"samples": 200, "source": str(task.data)}
    assert record["fidelity"]["sqnr_db"] > 25
    assert [entry["role"] for entry in record["artifacts"]] == ["baseline", "candidate"]
    assert json.loads(json.dumps(record, allow_nan=False))


def test_without_data_it_works_and_says_that_accuracy_is_unproven(task):
    result = edgeopt.quantize(task.model, measure=False)

    assert result.calibration.source == "random inputs"
    assert result.accuracy is None
    assert any("accuracy is unproven" in warning and "--data" in warning for warning in result.warnings)


def test_without_labels_flips_and_noise_are_measured_and_that_is_said(task, scripted_times):
    scripted_times()

    result = edgeopt.quantize(task.model, data=task.with_arrays("bare.npz", y=None))

    assert result.accuracy.flips is not None
    assert result.accuracy.metric is None
    assert any("has no labels (`y`)" in warning for warning in result.warnings)


def test_too_few_samples_are_said(task):
    result = edgeopt.quantize(task.model, data=task.data, samples=800, measure=False)

    assert len(result.calibration) == 450
    assert "calibrated on 450 sample(s), fewer than the 800 asked for" in result.warnings[0]


@pytest.mark.parametrize("prefer", ["size", "latency"])
def test_an_int8_model_that_is_slower_is_said_loudly(task, scripted_times, prefer):
    scripted_times(**{"model.int8": 0.0015})

    result = edgeopt.quantize(task.model, prefer=prefer)

    warning = next(warning for warning in result.warnings if "SLOWER" in warning)
    is_float = prefer == "latency"
    assert warning.startswith("INT8 IS SLOWER HERE: 1.5")
    assert is_float or "no smaller either" in warning
    assert "--prefer latency" in warning
    assert (result.artifact.sha256 == result.source.sha256) == is_float
    assert result.as_json()["output_is_float"] == is_float


def test_the_float_model_is_written_whole_where_its_constants_lie_in_another_file(task, scripted_times, outputs_of):
    scripted_times(**{"model.int8": 0.0015})
    model = load_onnx(task.model)
    onnx.save(load_onnx(task.model), task.model, save_as_external_data=True, location="w.bin", size_threshold=0)
    elsewhere = task.folder / "made"
    elsewhere.mkdir()

    result = edgeopt.quantize(task.model, prefer="latency", output=elsewhere / "model.int8.onnx")

    assert result.is_float
    assert names(elsewhere) == ["model.int8.onnx"]
    feeds = {"x": np.ones((2, 3), np.float32)}
    made = outputs_of(onnx.load(elsewhere / "model.int8.onnx"), feeds)
    np.testing.assert_array_equal(made["scores"], outputs_of(model, feeds)["scores"])


def test_for_another_target_latency_is_not_measured_and_that_is_said(task):
    result = edgeopt.quantize(task.model, data=task.data, target="rpi5")

    assert result.timing is None
    assert result.accuracy is not None
    assert any("`rpi5` is not this machine" in warning for warning in result.warnings)


def test_a_dry_run_does_all_but_write(task):
    result = edgeopt.quantize(task.model, data=task.data, dry_run=True)

    assert result.artifact is None
    assert result.as_json()["output"] is None
    assert result.step.details["scheme"]["name"] == "int8"
    assert names(task.folder) == ["data.npz", "model.onnx"]


def test_the_seed_draws_the_samples_and_the_same_seed_makes_the_same_file(task):
    digests = [
        edgeopt.quantize(task.model, data=task.data, output=task.folder / f"{index}.onnx", measure=False, seed=seed)
        for index, seed in enumerate((1, 1, 2))
    ]

    first, again, other = (result.artifact.sha256 for result in digests)
    assert first == again
    assert first != other


def test_an_existing_output_stays_unless_forced(task):
    output = task.folder / "model.int8.onnx"
    output.write_text("mine")

    with pytest.raises(InputError, match="exists") as caught:
        edgeopt.quantize(task.model, measure=False)
    assert output.read_text() == "mine"
    assert "--force" in caught.value.hint

    edgeopt.quantize(task.model, measure=False, force=True)
    assert output.stat().st_size > 100


@pytest.mark.parametrize("name", ["model.tflite", "model.int8", "model.h5"])
def test_an_output_of_another_format_is_refused_before_it_is_written(task, name):
    with pytest.raises(InputError, match=r"does not end in `\.onnx`"):
        edgeopt.quantize(task.model, output=task.folder / name, measure=False)

    assert names(task.folder) == ["data.npz", "model.onnx"]


def test_the_model_itself_is_no_output_even_by_force(task):
    before = sha256_of(task.model)

    with pytest.raises(InputError, match="is the model itself"):
        edgeopt.quantize(task.model, output=task.folder / "." / "model.onnx", measure=False, force=True)

    assert sha256_of(task.model) == before


def test_labels_that_do_not_fit_end_it_before_anything_is_written(task, scripted_times):
    scripted_times()
    data = task.with_arrays("wild.npz", y=np.full(900, 7))

    with pytest.raises(InputError, match="the model has 2 classes"):
        edgeopt.quantize(task.model, data=data)

    assert names(task.folder) == ["data.npz", "model.onnx", "wild.npz"]


def test_nothing_to_quantize_is_unsupported_and_leaves_nothing(small_models, save_model):
    path = save_model(small_models.two_inputs())

    with pytest.raises(Unsupported):
        edgeopt.quantize(path, measure=False)

    assert names(path.parent) == ["model.onnx"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "fp8"}, "`scheme` of quantize is `fp8`"),
        ({"target": "rpi9"}, "unknown target `rpi9`"),
        ({"samples": 0}, "at least one sample"),
    ],
)
def test_options_that_cannot_be_are_refused_and_leave_nothing(task, options, message):
    with pytest.raises(InputError, match=message):
        edgeopt.quantize(task.model, data=task.data, measure=False, **options)

    assert names(task.folder) == ["data.npz", "model.onnx"]


def test_progress_is_told_by_stage(task, scripted_times):
    scripted_times()
    stages = []

    edgeopt.quantize(task.model, data=task.data, report=lambda stage, _done, _total: stages.append(stage))

    assert list(dict.fromkeys(stages)) == [
        "evaluating the original",
        "calibrating",
        "evaluating int8",
        "measuring",
    ]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("model", "data", "drop"),
    [
        ("kws/kws_dscnn.onnx", "kws/eval.npz", 0.005),
        ("mlperf_tiny/ic_resnet8.onnx", "mlperf_tiny/ic_eval500.npz", 0.006),
    ],
    ids=["kws_dscnn", "ic_resnet8"],
)
@pytest.mark.parametrize("target", ["x86-64-vnni", "x86-64-avx2", "rpi4"])
def test_the_real_models_keep_their_accuracy(shared_data, tmp_path, model, data, drop, target):  # noqa: PLR0917
    source, samples = shared_data / model, shared_data / data

    made = edgeopt.quantize(source, output=tmp_path / "out.onnx", data=samples, target=target, measure=False)

    found = edgeopt.compare(source, made.artifact.path, samples).comparison
    assert found.n >= 300
    assert found.baseline >= 0.86
    assert found.difference >= -drop
