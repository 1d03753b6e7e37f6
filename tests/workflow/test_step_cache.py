"""Steps that are taken from the record where they were done before on the same input."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest

import edgeopt
from edgeopt.core.dataset import Dataset
from edgeopt.graph.load import load_onnx, onnx_artifact
from edgeopt.measure import environment
from edgeopt.steps.protocol import StepReport
from edgeopt.steps.quantize.step import Quantize
from edgeopt.store.store import Store
from edgeopt.workflow import step_cache
from edgeopt.workflow.recipe import apply_recipe
from edgeopt.workflow.step_cache import apply_step, content_digest

ROOT = Path(__file__).parents[2]
PROFILE = (ROOT / "targets" / "rpi4.toml").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Names itself as the model's producer; as external data where it shall lie in two files."""

    name: ClassVar[str] = "sign"
    ending: ClassVar[str] = ".onnx"
    takes_data: ClassVar[bool] = True
    needs_data: ClassVar[bool] = True
    producer: str = "me"
    is_external: bool = False

    def apply(self, source, output, data, *, progress=None):
        model = load_onnx(source)
        model.producer_name = self.producer
        onnx.save(model, output, save_as_external_data=self.is_external, location="w.bin", size_threshold=0)
        if progress:
            progress(len(data), len(data))
        return StepReport(details={"signed": self.producer, "samples": len(data)}, warnings=("signed",))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "record")


@pytest.fixture
def source(small_models, save_model):
    return onnx_artifact(save_model(small_models.mlp()))


@pytest.fixture
def samples():
    rows = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    labels = np.arange(40) % 2
    return Dataset(inputs={"x": rows}, labels=labels, source="d.npz", digest="d" * 64, indices=np.arange(40))


@pytest.fixture
def applied(monkeypatch):
    """Names of the steps that are really applied, in order."""
    names = []
    for kind in (Quantize, Sign):

        def apply(self, *arguments, real=kind.apply, **options):
            names.append(self.name)
            return real(self, *arguments, **options)

        monkeypatch.setattr(kind, "apply", apply)
    return names


@pytest.fixture
def do(store, source, samples, applied, tmp_path):
    """Applies a step through the record; what it gave and the bytes that it wrote."""

    def run(step=None, *, model=None, data=None, seed=0, cache=store.folder):
        output = tmp_path / "out.onnx"
        output.unlink(missing_ok=True)
        step = step or Quantize(target="rpi4")
        result = apply_step(step, model or source, output, data or samples, cache=cache, seed=seed)
        return result, output.read_bytes()

    return run


def test_a_step_is_done_once_and_gives_the_same_again(do, applied):
    first, content = do()
    again, same = do()

    assert applied == ["quantize"]
    assert same == content
    assert again.report == first.report
    assert (first.date, first.warnings, again.warnings) == ("", (), ())
    assert first.as_json() == {"step": "quantize", "cached": False, "date": None}
    assert again.as_json() == {"step": "quantize", "cached": True, "date": again.date}
    assert again.date.endswith("+00:00")


def test_what_a_step_warned_of_is_said_again(do):
    first, _ = do(Sign())
    again, _ = do(Sign())

    assert first.report == again.report == StepReport(details={"signed": "me", "samples": 40}, warnings=("signed",))
    assert again.date


def test_without_a_record_every_step_is_done_and_nothing_kept(do, applied, store):
    do(cache=None)
    do(cache=None)

    assert applied == ["quantize", "quantize"]
    assert not store.folder.exists()


def test_one_changed_byte_of_the_model_is_another_input(do, applied, source):
    do()
    model = load_onnx(source.path)
    weights = bytearray(model.graph.initializer[0].raw_data)
    weights[0] ^= 1
    model.graph.initializer[0].raw_data = bytes(weights)
    source.path.write_bytes(model.SerializeToString())

    do(model=onnx_artifact(source.path))

    assert applied == ["quantize"] * 2


def test_a_model_that_was_moved_is_the_same_input(do, applied, source, tmp_path):
    do()
    do(model=onnx_artifact(source.path.rename(tmp_path / "moved.onnx")))

    assert applied == ["quantize"]


@pytest.mark.parametrize(
    "step",
    [Quantize(target="rpi5"), Quantize(target="rpi4", per_channel=False), Quantize(target="rpi4", range="minmax")],
)
def test_another_option_is_another_step(do, applied, step):
    do()
    do(step)

    assert applied == ["quantize"] * 2


def test_a_profile_whose_content_changes_under_its_name_is_another_target(do, applied, tmp_path):
    profile = tmp_path / "board.toml"
    profile.write_text(PROFILE, encoding="utf-8")
    do(Quantize(target=str(profile)))
    do(Quantize(target=str(profile)))
    assert applied == ["quantize"]
    profile.write_text(PROFILE.replace('"asimd"', '"asimd", "asimddp"', 1), encoding="utf-8")

    do(Quantize(target=str(profile)))

    assert applied == ["quantize"] * 2


def with_one_value_changed(data):
    rows = data.inputs["x"].copy()
    rows[7, 1] = np.nextafter(rows[7, 1], np.float32(np.inf))
    return replace(data, inputs={"x": rows})


@pytest.mark.parametrize(
    "change",
    [
        with_one_value_changed,
        lambda data: data.rows(np.arange(39)),
        lambda data: data.rows(np.arange(40)[::-1]),
        lambda data: replace(data, indices=data.indices + 1),
        lambda data: replace(data, digest="e" * 64),
        lambda data: replace(data, labels=1 - data.labels),
        lambda data: replace(data, labels=None),
        lambda data: replace(data, columns={"room": np.array(["hall"] * 40)}),
        lambda data: replace(data, part=np.array(["calibration"] * 40)),
    ],
)
def test_other_samples_are_another_input(do, applied, samples, change):
    do()
    do(data=change(samples))

    assert applied == ["quantize"] * 2
    assert content_digest(samples) != content_digest(change(samples))


def test_the_same_numbers_in_another_type_are_other_samples(samples):
    rows = np.ones((40, 3), np.float32)

    assert content_digest(replace(samples, inputs={"x": rows})) != content_digest(
        replace(samples, inputs={"x": rows.astype(np.float64)})
    )
    assert content_digest(replace(samples, inputs={"x": rows})) != content_digest(
        replace(samples, inputs={"x": rows.reshape(40, 1, 3)})
    )


def test_the_same_rows_from_a_file_that_lies_elsewhere_are_the_same_input(do, applied, samples):
    do()
    do(data=replace(samples, source="elsewhere/d.npz", inputs={"x": np.asfortranarray(samples.inputs["x"])}))

    assert applied == ["quantize"]


def test_samples_without_a_file_are_told_by_their_content(do, applied, samples):
    made = replace(samples, digest="", source="own.py:batches")
    do(data=made)
    do(data=replace(made, inputs={"x": made.inputs["x"].copy()}))
    assert applied == ["quantize"]

    do(data=with_one_value_changed(made))

    assert applied == ["quantize"] * 2


def test_columns_of_objects_and_of_no_rows_have_a_digest(samples):
    named = replace(samples, columns={"room": np.array(["hall", None] * 20, dtype=object)})

    assert content_digest(named) == content_digest(replace(named, columns=dict(named.columns)))
    assert content_digest(named) != content_digest(samples)
    assert content_digest(samples.rows(np.arange(0))) != content_digest(samples)


def test_another_seed_is_another_input(do, applied):
    do()
    do(seed=1)

    assert applied == ["quantize"] * 2


@pytest.mark.parametrize("package", ["edgeopt", "numpy", "onnx", "onnx-ir", "onnxruntime"])
def test_another_version_of_a_tool_is_another_input(do, applied, monkeypatch, package):
    do()
    real = environment.version
    monkeypatch.setattr(environment, "version", lambda name: "99" if name == package else real(name))
    if package == "edgeopt":
        monkeypatch.setattr(environment, "__version__", "99")

    do()

    assert applied == ["quantize"] * 2


def test_other_code_of_one_version_is_another_input(do, applied, monkeypatch):
    do()
    monkeypatch.setattr(step_cache, "_code_digest", lambda: "changed")

    do()

    assert applied == ["quantize"] * 2


def test_another_machine_is_another_input_since_its_kernels_compute_the_ranges(do, applied, monkeypatch):
    do()
    monkeypatch.setattr(environment, "machine_identity", lambda: "another")

    do()

    assert applied == ["quantize"] * 2


def test_weights_beside_the_model_are_part_of_the_input(do, applied, save_external, tmp_path):
    path = save_external("weights.bin")
    data = Dataset(inputs={"x": np.ones((1, 4), np.float32)}, source="ones", indices=np.arange(1))
    do(Sign(), model=onnx_artifact(path), data=data)
    do(Sign(), model=onnx_artifact(path), data=data)
    assert applied == ["sign"]
    (tmp_path / "weights.bin").write_bytes(np.full(4, 9, np.float32).tobytes())

    _, content = do(Sign(), model=onnx_artifact(path), data=data)

    assert applied == ["sign"] * 2
    weights = onnx.numpy_helper.to_array(onnx.load_from_string(content).graph.initializer[0])
    assert weights.tolist() == [9] * 4


def test_a_result_in_several_files_is_made_anew_and_is_whole(source, samples, applied, store, tmp_path):
    recipe, output = (Sign(is_external=True),), tmp_path / "made" / "out.onnx"
    output.parent.mkdir()

    for _ in range(2):
        result = apply_recipe(recipe, source, output, samples, seed=0, cache=store.folder)
        assert [path.name for path in output.parent.iterdir()] == ["out.onnx"]
        assert len(load_onnx(output).graph.initializer) == 3
        output.unlink()

    assert applied == ["sign"] * 2
    assert [step.date for step in result.steps] == [""]
    assert result.warnings == ("signed",)


def test_the_rest_of_a_recipe_is_done_on_what_the_record_has_of_its_beginning(
    source, samples, applied, store, tmp_path
):
    def run(*recipe):
        output = tmp_path / "out.onnx"
        result = apply_recipe(recipe, source, output, samples, seed=0, cache=store.folder)
        return [bool(step.date) for step in result.steps], output.read_bytes()

    quantize = Quantize(target="rpi4")
    assert run(quantize, Sign())[0] == [False, False]
    assert run(quantize, Sign(producer="you"))[0] == [True, False]
    cached, content = run(quantize, Sign())
    assert cached == [True, True]
    assert applied == ["quantize", "sign", "sign"]
    assert onnx.load_from_string(content).producer_name == "me"


def test_a_damaged_result_is_made_again_with_a_warning_and_kept_again(do, applied, store):
    _, content = do()
    path = store.objects.path_of(next(sha256 for sha256 in store.objects if store.objects.read(sha256) == content))
    path.chmod(0o644)
    path.write_bytes(b"x" * len(content))

    again, same = do()
    third, _ = do()

    assert same == content
    assert (again.date, bool(third.date)) == ("", True)
    assert "is damaged" in again.warnings[0]
    assert third.warnings == ()
    assert applied == ["quantize"] * 2


@pytest.mark.parametrize("details", [{}, {"details": {}, "warnings": "none"}, {"details": [], "warnings": []}])
def test_a_record_that_does_not_tell_what_the_step_said_counts_as_none(do, applied, store, details, monkeypatch):
    remember = Store.remember_step
    monkeypatch.setattr(
        Store, "remember_step", lambda self, key, made, _, **rest: remember(self, key, made, details, **rest)
    )
    do()
    do()

    assert applied == ["quantize"] * 2


def test_a_place_that_cannot_be_written_is_one_warning(do, applied, tmp_path):
    (tmp_path / "file").write_text("")

    result, content = do(cache=tmp_path / "file" / "record")

    assert applied == ["quantize"]
    assert content
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith("step `quantize` is not kept in the record: ")


def test_a_place_that_cannot_be_read_is_one_warning(do, applied, store):
    store.objects.folder.mkdir(parents=True)
    (store.objects.folder / "00").write_text("no folder")

    result, content = do()

    assert applied == ["quantize"]
    assert content
    assert result.warnings[-1].startswith("step `quantize` is not looked up in the record: ")
    assert not any("is not kept" in warning for warning in result.warnings)


def test_a_result_that_is_cleaned_up_at_that_moment_is_made_again(do, applied, store, monkeypatch):
    do()
    found = Store.cached_step

    def cleaned(self, key):
        step = found(self, key)
        store.objects.path_of(step.artifact).unlink()
        return step

    monkeypatch.setattr(Store, "cached_step", cleaned)

    result, _ = do()

    assert (result.date, result.warnings) == ("", ())
    assert applied == ["quantize"] * 2


QUANTIZE = """
import json, sys
import edgeopt
model, data, output, cache = sys.argv[1:]
options = {"target": "rpi4", "samples": 100, "measure": False, "force": True}
print(json.dumps(edgeopt.quantize(model, data=data, output=output, cache=cache, **options).as_json()))
"""


def start(task, store, name):
    arguments = [str(task.model), str(task.data), str(task.folder / name), str(store.folder)]
    command = [sys.executable, "-c", QUANTIZE, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_another_process_takes_what_this_one_did(task, store):
    made = edgeopt.quantize(task.model, data=task.data, target="rpi4", samples=100, measure=False, cache=store.folder)

    out, errors = start(task, store, "other.onnx").communicate()

    assert errors == ""
    assert json.loads(out)["steps"][0]["cached"] is True
    assert (task.folder / "other.onnx").read_bytes() == made.artifact.path.read_bytes()


def test_processes_that_do_the_same_at_once_end_with_the_same(task, store):
    processes = [start(task, store, f"{number}.onnx") for number in range(4)]
    errors = [process.communicate()[1] for process in processes]
    late, _ = start(task, store, "late.onnx").communicate()

    assert errors == [""] * 4
    assert json.loads(late)["steps"][0]["cached"] is True
    assert len({(task.folder / f"{name}.onnx").read_bytes() for name in (*range(4), "late")}) == 1
    assert Store(store.folder).rebuild() == 0
    assert store.warnings == []


def test_quantize_keeps_nothing_unless_it_is_told_where(task, applied, monkeypatch):
    monkeypatch.chdir(task.folder)
    monkeypatch.delenv("EDGEOPT_STORE")
    for name in ("a.onnx", "b.onnx"):
        edgeopt.quantize(task.model, data=task.data, output=name, target="rpi4", measure=False)

    assert applied == ["quantize"] * 2
    assert not (task.folder / ".edgeopt").exists()


def test_quantize_takes_a_step_from_the_record_and_its_lineage_is_the_same(task, applied, store):
    first, again = (
        edgeopt.quantize(task.model, data=task.data, output=task.folder / name, target="rpi4", cache=store.folder)
        for name in ("a.onnx", "b.onnx")
    )

    assert applied == ["quantize"]
    assert again.artifact.lineage == first.artifact.lineage
    assert (again.artifact.sha256, again.step, again.warnings) == (first.artifact.sha256, first.step, first.warnings)
    assert again.as_json()["scheme"] == first.as_json()["scheme"]
    assert [result.as_json()["steps"][0]["cached"] for result in (first, again)] == [False, True]
    assert store.lineage(again.artifact.sha256).chain[-1].path.endswith("a.onnx")


def test_a_dry_run_neither_takes_nor_keeps(task, applied, store):
    for _ in range(2):
        edgeopt.quantize(task.model, data=task.data, target="rpi4", dry_run=True, cache=store.folder)

    assert applied == ["quantize"] * 2
    assert not store.folder.exists()


def test_the_gate_takes_what_quantize_did_on_the_same_samples(task, applied, store):
    made = edgeopt.quantize(task.model, data=task.data, samples=100, target="rpi4", measure=False, cache=store.folder)
    result = edgeopt.gate(config=task.configured("size <= 1 MB"), cache=store.folder)

    assert applied == ["quantize"]
    assert result.as_json()["steps"][0]["cached"] is True
    assert result.run.artifacts[-1]["sha256"] == made.artifact.sha256
    assert (task.folder / ".edgeopt" / "model.candidate.onnx").read_bytes() == made.artifact.path.read_bytes()


def test_synthetic_samples_hit_too_and_are_warned_of_again(task, applied, store):
    first, again = (
        edgeopt.quantize(task.model, output=task.folder / name, target="rpi4", measure=False, cache=store.folder)
        for name in ("a.onnx", "b.onnx")
    )

    assert applied == ["quantize"]
    assert again.warnings == first.warnings
    assert "accuracy is unproven" in again.warnings[0]
