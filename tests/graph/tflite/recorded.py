"""What TFLite Micro's own interpreter says of a model: the arena that it records, and what it complains of."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

micro: Any = pytest.importorskip(
    "tflite_micro.python.tflite_micro.runtime", reason="tflite-micro has no wheel for this Python or processor"
)
LARGE = 8_000_000  # bytes: an arena that holds every model of the tests


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Bytes that `print_allocations()` prints: of the arena, and of its two ends."""

    total: int
    head: int
    tail: int


def recorded(content: bytes) -> Recorded:
    """The arena of a model as the interpreter records it."""
    heard = said(lambda: micro.Interpreter.from_bytes(content, arena_size=LARGE).print_allocations())
    found = {name: int(size) for name, size in re.findall(r"Arena allocation (total|head|tail) (\d+) bytes", heard)}
    assert found, heard
    return Recorded(**found)


def starts(content: bytes, arena_bytes: int) -> bool:
    """Whether the interpreter starts in an arena of so many bytes."""
    return "TFLM failed to allocate tensors" not in said(
        lambda: micro.Interpreter.from_bytes(content, arena_size=arena_bytes)
    )


def complaint(content: bytes) -> str:
    """What it says of a model that it does not take."""
    return said(lambda: micro.Interpreter.from_bytes(content, arena_size=LARGE))


def said(does: Callable[[], object]) -> str:
    """What native code writes to stderr meanwhile, and the text of the RuntimeError that it raises, if any."""
    sys.stderr.flush()
    kept = os.dup(2)
    raised = ""
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            does()
        except RuntimeError as error:
            raised = str(error)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        return file.read().decode() + raised


def refusal(content: bytes) -> str:
    """What it says when it starts with a model and runs it once on zeros; nothing where both work."""

    def run() -> None:
        interpreter = micro.Interpreter.from_bytes(content, arena_size=LARGE)
        details = interpreter.get_input_details(0)
        interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
        interpreter.invoke()

    return said(run)
