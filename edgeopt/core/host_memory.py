"""This machine's caches, memory and clock, as the system tells them."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgeopt.core.host import usable_cpus

_CPUS = Path("/sys/devices/system/cpu")
_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30}
# Names of sysctl on macOS: the performance cores first, where there are two kinds.
_MAC_KEYS = {
    "l1d_bytes": ("hw.perflevel0.l1dcachesize", "hw.l1dcachesize"),
    "l2_bytes": ("hw.perflevel0.l2cachesize", "hw.l2cachesize"),
    "l3_bytes": ("hw.l3cachesize",),
    "clock_hz": ("hw.cpufrequency_max",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMemory:
    """What surrounds the fastest core; None where the system does not tell.

    Attributes:
        l1d_bytes: First data cache in bytes.
        l2_bytes: Second cache in bytes.
        l3_bytes: Third cache in bytes.
        ram_bytes: Installed memory in bytes.
        clock_hz: Highest clock in Hz.
    """

    l1d_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None
    ram_bytes: int | None = None
    clock_hz: int | None = None


@cache
def host_memory() -> HostMemory:
    """The caches, memory and clock of this machine, from /sys or sysctl."""
    if platform.system() == "Darwin":
        told = _sysctl([key for keys in _MAC_KEYS.values() for key in keys])
        found = {name: next((told[key] for key in keys if told.get(key)), None) for name, keys in _MAC_KEYS.items()}
        return HostMemory(ram_bytes=memory_bytes(), **found)
    folder = _CPUS / f"cpu{usable_cpus()[0]}"
    caches = _caches(folder / "cache")
    clock = _number(folder / "cpufreq" / "cpuinfo_max_freq")
    return HostMemory(
        l1d_bytes=caches.get("1"),
        l2_bytes=caches.get("2"),
        l3_bytes=caches.get("3"),
        ram_bytes=memory_bytes(),
        clock_hz=clock * 1000 if clock else None,  # the file counts kHz
    )


def memory_bytes() -> int | None:
    """Installed memory in bytes, where the system tells it."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _caches(folder: Path) -> dict[str, int]:
    """Level -> bytes of the caches that hold data."""
    found = {}
    for entry in sorted(folder.glob("index*")):
        size = _size(_text(entry / "size"))
        if size and _text(entry / "type") in ("Data", "Unified"):
            found[_text(entry / "level")] = size
    return found


def _size(text: str) -> int | None:
    """Bytes of a size as /sys writes it: `32K`."""
    digits, factor = (text[:-1], _SIZES[text[-1]]) if text[-1:] in _SIZES else (text, 1)
    return int(digits) * factor if digits.isdecimal() else None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _sysctl(keys: list[str]) -> dict[str, int]:
    """Those of `keys` that this Mac knows, with their numbers."""
    result = subprocess.run(["/usr/sbin/sysctl", *keys], capture_output=True, text=True, check=False, timeout=5)
    pairs = (line.partition(":") for line in result.stdout.splitlines())
    return {key: int(value) for key, _, value in pairs if value.strip().isdecimal()}
