"""The TOML format of a target profile.

History:
    schema 1, the first: `cpu.clock_ghz` and `memory.ram_gb` hold numbers, their unit stands in the key.
    schema 2: a figure is text with its unit (`clock = { value = "1.8 GHz", … }`), and there are many more of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from edgeopt.core.target import HOST, Architecture, QuantizationPolicy, SourcedName, Target
from edgeopt.core.target_figures import Bandwidth, Cache, Clock, Count, Figure, Memory, Power
from edgeopt.core.target_isa import ISA_FLAGS, KIND_OF_ARCHITECTURE
from edgeopt.core.validation import StrictModel, faults_in, validated
from edgeopt.errors import near_names

SCHEMA = 2
HINT = "docs/targets.md says every key"
# (table, key of schema 1) -> key of schema 2 and the unit that the old one named
_OLD_KEYS = {("cpu", "clock_ghz"): ("clock", "GHz"), ("memory", "ram_gb"): ("ram", "GB")}
_POLICY_SOURCES: dict[str, tuple[QuantizationPolicy, str]] = {
    "cpu": ("mixed", "a processor runs floats too"),
    "mcu": ("integer", "TFLite's 8-bit specification: every kernel between integers takes and gives int8"),
    "npu": ("integer", "the unit runs integers alone"),
}


class ProcessorTable(StrictModel):
    """`[cpu]`: what computes."""

    architecture: Architecture
    core: str = ""
    isa: list[str]
    isa_source: str = Field(min_length=1)
    isa_verified: bool = True
    dtypes: list[Literal["float32", "float16", "bfloat16", "int8", "int16"]] = Field(default_factory=list)
    dtypes_source: str = Field(default="", validate_default=True)
    cores: Count
    clock: Clock | None = None
    macs_per_cycle: Count | None = None
    l1d: Cache | None = None
    l2: Cache | None = None
    l3: Cache | None = None

    @field_validator("isa")
    @classmethod
    def _is_of_the_architecture(cls, isa: list[str], info: ValidationInfo) -> list[str]:
        architecture = info.data.get("architecture")
        known = ISA_FLAGS.get(str(architecture), frozenset().union(*ISA_FLAGS.values()))
        unknown = sorted(set(isa) - known)
        if unknown:
            of = f"of {architecture}" if architecture else "of any architecture"
            raise ValueError("; ".join(f"`{flag}` is no flag {of}, {near_names(flag, known)}" for flag in unknown))
        return isa

    @field_validator("dtypes_source")
    @classmethod
    def _is_told_where_dtypes_are(cls, source: str, info: ValidationInfo) -> str:
        if info.data.get("dtypes") and not source:
            raise ValueError("say where `dtypes` comes from")
        return source

    @model_validator(mode="after")
    def _caches_grow(self) -> ProcessorTable:
        sizes = [(name, figure.value) for name in ("l1d", "l2", "l3") if (figure := getattr(self, name)) is not None]
        for (name, size), (outer, larger) in pairwise(sizes):
            if size > larger:
                raise ValueError(f"`{name}` is larger than `{outer}`, which lies behind it")
        return self


class MemoryTable(StrictModel):
    """`[memory]`: what holds the model and its activations."""

    ram: Memory | None = None
    flash: Memory | None = None
    bandwidth: Bandwidth | None = None


class PowerTable(StrictModel):
    """`[power]` of the board."""

    idle: Power | None = None
    load: Power | None = None

    @model_validator(mode="after")
    def _load_takes_more(self) -> PowerTable:
        if self.idle and self.load and self.idle.value > self.load.value:
            raise ValueError("`idle` is more than `load`")
        return self


class RuntimeTable(StrictModel):
    """`[runtime]`: the one that suits the target best."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    source: str = Field(min_length=1)
    verified: bool = True


class QuantizationTable(StrictModel):
    """`[quantization]`: what int8 models for the target are like."""

    policy: QuantizationPolicy
    source: str = Field(min_length=1)
    verified: bool = True


class TargetProfile(StrictModel):
    """A whole profile."""

    schema_number: Literal[2] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = Field(min_length=1)
    cpu: ProcessorTable
    memory: MemoryTable = MemoryTable()
    power: PowerTable = PowerTable()
    runtime: RuntimeTable | None = None
    quantization: QuantizationTable | None = None

    @field_validator("schema_number", mode="before")
    @classmethod
    def _is_known(cls, number: Any) -> Any:
        if number != SCHEMA or isinstance(number, bool):
            raise ValueError(f"this edgeopt reads 1 to {SCHEMA}")
        return number

    @field_validator("name")
    @classmethod
    def _is_not_this_machine(cls, name: str) -> str:
        if name == HOST:
            raise ValueError("that name is kept for the machine that edgeopt runs on")
        return name

    @field_validator("quantization")
    @classmethod
    def _is_possible(cls, table: QuantizationTable | None, info: ValidationInfo) -> QuantizationTable | None:
        cpu = info.data.get("cpu")
        if table and table.policy == "mixed" and cpu and KIND_OF_ARCHITECTURE[cpu.architecture] == "npu":
            raise ValueError("a neural processing unit runs integers alone: its policy is `integer`")
        return table

    def as_target(self) -> Target:
        """The target that the profile describes."""
        cpu, kind = self.cpu, KIND_OF_ARCHITECTURE[self.cpu.architecture]
        figures: dict[str, Figure | None] = {
            "clock_hz": cpu.clock,
            "macs_per_cycle": cpu.macs_per_cycle,
            "l1d_bytes": cpu.l1d,
            "l2_bytes": cpu.l2,
            "l3_bytes": cpu.l3,
            "bandwidth_bytes_per_second": self.memory.bandwidth,
            "ram_bytes": self.memory.ram,
            "flash_bytes": self.memory.flash,
            "idle_w": self.power.idle,
            "load_w": self.power.load,
        }
        return Target(
            name=self.name,
            description=self.description,
            kind=kind,
            architecture=cpu.architecture,
            core=cpu.core,
            isa=frozenset(cpu.isa),
            isa_source=cpu.isa_source,
            isa_verified=cpu.isa_verified,
            dtypes=tuple(cpu.dtypes),
            dtypes_source=cpu.dtypes_source,
            cores=cpu.cores.as_sourced(),
            runtime=SourcedName(**self.runtime.model_dump()) if self.runtime else None,
            quantization=self._policy(kind),
            **{name: figure.as_sourced() for name, figure in figures.items() if figure is not None},
        )

    def _policy(self, kind: str) -> SourcedName:
        """What the file says, else what goes with the kind of target."""
        if self.quantization is None:
            policy, source = _POLICY_SOURCES[kind]
            return SourcedName(name=policy, source=source)
        table = self.quantization
        return SourcedName(name=table.policy, source=table.source, verified=table.verified)


def profile_from_table(table: dict[str, Any], *, where: str) -> TargetProfile:
    """The profile in a parsed TOML table of any schema.

    Raises:
        InputError: It does not fit the format; the message lists every fault with its key.
    """
    return validated(TargetProfile, upgraded(table), where=where, hint=_hint(table))


def faults_of_profile(table: dict[str, Any]) -> list[str]:
    """Every fault of a parsed TOML table with its key; none where `profile_from_table` takes it."""
    return faults_in(TargetProfile, upgraded(table))


def _hint(table: dict[str, Any]) -> str:
    is_old = table.get("schema") == 1
    return (
        f"{HINT}; this file is of schema 1, whose `clock_ghz` and `ram_gb` read as `clock` and `ram`"
        if is_old
        else HINT
    )


def upgraded(table: dict[str, Any]) -> dict[str, Any]:
    """A table of schema 1 as one of schema 2; any other as it is."""
    if table.get("schema") != 1 or isinstance(table.get("schema"), bool):
        return table
    found = {**table, "schema": SCHEMA}
    for (name, old), (new, unit) in _OLD_KEYS.items():
        inner = found.get(name)
        if isinstance(inner, dict) and old in inner and new not in inner:
            rest = {key: value for key, value in inner.items() if key != old}
            found[name] = {**rest, new: _with_unit(inner[old], unit)}
    return found


def _with_unit(figure: Any, unit: str) -> Any:
    """A figure whose number is written with its unit; itself where it has no number."""
    value = figure.get("value") if isinstance(figure, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {**figure, "value": f"{value!r} {unit}"} if is_number else figure
