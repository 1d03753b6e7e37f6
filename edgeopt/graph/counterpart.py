"""What a quantized layer was before: its float weight, bias and clamp, found in the float model it was made from.

Names come first, content decides: quantizing moves a weight by about a step, so the float weight of a layer is the one
that its integers stand for. Equalization (arXiv 1906.04721) and SmoothQuant (arXiv 2211.10438) scale channels before
they quantize; the factors per output and input channel are found by least squares and applied to the float weight, so
that they do not count as quantization error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.graph.dequantize import Floats, QuantizedConstant
from edgeopt.graph.qdq import BIAS, CLAMPS, WEIGHTED, Layer, QdqModel, constants_of, node_name

if TYPE_CHECKING:
    import onnx

# Root mean square of the deviation in steps. Rounding to nearest gives 1/sqrt(12) = 0.29, any choice between the two
# neighbours (AdaRound) at most 1, GPTQ about as much; what lies beyond was changed by more than rounding.
_MOST_STEPS = 1.0
# Share of the weight's energy that may differ before it is taken for another weight: 2-bit weights leave about 0.12.
_MOST_RESIDUAL = 0.5
_SWEEPS = 8
_FAMILY = {"Gemm": "MatMul", "FusedConv": "Conv", "FusedGemm": "MatMul"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatNode:
    """A node of the float model with constants among its inputs.

    Attributes:
        name: As `quantize` calls it.
        operator: Its operator.
        constants: Float arrays by input.
        group: Groups of a convolution.
    """

    name: str
    operator: str
    constants: dict[int, NDArray[Any]]
    group: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """A quantized layer in float.

    Attributes:
        name: The node's name in the float model; the layer's own where it was not found.
        constants: Float constants by input, in the layout of the layer; those that were not found are missing.
        is_rescaled: Whether channels were scaled before quantizing.
        reason: Why a weight was not found, or how it differs by more than rounding; empty where all is well.
    """

    name: str
    constants: dict[int, Floats]
    is_rescaled: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatModel:
    """The float model in the forms that quantizers start from: folded, and as it was exported.

    Attributes:
        nodes: Nodes with constants, those of the folded form first.
        clamps: Relu and Clip nodes by the tensor that they give, with the constants that they read.
        names: Name of the node that makes a tensor, by tensor.
    """

    nodes: tuple[FloatNode, ...]
    clamps: dict[str, tuple[onnx.NodeProto, dict[str, NDArray[Any]]]]
    names: dict[str, str]


def float_model(*forms: onnx.ModelProto) -> FloatModel:
    """The nodes, clamps and names of every form of a float model; what an earlier one tells counts first."""
    nodes: list[FloatNode] = []
    clamps: dict[str, tuple[onnx.NodeProto, dict[str, NDArray[Any]]]] = {}
    names: dict[str, str] = {}
    for model in forms:
        constants = constants_of(model.graph)
        nodes += _float_nodes(model, constants)
        for node in model.graph.node:
            for output in node.output:
                names.setdefault(output, node_name(node))
            if node.op_type in CLAMPS and all(name in constants for name in node.input[1:] if name):
                read = {name: constants[name] for name in node.input[1:] if name}
                clamps.setdefault(node.output[0], (node, read))
    return FloatModel(nodes=tuple(nodes), clamps=clamps, names=names)


def counterparts(candidate: QdqModel, base: FloatModel) -> dict[str, Counterpart]:
    """The float form of every layer, by the layer's name."""
    used: set[str] = set()
    found: dict[str, Counterpart] = {}
    for layer in candidate.layers:
        counterpart, node = _counterpart(layer, candidate, base, used)
        if node is not None:
            used.add(node.name)
        found[layer.name] = counterpart
    return found


def _float_nodes(model: onnx.ModelProto, constants: dict[str, NDArray[Any]]) -> Iterator[FloatNode]:
    for node in model.graph.node:
        held = {
            place: constants[name]
            for place, name in enumerate(node.input)
            if name in constants and constants[name].dtype.kind == "f"
        }
        if held or node.op_type in WEIGHTED:
            group = next((entry.i for entry in node.attribute if entry.name == "group"), 1)
            yield FloatNode(name=node_name(node), operator=node.op_type, constants=held, group=group)


def _counterpart(
    layer: Layer, candidate: QdqModel, base: FloatModel, used: set[str]
) -> tuple[Counterpart, FloatNode | None]:
    own_name = _own_name(layer, candidate, base)
    if layer.weight is None:
        return Counterpart(name=own_name, constants={}), None
    place = next(index for index, held in layer.weights.items() if held is layer.weight)
    family = _FAMILY.get(layer.operator, layer.operator)
    alike = [node for node in base.nodes if _FAMILY.get(node.operator, node.operator) == family]
    named = [node for node in alike if node.name in (layer.name, own_name)]
    others = [node for node in alike if node.name not in (layer.name, own_name) and node.name not in used]
    for nodes in (named, others):
        fits = [(fit, node) for node in nodes for fit in _fits(layer.weight, node.constants.get(place), node.group)]
        best = min(fits, key=lambda entry: entry[0].residual, default=None)
        if best is not None and best[0].residual <= _MOST_RESIDUAL:
            return _described(layer, candidate, *best, place), best[1]
    told = "BASE has no node of its name and shape with such a weight"
    return Counterpart(name=own_name, constants={}, reason=f"{told}: what its weights lose cannot be told"), None


def _own_name(layer: Layer, candidate: QdqModel, base: FloatModel) -> str:
    """The layer's name in the float model: one without a name goes by its output, which a dropped clamp renames."""
    names = {node.name for node in base.nodes} | set(base.names.values())
    if layer.name in names:
        return layer.name
    tensors = [layer.result, *(name for key in layer.writes for name in candidate.pairs[key].outputs)]
    for tensor in tensors:
        if tensor in base.names:
            clamp = base.clamps.get(tensor)
            before = clamp[0].input[0] if clamp else tensor
            return base.names.get(before, base.names[tensor])
    return layer.name


@dataclass(frozen=True, slots=True)
class _Fit:
    """A float weight in the layer's layout, and how far the integers are from it.

    Attributes:
        values: The float weight, its channels scaled where that explains the integers.
        residual: Energy of the difference over that of the weight.
        steps: Root mean square of the difference, in steps, of what is not clipped.
        is_rescaled: Whether channels are scaled.
    """

    values: Floats
    residual: float
    steps: float
    is_rescaled: bool


def _fits(weight: QuantizedConstant, values: NDArray[Any] | None, group: int) -> Iterator[_Fit]:
    """`values` as it is and transposed, as far as the shapes agree."""
    if values is None:
        return
    turned = values.T if values.ndim == 2 else values
    for array in (values,) if turned.shape == values.shape and values.ndim != 2 else (values, turned):
        if array.shape == weight.integers.shape:
            yield _fit(weight, np.ascontiguousarray(array, dtype=np.float32), group)


def _fit(weight: QuantizedConstant, values: Floats, group: int) -> _Fit:
    plain = _distance(weight, values, is_rescaled=False)
    if plain.steps <= _MOST_STEPS:
        return plain
    scaled = _distance(weight, _rescaled(weight, values, group), is_rescaled=True)
    return scaled if scaled.steps <= _MOST_STEPS and scaled.steps < plain.steps / 2 else plain


def _distance(weight: QuantizedConstant, values: Floats, *, is_rescaled: bool) -> _Fit:
    difference = weight.values - values
    is_clipped = weight.integers == weight.integers.max()
    is_clipped |= weight.integers == weight.integers.min()
    inside = ~is_clipped if not is_clipped.all() else np.ones_like(is_clipped)
    steps = float(np.sqrt(np.mean(np.square(difference[inside] / weight.steps[inside], dtype=np.float64))))
    residual = _energy(difference) / max(_energy(values), 1e-30)
    return _Fit(values, residual, steps, is_rescaled)


def _energy(values: Floats) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def _rescaled(weight: QuantizedConstant, values: Floats, group: int) -> Floats:
    """`values` with its channels scaled to what the integers stand for: W[o, i, ...] * a[o] * b[i].

    a and b minimize the squared difference in steps, alternating; axes are seen as (group, out, in, rest).
    """
    shape = values.shape
    seen = (group, shape[0] // group, shape[1] if values.ndim > 1 else 1, -1)
    base = values.reshape(seen).astype(np.float64)
    made = weight.values.reshape(seen).astype(np.float64)
    precision = 1 / np.square(weight.steps.reshape(seen).astype(np.float64))
    outward, inward = np.ones((*base.shape[:2], 1, 1)), np.ones((base.shape[0], 1, base.shape[2], 1))
    for _ in range(_SWEEPS):
        outward = _factors(made, base * inward, precision, (2, 3))
        inward = _factors(made, base * outward, precision, (1, 3))
    return (base * outward * inward).reshape(shape).astype(np.float32)


def _factors(made: Any, base: Any, precision: Any, axes: tuple[int, ...]) -> Any:
    """The factor per remaining axis that brings `base` nearest to `made`; 1 where nothing tells it."""
    below = (precision * base * base).sum(axis=axes, keepdims=True)
    above = (precision * base * made).sum(axis=axes, keepdims=True)
    return np.where((below > 0) & (above > 0), above / np.where(below > 0, below, 1), 1.0)


def _described(layer: Layer, candidate: QdqModel, fit: _Fit, node: FloatNode, place: int) -> Counterpart:
    constants = {place: fit.values}
    reason = ""
    if fit.steps > _MOST_STEPS:
        reason = f"its weight is not that of BASE rounded: they differ by {fit.steps:.1f} steps (was it trained again?)"
    for index, held in node.constants.items():
        if index == place or not (index in layer.constants or (index == BIAS and layer.operator in WEIGHTED)):
            continue
        shape = _shape_of(layer.constants.get(index), candidate, layer, index)
        if shape is not None and held.size == int(np.prod(shape)) and not fit.is_rescaled:
            constants[index] = held.reshape(shape).astype(np.float32)
    return Counterpart(name=node.name, constants=constants, is_rescaled=fit.is_rescaled, reason=reason)


def _shape_of(held: QuantizedConstant | None, candidate: QdqModel, layer: Layer, index: int) -> tuple[int, ...] | None:
    if held is not None:
        return held.integers.shape
    inputs: Iterable[str] = candidate.model.graph.node[layer.index].input
    names = list(inputs)
    array = candidate.constants.get(names[index]) if index < len(names) else None
    return None if array is None else tuple(array.shape)
