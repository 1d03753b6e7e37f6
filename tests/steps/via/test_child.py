"""A tool of somebody else is stopped with all that it started, and its last words are kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeopt.errors import ToolFailed
from edgeopt.steps.via.child import run_tool

EndsSoon = Callable[[Callable[[], object]], None]


def run(script: str, folder: Path, *, seconds: float = 60.0) -> None:
    run_tool("tool", ["/bin/sh", "-c", script], timeout_seconds=seconds, folder=folder)


def test_a_tool_that_hangs_is_stopped_with_all_that_it_started(
    tmp_path: Path, fifo: Callable[[str], Path], ends_soon: EndsSoon
) -> None:
    held = fifo("held")
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(ToolFailed, match=r"tool was stopped after 1 s: still at it") as caught:
        run(f"sleep 600 > '{held}' & echo still at it; wait", tmp_path, seconds=1.0)

    assert "--via-timeout" in caught.value.hint
    os.set_blocking(reader, True)
    ends_soon(lambda: os.read(reader, 1))  # gives nothing once nobody holds the other end
    os.close(reader)


def test_what_a_tool_leaves_running_is_ended_too(
    tmp_path: Path, fifo: Callable[[str], Path], ends_soon: EndsSoon
) -> None:
    held = fifo("held")
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)

    run(f"sleep 600 > '{held}' & exit 0", tmp_path)

    os.set_blocking(reader, True)
    ends_soon(lambda: os.read(reader, 1))
    os.close(reader)


def test_a_tool_reads_nothing_from_the_terminal(tmp_path: Path) -> None:
    run("! read -r line", tmp_path)


def test_progress_bars_do_not_hide_the_last_words(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"ended with code 4: 50 % / 100 % / out of layers$"):
        run(r"printf '0 %%\r50 %%\r100 %%\nout of layers\n'; exit 4", tmp_path)


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="`/no/such/tool` cannot be started: No such file"):
        run_tool("tool", ["/no/such/tool"], timeout_seconds=1, folder=tmp_path)
