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
    def ending(self) -> str:
        """That of the file that it makes, as in `.onnx`."""
        ...

    @property
    def takes_data(self) -> bool:
        """Whether samples may change what it makes; one that does not take them is given none."""
        ...

    @property
    def needs_data(self) -> bool:
        """Whether it cannot do without samples, so that random ones stand in."""
        ...

    def apply(self, source: Path, output: Path, data: Dataset, *, progress: Progress | None = None) -> StepReport:
        """Make `output` from `source`.

        Args:
            source: The model file to change; it stays as it is.
            output: Where the changed model goes; its folder exists, and it is written whole or not at all.
            data: Calibration samples, bound to the model's inputs; none where `takes_data` is false, and perhaps none
                where `needs_data` is.
            progress: Called with (done, total) samples.

        Raises:
            InputError: `source` is not a model that the step can read.
            Unsupported: The step can do nothing for this model.
        """
        ...
