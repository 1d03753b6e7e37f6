"""What the system tells of this process and its chip: clock, temperature, resident memory, and lost turns on the core.

All but the last come from Linux; elsewhere they are not told.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Types of thermal zones (Documentation/driver-api/thermal/sysfs-api.rst) and names of hwmon chips that are a
# processor's: `x86_pkg_temp`, `cpu-thermal`, `soc-thermal`, `coretemp`, `k10temp`. Batteries and radios are not.
_PROCESSOR_SENSORS = ("cpu", "pkg", "soc", "core", "k10temp", "zenpower", "big", "little")
# No chip runs below or above; a sensor that says so is not connected.
_PLAUSIBLE_CELSIUS = (-40.0, 150.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensors:
    """Files of the system that tell clock and temperature of some CPUs.

    Attributes:
        clocks: One per CPU, in kHz.
        temperatures: Those of the processor, in thousandths of a degree Celsius.
        memory: Pages of this process, the second number is what is resident.
    """

    clocks: tuple[Path, ...] = ()
    temperatures: tuple[Path, ...] = ()
    memory: Path | None = None

    def clock_hz(self) -> float | None:
        """Mean clock of the CPUs now; None where it is not told."""
        told = [value for value in map(_number, self.clocks) if value]
        return 1e3 * sum(told) / len(told) if told else None

    def celsius(self) -> float | None:
        """The hottest place of the processor now; None where it is not told."""
        low, high = _PLAUSIBLE_CELSIUS
        told = [value / 1e3 for value in map(_number, self.temperatures) if value is not None]
        return max((value for value in told if low <= value <= high), default=None)

    def resident_bytes(self) -> int | None:
        """Memory of this process that is in RAM now; None where it is not told."""
        try:
            return int(self.memory.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if self.memory else None
        except (OSError, ValueError, IndexError):
            return None


def find_sensors(cpus: Sequence[int], *, root: Path = Path("/")) -> Sensors:
    """The sensors that answer.

    Args:
        cpus: Numbers of the CPUs whose clock counts.
        root: Where `/sys` and `/proc` are.
    """
    devices = root / "sys/devices/system/cpu"
    clocks = (devices / f"cpu{cpu}/cpufreq/scaling_cur_freq" for cpu in cpus)
    zones = ((zone / "type", (zone / "temp",)) for zone in sorted(root.glob("sys/class/thermal/thermal_zone*")))
    chips = ((chip / "name", sorted(chip.glob("temp*_input"))) for chip in sorted(root.glob("sys/class/hwmon/hwmon*")))
    memory = root / "proc/self/statm"
    return Sensors(
        clocks=tuple(path for path in clocks if _number(path) is not None),
        temperatures=tuple(
            path
            for name, paths in (*zones, *chips)
            if any(part in _text(name).lower() for part in _PROCESSOR_SENSORS)
            for path in paths
            if _number(path) is not None
        ),
        memory=memory if memory.exists() else None,
    )


def preemptions() -> int | None:
    """How often another process took the core from this one so far; None where it is not told."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    """What a file says; empty where it cannot be read, as a sensor that sleeps."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
