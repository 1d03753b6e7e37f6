"""Architectures of models/ as tests load them: each file on its own, as a factory of `edgeopt.toml` is loaded."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="session")
def model_file() -> Callable[[str], SimpleNamespace]:
    """Gives what a file of models/ defines, by its name without the ending."""

    def load(name: str) -> SimpleNamespace:
        return SimpleNamespace(**runpy.run_path(str(MODELS / f"{name}.py")))

    return load
