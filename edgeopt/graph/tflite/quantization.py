"""Whether a TFLite model is quantized, and how."""

from __future__ import annotations

from edgeopt.graph.quantization import QuantizationState
from edgeopt.graph.tflite.costs import MAC_RULES
from edgeopt.graph.tflite.model import Graph, Operator, Tensor, TfliteModel

_EDGES = frozenset({"QUANTIZE", "DEQUANTIZE"})
_RESTORING = frozenset({"DEQUANTIZE", "RESHAPE"})  # weights are made float by them; those in blocks need both


def quantization_state_of_tflite(model: TfliteModel) -> QuantizationState:
    """The state of the main graph, told by the types of weights and of what flows between operators.

    `integer` where integers flow, `dynamic` where weights alone are integers and the operator quantizes what it reads,
    `weights` where they are made float before they are used.
    """
    graph = model.graphs[0]
    made = {place: one for one in graph.operators for place in one.outputs if one.name in _RESTORING}
    weighted = [one for one in graph.operators if one.name in MAC_RULES and not one.is_custom]
    held = [(one, _weights_of(graph, one, made)) for one in weighted]
    quantized = [(one, weights) for one, weights in held if any(weight.scales for weight in weights)]
    activations = {
        tensor.dtype
        for one in graph.operators
        if one.name not in _EDGES
        for tensor in _flowing(graph, one)
        if tensor.scales
    }
    direct = any(graph.tensors[place].scales for one, _ in quantized for place in _constants(graph, one))
    kind = "integer" if activations else "none" if not quantized else "dynamic" if direct else "weights"
    types = {weight.dtype for _, weights in quantized for weight in weights if weight.scales}
    floats = {weight.dtype for _, weights in held for weight in weights if not weight.scales}
    return QuantizationState(
        kind=kind,
        activations=tuple(sorted(activations)),
        weights=tuple(sorted(types or (floats if "float16" in floats else set()))),
        is_per_channel=any(
            len(weight.scales) > 1 or weight.is_blockwise for _, weights in quantized for weight in weights
        ),
        quantized=len(quantized),
        total=len(weighted),
    )


def _weights_of(graph: Graph, operator: Operator, made: dict[int, Operator]) -> list[Tensor]:
    """Constants of two axes or more that an operator reads, through what makes them float too."""
    places = [place for place in operator.inputs if place >= 0]
    seen = set(places)
    for output in places:  # grows as it is walked
        behind = [place for place in made[output].inputs if place >= 0 and place not in seen] if output in made else []
        seen.update(behind)
        places += behind
    found = (graph.tensors[place] for place in places)
    return [tensor for tensor in found if tensor.is_constant and len(tensor.shape) > 1]


def _constants(graph: Graph, operator: Operator) -> list[int]:
    return [place for place in operator.inputs if place >= 0 and graph.tensors[place].is_constant]


def _flowing(graph: Graph, operator: Operator) -> list[Tensor]:
    """What an operator reads and gives that is no constant."""
    found = (graph.tensors[place] for place in (*operator.inputs, *operator.outputs) if place >= 0)
    return [tensor for tensor in found if not tensor.is_constant]
