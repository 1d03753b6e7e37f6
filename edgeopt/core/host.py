"""This machine's processor: which instructions it has, and which of its cores are fast."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Flags of /proc/cpuinfo that decide the speed or the exactness of int8 kernels.
_X86_FLAGS = ("sse4_1", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
_ARM_FLAGS = ("asimd", "asimddp", "asimdhp", "i8mm", "sve")
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProcessor:
    """The processor that this process runs on.

    Attributes:
        model: Its name as the system gives it.
        architecture: `x86_64`, `aarch64`, ... as Linux calls them.
        isa: Instruction-set flags that matter to inference, named as in /proc/cpuinfo.
        cores: Logical cores that this process may use.
    """

    model: str
    architecture: str
    isa: frozenset[str]
    cores: int


@cache
def host_processor() -> HostProcessor:
    """The processor of this machine, from /proc/cpuinfo or sysctl."""
    machine = platform.machine().lower()
    architecture = _ARCHITECTURES.get(machine, machine)
    fields = _cpuinfo_fields()
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    if platform.system() == "Darwin" and architecture == "aarch64":
        flags |= {"asimd", "asimddp", "asimdhp"}  # every Apple core since the M1 is ARMv8.4 or later
    return HostProcessor(
        model=fields.get("model name") or fields.get("Model") or _sysctl("machdep.cpu.brand_string") or machine,
        architecture=architecture,
        isa=frozenset(flags.intersection(_X86_FLAGS + _ARM_FLAGS)),
        cores=len(usable_cpus()),
    )


def usable_cpus() -> list[int]:
    """Numbers of the logical CPUs that this process may run on, the fastest first.

    Fast is told by `cpu_capacity` (ARM big.LITTLE) or the highest clock; among equals the highest number comes first,
    since interrupts are mostly served on CPU 0.
    """
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return sorted(cpus, key=lambda cpu: (_capacity(cpu), cpu), reverse=True)


def _capacity(cpu: int) -> int:
    folder = Path(f"/sys/devices/system/cpu/cpu{cpu}")
    for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        try:
            return int((folder / name).read_text())
        except (OSError, ValueError):
            continue
    return 0


def _cpuinfo_fields() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs if value}


def _sysctl(key: str) -> str:
    if platform.system() != "Darwin":
        return ""
    result = subprocess.run(["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, check=False, timeout=5)
    return result.stdout.strip()
