"""Tiny TFLite models, and files of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.small_tflite import Small, packed


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small model, the schema's own object of one, or bytes, and gives the path."""

    def write(model: Any, name: str = "model.tflite") -> Path:
        path = tmp_path / name
        content = model if isinstance(model, bytes) else model.content() if isinstance(model, Small) else packed(model)
        path.write_bytes(content)
        return path

    return write
