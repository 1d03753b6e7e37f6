"""Files of tiny TFLite models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.small_tflite import Small


@pytest.fixture
def save_tflite(tmp_path: Path) -> Callable[[Small], Path]:
    """Writes a small model and gives the path."""

    def write(model: Small) -> Path:
        path = tmp_path / "model.tflite"
        path.write_bytes(model.content())
        return path

    return write
