"""The step that makes an int8 model from a float one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from edgeopt.core.dataset import Dataset
from edgeopt.core.profiles import load_target
from edgeopt.core.target import HOST
from edgeopt.errors import InputError, Unsupported, near_names
from edgeopt.graph.calibration_rows import write_calibration_rows
from edgeopt.graph.runtime import RUNTIME_HINT, first_cause
from edgeopt.graph.save import save_onnx
from edgeopt.steps.protocol import Progress, StepReport
from edgeopt.steps.quantize.affine import ActivationParameters, activation_parameters
from edgeopt.steps.quantize.calibrate import Range, calibrate_minmax
from edgeopt.steps.quantize.doubts import calibration_doubts
from edgeopt.steps.quantize.place import Placement, place
from edgeopt.steps.quantize.prepare import prepared
from edgeopt.steps.quantize.types import Int8Types, int8_types

if TYPE_CHECKING:
    import onnx

Scheme = Literal["auto", "int8"]
RangeMethod = Literal["auto", "minmax"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize:
    """Static int8 quantization with quantize/dequantize pairs.

    Attributes:
        scheme: `int8`; `auto` is int8 too.
        per_channel: One scale per output channel of a weight; otherwise one per weight.
        target: Whose kernels the integer types suit.
        range: How ranges of activations are taken: `minmax`; `auto` is minmax too.
    """

    name: ClassVar[str] = "quantize"
    scheme: Scheme = "auto"
    per_channel: bool = True
    target: str = HOST
    range: RangeMethod = "auto"

    def __post_init__(self) -> None:
        for option, value, choices in (
            ("scheme", self.scheme, get_args(Scheme)),
            ("range", self.range, get_args(RangeMethod)),
        ):
            if value not in choices:
                raise InputError(f"`{option}` of quantize is `{value}`", hint=near_names(str(value), choices))
        if not isinstance(self.per_channel, bool):
            raise InputError(f"`per_channel` of quantize is `{self.per_channel}`", hint="write true or false")
        if not isinstance(self.target, str):
            raise InputError(f"`target` of quantize is `{self.target}`", hint="name one of `edgeopt targets list`")

    def apply(self, source: Path, output: Path, data: Dataset, *, progress: Progress | None = None) -> StepReport:
        """Make the int8 model `output` from the float model `source`, calibrated on `data`.

        Raises:
            InputError: The model cannot be read, fails on the data, or is quantized already.
            Unsupported: Nothing in the model runs on integers.
        """
        types = int8_types(load_target(self.target))
        ready = prepared(source)
        result, placement, doubts = self._quantized(ready.model, types, data, source, progress)
        result.producer_name = "edgeopt"
        write_calibration_rows(result, data)
        save_onnx(result, output)
        return StepReport(details=self._details(types, placement), warnings=(*ready.warnings, *doubts))

    def _quantized(
        self, model: onnx.ModelProto, types: Int8Types, data: Dataset, source: Path, progress: Progress | None
    ) -> tuple[onnx.ModelProto, Placement, tuple[str, ...]]:
        import onnx_ir as ir

        from edgeopt.steps.quantize.write import Writer

        try:
            intermediate = ir.serde.deserialize_model(model)
        except (ir.serde.SerdeError, ValueError, TypeError) as error:
            raise InputError(f"`{source}` cannot be taken apart: {first_cause(error)}", hint=RUNTIME_HINT) from error
        placement = place(intermediate.graph, thin_channels=types.thin_channels)
        if not placement.nodes:
            raise Unsupported(
                f"nothing in `{source}` runs on integers: {_first_reason(placement)}",
                hint="`edgeopt inspect` lists its operators",
            )
        roots = sorted({placement.root(name) for name in placement.tensors})
        ranges = calibrate_minmax(model, roots, data, progress=progress)
        Writer(
            graph=intermediate.graph,
            placement=placement,
            parameters=_parameters(ranges, types),
            types=types,
            per_channel=self.per_channel,
        ).write()
        try:
            return ir.serde.serialize_model(intermediate), placement, calibration_doubts(data, ranges)
        except ir.serde.SerdeError as error:
            raise InputError(f"`{source}` cannot be written again: {first_cause(error)}", hint=RUNTIME_HINT) from error

    def _details(self, types: Int8Types, placement: Placement) -> dict[str, Any]:
        return {
            "scheme": {
                "name": "int8",
                **types.as_json(),
                "per_channel": self.per_channel,
                "target": self.target,
                "reason": types.reason,
            },
            "kept_float": [{"node": node, "reason": why} for node, why in placement.kept_float.items()],
        }


def _parameters(ranges: dict[str, Range], types: Int8Types) -> dict[str, ActivationParameters]:
    return {name: activation_parameters(found.low, found.high, types) for name, found in ranges.items()}


def _first_reason(placement: Placement) -> str:
    return next((f"`{node}`: {why}" for node, why in placement.kept_float.items()), "it has no weighted operator")
