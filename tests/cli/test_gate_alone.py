"""`gate RUN.json` and reports need no framework: they judge what records and prediction files hold."""

import json
import subprocess
import sys

import numpy as np
import pytest

from edgeopt.judge.predictions import Predictions
from edgeopt.workflow.compare import compare
from edgeopt.workflow.prediction_file import write_predictions

# Importing any of these ends the program, as where they are not installed.
_WITHOUT = """
import sys

FRAMEWORKS = {"onnx", "onnx_ir", "onnxruntime", "torch", "ai_edge_litert"}


class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FRAMEWORKS:
            raise ImportError(f"{name} was imported")


sys.meta_path.insert(0, Refusal())
from edgeopt.cli.main import main

sys.argv[0] = "edgeopt"
main()
"""


@pytest.fixture
def run(tmp_path):
    """The record of a comparison of two prediction files, with slices."""
    generator = np.random.default_rng(0)
    labels, side = generator.integers(0, 3, 900), np.repeat(["left", "right"], 450)
    scores = generator.normal(size=(900, 3)).astype(np.float32)
    scores[np.arange(900), labels] += 3
    for name, given in (("base", scores), ("small", scores + generator.normal(0, 0.05, scores.shape))):
        made = Predictions(scores=given.astype(np.float32), labels=labels, columns={"side": side})
        write_predictions(made, tmp_path / f"{name}.npz", force=False)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(compare(tmp_path / "base.npz", tmp_path / "small.npz").as_json()))
    return path


def gate(run, *options):
    command = [sys.executable, "-c", _WITHOUT, "gate", str(run), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=run.parent, timeout=60)


def test_prediction_files_are_judged_without_any_framework(run):
    rules = [
        "accuracy >= baseline - 3 pt",
        "log_loss <= baseline + 20 %",
        "slice(side).flip_rate <= 9 %",
        "sqnr >= 9 dB",
    ]
    chosen = [part for rule in rules for part in ("--rule", rule)]
    reports = ["--junit", "j.xml", "--markdown", "r.md", "--summary", "s.md"]

    done = gate(run, *chosen, *reports, "--json")

    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    assert [rule["verdict"] for rule in record["rules"]] == ["passed"] * 4
    assert all((run.parent / name).stat().st_size for name in ("j.xml", "r.md", "s.md"))


def test_rules_that_the_predictions_cannot_answer_are_all_told(run):
    done = gate(run, "--rule", "slice(sid).accuracy >= 1 %", "--rule", "mse <= 1", "--rule", "size <= 3 ms")

    assert done.returncode == 2
    for part in ("no column `sid`", "rule `mse <= 1`", "unit `s` does not fit", "did you mean `side`?"):
        assert part in done.stderr


def test_clusters_need_their_column(run):
    done = gate(run, "--rule", "accuracy >= 1 %", "--cluster", "video")

    assert (done.returncode, "no column `video` to cluster by" in done.stderr) == (2, True)
