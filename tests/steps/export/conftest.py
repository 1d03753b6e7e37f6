"""The user's own Python files, as exports load them."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Written = Callable[..., str]
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Work in a fresh folder, and forget what was imported from it."""
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - known:
        if name.startswith("_edgeopt_file_"):
            del sys.modules[name]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a Python file, and gives the reference to a name in it."""

    def write(text: str, name: str = "build", file: str = "net.py") -> str:
        (tmp_path / file).write_text(textwrap.dedent(text))
        return f"{file}:{name}"

    return write


@pytest.fixture
def model_source() -> Callable[[str], str]:
    """The reference to the factory of an architecture of models/."""
    return lambda name: f"{ROOT / 'models' / name}.py:build"
