"""The processor is told by what the system says about it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeopt.core import host

X86 = "processor\t: 0\nmodel name\t: A processor\nflags\t\t: fpu avx2 avx512_vnni sse4_1 zzz\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp crc32\n\nModel\t\t: Raspberry Pi 5\n"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    host.host_processor.cache_clear()
    yield
    host.host_processor.cache_clear()


def pretend(monkeypatch: pytest.MonkeyPatch, *, machine: str, cpuinfo: str, system: str = "Linux") -> None:
    """Let the system say that it is another."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "system", lambda: system)
    real = Path.read_text

    def read_text(path: Path, *arguments: str, **options: str) -> str:
        return cpuinfo if str(path) == "/proc/cpuinfo" else real(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", read_text)


def test_this_machine_has_a_name_an_architecture_and_cores() -> None:
    processor = host.host_processor()

    assert processor.model
    assert processor.architecture
    assert processor.cores >= 1


def test_an_x86_processor_keeps_the_flags_that_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, machine="AMD64", cpuinfo=X86)
    processor = host.host_processor()

    assert processor.model == "A processor"
    assert processor.architecture == "x86_64"
    assert processor.isa == {"avx2", "avx512_vnni", "sse4_1"}


def test_an_arm_board_is_named_by_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, machine="aarch64", cpuinfo=ARM)
    processor = host.host_processor()

    assert processor.model == "Raspberry Pi 5"
    assert processor.architecture == "aarch64"
    assert processor.isa == {"asimd", "asimddp"}


@pytest.mark.parametrize(("machine", "isa"), [("arm64", {"asimd", "asimddp", "asimdhp"}), ("x86_64", set())])
def test_a_mac_is_named_by_sysctl(monkeypatch: pytest.MonkeyPatch, machine: str, isa: set[str]) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, stdout="Apple M1\n", stderr="")

    pretend(monkeypatch, machine=machine, cpuinfo="", system="Darwin")
    monkeypatch.setattr(subprocess, "run", run)
    processor = host.host_processor()

    assert processor.model == "Apple M1"
    assert processor.isa == isa


def test_a_system_that_says_nothing_is_named_by_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, machine="riscv64", cpuinfo="")
    processor = host.host_processor()

    assert (processor.model, processor.architecture, processor.isa) == ("riscv64", "riscv64", frozenset())


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not tell its affinity")
def test_only_cpus_that_this_process_may_use_count() -> None:
    assert set(host.usable_cpus()) == os.sched_getaffinity(0)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not tell its affinity")
def test_the_fastest_cpus_come_first_and_the_highest_number_among_equals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(host, "_capacity", {0: 400, 1: 400, 2: 1024, 3: 1024}.__getitem__)

    assert host.usable_cpus() == [3, 2, 1, 0]
