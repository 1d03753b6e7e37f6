"""What a scheme makes of a prepared model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError
from edgeopt.graph.runtime import RUNTIME_HINT, first_cause
from edgeopt.steps.protocol import Progress

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir


IoType = Literal["float32", "float16"]
Prefer = Literal["size", "latency"]
BLOCK_SIZES = (16, 32, 64, 128, 256)  # what the kernels of MatMulNBits know


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A model, and what is told of it.

    Attributes:
        model: The model that was made.
        facts: The keys of `scheme` in the record that are the scheme's own.
        kept_float: Name of a node -> why it stays float.
        details: Further keys of the record.
        warnings: What the user should know.
    """

    model: onnx.ModelProto
    facts: Mapping[str, Any]
    kept_float: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Scheme(Protocol):
    """A frozen dataclass of options whose `make` changes the numbers of a model."""

    @property
    def takes_data(self) -> bool:
        """Whether samples may change what it makes."""
        ...

    @property
    def needs_data(self) -> bool:
        """Whether it cannot do without samples, so that random ones stand in."""
        ...

    def make(self, model: onnx.ModelProto, data: Dataset, *, source: Path, progress: Progress | None = None) -> Made:
        """What becomes of a folded float model.

        Args:
            model: The folded model; it may be changed.
            data: Samples bound to the model's inputs; none where `takes_data` is false, or there are none.
            source: The file that it was read from, for messages.
            progress: Called with (done, total) pieces of work.

        Raises:
            InputError: The model cannot be taken apart, or fails on the data.
            Unsupported: The scheme can do nothing for it.
        """
        ...


def taken_apart(model: onnx.ModelProto, *, source: Path) -> ir.Model:
    """The model as `onnx_ir` holds it.

    Raises:
        InputError: It cannot be taken apart.
    """
    import onnx_ir as ir

    try:
        return ir.serde.deserialize_model(model)
    except (ir.serde.SerdeError, ValueError, TypeError) as error:
        raise InputError(f"`{source}` cannot be taken apart: {first_cause(error)}", hint=RUNTIME_HINT) from error


def put_together(model: ir.Model, *, source: Path) -> onnx.ModelProto:
    """The model as ONNX files hold it.

    Raises:
        InputError: It cannot be written again.
    """
    import onnx_ir as ir

    try:
        return ir.serde.serialize_model(model)
    except ir.serde.SerdeError as error:
        raise InputError(f"`{source}` cannot be written again: {first_cause(error)}", hint=RUNTIME_HINT) from error
