"""Whole commands timed from outside, with the peak memory of their own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# A small interpreter starts the command and waits for it: a child's peak memory counts from that of the process that
# forked it, which must therefore be smaller than anything that is measured.
_LAUNCHER = """
import json, os, sys, time
start = time.perf_counter()
quiet = os.open(os.devnull, os.O_RDWR)
told = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
actions = [(os.POSIX_SPAWN_DUP2, quiet, 1), (os.POSIX_SPAWN_DUP2, told, 2)]
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=actions)
_, status, usage = os.wait4(pid, 0)
peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
seconds = time.perf_counter() - start
print(json.dumps([seconds, usage.ru_utime + usage.ru_stime, peak, os.waitstatus_to_exitcode(status)]))
"""


@dataclass(frozen=True, slots=True)
class ProcessCost:
    """Cost of one run of a command: wall and processor seconds, peak resident bytes, exit code."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    exit_code: int


def run_process(
    command: Sequence[str], *, errors: Path | None = None, variables: Mapping[str, str] | None = None
) -> ProcessCost:
    """Run `command` (its first word an absolute path) and say what it cost.

    Args:
        command: What to run.
        errors: File that gets what the command says on stderr; None drops it.
        variables: Of the environment, on top of those of this process.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(errors or os.devnull), *command]
    environment = {**os.environ, **(variables or {})}
    result = subprocess.run(launcher, capture_output=True, text=True, check=True, env=environment)
    return ProcessCost(*json.loads(result.stdout))
