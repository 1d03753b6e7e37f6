"""Masks of minus infinity, kept infinite where that shows.

LiteRT's portable kernels clip sums to the finite numbers (their activation `NONE` is a range of finite floats), and
REDUCE_MAX starts from the lowest finite number. A softmax takes the lowest number as it takes minus infinity; what
shows the sum itself, or asks whether all of a row is masked, does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

# Operators that hand elements of some of their inputs on as they are.
_MOVERS = frozenset(
    {
        "Add",
        "Cast",
        "CastLike",
        "Concat",
        "Expand",
        "Gather",
        "Identity",
        "Pad",
        "Reshape",
        "Slice",
        "Squeeze",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Where",
    }
)
_HANDING = frozenset({"Cast", "CastLike", "Identity"})


def with_infinities_kept(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with sums of minus infinities written as choices, and rows of them found one by one.

    Args:
        model: A model with its data in memory. It stays as it is.
    """
    import onnx

    pass_ = _Infinities(model.graph)
    if not pass_.infinite:
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    nodes = [new for node in model.graph.node for new in pass_.written(node)]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    result.graph.initializer.extend(pass_.constants)
    return result


class _Infinities:
    """Where minus infinities may be in a graph, and what is written in place of nodes that lose them.

    Attributes:
        infinite: Names of values that may hold them.
        constants: Tensors that new nodes read.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._outputs = {value.name for value in graph.output}
        self._types = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
        self.constants: list[onnx.TensorProto] = []
        self.infinite: set[str] = set()
        self._finite: set[str] = set()
        for node in graph.node:
            if node.op_type in _MOVERS and any(self._may_be_infinite(name) for name in node.input):
                self.infinite.update(node.output)

    def _may_be_infinite(self, name: str) -> bool:
        import onnx

        if name in self.infinite or name in self._finite:
            return name in self.infinite
        tensor = self._constants.get(name)
        if tensor is None or tensor.data_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            return False
        is_infinite = bool(np.isneginf(onnx.numpy_helper.to_array(tensor)).any())
        (self.infinite if is_infinite else self._finite).add(name)
        return is_infinite

    def written(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Nodes that do what `node` does without a loss of infinities."""
        if node.op_type == "Add" and any(name in self.infinite for name in node.input):
            return self._sum(node) if self._is_seen(node.output[0]) else [node]
        if node.op_type == "Equal":
            return self._row(node) or [node]
        return [node]

    def _is_seen(self, name: str) -> bool:
        """Whether anything but a softmax, or a search for masked rows, reads a value."""
        if name in self._outputs:
            return True
        for reader in self._readers.get(name, []):
            if reader.op_type == "Softmax":
                continue
            if reader.op_type not in (*_HANDING, "Add") or self._is_seen(reader.output[0]):
                return True
        return False

    def _sum(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Minus infinity where an operand is, else the sum."""
        import onnx

        output, name = node.output[0], node.name or "Add"
        made: list[onnx.NodeProto] = []
        last = f"{output}/sum"
        made.append(onnx.helper.make_node("Add", list(node.input), [last], name=name))
        operands = [each for each in dict.fromkeys(node.input) if each in self.infinite]
        for place, operand in enumerate(operands):
            masked = f"{output}/masked/{place}"
            chosen = output if place == len(operands) - 1 else f"{output}/chosen/{place}"
            infinity = self._infinity(operand, output)
            made.append(onnx.helper.make_node("Equal", [operand, infinity], [masked], name=f"{name}/Equal"))
            made.append(onnx.helper.make_node("Where", [masked, infinity, last], [chosen], name=f"{name}/Where"))
            last = chosen
        return made

    def _row(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The question whether the largest of a row is minus infinity, as: are all of them?"""
        import onnx

        largest = self._origin(node.input[0])
        infinity = self._constants.get(self._name_behind(node.input[1]))
        if largest is None or largest.op_type != "ReduceMax" or infinity is None:
            return []
        if not np.isneginf(onnx.numpy_helper.to_array(infinity)).all():
            return []
        output, name = node.output[0], node.name or "Equal"
        masked, number, least = (f"{output}/{each}" for each in ("masked", "number", "least"))
        one = onnx.numpy_helper.from_array(np.array(1, np.int32), f"{output}/one")
        self.constants.append(one)
        reduced = onnx.NodeProto()
        reduced.CopyFrom(largest)
        reduced.op_type, reduced.name = "ReduceMin", f"{name}/ReduceMin"
        reduced.input[0], reduced.output[0] = number, least
        return [
            onnx.helper.make_node("Equal", [largest.input[0], node.input[1]], [masked], name=f"{name}/Equal"),
            onnx.helper.make_node("Cast", [masked], [number], name=f"{name}/Cast", to=onnx.TensorProto.INT32),
            reduced,
            onnx.helper.make_node("Equal", [least, one.name], [output], name=name),
        ]

    def _name_behind(self, name: str) -> str:
        while name in self._makers and self._makers[name].op_type in _HANDING:
            name = self._makers[name].input[0]
        return name

    def _origin(self, name: str) -> onnx.NodeProto | None:
        return self._makers.get(self._name_behind(name))

    def _infinity(self, name: str, output: str) -> str:
        """A constant of the element type of a value."""
        import onnx

        tensor = self._constants.get(name)
        element = tensor.data_type if tensor is not None else self._types.get(name, onnx.TensorProto.FLOAT)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(element)
        made = onnx.numpy_helper.from_array(np.array(-np.inf, dtype), f"{output}/infinity/{name}")
        self.constants.append(made)
        return str(made.name)
