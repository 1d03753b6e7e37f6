"""The test cases of the `onnx` package (onnx.backend.test), each converted to TFLite and run.

A case is one model with inputs and expected outputs. Inputs that carry shapes, axes, pads or the like are bound as
constants, as they are in any model that an exporter writes.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgeopt.errors import EdgeoptError, InputError, Unsupported

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")
_WRITTEN_OUT = "_expanded"  # in the name of a case that has the body of a function in place of the operator
COMMON_TYPES = frozenset({"BOOL", "FLOAT", "FLOAT16", "INT32", "INT64", "INT8", "UINT8"})
# case -> absolute tolerance where its expected values are no better: NumPy's float32 transform of a ramp gives 1.9e-7
# where the exact result, and ours, is 0
NOISY = {"test_dft_inverse": 2e-7, "test_dft_inverse_opset19": 2e-7}
# operator -> positions of inputs that carry shapes, axes, pads, counts, bounds of loops or scales of quantization
BOUND: dict[str, tuple[int, ...]] = {
    "AffineGrid": (1,),
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "Clip": (1, 2),
    "Col2Im": (1, 2),
    "ConstantOfShape": (0,),
    "CumProd": (1,),
    "CumSum": (1,),
    "DFT": (1, 2),
    "DequantizeLinear": (1, 2),
    "Dropout": (1, 2),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "Loop": (0, 1),
    "MatMulInteger": (2, 3),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
    "NonMaxSuppression": (2, 3, 4),
    "OneHot": (1,),
    "Pad": (1, 2, 3),
    "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "QuantizeLinear": (1, 2),
    "ConvInteger": (2, 3),
    "Range": (0, 1, 2),
    "ReduceL1": (1,),
    "ReduceL2": (1,),
    "ReduceLogSum": (1,),
    "ReduceLogSumExp": (1,),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "ReduceMin": (1,),
    "ReduceProd": (1,),
    "ReduceSum": (1,),
    "ReduceSumSquare": (1,),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "STFT": (1, 3),
    "SequenceAt": (1,),
    "SequenceErase": (1,),
    "SequenceInsert": (2,),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "SplitToSequence": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one case.

    Attributes:
        case: Its name.
        operator: The operator that it is about.
        status: `equal`, `refused`, `wrong`, `not loadable`, or `unreadable` where the case itself is none for TFLite.
        detail: Why, where it is not equal.
    """

    case: str
    operator: str
    status: str
    detail: str = ""

    def as_json(self) -> dict[str, str]:
        """As the worker prints it."""
        return asdict(self)


def load_cases(kinds: tuple[str, ...] = KINDS) -> dict[str, Any]:
    """Every case of `kinds` by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        return {case.name: case for kind in kinds for case in load_model_tests(kind=kind)}


def short_of(case: Any, cases: dict[str, Any]) -> Any:
    """The case that says by one operator what `case` writes out by others; itself where it does not."""
    name, mark, _ = str(case.name).partition(_WRITTEN_OUT)
    return cases.get(name, case) if mark else case


def operator_of(case: Any, cases: dict[str, Any]) -> str:
    """The operator that a case is about: that of the only node of it or of its short form, else its name."""
    case = short_of(case, cases)
    if case.model is not None and len(case.model.graph.node) == 1:
        return str(case.model.graph.node[0].op_type)
    return str(case.name).removeprefix("test_")


def is_common(model: Any) -> bool:
    """Whether a model has tensors of fixed shapes and common types at its edges, and the standard domain alone.

    Fixed: every axis is at least 1. Common: `COMMON_TYPES`. Of the node cases of onnx 1.23, 1,419 are so.
    """
    import onnx

    for value in (*model.graph.input, *model.graph.output):
        tensor = value.type.tensor_type
        if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
            return False
        if onnx.TensorProto.DataType.Name(tensor.elem_type) not in COMMON_TYPES:
            return False
        if not all(axis.HasField("dim_value") and axis.dim_value > 0 for axis in tensor.shape.dim):
            return False
    return all(node.domain in ("", "ai.onnx") for node in model.graph.node)


def _bound(model: Any) -> set[str]:
    return {
        node.input[place]
        for node in model.graph.node
        for place in BOUND.get(node.op_type, ())
        if place < len(node.input)
    }


def bound_model(model: Any, feeds: dict[str, Any], short: Any = None) -> Any:
    """A copy of `model` in which inputs of `BOUND` are constants, and every other one has the shape of its feed.

    Args:
        model: The model of a case.
        feeds: Array per input.
        short: The model that says the same by one operator: what is bound there is bound here.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    bound = (_bound(copy) | _bound(short or copy)) & set(feeds)
    bound_or_constant = bound | {tensor.name for tensor in copy.graph.initializer}
    kept = [value for value in copy.graph.input if value.name not in bound_or_constant]
    copy.ir_version = max(copy.ir_version, 4)  # from which on constants are no inputs, as `load_onnx` has them
    del copy.graph.input[:]
    copy.graph.input.extend(kept)
    for name in sorted(bound):
        copy.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(feeds[name]), name))
    for value in copy.graph.input:
        if value.type.HasField("tensor_type") and value.name in feeds:
            dims = value.type.tensor_type.shape.dim
            for axis, length in zip(dims, np.shape(feeds[value.name]), strict=False):
                axis.dim_value = length
    return copy


def tried(case: Any, cases: dict[str, Any]) -> Outcome:
    """What becomes of one of `cases`: converted, run with XNNPACK and with the reference kernels, compared."""
    model, data_sets = _content(case)
    operator, short = operator_of(case, cases), short_of(case, cases).model
    outcome = ("equal", "") if data_sets else ("unreadable", "the case has no data")
    for inputs, expected in data_sets:
        outcome = _outcome_on(case, bound_by=short or model, model=model, inputs=inputs, expected=expected)
        if outcome[0] != "equal":
            break
    return Outcome(case=case.name, operator=operator, status=outcome[0], detail=outcome[1][:300])


def _outcome_on(case: Any, *, bound_by: Any, model: Any, inputs: list[Any], expected: list[Any]) -> tuple[str, str]:
    """(status, detail) of a case on one of its data sets."""
    if not all(isinstance(value, np.ndarray | np.generic) for value in (*inputs, *expected)):
        return "refused", "its inputs or outputs are sequences, maps or absent: TFLite has tensors only"
    constants = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in constants]
    feeds = dict(zip(names, inputs, strict=False))
    try:
        content = converted(bound_model(model, feeds, bound_by))
    except Unsupported as error:
        return "refused", error.message.partition("cannot become TFLite: ")[2] or error.message
    except InputError as error:
        return "unreadable", error.message
    except EdgeoptError as error:
        return "wrong", f"{type(error).__name__}: {error.message}"
    wanted = dict(zip([value.name for value in model.graph.output], expected, strict=True))
    faults = (_fault(content, feeds, wanted, case, is_reference) for is_reference in (False, True))
    return next((fault for fault in faults if fault), ("equal", ""))


def converted(model: Any) -> bytes:
    """The .tflite file of a model with bound inputs."""
    from edgeopt.steps.tflite.flatbuffer import model_bytes
    from edgeopt.steps.tflite.lower import lowered
    from edgeopt.steps.tflite.prepare import ready_to_lower, with_fixed_shapes

    with_fixed_shapes(model, _empty_shapes(model))
    try:
        model, _ = ready_to_lower(model, where="case")
    except InputError:  # ONNX Runtime lacks some operators and types of the standard: lowered as it is
        from edgeopt.steps.tflite.expand import expanded

        model = expanded(model)
    return model_bytes(lowered(model, where="case").net)


def _empty_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of the inputs that have no elements: to `convert`, an axis of length 0 is a free one unless it is told."""
    shapes = {
        value.name: tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim) for value in model.graph.input
    }
    return {name: shape for name, shape in shapes.items() if 0 in shape}


def _content(case: Any) -> tuple[Any, list[tuple[list[Any], list[Any]]]]:
    """(the model, its data sets) of a case, read from its folder where it has one."""
    from pathlib import Path

    import onnx

    def plain(value: Any) -> Any:
        return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value

    if case.model is not None:
        sets = [([plain(v) for v in inputs], [plain(v) for v in outputs]) for inputs, outputs in case.data_sets]
        return case.model, sets
    if case.model_dir is None:
        return _light(case)
    folder = Path(case.model_dir)
    found = []
    for each in sorted(folder.glob("test_data_set_*")):
        read = {
            kind: [
                onnx.numpy_helper.to_array(onnx.load_tensor(str(file)))
                for file in sorted(each.glob(f"{kind}_*.pb"), key=lambda file: int(file.stem.split("_")[-1]))
            ]
            for kind in ("input", "output")
        }
        found.append((read["input"], read["output"]))
    return onnx.load(str(folder / "model.onnx")), found


def _light(case: Any) -> tuple[Any, list[tuple[list[Any], list[Any]]]]:
    """A network of the `light` kind, whose weights are constants of one value: its answer to random input."""
    from pathlib import Path

    import onnx
    import onnxruntime

    path = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / Path(case.url).name
    model = onnx.load(str(path))
    session = onnxruntime.InferenceSession(str(path))
    generator = np.random.default_rng(0)
    inputs = [generator.random(value.shape).astype(np.float32) for value in session.get_inputs()]
    feeds = {value.name: array for value, array in zip(session.get_inputs(), inputs, strict=True)}
    return model, [(inputs, session.run(None, feeds))]


def _fault(
    content: bytes, feeds: dict[str, Any], expected: dict[str, Any], case: Any, is_reference: bool
) -> tuple[str, str] | None:
    """(status, detail) where the file does not load or gives something else; None where all is equal."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.BUILTIN_REF if is_reference else OpResolverType.AUTO
    told = " (reference kernels)" if is_reference else ""
    try:
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
        runner = interpreter.get_signature_runner()
        wanted = set(runner.get_input_details())
        given = runner(**{name: np.asarray(value) for name, value in feeds.items() if name in wanted})
    except (RuntimeError, ValueError) as error:
        return "not loadable", f"{error}{told}"
    for name, value in expected.items():
        value = np.asarray(value)  # noqa: PLW2901
        got = given[name]
        if got.dtype != value.dtype or got.shape != value.shape:
            return "wrong", f"`{name}` is {got.dtype} {got.shape}, not {value.dtype} {value.shape}{told}"
        try:
            np.testing.assert_allclose(got, value, rtol=case.rtol, atol=NOISY.get(case.name, case.atol))
        except AssertionError as error:
            lines = [
                line.strip() for line in str(error).splitlines() if "difference" in line or "mismatch" in line.lower()
            ]
            return "wrong", f"`{name}`: {'; '.join(lines[:3])}{told}"
    return None
