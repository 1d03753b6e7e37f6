"""The step that makes a smaller model from a float one: int8, or another scheme."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from edgeopt.core.dataset import Dataset
from edgeopt.core.profiles import load_target
from edgeopt.core.target import HOST
from edgeopt.errors import InputError, Unsupported, near_names
from edgeopt.graph.calibration_rows import write_calibration_rows
from edgeopt.graph.load import read_proto
from edgeopt.graph.save import save_onnx
from edgeopt.graph.slim import strip_metadata
from edgeopt.steps.protocol import Progress, StepReport
from edgeopt.steps.quantize.scheme import BLOCK_SIZES, IoType, Made, Prefer, Scheme

SchemeName = Literal["auto", "int8", "int8-dynamic", "int4-weights", "fp16"]
RangeOption = Literal["auto", "minmax", "percentile", "entropy", "mse"]
WeightRangeOption = Literal["auto", "minmax", "mse"]
RoundingOption = Literal["auto", "nearest", "gptq", "adaround"]
_BY_USER = "the user keeps it float"

# option -> schemes that read it; elsewhere it must stay as it is by default
STATIC = ("auto", "int8")
_READ_BY: dict[str, tuple[str, ...]] = {
    "per_channel": (*STATIC, "int8-dynamic"),
    "range": STATIC,
    "equalize": STATIC,
    "smooth": STATIC,
    "weight_range": STATIC,
    "rounding": (*STATIC, "int4-weights"),
    "bias_correction": STATIC,
    "measured": STATIC,
    "statistics": STATIC,
    "prefer": get_args(SchemeName),
    "block_size": ("int4-weights",),
    "io": ("fp16",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize:
    """Quantization by one of the schemes.

    Under int8 a correction that is None or `auto` is tried on calibration samples held back for it, and kept where the
    output comes out better.

    Attributes:
        scheme: `int8`, static with quantize/dequantize pairs; `int8-dynamic`, `int4-weights` or `fp16`; `auto` is int8.
        per_channel: One scale per output channel of a weight; otherwise one per weight.
        target: Whose kernels the integer types suit.
        range: How ranges of activations are taken.
        equalize: Cross-layer equalization.
        smooth: SmoothQuant.
        weight_range: How ranges of weights are taken.
        rounding: How weights are rounded.
        bias_correction: Whether biases make up for the mean error of rounded weights.
        keep_float: Names of nodes that stay float.
        measured: Whether nodes that are slower in int8 on this machine are found by running them, and stay float.
        prefer: What stays float by measurement: under `size` nodes whose weights hardly count, under `latency` all.
        statistics: Folder that statistics of activations are taken from, where they were gathered before from the same
            model and samples, and kept in; empty for neither.
        block_size: Weights that share a scale under int4-weights: 16, 32, 64, 128 or 256.
        io: Type of float inputs and outputs under fp16.
    """

    name: ClassVar[str] = "quantize"
    scheme: SchemeName = "auto"
    per_channel: bool = True
    target: str = HOST
    range: RangeOption = "auto"
    equalize: bool | None = None
    smooth: bool | None = None
    weight_range: WeightRangeOption = "auto"
    rounding: RoundingOption = "auto"
    bias_correction: bool | None = None
    keep_float: tuple[str, ...] = ()
    measured: bool = False
    prefer: Prefer = "size"
    statistics: str = ""
    block_size: int = 32
    io: IoType = "float32"

    def __post_init__(self) -> None:
        for option, choices in (
            ("scheme", get_args(SchemeName)),
            ("range", get_args(RangeOption)),
            ("weight_range", get_args(WeightRangeOption)),
            ("rounding", get_args(RoundingOption)),
            ("io", get_args(IoType)),
            ("prefer", get_args(Prefer)),
        ):
            value = getattr(self, option)
            if value not in choices:
                raise InputError(f"`{option}` of quantize is `{value}`", hint=near_names(str(value), choices))
        self._require_types()
        self._require_own_options()

    def _require_types(self) -> None:
        for option in ("per_channel", "measured"):
            if not isinstance(getattr(self, option), bool):
                raise InputError(f"`{option}` of quantize is `{getattr(self, option)}`", hint="write true or false")
        for option in ("equalize", "smooth", "bias_correction"):
            if not isinstance(getattr(self, option), bool | None):
                raise InputError(
                    f"`{option}` of quantize is `{getattr(self, option)}`",
                    hint="write true or false, or leave it out: then it is tried",
                )
        if not isinstance(self.statistics, str):
            raise InputError(f"`statistics` of quantize is `{self.statistics}`", hint="name a folder")
        if not isinstance(self.target, str):
            raise InputError(f"`target` of quantize is `{self.target}`", hint="name one of `edgeopt targets list`")
        if self.measured and self.target != HOST:
            raise InputError(
                f"`measured` of quantize does not go with target `{self.target}`: it is not this machine",
                hint="leave it out, or quantize on the device itself",
            )
        given: Any = self.keep_float  # a recipe's tables give what they like
        if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
            raise InputError(f"`keep_float` of quantize is `{self.keep_float}`", hint='write a list: ["node", ...]')
        object.__setattr__(self, "keep_float", tuple(given))
        if isinstance(self.block_size, bool) or self.block_size not in BLOCK_SIZES:
            raise InputError(
                f"`block_size` of quantize is `{self.block_size}`", hint=f"one of {', '.join(map(str, BLOCK_SIZES))}"
            )

    def _require_own_options(self) -> None:
        """Refuse an option that the scheme would not read."""
        for field in fields(self):
            read_by = _READ_BY.get(field.name, (self.scheme,))
            if self.scheme not in read_by and getattr(self, field.name) != field.default:
                raise InputError(
                    f"`{field.name}` of quantize says nothing to scheme `{self.scheme}`",
                    hint=f"leave it out, or choose another scheme: {', '.join(read_by)}",
                )

    @property
    def ending(self) -> str:
        """That of an ONNX model."""
        return ".onnx"

    @property
    def takes_data(self) -> bool:
        """Whether samples may change what it makes."""
        return self._scheme().takes_data

    @property
    def needs_data(self) -> bool:
        """Whether it cannot do without samples."""
        return self._scheme().needs_data

    def _scheme(self) -> Scheme:
        target, kept = load_target(self.target), dict.fromkeys(self.keep_float, _BY_USER)
        if target.is_integer_only and self.scheme not in STATIC:
            raise Unsupported(
                f"scheme `{self.scheme}` computes in floats, and `{target.name}` runs int8 alone",
                hint="leave `--scheme` out: int8 with samples from `--data` is what it takes",
            )
        if self.scheme == "int8-dynamic":
            from edgeopt.steps.quantize.dynamic import Int8Dynamic

            return Int8Dynamic(target=target, per_channel=self.per_channel, keep_float=kept)
        if self.scheme == "int4-weights":
            from edgeopt.steps.quantize.int4 import Int4Weights

            return Int4Weights(target=target, block_size=self.block_size, rounding=self.rounding, keep_float=kept)
        if self.scheme == "fp16":
            from edgeopt.steps.quantize.half import Half

            return Half(target=target, io=self.io, keep_float=kept)
        from edgeopt.steps.quantize.choice.choose import Wishes
        from edgeopt.steps.quantize.int8 import Int8Static

        wishes = Wishes(
            equalize=self.equalize,
            smooth=self.smooth,
            range=self.range,
            weight_range=self.weight_range,
            rounding=self.rounding,
            correct_bias=self.bias_correction,
        )
        return Int8Static(
            target=target,
            per_channel=self.per_channel,
            wishes=wishes,
            keep_float=kept,
            measures=self.measured,
            prefer=self.prefer,
            statistics=Path(self.statistics) if self.statistics else None,
        )

    def apply(self, source: Path, output: Path, data: Dataset, *, progress: Progress | None = None) -> StepReport:
        """Make the model `output` from the float model `source`, calibrated on `data` where the scheme needs it.

        Raises:
            InputError: The model cannot be read, fails on the data, or is quantized already.
            Unsupported: Nothing in the model runs under the scheme, or the target runs integers alone and the scheme
                does not.
        """
        from edgeopt.steps.quantize.prepare import prepared

        scheme = self._scheme()
        if self.scheme == "fp16":
            from edgeopt.steps.quantize.half import require_float32

            require_float32(read_proto(source), source=source)
        ready = prepared(source)
        made = scheme.make(ready.model, data, source=source, progress=progress)
        strip_metadata(made.model)
        made.model.producer_name = "edgeopt"
        if scheme.takes_data and len(data):
            write_calibration_rows(made.model, data)
        save_onnx(made.model, output)
        return StepReport(details=self._details(made), warnings=(*ready.warnings, *made.warnings))

    def _details(self, made: Made) -> dict[str, Any]:
        name = "int8" if self.scheme == "auto" else self.scheme
        return {
            "scheme": {"name": name, **made.facts, "target": self.target},
            "kept_float": [{"node": node, "reason": why} for node, why in made.kept_float.items()],
            **made.details,
        }
