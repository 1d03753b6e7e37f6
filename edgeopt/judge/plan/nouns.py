"""The nouns of a plan: what is known, what a rule needs under an assumption, and the plan of one rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from edgeopt.core.measurement import Origin

# chance: decided by bounds; plain: held to the limit as it is; unknown: its noise is not known yet; unmeasured: nothing
# here measures it.
Kind = Literal["chance", "plain", "unknown", "unmeasured"]
Unit = Literal["samples", "processes", "measurements"]
Needed = dict[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A figure that a plan rests on.

    Attributes:
        name: `discordance` (samples that change sides), `flip_rate`, `difference` or `slowdown` (of a recorded
            candidate), `deviation` (of one sample or process), or a metric.
        value: In `unit`; a share in [0, 1] for `%` and `pt`.
        unit: `%`, `pt`, `s`, or `1` for plain numbers.
        origin: Where it was measured; `estimated` where it is assumed.
        source: The run that it is from, or why it is assumed.
    """

    name: str
    value: float
    unit: str = "1"
    origin: Origin = Origin.ESTIMATED
    source: str

    def as_json(self) -> dict[str, Any]:
        """The entry under `inputs`."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "origin": self.origin.value,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A truth beyond the limit, and what shows it.

    Attributes:
        truth: The figure of the rule, in the unit of its limit: a difference where it is relative to the baseline.
        told: The same in words.
        needed: Units from which on the rule fails, by probability in per cent.
        power: The probability that it fails with the units at hand; None where nothing is at hand.
    """

    truth: float
    told: str
    needed: Needed
    power: float | None

    def as_json(self) -> dict[str, Any]:
        """The entry under `fails`."""
        return {"truth": self.truth, "told": self.told, "needed": self.needed, "power": self.power}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a rule needs under one assumption.

    Attributes:
        assumption: What is taken to be true, in words.
        inputs: The figures that it rests on.
        needed: Units from which on the rule passes, by probability in per cent; None where no number does.
        power: The probability that it passes with the units at hand; None where nothing is at hand.
        strictest: The strictest limit that the units at hand show to be kept with probability 80 %, as a rule to copy;
            empty where there is none.
        strictest_limit: Its quantity in the base unit.
        detects: The truth nearest to the limit that the units at hand show to break it with 80 %, in the unit of the
            limit; None where there is none.
        detects_told: The same in words.
        fails: Some truths beyond the limit.
    """

    assumption: str
    inputs: tuple[Known, ...]
    needed: Needed
    power: float | None
    strictest: str = ""
    strictest_limit: float | None = None
    detects: float | None = None
    detects_told: str = ""
    fails: tuple[Breach, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The case under its JSON keys."""
        return {
            "assumption": self.assumption,
            "inputs": [known.as_json() for known in self.inputs],
            "needed": self.needed,
            "power": self.power,
            "strictest": self.strictest or None,
            "strictest_limit": self.strictest_limit,
            "detects": self.detects,
            "detects_told": self.detects_told or None,
            "fails": [breach.as_json() for breach in self.fails],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicePlan:
    """One slice of a rule about slices.

    Attributes:
        part: `column=value`.
        at_hand: Samples in it.
        is_judged: Whether they are enough to be judged at all.
        needed: Samples in this slice from which on the whole rule passes, as far as it depends on it.
        power: The probability that this slice keeps the limit with the samples at hand; None where it is not judged.
    """

    part: str
    at_hand: int
    is_judged: bool
    needed: Needed = field(default_factory=dict)
    power: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The entry under `slices`."""
        return {
            "slice": self.part,
            "at_hand": self.at_hand,
            "is_judged": self.is_judged,
            "needed": self.needed,
            "power": self.power,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePlan:
    """What one rule needs.

    Attributes:
        rule: As the user wrote it.
        kind: How it is decided.
        unit: What is counted.
        at_hand: How many of them the next gate has; of a rule about slices in the smallest that is judged. None where
            that is not known.
        cases: What it needs, by assumption; the first is the one to plan with. Empty where nothing can be computed.
        slices: One entry per value of the slice column.
        fail_level: The level at which it must be broken to fail, in the worst case of Holm's method.
        seconds: Expected time of measuring, by `at_hand`, `80` and `95`; empty where nothing is timed.
        advice: What to do, in one line.
    """

    rule: str
    kind: Kind
    unit: Unit
    at_hand: int | None = None
    cases: tuple[Case, ...] = ()
    slices: tuple[SlicePlan, ...] = ()
    fail_level: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    advice: str = ""

    @property
    def main(self) -> Case | None:
        """The case to plan with."""
        return self.cases[0] if self.cases else None

    def as_json(self) -> dict[str, Any]:
        """The entry under `plan`: the case to plan with at the top, all of them under `cases`."""
        nothing = Case(assumption="", inputs=(), needed={"80": None, "95": None}, power=None)
        return {
            "rule": self.rule,
            "kind": self.kind,
            "unit": self.unit,
            "at_hand": self.at_hand,
            **(self.main or nothing).as_json(),
            "origin": Origin.ESTIMATED.value,
            "pass_level": 0.05 if self.kind == "chance" else None,
            "fail_level": self.fail_level,
            "cases": [case.as_json() for case in self.cases],
            "slices": [part.as_json() for part in self.slices],
            "seconds": self.seconds or None,
            "advice": self.advice,
        }
