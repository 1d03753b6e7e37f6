"""The conditions that figures depend on: processor, clock, load, limits and versions."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgeopt._version import __version__
from edgeopt.core.host import host_processor, usable_cpus
from edgeopt.core.host_memory import memory_bytes

_PACKAGES = ("numpy", "onnx", "onnx-ir", "onnxruntime", "ai-edge-litert")
_CGROUP = Path("/sys/fs/cgroup")


def environment(*, threads: int | None = None) -> dict[str, Any]:
    """This machine now, as the JSON record holds it.

    Args:
        threads: Threads that the runtime was given, where something was timed.
    """
    processor = host_processor()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine_identity(),
        "cpu": processor.model,
        "architecture": processor.architecture,
        "isa": sorted(processor.isa),
        "cores": processor.cores,
        "governor": governor(),
        "load_average": load_average(),
        "memory_bytes": memory_bytes(),
        "cpu_limit": _cpu_limit(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {"edgeopt": __version__, **_versions(_PACKAGES)},
        **({"threads": threads} if threads else {}),
    }


def machine_identity() -> str:
    """A digest that tells one machine's figures from another's: processor, cores, memory and operating system."""
    processor = host_processor()
    facts = (processor.model, processor.architecture, sorted(processor.isa), os.cpu_count(), memory_bytes())
    return hashlib.sha256(repr((*facts, platform.system())).encode()).hexdigest()[:12]


def governor() -> str | None:
    """The frequency governor of the CPU that measurements are pinned to, where the system tells it."""
    return _read(f"/sys/devices/system/cpu/cpu{usable_cpus()[0]}/cpufreq/scaling_governor")


def load_average() -> float | None:
    """Runnable processes over the last minute, where the system tells it."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Counters of what takes the processor away from us; two of them bracket a measurement.

    Attributes:
        total: All ticks of all CPUs.
        stolen: Ticks that the hypervisor gave to somebody else.
        throttled: Periods in which the container's CPU limit stopped us.
    """

    total: int
    stolen: int
    throttled: int


def disturbance() -> Disturbance:
    """The counters now; zeros where the system has none."""
    fields = (_read("/proc/stat") or "cpu").splitlines()[0].split()[1:]
    ticks = [int(field) for field in fields]
    throttled = [line.split()[1] for line in (_read(_CGROUP / "cpu.stat") or "").splitlines() if "nr_throttled" in line]
    return Disturbance(sum(ticks[:8]), ticks[7] if len(ticks) > 7 else 0, int(throttled[0]) if throttled else 0)


def noise_warnings(before: Disturbance, after: Disturbance, *, load: float | None, preempted: float) -> list[str]:
    """What made the measurement noisy, each with the cause to remove.

    Args:
        before: Counters at its start.
        after: Counters at its end.
        load: Load average before it started.
        preempted: Involuntary context switches per second of measuring.
    """
    cores = len(usable_cpus())
    stolen = (after.stolen - before.stolen) / max(1, after.total - before.total)
    warnings = []
    if load is not None and load > 0.7 * cores:
        warnings.append(
            f"the load average was {load:g} on {cores} cores before measuring: stop other work, then repeat"
        )
    if stolen > 0.01:
        warnings.append(f"the hypervisor gave {stolen:.0%} of the time to other machines: use a dedicated host")
    if after.throttled > before.throttled:
        warnings.append("the container's CPU limit throttled the measurement: raise the limit (`docker run --cpus`)")
    if preempted > 50:
        warnings.append(
            f"the measurement was preempted {preempted:.0f} times a second: stop other work on this machine"
        )
    if governor() not in (None, "performance"):
        warnings.append(
            f"the CPU governor is `{governor()}`, so the clock varies: `sudo cpupower frequency-set -g performance`"
        )
    return warnings


def _versions(packages: Iterable[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cpu_limit() -> float | None:
    """Cores that the container may use, where it is limited (cgroup v2)."""
    quota, _, period = (_read(_CGROUP / "cpu.max") or "max").partition(" ")
    return None if quota == "max" or not period else int(quota) / int(period)


def _read(path: str | Path) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None
