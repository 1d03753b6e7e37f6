"""What the planning of a rule starts from: the situation, and experiments under one assumption or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgeopt.judge.plan.history import History
from edgeopt.judge.plan.nouns import Known, Unit
from edgeopt.judge.power import Experiment
from edgeopt.judge.rules import Rule
from edgeopt.judge.slices import SMALLEST_SLICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the next gate will have at hand, and what earlier runs tell.

    Attributes:
        samples: Samples that it judges; None without data.
        slices: Column -> `column=value` -> samples.
        has_labels: Whether the samples have labels.
        cluster: Column of samples that depend on each other; empty where none do.
        processes: Fresh processes that it times in.
        held_processes: Processes that a recorded baseline was timed in, which is not timed again; 0 where the original
            is timed by turns with the candidate.
        histories: Earlier runs, the one to believe first.
        seconds: Expected time of measuring in so many processes, where a call of the candidate takes so long (None: not
            known); None where that cannot be told.
    """

    samples: int | None = None
    slices: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    has_labels: bool = True
    cluster: str = ""
    processes: int = 10
    held_processes: int = 0
    histories: tuple[History, ...] = ()
    seconds: Callable[[int, float | None], float] | None = None

    def parts(self, rule: Rule) -> dict[str, int]:
        """Samples of each part that a rule about samples is judged on, too small ones included; of all under ""."""
        if rule.slice_column:
            return dict(self.slices.get(rule.slice_column, {}))
        return {} if self.samples is None else {"": self.samples}

    def judged_parts(self, rule: Rule) -> dict[str, int]:
        """The parts that are large enough to be judged."""
        return {part: n for part, n in self.parts(rule).items() if not part or n >= SMALLEST_SLICE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """An assumption, and the experiments that a rule is under it.

    Attributes:
        assumption: What is taken to be true, in words.
        inputs: The figures that it rests on.
        experiment: From a part (empty for all samples, or for processes) to the experiment on it.
    """

    assumption: str
    inputs: tuple[Known, ...]
    experiment: Callable[[str], Experiment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """How a rule is planned.

    Attributes:
        unit: What is counted.
        scenarios: The one to plan with first; empty where something is not known.
        to_quantity: From the axis of the experiments to the quantity of the rule, in its base unit.
        floor: The lowest limit or truth on the axis that makes sense.
        breaches: Truths beyond the limit to tell of, on the axis.
        least: The fewest units that can be judged.
        missing: What is not known, and the command that finds it out.
        call_seconds: Time per call of the candidate, where it was measured.
    """

    unit: Unit = "samples"
    scenarios: tuple[Scenario, ...] = ()
    to_quantity: Callable[[float], float] = float
    floor: float = -1.0
    breaches: tuple[float, ...] = ()
    least: int = 1
    missing: str = ""
    call_seconds: float | None = None
