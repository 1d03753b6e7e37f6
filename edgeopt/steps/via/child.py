"""A tool of somebody else run in a process of its own: its talk caught, its time limited, nothing of it left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from edgeopt.errors import ToolFailed

_SHOWN_LINES = 3
_READ_BYTES = 1 << 16  # of the end of what a tool says
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run_tool(
    name: str,
    command: Sequence[str],
    *,
    timeout_seconds: float,
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run `command` to its end.

    Args:
        name: What the tool is called.
        command: The program and its arguments.
        timeout_seconds: After which it is killed, with all that it started.
        folder: Where it runs.
        environment: Variables besides those of this process.

    Raises:
        ToolFailed: It cannot be started, takes too long, or ends with another code than 0; the message holds the last
            lines that it said.
    """
    with tempfile.TemporaryFile() as talk:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=talk,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except OSError as error:
            raise ToolFailed(f"`{command[0]}` cannot be started: {error.strerror or error}") from error
        try:
            code = process.wait(timeout=timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise ToolFailed(
                f"{name} was stopped after {timeout_seconds:g} s: {_last_lines(talk)}",
                hint="give it more time with `--via-timeout`",
            ) from error
        finally:
            _end(process)
        if code:
            how = f"ended with code {code}" if code > 0 else f"was killed by signal {-code}"
            raise ToolFailed(
                f"{name} {how}: {_last_lines(talk)}",
                hint=f"run it yourself to see all that it says: {' '.join(command[:4])} ...",
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the tool and what it started, where any of it still runs."""
    if process.poll() is None:
        process.kill()
        _kill_group(process.pid)
        process.wait()
    else:
        _kill_group(process.pid)  # children that outlive it would write into folders that vanish


def _kill_group(group: int) -> None:
    if not hasattr(os, "killpg"):  # Windows
        return
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # all of it has ended
        return


def _last_lines(talk: IO[bytes]) -> str:
    """The last lines that were written to a file, on one line; progress bars overwrite theirs."""
    talk.seek(max(0, talk.seek(0, os.SEEK_END) - _READ_BYTES))
    said = talk.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in re.split(r"[\r\n]+", _COLOURS.sub("", said)) if line.strip()]
    return " / ".join(lines[-_SHOWN_LINES:])[-500:] or "it said nothing"
