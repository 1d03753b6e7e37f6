"""Importing a model module is cheap: frameworks come in when a network is built."""

import subprocess
import sys
from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in (Path(__file__).parents[2] / "models").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("module", ["models", *(f"models.{name}" for name in MODULES)])
def test_importing_the_module_imports_no_framework(module: str) -> None:
    program = f"import sys, {module}; print([name for name in ('torch', 'onnx', 'sklearn') if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )

    assert run.stderr == ""
    assert run.stdout == "[]\n"
