"""What a graph computes from constants alone, computed now, by the ONNX package's own definition of its operators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

# What stays in the graph: quantization, which carries scales over, and random numbers, which are no constants.
_KEPT = frozenset(
    {
        "Bernoulli",
        "DequantizeLinear",
        "Multinomial",
        "QuantizeLinear",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
_MOST_ELEMENTS = 1 << 24  # of a result; larger ones stay as they are


def with_constants_computed(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` without nodes whose inputs are all constants, and without those that nothing reads.

    Args:
        model: A model with its data in memory, with types of its values as far as they are known. It stays as it is.
    """
    import onnx

    found = _Constants(model)
    kept = [node for node in model.graph.node if not found.takes(node)]
    if len(kept) == len(model.graph.node):
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:]
    result.graph.node.extend(_needed(kept, {value.name for value in model.graph.output}))
    _keep_outputs(result.graph, found)
    read = {name for node in result.graph.node for name in _names_read(node)}
    named = {tensor.name for tensor in result.graph.initializer}
    for name in found.computed:
        if name in read and name not in named:
            result.graph.initializer.append(onnx.numpy_helper.from_array(found.computed[name], name))
    return result


@dataclass(slots=True)
class _Constants:
    """Constants of a graph, and what is computed from them.

    Attributes:
        model: The model.
        computed: Value per name of what a node made from constants.
    """

    model: onnx.ModelProto
    computed: dict[str, NDArray[Any]] = field(default_factory=dict)
    _tensors: dict[str, onnx.TensorProto] = field(default_factory=dict)
    _shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph = self.model.graph
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        for value in (*graph.input, *graph.value_info, *graph.output):
            dims = value.type.tensor_type.shape.dim
            if value.type.tensor_type.HasField("shape") and all(axis.HasField("dim_value") for axis in dims):
                self._shapes[value.name] = tuple(axis.dim_value for axis in dims)

    def takes(self, node: onnx.NodeProto) -> bool:
        """Whether the outputs of `node` are known now."""
        results = self._results(node)
        if results is None:
            return False
        self.computed.update((name, value) for name, value in zip(node.output, results, strict=False) if name)
        return True

    def _results(self, node: onnx.NodeProto) -> list[NDArray[Any]] | None:
        if node.domain not in ("", "ai.onnx") or node.op_type in _KEPT:
            return None
        if node.op_type in ("Shape", "Size") and node.input[0] in self._shapes:
            return [_measured(node, self._shapes[node.input[0]])]
        names = [name for name in node.input if name]
        if not all(name in self.computed or name in self._tensors for name in names):
            return None
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            return None
        return self._evaluated(node, {name: self._value(name) for name in names})

    def _value(self, name: str) -> NDArray[Any]:
        import onnx

        if name not in self.computed:
            self.computed[name] = onnx.numpy_helper.to_array(self._tensors[name])
        return self.computed[name]

    def _evaluated(self, node: onnx.NodeProto, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]] | None:
        """Outputs of `node` by the definition of its operator; None where the package cannot run it."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        names = [name for name in node.output if name]
        graph = onnx.helper.make_graph(
            [node],
            "constants",
            [_untyped(name, value) for name, value in feeds.items()],
            [onnx.ValueInfoProto(name=name) for name in names],
        )
        model = onnx.helper.make_model(graph, opset_imports=self.model.opset_import, functions=self.model.functions)
        try:
            with np.errstate(all="ignore"):
                values = ReferenceEvaluator(model).run(None, feeds)
        except (RuntimeError, NotImplementedError, ValueError, TypeError, IndexError, KeyError, AttributeError):
            return None  # types that NumPy lacks, or inputs that the operator does not take: its writer says so
        if not all(isinstance(value, np.ndarray | np.generic) for value in values):
            return None
        arrays = dict(zip(names, (np.asarray(value) for value in values), strict=True))
        if sum(array.size for array in arrays.values()) > _MOST_ELEMENTS:
            return None
        return [arrays.get(name, np.zeros(0)) for name in node.output]


def _untyped(name: str, value: NDArray[Any]) -> onnx.ValueInfoProto:
    import onnx

    element = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
    return onnx.helper.make_tensor_value_info(name, element, value.shape)


def _measured(node: onnx.NodeProto, shape: tuple[int, ...]) -> NDArray[Any]:
    """What Shape or Size say of a value of this shape."""
    if node.op_type == "Size":
        return np.array(int(np.prod(shape, dtype=np.int64)), np.int64)
    bounds = {attribute.name: attribute.i for attribute in node.attribute}
    return np.array(shape[slice(bounds.get("start", 0), bounds.get("end"))], np.int64)


def _needed(nodes: list[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """Those of `nodes` that `wanted` values are made from, in their order."""
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(_names_read(node))
    return kept[::-1]


def _names_read(node: onnx.NodeProto) -> set[str]:
    """Names that a node reads, those that its subgraphs take from outside among them."""
    from edgeopt.graph.subgraphs import names_read

    return set(names_read(node))


def _keep_outputs(graph: onnx.GraphProto, found: _Constants) -> None:
    """Make, in place, outputs that turned out constant by an Identity of a constant, as an output needs a node."""
    import onnx

    for value in graph.output:
        if value.name in found.computed and not any(value.name in node.output for node in graph.node):
            name = f"{value.name}/constant"
            found.computed[name] = found.computed[value.name]
            graph.node.append(onnx.helper.make_node("Identity", [name], [value.name], name=value.name))
