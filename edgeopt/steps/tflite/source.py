"""The ONNX graph that is to be lowered, as plain Python: nodes with attributes, constants, shapes, who reads what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.graph.noted_ranges import noted_ranges_in

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One ONNX node.

    Attributes:
        name: Its name, or one made from its first output.
        operator: Its operator, as in `Conv`.
        domain: Domain of the operator; empty for the standard one.
        inputs: Names of what it reads, empty for an optional input that is left out.
        outputs: Names of what it makes, empty for one that is left out.
        attributes: Value per attribute: numbers, strings, lists of them, arrays, graphs.
    """

    name: str
    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    def input(self, position: int) -> str:
        """Name of an input; empty where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else ""

    def output(self, position: int) -> str:
        """Name of an output; empty where it is left out."""
        return self.outputs[position] if position < len(self.outputs) else ""

    def attribute(self, name: str, default: Any = None) -> Any:
        """Value of an attribute, `default` where it is not set."""
        return self.attributes.get(name, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueType:
    """Shape and dtype of a value.

    Attributes:
        shape: Length per axis; None where it cannot be told before the model runs.
        dtype: NumPy's name; `string` or the kind of value for what is no tensor of numbers.
    """

    shape: tuple[int, ...] | None
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An ONNX graph.

    Attributes:
        opset: Version of the standard operators.
        nodes: In an order in which they can run.
        constants: Value per name.
        types: Type per name of a value.
        inputs: Names of inputs that are no constants.
        outputs: Names of outputs.
        readers: Nodes that read each value.
        makers: The node that makes each value that is no input and no constant.
        ranges: (smallest, largest number) of float values that a calibration noted.
    """

    opset: int
    nodes: tuple[Node, ...]
    constants: dict[str, NDArray[Any]]
    types: dict[str, ValueType]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    readers: dict[str, tuple[Node, ...]]
    makers: dict[str, Node]
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    def only_reader(self, name: str) -> Node | None:
        """The one node that reads a value, once; None where there is another reader or it is an output."""
        readers = self.readers.get(name, ())
        return readers[0] if len(readers) == 1 and name not in self.outputs else None


def source_from_model(model: onnx.ModelProto) -> Source:
    """The graph of a model with its data in memory and no free axes, as far as its types can be told."""
    import onnx

    inferred = _inferred(model)
    graph = inferred.graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes: list[Node] = []
    names: Counter[str] = Counter()
    for proto in graph.node:
        node = _node(proto, names)
        if node.operator == "Constant" and not node.domain:
            constants[node.output(0)] = _constant(node)
        else:
            nodes.append(node)
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    return Source(
        opset=next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1),
        nodes=tuple(nodes),
        constants=constants,
        types=_types(graph, constants),
        inputs=tuple(value.name for value in graph.input if value.name not in constants),
        outputs=tuple(value.name for value in graph.output),
        readers={name: tuple(found) for name, found in readers.items()},
        makers={name: node for node in nodes for name in node.outputs if name},
        ranges=noted_ranges_in(model),
    )


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with types of its values, from values of shapes too."""
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError):  # above 2 GiB, or wrong shapes: the writers say which
        return model


def _node(proto: onnx.NodeProto, names: Counter[str]) -> Node:
    import onnx

    attributes = {each.name: _plain(onnx.helper.get_attribute_value(each)) for each in proto.attribute}
    name = proto.name or f"{proto.op_type}_{next((each for each in proto.output if each), '')}"
    names[name] += 1
    return Node(
        name=name if names[name] == 1 else f"{name}_{names[name]}",
        operator=proto.op_type,
        domain="" if proto.domain == "ai.onnx" else proto.domain,
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes=attributes,
    )


def _plain(value: Any) -> Any:
    import onnx

    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _constant(node: Node) -> NDArray[Any]:
    """Value of a Constant node, whichever attribute holds it."""
    (name, value), *_ = node.attributes.items()
    dtypes = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    return np.array(value, dtypes.get(name))


def _types(graph: onnx.GraphProto, constants: dict[str, NDArray[Any]]) -> dict[str, ValueType]:
    types = {value.name: _type(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    types |= {name: ValueType(shape=array.shape, dtype=str(array.dtype)) for name, array in constants.items()}
    return types


def _type(value: onnx.ValueInfoProto) -> ValueType:

    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return ValueType(shape=None, dtype=(kind or "unknown").removesuffix("_type"))
    tensor = value.type.tensor_type
    lengths = [axis.dim_value if axis.HasField("dim_value") else -1 for axis in tensor.shape.dim]
    is_known = tensor.HasField("shape") and min(lengths, default=0) >= 0
    return ValueType(shape=tuple(lengths) if is_known else None, dtype=_dtype_name(tensor.elem_type))


def _dtype_name(element: int) -> str:
    import onnx

    if element == onnx.TensorProto.STRING:
        return "string"
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(element))
    except KeyError:
        return "unknown"
