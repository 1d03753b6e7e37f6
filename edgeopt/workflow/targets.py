"""`edgeopt targets`: device profiles, and the check of a profile of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeopt.core.profiles import faults_of_file, load_target, target_names
from edgeopt.core.target import Target
from edgeopt.errors import InputError

# suffix of an attribute of `Target` -> unit
_UNITS = {"_hz": "Hz", "_bytes_per_second": "B/s", "_bytes": "B", "_w": "W"}
# figure -> what is not known without it; of microcontrollers those of their memory
_WANTED = {
    "clock_hz": "no estimate of time",
    "ram_bytes": "whether a model fits its memory is not said",
    "flash_bytes": "whether a model fits its flash is not said",
}
_OF_MICROCONTROLLERS = frozenset({"flash_bytes"})


def list_targets() -> dict[str, Any]:
    """Name, kind, architecture and description of every target."""
    return {"targets": [_entry(load_target(name)) for name in target_names()]}


def _entry(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "kind": target.kind,
        "architecture": target.architecture,
        "int8_dot_product": target.has_int8_dot_product,
        "description": target.description,
    }


def show_target(name: str) -> dict[str, Any]:
    """One target: what it is, and each figure with its unit and source.

    Raises:
        InputError: There is no such target.
    """
    target = load_target(name)
    return {
        "name": target.name,
        "description": target.description,
        "kind": target.kind,
        "architecture": target.architecture,
        "core": target.core,
        "isa": sorted(target.isa),
        "isa_source": target.isa_source,
        "isa_verified": target.isa_verified,
        "int8_dot_product": target.has_int8_dot_product,
        "dtypes": list(target.dtypes),
        "dtypes_source": target.dtypes_source,
        "runtime": asdict(target.runtime) if target.runtime else None,
        "quantization": asdict(target.quantization),
        "int8": _int8(target),
        "figures": {key: {**asdict(figure), "unit": _unit(key)} for key, figure in target.figures()},
    }


def _unit(figure: str) -> str:
    return next((unit for suffix, unit in _UNITS.items() if figure.endswith(suffix)), "1")


def _int8(target: Target) -> dict[str, Any]:
    from edgeopt.steps.quantize.types import int8_types

    types = int8_types(target)
    return {**types.as_json(), "reason": types.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """What `targets check` finds in one file.

    Attributes:
        path: The file.
        faults: What keeps it from being a profile, each with its key; none where it is one.
        target: The target that it describes; None where it has faults.
    """

    path: str
    faults: tuple[str, ...]
    target: Target | None = None

    def as_json(self) -> dict[str, Any]:
        """The entry in the record that `--json` prints."""
        return {
            "path": self.path,
            "name": self.target.name if self.target else None,
            "is_usable": self.target is not None,
            "faults": list(self.faults),
            "unverified": self._unverified(),
            "missing": self._missing(),
        }

    def _unverified(self) -> list[str]:
        if self.target is None:
            return []
        named = {"runtime": self.target.runtime, "quantization": self.target.quantization}
        return [
            *(key for key, figure in self.target.figures() if not figure.verified),
            *(["isa"] if not self.target.isa_verified else []),
            *(key for key, found in named.items() if found is not None and not found.verified),
        ]

    def _missing(self) -> list[str]:
        """Figures that are left out, with what is not known without them."""
        if self.target is None:
            return []
        known, kind = dict(self.target.figures()), self.target.kind
        wanted = {key: why for key, why in _WANTED.items() if kind == "mcu" or key not in _OF_MICROCONTROLLERS}
        return [f"{key}: {why}" for key, why in wanted.items() if key not in known]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCheck:
    """What `targets check` gives.

    Attributes:
        files: One entry per file, in the order given.
    """

    files: tuple[CheckedFile, ...]

    @property
    def is_usable(self) -> bool:
        """Whether all files are profiles."""
        return all(entry.target is not None for entry in self.files)

    @property
    def exit_code(self) -> int:
        """0 where all files are profiles, else that of input that cannot be read."""
        return 0 if self.is_usable else InputError.exit_code

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        record = {"is_usable": self.is_usable, "files": [entry.as_json() for entry in self.files]}
        return record if self.is_usable else {**record, "error": self._error()}

    def _error(self) -> dict[str, Any]:
        """What every command prints on failure."""
        faulty = [f"`{entry.path}`: " + "; ".join(entry.faults) for entry in self.files if entry.target is None]
        return {"code": self.exit_code, "message": " | ".join(faulty), "hint": "docs/targets.md says every key"}


def check_targets(paths: Sequence[str | Path]) -> TargetCheck:
    """Every fault of every profile in `paths`, files of the user's own.

    A file that cannot be read is a fault of it, not a failure: the others are checked all the same.
    """
    return TargetCheck(files=tuple(_checked(Path(path)) for path in paths))


def _checked(path: Path) -> CheckedFile:
    faults = tuple(faults_of_file(path))
    return CheckedFile(path=str(path), faults=faults, target=None if faults else load_target(str(path)))
