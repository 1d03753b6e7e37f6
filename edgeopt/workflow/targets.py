"""`edgeopt targets`: device profiles."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgeopt.core.profiles import load_target, target_names
from edgeopt.core.target import Sourced, Target


def list_targets() -> dict[str, Any]:
    """Name and description of every target."""
    return {"targets": [{"name": name, "description": load_target(name).description} for name in target_names()]}


def show_target(name: str) -> dict[str, Any]:
    """One target: what it is, and each figure with its unit and source.

    Raises:
        InputError: There is no such target.
    """
    target = load_target(name)
    figures = {"cores": ("1", target.cores), "clock_hz": ("Hz", target.clock_hz), "ram_bytes": ("B", target.ram_bytes)}
    return {
        "name": target.name,
        "description": target.description,
        "architecture": target.architecture,
        "isa": sorted(target.isa),
        "isa_source": target.isa_source,
        "int8": _int8(target),
        "figures": {
            key: {**asdict(figure), "unit": unit}
            for key, (unit, figure) in figures.items()
            if isinstance(figure, Sourced)
        },
    }


def _int8(target: Target) -> dict[str, Any]:
    from edgeopt.steps.quantize.types import int8_types

    types = int8_types(target)
    return {**types.as_json(), "reason": types.reason}
