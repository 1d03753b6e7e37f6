"""The step that makes a smaller model from a float one: int8, or another scheme."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from edgeopt.core.dataset import Dataset
from edgeopt.core.files import replacing
from edgeopt.core.profiles import load_target
from edgeopt.core.target import HOST
from edgeopt.errors import InputError, Unsupported, near_names
from edgeopt.graph.calibration_rows import write_calibration_rows
from edgeopt.graph.fold import folded
from edgeopt.graph.load import load_onnx
from edgeopt.graph.padding import merge_padding
from edgeopt.graph.quantization import quantization_state
from edgeopt.graph.runtime import RUNTIME_HINT, first_cause
from edgeopt.steps.protocol import Progress, StepReport
from edgeopt.steps.quantize.affine import ActivationParameters, activation_parameters
from edgeopt.steps.quantize.calibrate import Range, calibrate_minmax
from edgeopt.steps.quantize.dynamic import Int8Dynamic
from edgeopt.steps.quantize.half import Half, IoType, require_float32
from edgeopt.steps.quantize.int4 import BLOCK_SIZES, Int4Weights
from edgeopt.steps.quantize.place import Placement, place
from edgeopt.steps.quantize.scheme import Made
from edgeopt.steps.quantize.scheme import Scheme as OtherScheme
from edgeopt.steps.quantize.types import Int8Types, int8_types

if TYPE_CHECKING:
    import onnx

# Per-channel DequantizeLinear came with opset 13; 17 is what torch exports and every current runtime reads.
_SMALLEST_OPSET = 13
_UPGRADE_OPSET = 17
_ML_DOMAIN = "ai.onnx.ml"

Scheme = Literal["auto", "int8", "int8-dynamic", "int4-weights", "fp16"]
RangeMethod = Literal["auto", "minmax"]
Rounding = Literal["auto", "nearest"]

# option -> schemes that read it; elsewhere it must stay as it is by default
_READ_BY: dict[str, tuple[str, ...]] = {
    "per_channel": ("auto", "int8", "int8-dynamic"),
    "range": ("auto", "int8"),
    "block_size": ("int4-weights",),
    "rounding": ("int4-weights",),
    "io": ("fp16",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize:
    """Quantization by one of the schemes.

    Attributes:
        scheme: `int8`, static with quantize/dequantize pairs; `int8-dynamic`, `int4-weights` or `fp16`; `auto` is int8.
        per_channel: One scale per output channel of a weight; otherwise one per weight.
        target: Whose kernels the integer types suit.
        range: How ranges of activations are taken: `minmax`; `auto` is minmax too.
        block_size: Weights that share a scale under int4-weights: 16, 32, 64, 128 or 256.
        rounding: How weights are rounded under int4-weights: to the `nearest`, which `auto` is too.
        io: Type of float inputs and outputs under fp16.
    """

    name: ClassVar[str] = "quantize"
    scheme: Scheme = "auto"
    per_channel: bool = True
    target: str = HOST
    range: RangeMethod = "auto"
    block_size: int = 32
    rounding: Rounding = "auto"
    io: IoType = "float32"

    def __post_init__(self) -> None:
        for option, value, choices in (
            ("scheme", self.scheme, get_args(Scheme)),
            ("range", self.range, get_args(RangeMethod)),
            ("rounding", self.rounding, get_args(Rounding)),
            ("io", self.io, get_args(IoType)),
        ):
            if value not in choices:
                raise InputError(f"`{option}` of quantize is `{value}`", hint=near_names(str(value), choices))
        if not isinstance(self.per_channel, bool):
            raise InputError(f"`per_channel` of quantize is `{self.per_channel}`", hint="write true or false")
        if not isinstance(self.target, str):
            raise InputError(f"`target` of quantize is `{self.target}`", hint="name one of `edgeopt targets list`")
        if isinstance(self.block_size, bool) or self.block_size not in BLOCK_SIZES:
            raise InputError(
                f"`block_size` of quantize is `{self.block_size}`", hint=f"one of {', '.join(map(str, BLOCK_SIZES))}"
            )
        self._require_own_options()

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
    def needs_data(self) -> bool:
        """Whether what it makes depends on samples."""
        other = self._other_scheme()
        return other is None or other.needs_data

    def _other_scheme(self) -> OtherScheme | None:
        """The scheme, unless it is int8."""
        if self.scheme == "int8-dynamic":
            return Int8Dynamic(target=load_target(self.target), per_channel=self.per_channel)
        if self.scheme == "int4-weights":
            return Int4Weights(target=load_target(self.target), block_size=self.block_size)
        return Half(target=load_target(self.target), io=self.io) if self.scheme == "fp16" else None

    def apply(self, source: Path, output: Path, data: Dataset, *, progress: Progress | None = None) -> StepReport:
        """Make the model `output` from the float model `source`, calibrated on `data` where the scheme needs it.

        Raises:
            InputError: The model cannot be read, fails on the data, or is quantized already.
            Unsupported: Nothing in the model runs under the scheme.
        """
        model = load_onnx(source)
        _require_float(model, source)
        if self.scheme == "fp16":
            require_float32(model, source=source)
        other = self._other_scheme()
        types = int8_types(load_target(self.target))
        warnings = [] if self.scheme in ("int4-weights", "fp16") else _upgrade_opset(model, source)
        model = folded(model, where=str(source))
        if _has_cast_constants(model):
            # ONNX Runtime widens float16 weights behind its constant folding; the next one folds the casts.
            model = folded(model, where=str(source))
        merge_padding(model.graph)
        if other:
            made = other.make(model, data, source=source, progress=progress)
            result, details = made.model, self._details_of(made)
            warnings += made.warnings
        else:
            result, placement = self._quantized(model, types, data, source, progress)
            details = self._details(types, placement)
        result.producer_name = "edgeopt"
        if self.needs_data:
            write_calibration_rows(result, data)
        with replacing(output, force=True) as temporary:
            temporary.write_bytes(result.SerializeToString())
        return StepReport(details=details, warnings=tuple(warnings))

    def _details_of(self, made: Made) -> dict[str, Any]:
        return {
            "scheme": {"name": self.scheme, **made.facts, "target": self.target},
            "kept_float": [{"node": node, "reason": why} for node, why in made.kept_float.items()],
        }

    def _quantized(
        self, model: onnx.ModelProto, types: Int8Types, data: Dataset, source: Path, progress: Progress | None
    ) -> tuple[onnx.ModelProto, Placement]:
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
            return ir.serde.serialize_model(intermediate), placement
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


def _require_float(model: onnx.ModelProto, source: Path) -> None:
    state = quantization_state(model.graph)
    if state.kind != "none":
        raise InputError(
            f"`{source}` is quantized already ({state.kind})", hint="quantize the float model that it was made from"
        )
    if any(node.domain == _ML_DOMAIN for node in model.graph.node):
        raise Unsupported(
            f"`{source}` holds `{_ML_DOMAIN}` operators (trees, scalers), which are not quantized",
            hint="`edgeopt bench` and `edgeopt evaluate` take it as it is",
        )


def _has_cast_constants(model: onnx.ModelProto) -> bool:
    constants = {tensor.name for tensor in model.graph.initializer}
    return any(node.op_type == "Cast" and node.input[0] in constants for node in model.graph.node)


def _upgrade_opset(model: onnx.ModelProto, source: Path) -> list[str]:
    """Bring a model of an old opset, in place, to one with per-channel quantization; what was said about it."""
    import onnx

    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), _UPGRADE_OPSET)
    if opset >= _SMALLEST_OPSET:
        return []
    try:
        model.CopyFrom(onnx.version_converter.convert_version(model, _UPGRADE_OPSET))
    except (RuntimeError, ValueError, onnx.version_converter.ConvertError) as error:
        raise Unsupported(
            f"`{source}` has opset {opset}; int8 needs {_SMALLEST_OPSET} and the upgrade failed: {error}",
            hint=f"export it again with opset {_UPGRADE_OPSET}",
        ) from error
    return [f"the model was brought from opset {opset} to {_UPGRADE_OPSET}: int8 per channel needs {_SMALLEST_OPSET}"]


def _first_reason(placement: Placement) -> str:
    return next((f"`{node}`: {why}" for node, why in placement.kept_float.items()), "it has no weighted operator")
