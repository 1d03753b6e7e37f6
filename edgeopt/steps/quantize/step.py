"""The step that makes an int8 model from a float one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from edgeopt.core.dataset import Dataset
from edgeopt.core.profiles import load_target
from edgeopt.core.target import HOST
from edgeopt.errors import InputError, near_names
from edgeopt.graph.calibration_rows import write_calibration_rows
from edgeopt.graph.save import save_onnx
from edgeopt.steps.protocol import Progress, StepReport
from edgeopt.steps.quantize.choose import Wishes
from edgeopt.steps.quantize.int8 import Int8Model, int8_model
from edgeopt.steps.quantize.prepare import prepared
from edgeopt.steps.quantize.types import Int8Types, int8_types

Scheme = Literal["auto", "int8"]
RangeOption = Literal["auto", "minmax", "percentile", "entropy", "mse"]
WeightRangeOption = Literal["auto", "minmax", "mse"]
RoundingOption = Literal["auto", "nearest", "gptq", "adaround"]
_BY_USER = "the user keeps it float"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize:
    """Static int8 quantization with quantize/dequantize pairs.

    A correction that is None or `auto` is tried on calibration samples held back for it, and kept where the output
    comes out better.

    Attributes:
        scheme: `int8`; `auto` is int8 too.
        per_channel: One scale per output channel of a weight; otherwise one per weight.
        target: Whose kernels the integer types suit.
        range: How ranges of activations are taken.
        equalize: Cross-layer equalization.
        smooth: SmoothQuant.
        weight_range: How ranges of weights are taken.
        rounding: How weights are rounded.
        bias_correction: Whether biases make up for the mean error of rounded weights.
        keep_float: Names of nodes that stay float.
    """

    name: ClassVar[str] = "quantize"
    scheme: Scheme = "auto"
    per_channel: bool = True
    target: str = HOST
    range: RangeOption = "auto"
    equalize: bool | None = None
    smooth: bool | None = None
    weight_range: WeightRangeOption = "auto"
    rounding: RoundingOption = "auto"
    bias_correction: bool | None = None
    keep_float: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for option, choices in (
            ("scheme", get_args(Scheme)),
            ("range", get_args(RangeOption)),
            ("weight_range", get_args(WeightRangeOption)),
            ("rounding", get_args(RoundingOption)),
        ):
            value = getattr(self, option)
            if value not in choices:
                raise InputError(f"`{option}` of quantize is `{value}`", hint=near_names(str(value), choices))
        if not isinstance(self.per_channel, bool):
            raise InputError(f"`per_channel` of quantize is `{self.per_channel}`", hint="write true or false")
        for option in ("equalize", "smooth", "bias_correction"):
            if not isinstance(getattr(self, option), bool | None):
                raise InputError(
                    f"`{option}` of quantize is `{getattr(self, option)}`",
                    hint="write true or false, or leave it out: then it is tried",
                )
        if not isinstance(self.target, str):
            raise InputError(f"`target` of quantize is `{self.target}`", hint="name one of `edgeopt targets list`")
        given: Any = self.keep_float  # a recipe's tables give what they like
        if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
            raise InputError(f"`keep_float` of quantize is `{self.keep_float}`", hint='write a list: ["node", ...]')
        object.__setattr__(self, "keep_float", tuple(given))

    def apply(self, source: Path, output: Path, data: Dataset, *, progress: Progress | None = None) -> StepReport:
        """Make the int8 model `output` from the float model `source`, calibrated on `data`.

        Raises:
            InputError: The model cannot be read, fails on the data, or is quantized already.
            Unsupported: Nothing in the model runs on integers.
        """
        types = int8_types(load_target(self.target))
        ready = prepared(source)
        made = int8_model(
            ready.model,
            data,
            source=source,
            types=types,
            per_channel=self.per_channel,
            wishes=self._wishes(),
            keep_float=dict.fromkeys(self.keep_float, _BY_USER),
            progress=progress,
        )
        made.model.producer_name = "edgeopt"
        write_calibration_rows(made.model, data)
        save_onnx(made.model, output)
        return StepReport(details=self._details(types, made), warnings=(*ready.warnings, *made.warnings))

    def _wishes(self) -> Wishes:
        return Wishes(
            equalize=self.equalize,
            smooth=self.smooth,
            range=self.range,
            weight_range=self.weight_range,
            rounding=self.rounding,
            correct_bias=self.bias_correction,
        )

    def _details(self, types: Int8Types, made: Int8Model) -> dict[str, Any]:
        return {
            "scheme": {
                "name": "int8",
                **types.as_json(),
                "per_channel": self.per_channel,
                "target": self.target,
                "reason": types.reason,
            },
            **made.as_json(),
        }
