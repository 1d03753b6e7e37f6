"""Caches, memory and clock are what the system says, and nothing where it says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeopt.core import host_memory
from edgeopt.core.host_memory import HostMemory
from edgeopt.core.target import host_target


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    host_memory.host_memory.cache_clear()
    yield
    host_memory.host_memory.cache_clear()


@pytest.fixture
def cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of /sys/devices/system/cpu, with the first usable CPU's own in it."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(host_memory, "_CPUS", tmp_path)
    monkeypatch.setattr(host_memory, "usable_cpus", lambda: [3])
    folder = tmp_path / "cpu3"
    folder.mkdir()
    return folder


def put(folder: Path, **files: str) -> None:
    """Files with a line each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n")


def test_caches_and_clock_are_those_of_the_fastest_cpu(cpus: Path) -> None:
    put(cpus / "cache" / "index0", level="1", type="Data", size="32K")
    put(cpus / "cache" / "index1", level="1", type="Instruction", size="48K")
    put(cpus / "cache" / "index2", level="2", type="Unified", size="1M")
    put(cpus / "cpufreq", cpuinfo_max_freq="1800000")
    found = host_memory.host_memory()

    assert (found.l1d_bytes, found.l2_bytes, found.l3_bytes) == (32_768, 2**20, None)
    assert found.clock_hz == 1_800_000_000


def test_a_system_that_tells_nothing_has_no_figures(cpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(cpus / "cache" / "index0", level="1", type="Data", size="much")

    def refuse(_: str) -> int:
        raise OSError

    monkeypatch.setattr(os, "sysconf", refuse)

    assert host_memory.host_memory() == HostMemory()
    assert [name for name, _ in host_target().figures()] == ["cores"]


def test_a_mac_tells_the_caches_of_its_fast_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "hw.perflevel0.l1dcachesize: 131072\nhw.l1dcachesize: 65536\nhw.l2cachesize: 4194304\nhw.x: none\n"

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, stdout=lines, stderr="sysctl: unknown oid 'hw.l3cachesize'\n")

    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", run)
    found = host_memory.host_memory()

    assert (found.l1d_bytes, found.l2_bytes, found.l3_bytes, found.clock_hz) == (131_072, 4_194_304, None, None)


def test_this_machine_has_memory() -> None:
    memory = host_memory.memory_bytes()

    assert memory is not None
    assert memory > 2**20
