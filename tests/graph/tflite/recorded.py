"""What TFLite Micro's own interpreter says of a model: the arena that it records, and what it complains of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

micro: Any = pytest.importorskip(
    "tflite_micro.python.tflite_micro.runtime", reason="tflite-micro has no wheel for this Python or processor"
)
_START = """
import pathlib, sys
from tflite_micro.python.tflite_micro.runtime import Interpreter
for attempt in sys.argv[2:]:
    place, size = attempt.split(":")
    try:
        Interpreter.from_bytes(pathlib.Path(sys.argv[1], place).read_bytes(), arena_size=int(size))
        print("started", flush=True)
    except RuntimeError:
        print("failed", flush=True)
"""
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


def starts(*attempts: tuple[bytes, int]) -> list[bool]:
    """Whether the interpreter starts with each model in an arena of so many bytes.

    It runs in a process of its own, since in an arena that is too small for what a kernel prepares it may crash.
    """
    found: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        for place, (content, _) in enumerate(attempts):
            Path(folder, str(place)).write_bytes(content)
        while len(found) < len(attempts):
            rest = [f"{place}:{attempts[place][1]}" for place in range(len(found), len(attempts))]
            done = subprocess.run([sys.executable, "-c", _START, folder, *rest], capture_output=True, check=False)
            found += [line == b"started" for line in done.stdout.splitlines()]
            if done.returncode < 0:
                found.append(False)
            else:
                assert done.returncode == 0, done.stderr
    return found


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
