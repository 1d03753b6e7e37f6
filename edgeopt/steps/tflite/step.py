"""The step that makes a .tflite file from an ONNX model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from edgeopt.core.dataset import Dataset
from edgeopt.core.files import replacing
from edgeopt.errors import InputError, Unsupported, near_names
from edgeopt.graph.calibration_rows import KEY as CALIBRATION_KEY
from edgeopt.graph.load import load_onnx, read_proto
from edgeopt.graph.save import size_in_bytes
from edgeopt.graph.upgrade import upgraded
from edgeopt.steps.protocol import Progress, StepReport

if TYPE_CHECKING:
    from edgeopt.steps.tflite.boundary import Boundary
    from edgeopt.steps.tflite.lower import Lowered
    from edgeopt.steps.tflite.tidy import Moved

_MOST_BYTES = 2**31  # of a flatbuffer, whose offsets are signed integers of 32 bits
Layout = Literal["nchw", "nhwc"]
IoType = Literal["float32", "int8"]
_NONE_MOVED = "`nhwc` changes no input or output: none is transposed right at the boundary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tflite:
    """ONNX to TFLite, without TensorFlow.

    Attributes:
        layout: `nchw` keeps inputs and outputs as the ONNX model has them; under `nhwc` those that would be transposed
            right at the boundary have their channels last.
        io: Type of inputs and outputs that are quantized right at the boundary.
        shapes: Shape per name of an input that has free axes; a free first axis is 1 by default.
    """

    name: ClassVar[str] = "tflite"
    takes_data: ClassVar[bool] = False
    needs_data: ClassVar[bool] = False
    layout: Layout = "nchw"
    io: IoType = "float32"
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for option, choices in (("layout", get_args(Layout)), ("io", get_args(IoType))):
            value = getattr(self, option)
            if value not in choices:
                raise InputError(f"`{option}` of tflite is `{value}`", hint=near_names(str(value), choices))
        given: Any = self.shapes  # a recipe's tables give what they like
        if not isinstance(given, Mapping) or not all(_is_shape(shape) for shape in given.values()):
            raise InputError(f"`shapes` of tflite is `{given}`", hint="write { input = [1, 3, 32, 32] }")
        object.__setattr__(self, "shapes", {name: tuple(shape) for name, shape in given.items()})

    def apply(self, source: Path, output: Path, data: Dataset, *, progress: Progress | None = None) -> StepReport:  # noqa: ARG002  a step's signature; this one takes no samples
        """Make the TFLite file `output` from the ONNX model `source`.

        Raises:
            InputError: The model cannot be read.
            Unsupported: Operators, types or shapes of it have no counterpart in TFLite; each is told with its node.
            ExtraMissing: `ai_edge_litert` is not installed.
        """
        from edgeopt.steps.tflite.blocks import keep_blocks, without_blocks
        from edgeopt.steps.tflite.boundary import Boundary, channels_last_boundary
        from edgeopt.steps.tflite.flatbuffer import model_bytes
        from edgeopt.steps.tflite.half_weights import half_weights, holds_half
        from edgeopt.steps.tflite.integer_boundary import integer_boundary
        from edgeopt.steps.tflite.lower import lowered
        from edgeopt.steps.tflite.prepare import ready_to_lower, with_fixed_shapes
        from edgeopt.steps.tflite.tidy import tidied
        from edgeopt.steps.tflite.widen import in_float32

        where = str(source)
        _require_size(source)
        model = load_onnx(source)
        notes = {entry.key: entry.value.encode() for entry in model.metadata_props if entry.key == CALIBRATION_KEY}
        is_half = holds_half(model)
        with_fixed_shapes(model, self.shapes)
        model, told = upgraded(model, where=where, needed_by="the conversion to TFLite")
        model, blocks = without_blocks(in_float32(model) if is_half else model)
        ready, warnings = ready_to_lower(model, where=where)
        result = lowered(ready, where=where)
        as_float = keep_blocks(result.net, blocks)
        if is_half:
            half_weights(result.net)
        moved = tidied(result.net)
        if self.io == "int8":
            integer_boundary(result.net)
        boundary = channels_last_boundary(result.net) if self.layout == "nhwc" else Boundary()
        replaced = (moved, boundary.moved, result.net.name_boundary())
        content = model_bytes(result.net, metadata=notes)
        with replacing(output, force=True) as temporary:
            temporary.write_bytes(content)
        details = _details(result, replaced, boundary)
        idle = self.layout == "nhwc" and not boundary.inputs and not boundary.outputs
        unmoved = (_NONE_MOVED,) if idle else ()
        return StepReport(details=details, warnings=(*told, *warnings, *result.warnings, *as_float, *unmoved))


def _require_size(source: Path) -> None:
    """Refuse a model whose constants no TFLite file holds, before they are read."""
    size = sum(size_in_bytes(tensor) for tensor in read_proto(source).graph.initializer)
    if size >= _MOST_BYTES:
        raise Unsupported(
            f"`{source}` holds {size / 1e9:.1f} GB of constants, and a TFLite file is at most 2 GiB",
            hint="make the weights smaller first (`edgeopt quantize`), or convert the model in parts",
        )


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list | tuple) and all(type(length) is int and length > 0 for length in shape)


def _details(result: Lowered, replaced: Iterable[Moved], boundary: Boundary) -> dict[str, Any]:
    """Operators that were written, where each value of the ONNX graph lies, and what is quantized in TFLite alone."""
    net = result.net
    alive = set(net.tensors())
    tensors = {}
    for name, view in result.views.items():
        tensor = view.tensor
        for stand_ins in replaced:
            tensor = stand_ins.get(tensor, tensor)
        if tensor in alive and tensor.data is None and not view.flattened:
            tensors[name] = {"tensor": tensor.name, "axes": list(view.axes)}
    for names, orders in ((net.inputs, boundary.inputs), (net.outputs, boundary.outputs)):
        for name, tensor in names.items():
            tensors[name] = {"tensor": tensor.name, "axes": list(orders.get(name, range(len(tensor.shape))))}
    return {
        "operators": dict(sorted(Counter(each.kind for each in net.operations).items())),
        "tensors": tensors,
        "noted": {name: {"scale": each.scale, "zero_point": each.zero_point} for name, each in result.noted.items()},
    }
