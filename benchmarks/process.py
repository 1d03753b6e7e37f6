"""Whole commands timed from outside, with the peak memory of their own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

# A small interpreter starts the command and waits for it: a child's peak memory counts from that of the process that
# forked it, which must therefore be smaller than anything that is measured.
_LAUNCHER = """
import json, os, sys, time
start = time.perf_counter()
quiet = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, quiet, 1), (os.POSIX_SPAWN_DUP2, quiet, 2)]
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
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


def run_process(command: Sequence[str]) -> ProcessCost:
    """Run `command` (its first word an absolute path) and say what it cost."""
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
    result = subprocess.run(launcher, capture_output=True, text=True, check=True)
    return ProcessCost(*json.loads(result.stdout))
