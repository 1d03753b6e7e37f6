"""A quantized ONNX graph of quantize/dequantize pairs, taken apart: which layer runs on which integers.

Reads what edgeopt, ONNX Runtime's `quantize_static`, NNCF and torch write: weights as integers behind a
DequantizeLinear, or as floats behind a pair; biases as int32 or float; pairs on activations. Weights of MatMulNBits are
read too.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.errors import Unsupported
from edgeopt.graph.dequantize import Grid, QuantizedConstant, dequantized_constant, grid_of
from edgeopt.graph.nbits import without_nbits

if TYPE_CHECKING:
    import onnx

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
# What moves, selects or clamps values without computing new ones: no layer of its own.
CLAMPS = frozenset({"Relu", "Clip"})
CARRIERS = frozenset(
    {"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Identity", "Cast", "Pad"}
)
BIAS = 2  # input of Conv, ConvTranspose and Gemm


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A QuantizeLinear on an activation and the DequantizeLinear nodes that read it.

    Attributes:
        key: What tells it apart: the tensor of integers between them.
        tensor: The tensor that is quantized, as the graph names it.
        outputs: Tensors that the DequantizeLinear nodes give.
        grid: What it rounds to.
        quantize: The QuantizeLinear.
        dequantize: One of the DequantizeLinear nodes.
    """

    key: str
    tensor: str
    outputs: tuple[str, ...]
    grid: Grid
    quantize: onnx.NodeProto
    dequantize: onnx.NodeProto


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A node that computes on quantized values.

    Attributes:
        index: Place of the node in the graph.
        name: The node's name, or that of its first output where it has none.
        operator: Its operator.
        weights: Quantized constants by input; the bias is not among them.
        bias: The quantized bias; None where it is float or there is none.
        reads: Keys of the pairs that it reads through.
        writes: Keys of the pairs on its result.
        result: The tensor that carries its result: behind a clamp or a carrier, where a pair lies there.
    """

    index: int
    name: str
    operator: str
    weights: dict[int, QuantizedConstant]
    bias: QuantizedConstant | None
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    result: str

    @property
    def constants(self) -> dict[int, QuantizedConstant]:
        """Quantized constants by input, with the bias."""
        return self.weights if self.bias is None else {**self.weights, BIAS: self.bias}

    @property
    def weight(self) -> QuantizedConstant | None:
        """The quantized weight, the largest of its constants."""
        return max(self.weights.values(), key=lambda found: found.integers.size, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class QdqModel:
    """A model taken apart.

    Attributes:
        model: The model, with its data in memory; MatMul stands for MatMulNBits.
        constants: Array per constant of the main graph.
        pairs: Pairs on activations, by key.
        pair_of: The pair's key per output of a DequantizeLinear.
        layers: Nodes that compute on quantized values, in the order of the graph.
        quantizing: Places of the nodes that only quantize or dequantize.
        kept_float: Names of nodes with weights that compute on floats alone.
    """

    model: onnx.ModelProto
    constants: dict[str, NDArray[Any]]
    pairs: dict[str, Pair]
    pair_of: dict[str, str]
    layers: tuple[Layer, ...]
    quantizing: frozenset[int]
    kept_float: tuple[str, ...]


def take_apart(model: onnx.ModelProto, *, where: str) -> QdqModel:
    """The layers and quantizers of a model of quantize/dequantize pairs.

    Args:
        model: The model, with its data in memory.
        where: What to call it in an error.

    Raises:
        Unsupported: Nothing in it is quantized by pairs that can be told apart.
    """
    parts = _Parts(model)
    layers = tuple(parts.layers())
    if not layers:
        raise Unsupported(
            f"`{where}` has no layer on quantized values whose scales are constants",
            hint="`edgeopt quantize` and ONNX Runtime's quantize_static (QDQ format) write files that can be",
        )
    names = {layer.name for layer in layers}
    kept = [
        node_name(node)
        for node in parts.model.graph.node
        if node.op_type in WEIGHTED
        and any(name in parts.constants for name in node.input[:2])
        and node_name(node) not in names
    ]
    return QdqModel(
        model=parts.model,
        constants=parts.constants,
        pairs=parts.pairs,
        pair_of={output: pair.key for pair in parts.pairs.values() for output in pair.outputs},
        layers=layers,
        quantizing=frozenset(parts.quantizing),
        kept_float=tuple(kept),
    )


def node_name(node: onnx.NodeProto) -> str:
    """The node's name, or that of its first output where it has none."""
    return str(node.name or node.output[0])


def constants_of(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    """Array per constant: initializers and the values of Constant nodes."""
    from onnx import numpy_helper

    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        value = next((entry.t for entry in node.attribute if entry.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            found[node.output[0]] = numpy_helper.to_array(value)
    return found


def _dtypes_of(graph: onnx.GraphProto) -> dict[str, str]:
    import onnx

    tensors = [(tensor.name, tensor.data_type) for tensor in graph.initializer]
    tensors += [
        (node.output[0], entry.t.data_type)
        for node in graph.node
        for entry in node.attribute
        if node.op_type == "Constant" and entry.name == "value"
    ]
    return {name: onnx.TensorProto.DataType.Name(kind).lower() for name, kind in tensors}


@dataclass(slots=True)
class _Parts:
    """What a graph holds, found in one walk."""

    model: onnx.ModelProto
    constants: dict[str, NDArray[Any]] = field(init=False)
    dtypes: dict[str, str] = field(init=False)
    readers: dict[str, list[onnx.NodeProto]] = field(init=False)
    producers: dict[str, onnx.NodeProto] = field(init=False)
    quantizing: set[int] = field(default_factory=set)
    pairs: dict[str, Pair] = field(default_factory=dict)
    quantized: dict[str, QuantizedConstant] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.constants, self.dtypes = constants_of(self.model.graph), _dtypes_of(self.model.graph)
        self.model, self.quantized = without_nbits(self.model, self.constants)
        graph = self.model.graph
        self.producers = {name: node for node in graph.node for name in node.output}
        readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                readers[name].append(node)
        self.readers = readers
        takers = {
            "DequantizeLinear": self._takes_constant,
            "QuantizeLinear": self._takes_quantizer,
            "Transpose": self._takes_transpose,
        }
        self.quantizing |= {
            index for index, node in enumerate(graph.node) if node.op_type in takers and takers[node.op_type](node)
        }
        outputs = {name for pair in self.pairs.values() for name in pair.outputs}
        self.quantizing |= {index for index, node in enumerate(graph.node) if node.output and node.output[0] in outputs}

    def _takes_constant(self, node: onnx.NodeProto) -> bool:
        """Whether a DequantizeLinear gives a constant, which is noted."""
        integers = None
        if node.input[0] not in self.constants:
            quantize = self.producers.get(node.input[0])
            if quantize is None or quantize.op_type != "QuantizeLinear" or quantize.input[0] not in self.constants:
                return False
            grid = grid_of(quantize, self.constants, self.dtypes)
            if grid is None:
                return False
            integers = grid.integers_of(np.asarray(self.constants[quantize.input[0]], dtype=np.float32))
        found = dequantized_constant(node, self.constants, self.dtypes, integers)
        if found is None:
            return False
        self.quantized[node.output[0]] = found
        return True

    def _takes_transpose(self, node: onnx.NodeProto) -> bool:
        """Whether a Transpose turns a quantized constant, which is noted."""
        inner = self.quantized.get(node.input[0])
        if inner is None:
            return False
        order = next((tuple(entry.ints) for entry in node.attribute if entry.name == "perm"), None)
        self.quantized[node.output[0]] = inner.transposed(order or tuple(range(inner.integers.ndim))[::-1])
        return True

    def _takes_quantizer(self, node: onnx.NodeProto) -> bool:
        """Whether a QuantizeLinear belongs to a pair, which is noted, or to a constant.

        One that something else than DequantizeLinear reads stays as it is.
        """
        readers = self.readers.get(node.output[0], [])
        outputs = {value.name for value in self.model.graph.output}
        if any(reader.op_type != "DequantizeLinear" for reader in readers) or not readers or node.output[0] in outputs:
            return False
        grid = grid_of(node, self.constants, self.dtypes)
        if grid is None or node.input[0] in self.constants:
            return grid is not None
        self.pairs[node.output[0]] = Pair(
            key=node.output[0],
            tensor=node.input[0],
            outputs=tuple(reader.output[0] for reader in readers),
            grid=grid,
            quantize=node,
            dequantize=readers[0],
        )
        return True

    def layers(self) -> list[Layer]:
        """Every node that computes on quantized values, in the order of the graph."""
        pair_of = {output: pair.key for pair in self.pairs.values() for output in pair.outputs}
        writers: dict[str, list[str]] = defaultdict(list)
        for pair in self.pairs.values():
            writers[self._computed(pair.tensor, pair_of)].append(pair.key)
        found = []
        for index, node in enumerate(self.model.graph.node):
            if index in self.quantizing or node.op_type in CLAMPS | CARRIERS | {"QuantizeLinear", "Constant"}:
                continue
            constants = {place: self.quantized[name] for place, name in enumerate(node.input) if name in self.quantized}
            bias = constants.pop(BIAS, None) if node.op_type in WEIGHTED else None
            reads = tuple(dict.fromkeys(pair_of[name] for name in node.input if name in pair_of))
            writes = tuple(key for name in node.output for key in writers.get(name, []))
            if constants or bias is not None or reads:
                found.append(
                    Layer(
                        index=index,
                        name=node_name(node),
                        operator=node.op_type,
                        weights=constants,
                        bias=bias,
                        reads=reads,
                        writes=writes,
                        result=self.pairs[writes[0]].tensor if writes else node.output[0],
                    )
                )
        return found

    def _computed(self, tensor: str, pair_of: dict[str, str]) -> str:
        """The tensor that a node computed which `tensor` carries, clamped or moved; `tensor` itself for an input."""
        while (node := self.producers.get(tensor)) is not None and node.op_type in CLAMPS | CARRIERS:
            if node.input[0] in pair_of:
                break
            tensor = node.input[0]
        return tensor


def channel_axis(node: onnx.NodeProto, rank: int) -> int:
    """Axis of output channels in a weight of `rank` axes."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1
    if node.op_type == "Gemm" and any(entry.name == "transB" and entry.i for entry in node.attribute):
        return 0
    return rank - 1
