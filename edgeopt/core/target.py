"""Device profiles: what a named target can do, each figure with its source."""

from __future__ import annotations

from dataclasses import dataclass

from edgeopt.core.host import host_processor

HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """A figure of a profile and where it comes from; `verified` is false for figures from memory."""

    value: float
    source: str
    verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A device that a model is made for.

    Attributes:
        name: What the user types.
        description: The board and its processor, for people.
        architecture: `x86_64` or `aarch64`.
        isa: Instruction-set flags, named as in /proc/cpuinfo.
        isa_source: Where the flags come from.
        cores: Number of cores.
        clock_hz: Highest sustained clock in Hz, where known.
        ram_bytes: Installed memory in bytes, where known.
    """

    name: str
    description: str
    architecture: str
    isa: frozenset[str]
    isa_source: str
    cores: Sourced
    clock_hz: Sourced | None = None
    ram_bytes: Sourced | None = None

    @property
    def is_host(self) -> bool:
        """Whether it is the machine that edgeopt runs on."""
        return self.name == HOST


def host_target() -> Target:
    """The machine that edgeopt runs on, as detected."""
    processor = host_processor()
    return Target(
        name=HOST,
        description=processor.model,
        architecture=processor.architecture,
        isa=processor.isa,
        isa_source="detected",
        cores=Sourced(value=processor.cores, source="detected"),
    )
