"""What a step is; `tests/contract/` holds every implementation to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from edgeopt.core.dataset import Dataset

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What a step did.

    Attributes:
        details: Facts for the record, by the JSON keys of the command that runs the step.
        warnings: What the user should know: what happened, the likely cause, and the option to try.
    """

    details: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@runtime_checkable
class Step(Protocol):
    """A frozen dataclass of options whose `apply` makes one model file from another."""

    name: ClassVar[str]

    @property
    def needs_data(self) -> bool:
        """Whether what it makes depends on samples; one that does not is given none."""
        ...

    def apply(self, source: Path, output: Path, data: Dataset, *, progress: Progress | None = None) -> StepReport:
        """Make `output` from `source`.

        Args:
            source: The model file to change; it stays as it is.
            output: Where the changed model goes; its folder exists, and it is written whole or not at all.
            data: Calibration samples, bound to the model's inputs; none where `needs_data` is false.
            progress: Called with (done, total) samples.

        Raises:
            InputError: `source` is not a model that the step can read.
            Unsupported: The step can do nothing for this model.
        """
        ...
