"""Records of gates, as `edgeopt gate --json` prints them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Record = dict[str, Any]


@pytest.fixture
def rule() -> Callable[..., Record]:
    """A rule of a gate record: passed unless told otherwise."""

    def make(text: str = "accuracy >= baseline - 1 pt", verdict: str = "passed", **keys: Any) -> Record:
        figures = {"value": 0.99, "limit": 0.98, "unit": "%", "origin": "host"}
        return {"rule": text, "verdict": verdict, "reason": "because", "line": 3, **figures, **keys}

    return make


@pytest.fixture
def gate_record(rule: Callable[..., Record]) -> Callable[..., Record]:
    """The record of a gate with the rules given, on a model and what was made from it."""

    def make(*rules: Record, **keys: Any) -> Record:
        return {
            "schema": 1,
            "edgeopt": "0.1.0",
            "command": "gate",
            "environment": {"date": "2026-11-23T12:30:00+02:00", "machine": "0123456789ab", "cpu": "a processor"},
            "artifacts": [
                {"path": "models/digits.onnx", "sha256": "a" * 64, "size_bytes": 300_000, "role": "baseline"},
                {"path": "models/digits.int8.onnx", "sha256": "b" * 64, "size_bytes": 100_000, "role": "candidate"},
            ],
            "measurements": [],
            "verdict": "failed",
            "undecided": "fail",
            "config": None,
            "rules": list(rules) or [rule()],
            "warnings": [],
            **keys,
        }

    return make


@pytest.fixture
def hostile() -> str:
    """A name that tries to be an escape code, a workflow command, a script, a table's cell and more, all at once."""
    return (
        "\x1b[2J::error::<script>alert(1)</script>|`x`|\n::set-output name=a::b\r\n"
        "##[error]@all %0A [a](javascript:b)\0\u202e ]]> --> &"
    )
