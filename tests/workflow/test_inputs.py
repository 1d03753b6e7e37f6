"""Models and data as users name them."""

from pathlib import Path

import numpy as np
import pytest

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError, Unsupported
from edgeopt.workflow.inputs import bundled, judged_rows, model_artifact, require_host


@pytest.mark.parametrize("name", ["digits_resnet8.onnx", "digits.npz"])
def test_the_bundled_files_are_there(name):
    assert bundled(name).is_file()


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere.onnx", InputError, "does not exist"),
        ("model.txt", InputError, "has no known model ending"),
        ("model.h5", Unsupported, "is a Keras or TensorFlow model"),
        ("model.pt2", Unsupported, "this needs an ONNX model"),
        ("model.tflite", InputError, "is not a TFLite model"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, name, error, message):
    if not name.startswith("nowhere"):
        (tmp_path / name).write_text("something")

    with pytest.raises(error, match=message):
        model_artifact(tmp_path / name)


def test_a_path_may_be_text_or_a_path(digits_model):
    assert model_artifact(str(digits_model)) == model_artifact(Path(digits_model))


def test_all_rows_count_where_the_data_names_no_parts():
    data = Dataset(inputs={"x": np.zeros((3, 1))}, source="x", indices=np.arange(3))

    assert len(judged_rows(data, [])) == 3


def test_only_this_machine_can_be_measured():
    require_host("host", what="latency")

    with pytest.raises(Unsupported, match="there is no latency for `rpi4` yet") as caught:
        require_host("rpi4", what="latency")
    assert "--target host" in caught.value.hint
    with pytest.raises(InputError, match="unknown target"):
        require_host("rpi44", what="latency")
