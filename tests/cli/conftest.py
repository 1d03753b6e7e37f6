"""The program run in this process or in one of its own, on a small task."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """What the program left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        """Lines on stderr, without warnings."""
        return [line for line in self.err.splitlines() if not line.startswith("warning: ")]


@pytest.fixture
def edgeopt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `edgeopt ARGUMENTS` in this process."""

    def run(*arguments: Any) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["edgeopt", *map(str, arguments)])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        with pytest.raises(SystemExit) as left:
            main()
        return Outcome(int(left.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def edgeopt_process() -> Callable[..., Outcome]:
    """Runs `edgeopt ARGUMENTS` in a process of its own, as a shell would."""

    def run(*arguments: Any, **options: Any) -> Outcome:
        command = [sys.executable, "-m", "edgeopt", *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)
        return Outcome(result.returncode, result.stdout, result.stderr)

    return run


@pytest.fixture
def folder(small_models: Any, outputs_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with `model.onnx`, `data.npz` (x, y, room) and an `edgeopt.toml` that passes."""
    model = small_models.mlp()
    samples = np.random.default_rng(0).standard_normal((900, 3)).astype(np.float32)
    labels = outputs_of(model, {"x": samples})["scores"].argmax(axis=1)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    np.savez(tmp_path / "data.npz", x=samples, y=labels, room=np.array(["hall", "cellar"] * 450))
    (tmp_path / "edgeopt.toml").write_text(
        'schema = 1\n[model]\npath = "model.onnx"\n[data]\npath = "data.npz"\nsamples = 100\n'
        '[recipe]\nsteps = [{ quantize = { target = "rpi4" } }]\n'
        '[bench]\nprocesses = 2\n[gate]\nrules = ["size <= 1 MB", "flip_rate <= 3 %"]\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path
