"""`edgeopt.init`: a configuration that loads, holds and can be gated at once."""

import tomllib

import numpy as np
import pytest

import edgeopt
from edgeopt.core.config import load_config
from edgeopt.errors import InputError


def test_what_it_writes_is_loaded_and_the_gate_passes_on_it(digits_model, digits_data, tmp_path, scripted_times):
    scripted_times(**{"digits_resnet8.candidate": 0.0008})
    config = tmp_path / "edgeopt.toml"

    result = edgeopt.init(digits_model, output=config, data=digits_data)

    assert result.as_json()["written"] == [str(config)]
    assert result.as_json()["next"] == "edgeopt gate"
    assert load_config(config).data.samples == 200
    assert edgeopt.gate(config=config).verdict.exit_code == 0


def test_paths_lead_from_the_configuration(task):
    folder = task.folder / "ci"

    edgeopt.init(task.model, output=folder / "edgeopt.toml", data=task.data)

    settings = load_config(folder / "edgeopt.toml")
    assert (settings.model.path, settings.data.path) == ("../model.onnx", "../data.npz")


@pytest.mark.parametrize(
    ("labels", "rule"),
    [
        (np.zeros(900, int), "accuracy >= baseline - 1 pt"),
        (np.linspace(0, 1, 900), "mse <= baseline + 5 %"),
        (None, "flip_rate <= 2 %"),
    ],
)
def test_its_first_rule_is_one_that_the_data_can_answer(task, labels, rule):
    config = task.folder / "edgeopt.toml"

    edgeopt.init(task.model, output=config, data=task.with_arrays("own.npz", y=labels))

    assert load_config(config).gate.rules[0] == rule


def test_without_data_the_next_thing_to_do_is_said(task):
    result = edgeopt.init(task.model, output=task.folder / "edgeopt.toml")

    assert "set [data] path" in result.as_json()["next"]
    assert load_config(task.folder / "edgeopt.toml").data.path == "data.npz"


@pytest.mark.parametrize(("ci", "name"), [("github", ".github/workflows/edgeopt.yml"), ("gitlab", ".gitlab-ci.yml")])
def test_a_workflow_comes_with_it_when_asked(task, ci, name):
    result = edgeopt.init(task.model, output=task.folder / "edgeopt.toml", ci=ci)

    assert [path.relative_to(task.folder).as_posix() for path in result.written] == ["edgeopt.toml", name]
    assert "edgeopt gate" in (task.folder / name).read_text()


@pytest.mark.parametrize("ci", [None, "github"])
def test_existing_files_stay_unless_forced_and_none_is_half_written(task, ci):
    existing = task.folder / (".github/workflows/edgeopt.yml" if ci else "edgeopt.toml")
    existing.parent.mkdir(parents=True, exist_ok=True)
    existing.write_text("mine")

    with pytest.raises(InputError, match="exists"):
        edgeopt.init(task.model, output=task.folder / "edgeopt.toml", ci=ci)
    assert existing.read_text() == "mine"
    assert (task.folder / "edgeopt.toml").exists() == (ci is None)

    edgeopt.init(task.model, output=task.folder / "edgeopt.toml", ci=ci, force=True)
    assert existing.read_text() != "mine"


def test_a_dry_run_writes_nothing(task):
    result = edgeopt.init(task.model, output=task.folder / "sub" / "edgeopt.toml", dry_run=True)

    assert result.written == ()
    assert not (task.folder / "sub").exists()


@pytest.mark.parametrize("name", ['x"\n[gate]\nrules = ["size <= 1 B"]\n#', "x\r\ny", "\x1b[31mx", "$path"])
def test_names_of_a_hostile_model_stay_in_their_comment(small_models, save_model, tmp_path, name):
    model = small_models.mlp()
    model.graph.input[0].name = model.graph.node[0].input[0] = name
    config = tmp_path / "edgeopt.toml"

    edgeopt.init(save_model(model), output=config)

    assert load_config(config).model.path == "model.onnx"
    assert len(load_config(config).gate.rules) == 3
    assert "\x1b" not in config.read_text()


@pytest.mark.parametrize("name", ['quo"te.onnx', "back\\slash.onnx", "dol$lar.onnx", "ümläut.onnx"])
def test_a_path_of_any_name_reads_back(task, name):
    path = task.model.rename(task.folder / name)

    edgeopt.init(path, output=task.folder / "edgeopt.toml")

    assert tomllib.loads((task.folder / "edgeopt.toml").read_text())["model"]["path"] == name


def test_data_that_does_not_fit_is_refused_before_anything_is_written(task):
    data = task.with_arrays("wide.npz", x=np.zeros((900, 8), np.float32))

    with pytest.raises(InputError, match="has samples of shape 8, the model takes 3"):
        edgeopt.init(task.model, output=task.folder / "edgeopt.toml", data=data)

    assert not (task.folder / "edgeopt.toml").exists()
