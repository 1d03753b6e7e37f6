"""Whether a model fits a target: memory, flash, operators, and what would make it fit. All figures are estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from edgeopt.core.measurement import Origin
from edgeopt.core.target import Sourced, Target
from edgeopt.graph.costs import Cost
from edgeopt.graph.misfit import Misfit

if TYPE_CHECKING:
    from edgeopt.graph.tflite.arena import Arena, Peak

ON_CPU = "weights and the peak of activations, counted from the graph at batch 1; a runtime takes more"
ON_MCU = (
    "TFLite Micro's arena, planned as its interpreter does with 32-bit pointers: at the least with its reference "
    "kernels, at the most with those of CMSIS-NN; the program's stack and its own data come on top"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a model needs of a kind of memory.

    Attributes:
        needed_bytes: What it takes, at the least where a part is not known to the byte.
        most_bytes: What it takes at the most; None where `needed_bytes` is all.
        limit: What the target has; None where that is not known.
        parts: Bytes that make up what is needed, by what they hold.
        sources: Where a part comes from that is not counted from the model, by what it holds.
    """

    needed_bytes: int
    most_bytes: int | None = None
    limit: Sourced | None
    parts: dict[str, int] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def fits(self) -> bool | None:
        """Whether it is there; None where the limit is not known, or lies between the least and the most."""
        if self.limit is None:
            return None
        if self.needed_bytes > self.limit.value:
            return False
        return True if (self.most_bytes or self.needed_bytes) <= self.limit.value else None

    def as_json(self) -> dict[str, Any]:
        """The need as the JSON record holds it."""
        return {
            "fits": self.fits,
            "needed_bytes": self.needed_bytes,
            "most_bytes": self.most_bytes,
            "limit_bytes": self.limit.value if self.limit else None,
            "source": self.limit.source if self.limit else None,
            "verified": self.limit.verified if self.limit else None,
            "parts": dict(self.parts),
            "sources": dict(self.sources),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Whether a model fits a target.

    Attributes:
        target: The target.
        subject: What the figures are of: the model itself, or what it was converted to for this.
        basis: How they were counted.
        ram: Memory that it works in; None where it cannot be counted.
        flash: Memory that it lies in; None where the target keeps it in files.
        arena: TFLite Micro's, on microcontrollers.
        lacking: Operators that the target's runtime does not run.
        slow: Operators that run slow there.
        advice: What would make it fit, the most useful first.
        notes: What the figures leave out for this model or this target.
        refusal: Why it cannot be told, or why it does not run there at all; empty where neither holds.
        runs: Whether it can run there at all, as far as that is known.
    """

    target: Target
    subject: str
    basis: str
    ram: Need | None
    flash: Need | None = None
    arena: Arena | None = None
    lacking: tuple[Misfit, ...] = ()
    slow: tuple[Misfit, ...] = ()
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str = ""
    runs: bool | None = True

    @property
    def fits(self) -> bool | None:
        """Whether everything is there; None where something is not known and nothing is lacking."""
        known = [need.fits for need in (self.ram, self.flash) if need is not None]
        if self.lacking or False in (*known, self.runs):
            return False
        return None if None in (*known, self.runs) else True

    def as_json(self) -> dict[str, Any]:
        """The fit as `--json` prints it."""
        ram = self.ram
        return {
            "target": self.target.name,
            "kind": self.target.kind,
            "fits": self.fits,
            "fits_memory": ram.fits if ram else None,
            "needed_bytes": ram.needed_bytes if ram else None,
            "ram_bytes": ram.limit.value if ram and ram.limit else None,
            "ram_source": ram.limit.source if ram and ram.limit else None,
            "unit": "B",
            "origin": Origin.ESTIMATED.value,
            "basis": self.basis,
            "subject": self.subject,
            "ram": ram.as_json() if ram else None,
            "flash": self.flash.as_json() if self.flash else None,
            "arena": _arena_json(self.arena) if self.arena else None,
            "peak": _peak_json(self.arena.peak) if self.arena and self.arena.peak else None,
            "lacking": [asdict(one) for one in self.lacking],
            "slow": [asdict(one) for one in self.slow],
            "advice": list(self.advice),
            "notes": list(self.notes),
            "refusal": self.refusal,
        }


def fit_of_cost(cost: Cost, target: Target, *, lacking: Sequence[Misfit] = ()) -> Fit:
    """Whether weights and activations fit the memory of a target that runs an operating system."""
    ram = Need(
        needed_bytes=cost.weight_bytes + cost.activation_peak_bytes,
        limit=target.ram_bytes,
        parts={"weights": cost.weight_bytes, "activations": cost.activation_peak_bytes},
    )
    advice = () if ram.fits is not False else ("int8 in place of float32 takes a quarter: `edgeopt quantize MODEL`",)
    return Fit(target=target, subject="the model", basis=ON_CPU, ram=ram, lacking=tuple(lacking), advice=advice)


def without_fit(target: Target, refusal: str, *, runs: bool | None, hint: str = "") -> Fit:
    """That it does not fit, or cannot be told, and why.

    Args:
        target: The target.
        refusal: Why.
        runs: False where the model does not run there at all; None where that is not known.
        hint: What to do about it.
    """
    advice = (hint,) if hint else ()
    return Fit(target=target, subject="the model", basis="", ram=None, refusal=refusal, runs=runs, advice=advice)


def _arena_json(arena: Arena) -> dict[str, Any]:
    return {
        "needed_bytes": arena.needed_bytes,
        "used_bytes": arena.used_bytes,
        "head_bytes": arena.head_bytes,
        "tail_bytes": arena.tail_bytes,
        "assumed": list(arena.assumed),
    }


def _peak_json(peak: Peak) -> dict[str, Any]:
    return {
        "operator": peak.operator,
        "name": peak.name,
        "live_bytes": peak.live_bytes,
        "buffers": [{"name": name, "bytes": size} for name, size in peak.buffers],
    }
