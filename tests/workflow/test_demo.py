"""`edgeopt demo`: the main job on the model that ships."""

import pytest

from edgeopt.errors import InputError
from edgeopt.workflow.demo import demo


def test_the_demo_passes_its_own_gate_and_says_what_it_does(tmp_path, scripted_times):
    scripted_times(**{"digits_resnet8.candidate": 0.0008})
    said = []

    result = demo(tmp_path / "demo", say=said.append)

    assert (result.verdict.outcome, result.verdict.exit_code) == ("passed", 0)
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        *(".edgeopt", "digits.npz", "digits_resnet8.onnx", "edgeopt.toml"),
    }
    assert len(said) == 2
    assert {"latency", "accuracy"} <= result.as_json().keys()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="cannot be written"):
        demo(tmp_path / "file" / "demo")
