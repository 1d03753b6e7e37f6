"""Activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.arithmetic import is_int8
from edgeopt.steps.tflite.families.broadcast import aligned
from edgeopt.steps.tflite.families.formula import computed, log1p, selected
from edgeopt.steps.tflite.families.patterns import hard_swish_behind, mish, mish_behind
from edgeopt.steps.tflite.families.types import narrowed, ordered, type_for, unordered
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Options, Quantization, Tensor, options
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

Function = Callable[[Node, Lowering, Tensor], Tensor]
_REAL: Final = frozenset({"float32"})
# The scales that int8 kernels demand (TFLite's 8-bit specification); None: any.
_RULES: Final[dict[str, Quantization | None]] = {
    "LOGISTIC": Quantization(scales=(1 / 256,), zero_points=(-128,)),
    "TANH": Quantization(scales=(1 / 128,), zero_points=(0,)),
    "HARD_SWISH": None,
    "LEAKY_RELU": None,
    "RELU": None,
}
# (lowest, highest) -> the kernel that limits to them
_FUSED: Final[dict[tuple[float | None, ...], str]] = {
    (0.0, None): "RELU",
    (0.0, 6.0): "RELU6",
    (-1.0, 1.0): "RELU_N1_TO_1",
}
_DIRECT: Final = {
    "Gelu": "GELU",
    "HardSwish": "HARD_SWISH",
    "LeakyRelu": "LEAKY_RELU",
    "Sigmoid": "LOGISTIC",
    "Tanh": "TANH",
}

_SLOPES_BROADCAST_SINCE = 7  # the opset of ONNX


def relu(node: Node, net: Lowering) -> None:
    """Relu that no operation before it does."""
    view = net.view(node.input(0))
    if _integer(node, net, view, "RELU", None):
        return
    view = net.numbers(view)
    tensor = view.tensor
    if tensor.dtype == "float32":
        made = computed(net, "RELU", tensor)
    else:
        made = narrowed(net, computed(net, "MAXIMUM", *ordered(net, [tensor], "MAXIMUM"), 0), tensor.dtype)
    net.bind_view(node.output(0), replace(view, tensor=made))


def direct(node: Node, net: Lowering) -> None:
    """An activation that TFLite has: in int8 where its input is and its output is quantized."""
    kind, view = _DIRECT[node.operator], net.view(node.input(0))
    given = _options(node)
    if kind in _RULES and _integer(node, net, view, kind, given):
        return
    view = net.numbers(view)
    type_for(view.tensor.dtype, _REAL)
    net.bind_view(node.output(0), replace(view, tensor=computed(net, kind, view.tensor, options=given)))


def _options(node: Node) -> Options | None:
    if node.operator == "Gelu":
        return options("GeluOptions", approximate=node.attribute("approximate", "none") == "tanh")
    if node.operator == "LeakyRelu":
        return options("LeakyReluOptions", alpha=float(node.attribute("alpha", 0.01)))
    return None


def _integer(node: Node, net: Lowering, view: View, kind: str, given: Options | None) -> bool:
    """Write an activation of int8, with the scale that its kernel demands; whether it is one."""
    wanted = net.wanted(node.output(0)) if is_int8(view) else None
    if wanted is None:
        return False
    made = computed(net, kind, view.tensor, options=given, quantization=_RULES[kind] or wanted)
    net.bind_view(node.output(0), replace(view, tensor=made))
    return True


def clip(node: Node, net: Lowering) -> None:
    """Clip that no operation before it does: bounds may be left out, or computed."""
    view = net.view(node.input(0))
    if is_int8(view) and _integer_clip(node, net, view):
        return
    view = net.unflattened(net.numbers(view))
    limits = _bounds(node, net)
    fused = _FUSED.get(limits or ()) if view.tensor.dtype == "float32" else None
    if fused is not None:
        net.bind_view(node.output(0), replace(view, tensor=computed(net, fused, view.tensor)))
        return
    if not (node.input(1) or node.input(2)) and limits is not None:
        bounds = [None if each is None else net.scalar(each, view.tensor.dtype) for each in limits]
    else:
        bounds = [net.tensor(name) if name else None for name in (node.input(1), node.input(2))]
    tensors = [view.tensor, *(each for each in bounds if each is not None)]
    made, *rest = ordered(net, tensors, "MAXIMUM", "MINIMUM")
    kinds = [kind for kind, bound in zip(("MAXIMUM", "MINIMUM"), bounds, strict=True) if bound is not None]
    for kind, bound in zip(kinds, rest, strict=True):
        made = computed(net, kind, made, bound)
    net.bind_view(node.output(0), replace(view, tensor=unordered(net, made, view.tensor.dtype)))


def _bounds(node: Node, net: Lowering) -> tuple[float | None, float | None] | None:
    """(lowest, highest) of a Clip, of either form of the operator, None for no bound; None where one is computed."""
    names = (node.input(1), node.input(2))
    given = [net.constant(name) if name else None for name in names]
    if any(name and value is None for name, value in zip(names, given, strict=True)):
        return None
    found = [None if each is None else float(each.reshape(-1)[0]) for each in given]
    lowest = found[0] if found[0] is not None else node.attribute("min")
    highest = found[1] if found[1] is not None else node.attribute("max")
    return lowest, highest


def _integer_clip(node: Node, net: Lowering, view: View) -> bool:
    """Write a Clip of int8 by its bounds in steps of its input; whether they are constant and it is quantized after."""
    limits, quantization = _bounds(node, net), view.tensor.quantization
    if limits is None or quantization is None or net.wanted(node.output(0)) is None:
        return False
    made = view.tensor
    for kind, bound in zip(("MAXIMUM", "MINIMUM"), limits, strict=True):
        if bound is not None:
            step = np.clip(np.rint(bound / np.float32(quantization.scale)) + quantization.zero_point, -128, 127)
            limit = net.new_constant(np.array(step, np.int8), name="bound", quantization=quantization)
            made = computed(net, kind, made, limit, quantization=quantization)
    net.bind_view(node.output(0), replace(view, tensor=made))
    return True


def prelu(node: Node, net: Lowering) -> None:
    """PRelu: PRELU for real images with a slope per channel, else by halves: max(x, 0) + slope min(x, 0)."""
    views = [net.view(name) for name in node.inputs]
    wanted = net.wanted(node.output(0)) if all(is_int8(view) for view in views) else None
    if wanted is None:
        views = [net.numbers(view) for view in views]
    if net.source.opset < _SLOPES_BROADCAST_SINCE and views[1].rank == 1:  # a slope per channel
        views[1] = net.reshaped(views[1], (views[1].shape[0], *[1] * (views[0].rank - 2)))
    (x, slope), axes, shape = aligned(net, views)
    if (wanted is not None or x.dtype == "float32") and len(shape) <= 4:
        made = computed(net, "PRELU", x, slope, quantization=wanted)
    else:
        wide = ordered(net, [x, slope], "MAXIMUM", "MINIMUM", "MUL", "ADD")
        below = computed(net, "MUL", computed(net, "MINIMUM", wide[0], 0), wide[1])
        made = narrowed(net, computed(net, "ADD", computed(net, "MAXIMUM", wide[0], 0), below), x.dtype)
    net.bind(node.output(0), made, axes, is_quantized=wanted is not None)


def formula(node: Node, net: Lowering) -> None:
    """An activation that TFLite has not, by operators that it has."""
    if node.operator == "HardSigmoid" and _is_of_hard_swish(node) and hard_swish_behind(node, net):
        return
    if node.operator == "Softplus" and mish_behind(node, net):
        return
    view = net.numbers(net.view(node.input(0)))
    if node.operator != "Shrink":
        type_for(view.tensor.dtype, _REAL)
    net.bind_view(node.output(0), replace(view, tensor=_FORMULAS[node.operator](node, net, view.tensor)))


def _is_of_hard_swish(node: Node) -> bool:
    return bool(np.isclose(node.attribute("alpha", 0.2), 1 / 6, rtol=1e-5)) and node.attribute("beta", 0.5) == 0.5


def _below(net: Lowering, x: Tensor, factor: float, divisor: float = 1.0) -> Tensor:
    """Factor (e**(min(x, 0) / divisor) - 1)."""
    low = computed(net, "MINIMUM", x, 0.0)
    if divisor != 1.0:
        low = computed(net, "MUL", low, 1.0 / divisor)
    made = computed(net, "SUB", computed(net, "EXP", low), 1.0)
    return made if factor == 1.0 else computed(net, "MUL", made, factor)


def _elu(node: Node, net: Lowering, x: Tensor) -> Tensor:
    """max(x, 0) + alpha (e**min(x, 0) - 1); LiteRT's reference kernels have no ELU."""
    return computed(net, "ADD", computed(net, "RELU", x), _below(net, x, float(node.attribute("alpha", 1.0))))


def _selu(node: Node, net: Lowering, x: Tensor) -> Tensor:
    alpha, gamma = float(node.attribute("alpha", 1.67326319)), float(node.attribute("gamma", 1.05070102))
    above = computed(net, "MUL", computed(net, "RELU", x), gamma)
    return computed(net, "ADD", above, _below(net, x, alpha * gamma))


def _celu(node: Node, net: Lowering, x: Tensor) -> Tensor:
    alpha = float(node.attribute("alpha", 1.0))
    return computed(net, "ADD", computed(net, "RELU", x), _below(net, x, alpha, alpha))


def _hard_sigmoid(node: Node, net: Lowering, x: Tensor) -> Tensor:
    """max(0, min(1, alpha x + beta)); by RELU6 where it is relu6(x + 3) / 6."""
    if _is_of_hard_swish(node):
        return computed(net, "MUL", computed(net, "ADD", x, 3.0, activation="RELU6"), 1 / 6)
    line = computed(net, "MUL", x, float(node.attribute("alpha", 0.2)))
    line = computed(net, "ADD", line, float(node.attribute("beta", 0.5)), activation="RELU")
    return computed(net, "MINIMUM", line, 1.0)


def _thresholded_relu(node: Node, net: Lowering, x: Tensor) -> Tensor:
    alpha = float(node.attribute("alpha", 1.0))
    return selected(net, computed(net, "GREATER", x, alpha), x, 0.0)


def _shrink(node: Node, net: Lowering, x: Tensor) -> Tensor:
    """X + bias below -lambd, x - bias above lambd, 0 between."""
    edge, bias = float(node.attribute("lambd", 0.5)), float(node.attribute("bias", 0.0))
    real = net.cast(x, "float32") if x.dtype not in ("int64", "uint64", "float64") else x
    type_for(real.dtype, _REAL)
    low, high = computed(net, "ADD", real, bias), computed(net, "SUB", real, bias)
    above = selected(net, computed(net, "GREATER", real, edge), high, 0.0)
    return net.cast(selected(net, computed(net, "LESS", real, -edge), low, above), x.dtype)


def _softplus(node: Node, net: Lowering, x: Tensor) -> Tensor:
    """max(x, 0) + log(1 + e**-|x|), which does not overflow."""
    del node
    small = computed(net, "EXP", computed(net, "NEG", computed(net, "ABS", x)))
    return computed(net, "ADD", computed(net, "RELU", x), log1p(net, small))


def _softsign(node: Node, net: Lowering, x: Tensor) -> Tensor:
    del node
    return computed(net, "DIV", x, computed(net, "ADD", computed(net, "ABS", x), 1.0))


def _swish(node: Node, net: Lowering, x: Tensor) -> Tensor:
    alpha = float(node.attribute("alpha", 1.0))
    inner = x if alpha == 1.0 else computed(net, "MUL", x, alpha)
    return computed(net, "MUL", x, computed(net, "LOGISTIC", inner))


_FORMULAS: Final[dict[str, Function]] = {
    "Celu": _celu,
    "Elu": _elu,
    "HardSigmoid": _hard_sigmoid,
    "Mish": lambda _, net, x: mish(net, x),
    "Selu": _selu,
    "Shrink": _shrink,
    "Softplus": _softplus,
    "Softsign": _softsign,
    "Swish": _swish,
    "ThresholdedRelu": _thresholded_relu,
}
