"""Device profiles: what a named target can do, each figure with its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

from edgeopt.core.host import host_processor
from edgeopt.core.host_memory import host_memory

HOST = "host"
DETECTED = "detected"

TargetKind = Literal["cpu", "mcu", "npu"]
Architecture = Literal["x86_64", "aarch64", "armv7e-m", "armv8-m.main", "ethos-u"]
# `mixed` leaves float what does not pay in integers; `integer` runs int8 from the input to the output.
QuantizationPolicy = Literal["mixed", "integer"]

# Flags whose instructions sum products of bytes in 32 bits, so that int8 outruns float32 several times.
INT8_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "mve"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """A figure of a profile and where it comes from; `verified` is false for figures from memory."""

    value: float
    source: str
    verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedName:
    """A name in a profile and where it comes from; `verified` is false for one from memory."""

    name: str
    source: str
    verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A device that a model is made for.

    A figure is None where no source gives it.

    Attributes:
        name: What the user types.
        description: The board and its processor, for people.
        kind: A processor with an operating system, a microcontroller, or a neural processing unit.
        architecture: Name of the instruction set: `x86_64` or `aarch64` as Linux calls them, `armv7e-m` or
            `armv8-m.main` as compilers do, `ethos-u` for Arm's neural processing units; on the host, what it says.
        core: The core's name, as `cortex-a72`; empty where there is none to name.
        isa: Instruction-set flags: those of processors named as in /proc/cpuinfo, those of microcontrollers as in
            GCC's `-march`.
        isa_source: Where the flags come from.
        isa_verified: Whether that was looked up; false where any flag is from memory.
        dtypes: Types that run fast, as numpy calls them.
        dtypes_source: Where that comes from.
        cores: Number of cores.
        clock_hz: Highest sustained clock in Hz.
        macs_per_cycle: int8 products that a neural processing unit sums in a cycle.
        l1d_bytes: Data cache of a core in bytes.
        l2_bytes: Second cache in bytes: that of a core, or the one that cores share, as its source says.
        l3_bytes: Third cache, which cores share, in bytes.
        bandwidth_bytes_per_second: Bytes that all cores together copy from memory to memory in a second.
        ram_bytes: Installed memory in bytes.
        flash_bytes: Memory for programs and weights in bytes, on microcontrollers.
        idle_w: Power of the board in watts while nothing runs.
        load_w: Power of the board in watts under the load that its source names.
        runtime: The runtime that suits it best.
        quantization: What int8 models for it are like: `mixed` or `integer`.
    """

    name: str
    description: str
    kind: TargetKind
    architecture: str
    core: str = ""
    isa: frozenset[str]
    isa_source: str
    isa_verified: bool = True
    dtypes: tuple[str, ...] = ()
    dtypes_source: str = ""
    cores: Sourced
    clock_hz: Sourced | None = None
    macs_per_cycle: Sourced | None = None
    l1d_bytes: Sourced | None = None
    l2_bytes: Sourced | None = None
    l3_bytes: Sourced | None = None
    bandwidth_bytes_per_second: Sourced | None = None
    ram_bytes: Sourced | None = None
    flash_bytes: Sourced | None = None
    idle_w: Sourced | None = None
    load_w: Sourced | None = None
    runtime: SourcedName | None = None
    quantization: SourcedName

    @property
    def is_host(self) -> bool:
        """Whether it is the machine that edgeopt runs on."""
        return self.name == HOST

    @property
    def has_int8_dot_product(self) -> bool:
        """Whether an instruction sums products of bytes in 32 bits; every neural processing unit does."""
        return self.kind == "npu" or bool(self.isa & INT8_DOT_PRODUCTS)

    @property
    def is_integer_only(self) -> bool:
        """Whether its models are int8 from the input to the output."""
        return self.quantization.name == "integer"

    def figures(self) -> Iterator[tuple[str, Sourced]]:
        """Name and figure of all that are known, in the order of the attributes."""
        for field in fields(self):
            figure = getattr(self, field.name)
            if isinstance(figure, Sourced):
                yield field.name, figure


def host_target() -> Target:
    """The machine that edgeopt runs on, as detected; what the system does not tell is None."""
    processor, memory = host_processor(), host_memory()
    has_half = "asimdhp" in processor.isa
    return Target(
        name=HOST,
        description=processor.model,
        kind="cpu",
        architecture=processor.architecture,
        isa=processor.isa,
        isa_source=DETECTED,
        dtypes=("float32", "float16", "int8") if has_half else ("float32", "int8"),
        dtypes_source="detected, from the instruction set",
        cores=Sourced(value=processor.cores, source=DETECTED),
        clock_hz=_detected(memory.clock_hz),
        l1d_bytes=_detected(memory.l1d_bytes),
        l2_bytes=_detected(memory.l2_bytes),
        l3_bytes=_detected(memory.l3_bytes),
        ram_bytes=_detected(memory.ram_bytes),
        runtime=SourcedName(name="onnxruntime", source="what edgeopt runs ONNX models on here"),
        quantization=SourcedName(name="mixed", source="a processor runs floats too"),
    )


def _detected(value: float | None) -> Sourced | None:
    return Sourced(value=value, source=DETECTED) if value else None
