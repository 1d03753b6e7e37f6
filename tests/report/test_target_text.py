"""Profiles are shown with the source of every figure, and with a mark where nobody has looked it up."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from edgeopt.report.target_text import TARGET_VIEWS


def shown(view: str, record: dict[str, Any]) -> str:
    """The words of a view, with one space between them."""
    console = Console(width=300, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(TARGET_VIEWS[view](record))
    return "\n".join(" ".join(line.split()) for line in captured.get().splitlines())


PROFILE: dict[str, Any] = {
    "name": "rpi4",
    "description": "a board",
    "kind": "cpu",
    "architecture": "aarch64",
    "core": "cortex-a72",
    "isa": ["asimd"],
    "isa_source": "ARM",
    "isa_verified": False,
    "int8_dot_product": False,
    "dtypes": ["float32", "int8"],
    "dtypes_source": "NEON",
    "runtime": {"name": "litert", "source": "a benchmark", "verified": False},
    "quantization": {"name": "mixed", "source": "a guess", "verified": True},
    "int8": {"activations": "int8", "weight_bits": 8, "reason": "signed"},
    "figures": {
        "clock_hz": {"value": 1.5e9, "unit": "Hz", "source": "the maker", "verified": False},
        "l1d_bytes": {"value": 32768, "unit": "B", "source": "a manual", "verified": True},
        "l2_bytes": {"value": 2**20, "unit": "B", "source": "a manual", "verified": True},
        "bandwidth_bytes_per_second": {"value": 2.7e9, "unit": "B/s", "source": "a test", "verified": True},
        "ram_bytes": {"value": 4e9, "unit": "B", "source": "the box", "verified": True},
        "load_w": {"value": 0.0419, "unit": "W", "source": "a meter", "verified": True},
    },
}


@pytest.mark.parametrize(
    "line",
    [
        "target rpi4: a board",
        "int8 int8 activations, 8-bit weights: signed",
        "instructions aarch64 asimd ARM NOT VERIFIED",
        "int8 dot product no follows from the instructions",
        "core cortex-a72",
        "fast types float32 int8 NEON",
        "clock 1.50 GHz the maker NOT VERIFIED",
        "L1 data cache 32 KiB a manual",
        "L2 cache 1 MiB a manual",
        "bandwidth 2.70 GB/s a test",
        "RAM 4.00 GB the box",
        "load power 41.9 mW a meter",
        "runtime litert a benchmark NOT VERIFIED",
        "quantization mixed a guess",
    ],
)
def test_a_profile_tells_each_figure_with_its_source(line: str) -> None:
    assert line in shown("target", PROFILE).splitlines()


def test_names_come_with_their_kind() -> None:
    entry = {"name": "chip", "kind": "mcu", "architecture": "armv7e-m", "description": "a chip"}

    assert "chip mcu armv7e-m a chip" in shown("targets", {"targets": [entry]})


def test_control_characters_of_a_profile_are_not_printed() -> None:
    text = shown("target", {**PROFILE, "description": "a \x1b[31mboard"})

    assert "\x1b" not in text


def test_a_check_tells_every_fault_under_its_file() -> None:
    good = {
        "path": "a.toml",
        "name": "a",
        "is_usable": True,
        "faults": [],
        "unverified": ["clock_hz"],
        "missing": ["ram_bytes: not said"],
    }
    bad = {
        "path": "b.toml",
        "name": None,
        "is_usable": False,
        "faults": ["`name` is missing", "`cpu` is missing"],
        "unverified": [],
        "missing": [],
    }
    record = {"is_usable": False, "files": [good, bad], "error": {"code": 2, "message": "", "hint": "see the page"}}

    assert shown("target-check", record).splitlines() == [
        "a.toml: the target `a`",
        "not verified: clock_hz",
        "left out: ram_bytes: not said",
        "b.toml: 2 fault(s)",
        "`name` is missing",
        "`cpu` is missing",
        "see the page",
    ]
