"""The step that makes a TFLite model of an ONNX model, and proves that both compute the same."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from edgeopt.core.dataset import Dataset
from edgeopt.core.files import replacing
from edgeopt.errors import InputError, Unsupported, near_names
from edgeopt.measure.proof import Proof, proof_of
from edgeopt.steps.protocol import Progress, StepReport
from edgeopt.steps.via.tools import TIMEOUT_SECONDS, TOOLS

To = Literal["tflite"]
Layout = Literal["nchw", "nhwc"]
Io = Literal["float32", "int8"]
Via = Literal["", "onnx2tf"]
TENSORS = "tensors"  # where the converter's report says how each ONNX tensor lies in the TFLite file
NOTED = "noted"  # what a TFLite model quantizes and its source does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert:
    """Conversion to TFLite, by edgeopt or by a tool that is installed, with the outputs compared.

    Attributes:
        to: The format.
        layout: Of images at inputs and outputs, where it is to be another than the model's; `nhwc` leaves no transpose
            at the boundary of a model whose images have their channels first.
        io: Type of the inputs and outputs of a model that is quantized with quantize/dequantize pairs.
        inputs: Shapes of inputs whose axes are free, as in `image=1x3x32x32`.
        via: The tool to convert with in edgeopt's place.
        via_python: The Python that has it; empty for the one that runs edgeopt.
        via_timeout: Seconds that it may take.
    """

    name: ClassVar[str] = "convert"
    ending: ClassVar[str] = ".tflite"
    takes_data: ClassVar[bool] = False  # samples prove what it makes, and do not change it
    needs_data: ClassVar[bool] = False
    to: To = "tflite"
    layout: Layout = "nchw"
    io: Io = "float32"
    inputs: tuple[str, ...] = ()
    via: Via = ""
    via_python: str = ""
    via_timeout: float = TIMEOUT_SECONDS

    def __post_init__(self) -> None:
        for option, choices in (("to", To), ("layout", Layout), ("io", Io), ("via", Via)):
            value = getattr(self, option)
            if value not in get_args(choices):
                raise InputError(f"`{option}` of convert is `{value}`", hint=near_names(str(value), get_args(choices)))
        given: Any = self.inputs  # a recipe's tables give what they like
        if not isinstance(given, list | tuple) or not all(isinstance(text, str) for text in given):
            raise InputError(f"`inputs` of convert is `{given}`", hint='write a list: ["image=1x3x32x32", ...]')
        object.__setattr__(self, "inputs", tuple(given))
        if not isinstance(self.via_python, str):
            raise InputError(f"`via_python` of convert is `{self.via_python}`", hint="name a Python interpreter")
        seconds: Any = self.via_timeout
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not math.isfinite(seconds) or seconds <= 0:
            raise InputError(f"`via_timeout` of convert is `{seconds}`", hint="give seconds above 0")
        if self.via and (self.layout != "nchw" or self.io != "float32"):
            raise InputError(
                f"`layout` and `io` of convert do not go with `via = {self.via}`: the tool chooses both",
                hint="leave them out, or convert without `via`",
            )

    def apply(self, source: Path, output: Path, data: Dataset, *, progress: Progress | None = None) -> StepReport:
        """Make the TFLite model `output` from the ONNX model `source`; samples in `data` prove it besides random ones.

        Raises:
            InputError: The model cannot be read, or an input has no such shape.
            Unsupported: An operator has no counterpart, or the outputs of both are not equal.
            ExtraMissing: LiteRT, or the tool, is not installed.
            ToolFailed: The tool failed.
        """
        with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
            made = Path(folder, "made.tflite")
            report = self._make(source, made)
            details = {key: value for key, value in report.details.items() if key not in (TENSORS, NOTED)}
            judged = _judged(source, report.details.get(NOTED) or {}, Path(folder))
            proof = proven(judged, made, report.details.get(TENSORS), data)
            with replacing(output, force=True) as temporary:
                temporary.write_bytes(made.read_bytes())
            if progress:
                progress(1, 1)
            facts = {**details, "operators": operators_in(made), "proof": proof.as_json()}
            told = relaid(proof) if self.via else ()
            return StepReport(details=facts, warnings=(*report.warnings, *told))

    def _make(self, source: Path, made: Path) -> StepReport:
        from edgeopt.graph.fixed import fixed_lengths

        require_types(source, self.inputs)
        shapes = fixed_lengths(axes_of(self.inputs))
        if not self.via:
            from edgeopt.core.dataset import no_samples
            from edgeopt.steps.tflite.step import Tflite

            return Tflite(layout=self.layout, io=self.io, shapes=shapes).apply(source, made, no_samples())
        from edgeopt.steps.via.tools import fixed_shapes, make_via, require_tool

        tool = TOOLS[self.via]
        python = require_tool(tool, self.via_python)
        lengths = fixed_shapes(source, shapes)
        make_via(tool, source, made, python=python, shapes=lengths, timeout_seconds=self.via_timeout)
        return StepReport(details={"via": self.via}, warnings=())


def _judged(source: Path, noted: Mapping[str, Mapping[str, Any]], folder: Path) -> Path:
    """What a conversion is held to: the source, but for what it and its conversion round by themselves.

    It rounds where its conversion is alone in rounding, since integers saturate past the noted range; and it does not
    where its own kernels may round what they multiply 4-bit weights by.
    """
    from edgeopt.graph.load import load_onnx, read_proto
    from edgeopt.graph.nbits import rounds_inputs, with_exact_products

    if not noted and not rounds_inputs(read_proto(source)):
        return source
    from edgeopt.graph.noted_ranges import with_noted_pairs
    from edgeopt.graph.save import save_onnx

    model, judged = with_noted_pairs(load_onnx(source), noted), folder / "judged.onnx"
    with_exact_products(model)
    save_onnx(model, judged)
    return judged


def axes_of(texts: Sequence[str]) -> dict[str, tuple[int | str, ...]]:
    """Axes by name of the input, as `--input` states them.

    Raises:
        InputError: One does not follow the grammar, or two are of the same name.
    """
    if not texts:
        return {}
    from edgeopt.steps.export.shapes import input_shapes_from_texts

    return {name: shape.axes for name, shape in input_shapes_from_texts(texts).items()}


def require_types(source: Path, texts: Sequence[str]) -> None:
    """Refuse an `--input` that says another type than its input in the ONNX model `source` has.

    Raises:
        InputError: One does.
    """
    if not texts:
        return
    from edgeopt.graph.load import onnx_artifact
    from edgeopt.steps.export.shapes import input_shapes_from_texts

    asked = input_shapes_from_texts(texts)
    for spec in onnx_artifact(source).inputs:
        shape = asked.get(spec.name)
        if shape is not None and shape.dtype not in ("", spec.dtype):
            raise InputError(
                f"input `{spec.name}` is {spec.dtype}, not `{shape.dtype}`",
                hint="`--input` fixes lengths of a model's axes, and leaves its types; inputs in int8: `--io int8`",
            )


def proven(source: Path, made: Path, tensors: Mapping[str, Mapping[str, Any]] | None, data: Dataset) -> Proof:
    """The proof that `made` computes what `source` does.

    Args:
        source: The ONNX model.
        made: The TFLite model.
        tensors: How ONNX tensors lie in it, as edgeopt's converter tells; None where that is not known.
        data: Samples bound to the source's inputs; none are needed.

    Raises:
        Unsupported: An output is farther from the source's than rounding explains; the first node where the two part
            is named.
    """
    axes = {name: entry["axes"] for name, entry in (tensors or {}).items() if entry["tensor"] == name}
    proof = proof_of(source, made, axes=axes, data=data)
    broken = proof.broken
    if broken is None:
        return proof
    told = f"output `{broken.name}` of the converted model {broken.excess}, on {broken.runtime}"
    from edgeopt.measure.parting import parting

    first = parting(source, made, tensors, proof) if tensors else None
    where = f"; the two part at {first}" if first else ""
    raise Unsupported(f"{told}{where}; nothing is written", hint=_hint(proof, first is not None, tensors is not None))


def relaid(proof: Proof) -> tuple[str, ...]:
    """What whoever feeds a model that another tool made should know: inputs of other names, or laid out otherwise."""
    told = []
    for port in proof.ports:
        if port.axes != tuple(range(len(port.axes))):
            order = ", ".join(map(str, port.axes))
            told.append(f"input `{port.name}` is laid out otherwise: its axes come in the order {order}")
        if port.spec.name != port.name:
            told.append(f"input `{port.name}` is called `{port.spec.name}` in the converted model")
    return tuple(told)


def _hint(proof: Proof, is_found: bool, is_ours: bool) -> str:
    if not is_ours:
        return "what the tool made computes something else; convert without `--via`"
    runtimes = {output.runtime for output in proof.outputs if output.excess}
    if not is_found and len(runtimes) == 1:
        return f"{runtimes.pop()} alone differs, and every tensor that it shares with the other is equal: report it"
    return "report it with the model, or part of it; `--via onnx2tf` is another way"


def operators_in(path: Path) -> dict[str, int]:
    """Number of operators by name in a TFLite file, the most frequent first."""
    from edgeopt.graph.tflite.read import read_tflite

    counts = Counter(operator.name for graph in read_tflite(path).graphs for operator in graph.operators)
    return dict(counts.most_common())
