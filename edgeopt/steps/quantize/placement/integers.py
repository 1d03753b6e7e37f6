"""What a target that runs integers alone has int8 kernels for, beyond ONNX Runtime's own."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING

from edgeopt.steps.quantize.placement.kinds import KINDS, Kind

if TYPE_CHECKING:
    import onnx_ir as ir

# TFLite Micro has int8 kernels for them; ONNX Runtime computes what stands between their pairs in float
# (tensorflow/lite/micro/kernels of tflite-micro). HardSigmoid only as part of x * HardSigmoid(x), as which ONNX's
# HardSwish is taken apart when a graph is folded.
INTEGER_KINDS: dict[str, Kind] = {
    "HardSigmoid": Kind.COMPUTED,
    "ReduceMean": Kind.COMPUTED,
    "Softmax": Kind.COMPUTED,
    "Sub": Kind.COMPUTED,
    "Tanh": Kind.COMPUTED,
}
ALL_KINDS: dict[str, Kind] = {**KINDS, **INTEGER_KINDS}
END_REASON = "it ends the model: `edgeopt convert` makes it int8 in its kernel's own scale"
# Activations whose int8 kernels have a scale of their own: where one ends a model, a conversion writes it in integers
# without a pair behind it, in that scale (docs/adr/0018).
_OWN_SCALES = frozenset({"LogSoftmax", "Sigmoid", "Softmax", "Tanh"})
# Inputs after the first are lengths, axes or bounds.
_ONE_VALUE = frozenset({"Clip", "ReduceMean", "Relu"})


def ends_by_itself(node: ir.Node) -> bool:
    """Whether a node ends the model with an activation that needs no pair to become int8 in a conversion."""
    output = node.outputs[0]
    return node.op_type in _OWN_SCALES and output.is_graph_output() and not output.uses()


def integer_reason(node: ir.Node) -> str:
    """Why a node stays float where the target runs integers alone; empty where it has an int8 kernel."""
    if ends_by_itself(node):
        return END_REASON
    is_part = node.op_type == "HardSigmoid" and not is_gate(node)
    is_known = node.domain in ("", "ai.onnx") and node.op_type in ALL_KINDS and not is_part
    return "" if is_known else f"edgeopt knows no integer kernel for {node.op_type}"


def values_of(node: ir.Node) -> list[ir.Value]:
    """The inputs of a computed node that hold values: those of HARD_SWISH where the node ends one."""
    given = node.inputs[:1] if node.op_type in _ONE_VALUE else node.inputs
    return [value for value in given if value is not None and not is_gate(value.producer())]


def is_gate(node: ir.Node | None) -> bool:
    """Whether a node is the HardSigmoid(x) of x * HardSigmoid(x), which is one kernel: HARD_SWISH."""
    if node is None or node.op_type != "HardSigmoid" or not _is_of_hard_swish(node):
        return False
    uses = list(node.outputs[0].uses())
    if len(uses) != 1 or node.outputs[0].is_graph_output() or uses[0].node.op_type != "Mul":
        return False
    return node.inputs[0] in uses[0].node.inputs


def _is_of_hard_swish(node: ir.Node) -> bool:
    """Whether it is min(1, max(0, x / 6 + 1 / 2))."""
    alpha, beta = (
        float(node.attributes[key].as_float()) if key in node.attributes else default
        for key, default in (("alpha", 0.2), ("beta", 0.5))
    )
    return isclose(alpha, 1 / 6, rel_tol=1e-5) and beta == 0.5
