"""Prediction files: written whole, read back as they were, and what is none refused."""

import numpy as np
import pytest

from edgeopt.core.files import sha256_of
from edgeopt.errors import InputError
from edgeopt.judge.predictions import Predictions
from edgeopt.workflow.prediction_file import read_predictions, write_predictions

SCORES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
LABELS = np.array([0, 1, 1])


def test_predictions_read_back_as_they_were_written(tmp_path):
    made = Predictions(scores=SCORES, labels=LABELS, columns={"room": np.array(["a", "b", "a"])})

    saved = write_predictions(made, tmp_path / "p.npz", force=False)
    found = read_predictions(tmp_path / "p.npz")

    assert np.array_equal(found.scores, SCORES)
    assert np.array_equal(found.labels, LABELS)
    assert found.columns.keys() == {"room"}
    assert saved == {"path": str(tmp_path / "p.npz"), "sha256": sha256_of(tmp_path / "p.npz")}


@pytest.mark.parametrize("name", ["file", "args", "allow_pickle", "a/b"])
def test_a_column_may_have_any_name(tmp_path, name):
    made = Predictions(scores=SCORES, labels=LABELS, columns={name: np.arange(3)})

    write_predictions(made, tmp_path / "p.npz", force=False)

    assert read_predictions(tmp_path / "p.npz").columns[name].tolist() == [0, 1, 2]


def test_the_same_predictions_make_the_same_bytes(tmp_path):
    made = Predictions(scores=SCORES, labels=LABELS)

    digests = {write_predictions(made, tmp_path / f"{index}.npz", force=False)["sha256"] for index in range(2)}

    assert len(digests) == 1


def test_without_labels_there_is_nothing_to_be_right_about(tmp_path):
    write_predictions(Predictions(scores=SCORES), tmp_path / "p.npz", force=False)

    with np.load(tmp_path / "p.npz") as archive:
        assert archive.files == ["scores"]
    assert read_predictions(tmp_path / "p.npz").labels is None


def test_a_regression_is_neither_right_nor_wrong(tmp_path):
    made = Predictions(scores=np.array([0.1, 0.2]), labels=np.array([0.3, 0.4]))

    write_predictions(made, tmp_path / "p.npz", force=False)

    with np.load(tmp_path / "p.npz") as archive:
        assert set(archive.files) == {"scores", "y"}


def damaged(path):
    np.savez_compressed(path, scores=np.random.default_rng(0).random((500, 2)))
    content = bytearray(path.read_bytes())
    content[200:260] = b"\0" * 60
    path.write_bytes(bytes(content))


def cut_off(path):
    np.savez(path, scores=SCORES)
    path.write_bytes(path.read_bytes()[:-80])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda _path: None, "does not exist"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.write_text("no archive"), "are not in an .npz file"),
        (lambda path: np.save(path.open("wb"), SCORES), "are not in an .npz file"),
        (cut_off, "are not in an .npz file, or it is cut off"),
        (damaged, "cannot be read"),
        (lambda path: np.savez(path, y=LABELS), "has no array `scores`"),
        (lambda path: np.savez(path, scores=np.float32(1)), "has no array `scores`"),
        (lambda path: np.savez(path, scores=np.array([{}], dtype=object)), "cannot be read"),
        (lambda path: np.savez(path, scores=SCORES, y=np.array([0, 1, 5])), "the model has 2 classes"),
        (lambda path: np.savez(path, scores=SCORES, y=np.array([0, 1])), "has 2 labels for 3 samples"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_is_no_file_of_predictions_is_refused(tmp_path, write, message):
    path = tmp_path / "p.npz"
    write(path)

    with pytest.raises(InputError, match=message) as caught:
        read_predictions(path)

    assert caught.value.hint
