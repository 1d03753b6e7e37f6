"""The TOML format of a target profile.

History: schema 1, the first.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from edgeopt.core.target import HOST, Sourced, SourcedName, Target
from edgeopt.core.validation import StrictModel, validated


class Figure(StrictModel):
    """A positive number with its source; `verified = false` marks one that is from memory."""

    value: float = Field(gt=0)
    source: str = Field(min_length=1)
    verified: bool = True

    def as_sourced(self, factor: float = 1.0) -> Sourced:
        """The figure in the base unit, `factor` of which make one of the file's unit."""
        return Sourced(value=self.value * factor, source=self.source, verified=self.verified)


class Processor(StrictModel):
    """`[cpu]` of a profile."""

    architecture: Literal["x86_64", "aarch64"]
    isa: list[str]
    isa_source: str = Field(min_length=1)
    cores: Figure
    clock_ghz: Figure | None = None


class Memory(StrictModel):
    """`[memory]` of a profile."""

    ram_gb: Figure | None = None


class TargetProfile(StrictModel):
    """A whole profile."""

    schema_number: Literal[1] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str
    cpu: Processor
    memory: Memory = Memory()

    @field_validator("name")
    @classmethod
    def _is_not_this_machine(cls, name: str) -> str:
        if name == HOST:
            raise ValueError("that name is kept for the machine that edgeopt runs on")
        return name

    def as_target(self) -> Target:
        """The target that the profile describes."""
        clock, ram = self.cpu.clock_ghz, self.memory.ram_gb
        return Target(
            name=self.name,
            description=self.description,
            kind="cpu",
            architecture=self.cpu.architecture,
            isa=frozenset(self.cpu.isa),
            isa_source=self.cpu.isa_source,
            cores=self.cpu.cores.as_sourced(),
            clock_hz=clock.as_sourced(1e9) if clock else None,
            ram_bytes=ram.as_sourced(1e9) if ram else None,
            quantization=SourcedName(name="mixed", source="a processor runs floats too"),
        )


def profile_from_table(table: dict[str, Any], *, where: str) -> TargetProfile:
    """The profile in a parsed TOML table.

    Raises:
        InputError: It does not fit the format.
    """
    return validated(TargetProfile, table, where=where)
