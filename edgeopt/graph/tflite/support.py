"""Operators of a TFLite model that a runtime lacks, or that run slow on a target.

TFLite Micro: its resolver's operators, and the types that its kernels check for when they prepare
(https://github.com/tensorflow/tflite-micro, tensorflow/lite/micro/kernels).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgeopt.graph.misfit import Misfit
from edgeopt.graph.tflite.costs import MAC_RULES
from edgeopt.graph.tflite.micro import ETHOS_U, MICRO_CUSTOM_OPERATORS, MICRO_OPERATORS, REFUSED_TYPES
from edgeopt.graph.tflite.model import Graph, Operator, Tensor, TfliteModel

ABSENT = "TFLite Micro has no such operator"
HYBRID = "integer weights under float activations (hybrid), which TFLite Micro refuses"
UINT8 = "uint8 activations, which TFLite Micro no longer takes"
_EDGES = frozenset({"QUANTIZE", "DEQUANTIZE"})
_WITHOUT_KERNELS = frozenset({"float16", "bfloat16", "float64", "complex64", "complex128"})
_WIDE = frozenset({"int64", "uint64"})


def lacking_in_micro(model: TfliteModel, *, has_ethos_u: bool = False) -> tuple[Misfit, ...]:
    """Operators that TFLite Micro does not run.

    Args:
        model: The model.
        has_ethos_u: Whether what Vela writes runs there.
    """

    def fault(graph: Graph, operator: Operator) -> str:
        if operator.is_custom:
            is_found = operator.name in MICRO_CUSTOM_OPERATORS or (has_ethos_u and operator.name == ETHOS_U)
            return "" if is_found else ABSENT
        return ABSENT if operator.name not in MICRO_OPERATORS else _type(graph, operator)

    return _misfits(model, fault)


def lacking_in_litert(model: TfliteModel) -> tuple[Misfit, ...]:
    """Operators that LiteRT does not run unless the program that calls it registers them."""
    return _misfits(model, lambda _, one: "LiteRT has no such operator of its own" if one.is_custom else "")


def slow_in_integers(model: TfliteModel) -> tuple[Misfit, ...]:
    """Operators that compute in floats, for a target whose models are to be integers throughout."""

    def fault(graph: Graph, operator: Operator) -> str:
        is_float = any(one.dtype == "float32" for one in _flowing(graph, operator))
        return "computes in float32" if is_float and operator.name not in _EDGES else ""

    return _misfits(model, fault)


def slow_in_words(model: TfliteModel) -> tuple[Misfit, ...]:
    """Operators that compute with 64 bits, for a target whose registers have 32."""

    def fault(graph: Graph, operator: Operator) -> str:
        wide = sorted({one.dtype for one in _flowing(graph, operator)} & _WIDE)
        return f"computes in {wide[0]}, two registers a number" if wide else ""

    return _misfits(model, fault)


def _type(graph: Graph, operator: Operator) -> str:
    """Why the kernel of an operator that TFLite Micro has refuses its types, or nothing."""
    read = [graph.tensors[place] for place in operator.inputs if place >= 0]
    flowing = [one for one in read if not one.is_constant]
    strange = sorted({one.dtype for one in (*read, *_made(graph, operator))} & _WITHOUT_KERNELS)
    if strange:
        return f"no kernel of TFLite Micro takes {strange[0]}"
    types = {one.dtype for one in _flowing(graph, operator)}
    if len(types) == 1 and operator.name in REFUSED_TYPES.get(min(types), ()):
        return f"TFLite Micro's kernel does not take {min(types)}"
    if operator.name in MAC_RULES and flowing:
        data = flowing[0].dtype
        weights = {one.dtype for one in read if one.is_constant and len(one.shape) > 1}
        if data == "float32" and weights - {"float32"}:
            return HYBRID
        if data == "uint8" and operator.name in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}:
            return UINT8
    return ""


def _flowing(graph: Graph, operator: Operator) -> Iterable[Tensor]:
    """What an operator reads and makes that is no constant."""
    places = (*operator.inputs, *operator.outputs)
    return (graph.tensors[place] for place in places if place >= 0 and not graph.tensors[place].is_constant)


def _made(graph: Graph, operator: Operator) -> list[Tensor]:
    return [graph.tensors[place] for place in operator.outputs if place >= 0]


def _misfits(model: TfliteModel, fault: Callable[[Graph, Operator], str]) -> tuple[Misfit, ...]:
    """Operators with a fault, counted by kind and reason, in the order in which they are first met."""
    counts: dict[tuple[str, str], int] = {}
    for graph in model.graphs:
        for one in graph.operators:
            reason = fault(graph, one)
            if reason:
                key = (f"custom.{one.name}" if one.is_custom else one.name, reason)
                counts[key] = counts.get(key, 0) + 1
    return tuple(Misfit(operator=name, count=count, reason=reason) for (name, reason), count in counts.items())
