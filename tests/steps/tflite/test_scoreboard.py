"""The test cases of the onnx package stay where they are: none is wrong, and none that was equal falls."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCOREBOARD = ROOT / "benchmarks" / "tflite" / "scoreboard.py"
STORED = json.loads(Path(__file__).with_name("scoreboard.json").read_text())
FAULTS = {"wrong", "not loadable", "crashed"}
PEER = 1006  # node cases that onnx2tf 2.6.9 gets right


def outcomes(folder: Path, *options: str) -> list[dict[str, Any]]:
    """What becomes of the cases that `options` choose, run in child processes."""
    file = folder / "outcomes.json"
    command = [sys.executable, str(SCOREBOARD), "--json", str(file), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


def assert_none_has_fallen(found: list[dict[str, Any]]) -> None:
    assert found
    faults = [each for each in found if each["status"] in FAULTS]
    assert not faults, faults
    stored = STORED["cases"]
    fallen = [each for each in found if stored.get(each["case"]) == "equal" and each["status"] != "equal"]
    assert not fallen, fallen


def test_a_twentieth_of_the_cases_is_where_it_was_and_each_refusal_has_a_reason(tmp_path: Path) -> None:
    found = outcomes(tmp_path, "--kind", "node", "--every", "20")
    assert_none_has_fallen(found)
    refused = [each for each in found if each["status"] == "refused"]
    assert refused
    assert all(each["detail"] for each in refused)


@pytest.mark.slow
def test_every_case_is_where_it_was(tmp_path: Path) -> None:
    found = outcomes(tmp_path, "--jobs", "2")
    assert_none_has_fallen(found)
    assert {each["case"] for each in found} == set(STORED["cases"])


def test_no_stored_case_is_wrong() -> None:
    assert not FAULTS & set(STORED["cases"].values())


def test_more_cases_are_equal_than_with_the_peer() -> None:
    counts = Counter(STORED["cases"].values())
    assert counts["equal"] > PEER
    told = Counter[str]()
    for by_status in STORED["operators"].values():
        told.update(by_status)
    assert told == counts
