"""Instruction-set flags that a profile may name, by architecture, and what an architecture is the name of."""

from __future__ import annotations

from typing import get_args

from edgeopt.core.target import Architecture, TargetKind

ARCHITECTURES: tuple[str, ...] = get_args(Architecture)

KIND_OF_ARCHITECTURE: dict[str, TargetKind] = {
    "x86_64": "cpu",
    "aarch64": "cpu",
    "armv7e-m": "mcu",
    "armv8-m.main": "mcu",
    "ethos-u": "npu",
}

# Processors: names of Linux's /proc/cpuinfo (arch/x86/include/asm/cpufeatures.h, arch/arm64/kernel/cpuinfo.c).
# Microcontrollers: extensions of GCC's -march ("ARM Options" of its manual); Ethos-U has no flags of its own.
ISA_FLAGS: dict[str, frozenset[str]] = {
    "x86_64": frozenset(
        {
            *("sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"),
            *("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
        }
    ),
    "aarch64": frozenset({"fp", "asimd", "fphp", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"}),
    "armv7e-m": frozenset({"fp", "fp.dp"}),
    "armv8-m.main": frozenset({"dsp", "fp", "fp.dp", "mve", "mve.fp"}),
    "ethos-u": frozenset(),
}
