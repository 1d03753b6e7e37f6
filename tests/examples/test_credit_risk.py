"""The credit-risk example works as its page shows, from training to verdict."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeopt

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

EXAMPLE = Path(__file__).parents[2] / "examples" / "credit-risk"
PAGE = (EXAMPLE / "README.md").read_text(encoding="utf-8")
DATA = "eval.csv"


@dataclass(frozen=True)
class Models:
    """Where the example was run, and the two models that came of it."""

    folder: Path
    scorecard: Path
    boosted: Path


def copied(folder: Path) -> Path:
    """A copy of what git keeps of the example."""
    folder.mkdir()
    for name in ("applicants.py", "train.py", "edgeopt.toml"):
        shutil.copyfile(EXAMPLE / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    folder = copied(tmp_path_factory.mktemp("credit") / "example")
    known = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        runpy.run_path("train.py", run_name="__main__")
        made = {
            name: edgeopt.convert(f"train.py:{name}", output=folder / f"{name}.onnx", data=DATA).artifact
            for name in ("scorecard", "boosted")
        }
        yield Models(folder=folder, **{name: artifact.path for name, artifact in made.items() if artifact})
    for name in set(sys.modules) - known:
        if name == "applicants" or name.startswith("_edgeopt_file_"):
            del sys.modules[name]


def test_the_applicants_are_as_described(models: Models) -> None:
    rows = (models.folder / DATA).read_text().splitlines()
    labels = np.array([int(row.split(",")[10]) for row in rows[1:]])

    assert rows[0].split(",")[10:] == ["y", "region"]
    assert len(labels) == 6000
    assert 0.08 < labels.mean() < 0.13


def test_the_applicants_are_drawn_by_their_seed(models: Models) -> None:
    applicants = runpy.run_path(str(models.folder / "applicants.py"))["applicants"]
    first, again, other = applicants(50, 1), applicants(50, 1), applicants(50, 2)

    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


def test_boosting_ranks_better_than_the_scorecard(models: Models) -> None:
    values = {
        name: edgeopt.evaluate(path, models.folder / DATA).metrics
        for name, path in (("scorecard", models.scorecard), ("boosted", models.boosted))
    }

    assert {"auc", "ks", "log_loss", "brier"} <= set(values["boosted"])
    assert values["boosted"]["auc"].value > values["scorecard"]["auc"].value + 0.03
    assert values["boosted"]["log_loss"].value < values["scorecard"]["log_loss"].value


def test_the_comparison_reads_the_scores_as_probabilities(models: Models) -> None:
    run = edgeopt.compare(models.scorecard, models.boosted, data=models.folder / DATA).as_json()

    assert "calibration" in json.dumps(run)
    assert "log_loss" in json.dumps(run)


def test_inspect_counts_trees(models: Models) -> None:
    found = edgeopt.inspect(models.boosted)

    assert found.operators == {"ai.onnx.ml.TreeEnsembleClassifier": 1}
    assert found.cost.macs == 0
    assert found.cost.parameters > 500


def test_all_rules_but_that_of_latency_pass_on_what_was_measured(models: Models, tmp_path: Path) -> None:
    records = {}
    for name, path in (("scorecard", models.scorecard), ("boosted", models.boosted)):
        result = edgeopt.evaluate(path, models.folder / DATA, predictions=tmp_path / f"{name}.npz")
        records[name] = tmp_path / f"{name}.json"
        records[name].write_text(json.dumps(result.as_json()))
    verdict = edgeopt.gate(
        records["boosted"], baseline=records["scorecard"], config=models.folder / "edgeopt.toml"
    ).verdict
    found = {rule.rule: rule.verdict for rule in verdict.rules}

    assert len(found) == 8
    assert {rule for rule, outcome in found.items() if outcome != "passed"} == {"latency.p50 <= 1 ms"}


def commands() -> list[str]:
    (block,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for line in block.splitlines()]


@pytest.mark.slow
def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    folder = copied(tmp_path / "example")
    programs = {"python": [sys.executable], "edgeopt": [sys.executable, "-m", "edgeopt"]}
    result: Any = None
    for line in commands():
        words, _, target = line.partition(" > ")
        name, *arguments = words.split()
        result = subprocess.run(
            [*programs[name], *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
        assert result.returncode == 0, line + result.stdout + result.stderr
        if target:
            (folder / target).write_text(result.stdout)

    assert "gate: passed" in result.stdout
