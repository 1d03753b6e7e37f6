"""Functions of one number.

Kernels that LiteRT's reference set lacks (CEIL, ROUND, ELU) are written with those that both sets have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.formula import computed, log1p, selected
from edgeopt.steps.tflite.families.types import bits, narrowed, type_for, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.source import Node

Function = Callable[[Lowering, Tensor], Tensor]
_DIRECT: Final = {"Exp": "EXP", "Log": "LOG", "Sqrt": "SQRT", "Floor": "FLOOR", "Sin": "SIN", "Cos": "COS"}
# From this size on a float32 has no fraction.
_WHOLE: Final = float(1 << 23)


def unary(node: Node, net: Lowering) -> None:
    """A function of real numbers, in whatever order they lie."""
    view = net.numbers(net.view(node.input(0)))
    type_for(view.tensor.dtype, frozenset({"float32"}))
    function = _FUNCTIONS.get(node.operator)
    made = function(net, view.tensor) if function else computed(net, _DIRECT[node.operator], view.tensor)
    net.bind_view(node.output(0), replace(view, tensor=made))


def absolute(node: Node, net: Lowering) -> None:
    """Abs: ABS; the larger of x and -x where that lacks the type."""
    view = net.numbers(net.view(node.input(0)))
    made = view.tensor
    if made.dtype == "int64":
        made = computed(net, "MAXIMUM", made, computed(net, "NEG", made))
    elif not made.dtype.startswith("uint"):
        made = narrowed(net, computed(net, "ABS", *widened(net, [made], "ABS")), made.dtype)
    net.bind_view(node.output(0), replace(view, tensor=made))


def negative(node: Node, net: Lowering) -> None:
    """Neg: NEG."""
    view = net.numbers(net.view(node.input(0)))
    made = computed(net, "NEG", *widened(net, [view.tensor], "NEG", is_modular=True))
    net.bind_view(node.output(0), replace(view, tensor=narrowed(net, made, view.tensor.dtype)))


def sign(node: Node, net: Lowering) -> None:
    """Sign: SIGN; a long integer limited to -1 to 1."""
    view = net.numbers(net.view(node.input(0)))
    tensor = view.tensor
    if tensor.dtype in ("int64", "uint32"):
        wide = net.cast(tensor, "int64")
        made = computed(net, "MINIMUM", computed(net, "MAXIMUM", wide, -1), 1)
    elif tensor.dtype == "uint64":
        made = net.cast(computed(net, "NOT_EQUAL", bits(net, tensor, "int64"), 0), "int64")
    else:
        made = computed(net, "SIGN", *widened(net, [tensor], "SIGN"))
    net.bind_view(node.output(0), replace(view, tensor=narrowed(net, made, tensor.dtype)))


def _reciprocal(net: Lowering, x: Tensor) -> Tensor:
    return computed(net, "DIV", 1.0, x)


def _ceil(net: Lowering, x: Tensor) -> Tensor:
    return computed(net, "NEG", computed(net, "FLOOR", computed(net, "NEG", x)))


def _round(net: Lowering, x: Tensor) -> Tensor:
    """To the nearest, halves to the even: what the addition of 2**23, which leaves no fraction, does by itself."""
    size = computed(net, "ABS", x)
    whole = computed(net, "SUB", computed(net, "ADD", size, _WHOLE), _WHOLE)
    return computed(
        net, "MUL", selected(net, computed(net, "LESS", size, _WHOLE), whole, size), computed(net, "SIGN", x)
    )


def _tan(net: Lowering, x: Tensor) -> Tensor:
    return computed(net, "DIV", computed(net, "SIN", x), computed(net, "COS", x))


def _angle(net: Lowering, y: Tensor, x: Tensor | float) -> Tensor:
    """The angle of the point (x, y); ATAN2 does not broadcast rightly."""
    if not isinstance(x, Tensor):
        lengths = net.new_constant(np.array(y.shape, np.int32), name="shape")
        x = net.add("FILL", (lengths, net.scalar(x)), y.shape, dtype="float32")
    return computed(net, "ATAN2", y, x)


def _atan(net: Lowering, x: Tensor) -> Tensor:
    return _angle(net, x, 1.0)


def _other_leg(net: Lowering, x: Tensor) -> Tensor:
    """sqrt(1 - x**2), without loss near 1; no number beyond."""
    return computed(net, "SQRT", computed(net, "MUL", computed(net, "SUB", 1.0, x), computed(net, "ADD", x, 1.0)))


def _asin(net: Lowering, x: Tensor) -> Tensor:
    return _angle(net, x, _other_leg(net, x))


def _acos(net: Lowering, x: Tensor) -> Tensor:
    return _angle(net, _other_leg(net, x), x)


def _cosh(net: Lowering, x: Tensor) -> Tensor:
    """(e**x + e**-x) / 2, through e**(|x| / 2) so that it overflows no earlier than its value does."""
    half = computed(net, "EXP", computed(net, "MUL", computed(net, "ABS", x), 0.5))
    large = computed(net, "MUL", computed(net, "MUL", half, 0.5), half)
    return computed(net, "ADD", large, computed(net, "DIV", computed(net, "DIV", 0.5, half), half))


def _sinh(net: Lowering, x: Tensor) -> Tensor:
    """Tanh x times cosh x: a difference of two exponentials would lose all digits near 0."""
    return computed(net, "MUL", computed(net, "TANH", x), _cosh(net, x))


def _asinh(net: Lowering, x: Tensor) -> Tensor:
    """sign(x) log1p(a + a * a / (1 + sqrt(1 + a**2))) with a = |x|; that factor is 1 for a large a."""
    size = computed(net, "ABS", x)
    limited = computed(net, "MINIMUM", size, 1e18)
    root = computed(net, "SQRT", computed(net, "ADD", computed(net, "MUL", limited, limited), 1.0))
    factor = computed(net, "DIV", limited, computed(net, "ADD", root, 1.0))
    value = log1p(net, computed(net, "ADD", size, computed(net, "MUL", size, factor)))
    return computed(net, "MUL", computed(net, "SIGN", x), value)


def _acosh(net: Lowering, x: Tensor) -> Tensor:
    """log1p(t + sqrt(t) sqrt(t + 2)) with t = x - 1; no number below 1."""
    t = computed(net, "SUB", x, 1.0)
    roots = computed(net, "MUL", computed(net, "SQRT", t), computed(net, "SQRT", computed(net, "ADD", t, 2.0)))
    return log1p(net, computed(net, "ADD", t, roots))


def _atanh(net: Lowering, x: Tensor) -> Tensor:
    """sign(x) log1p(2 a / (1 - a)) / 2 with a = |x|."""
    size = computed(net, "ABS", x)
    ratio = computed(net, "DIV", computed(net, "MUL", size, 2.0), computed(net, "SUB", 1.0, size))
    return computed(net, "MUL", computed(net, "MUL", log1p(net, ratio), 0.5), computed(net, "SIGN", x))


# erf(x) = x P(x**2) / Q(x**2) for |x| <= 3.8325..., beyond which float32 rounds it to 1. The minimax rational function
# of XLA (xla/hlo/builder/lib/math.cc, ErfImpl32), highest power first; its error is 5e-7 of the value at most (tests).
_ERF_EDGE: Final = 3.832506856900711
_ERF_ABOVE: Final = (
    0.00022905065861350646,
    0.0034082910107109506,
    0.050955695062380861,
    0.18520832239976145,
    1.128379143519084,
)
_ERF_BELOW: Final = (
    -1.1791602954361697e-7,
    0.000023547966471313185,
    0.0010179625278914885,
    0.014070470171167667,
    0.11098505178285362,
    0.49746925110067538,
    1.0,
)


def _erf(net: Lowering, x: Tensor) -> Tensor:
    x = computed(net, "MINIMUM", computed(net, "MAXIMUM", x, -_ERF_EDGE), _ERF_EDGE)
    square = computed(net, "MUL", x, x)
    above, below = _polynomial(net, square, _ERF_ABOVE), _polynomial(net, square, _ERF_BELOW)
    return computed(net, "DIV", computed(net, "MUL", x, above), below)


def _polynomial(net: Lowering, x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """Horner's scheme, the coefficient of the highest power first."""
    highest, *others, last = coefficients
    value = computed(net, "MUL", x, highest)
    for each in others:
        value = computed(net, "MUL", computed(net, "ADD", value, each), x)
    return computed(net, "ADD", value, last)


_FUNCTIONS: Final[dict[str, Function]] = {
    "Acos": _acos,
    "Acosh": _acosh,
    "Asin": _asin,
    "Asinh": _asinh,
    "Atan": _atan,
    "Atanh": _atanh,
    "Ceil": _ceil,
    "Cosh": _cosh,
    "Erf": _erf,
    "Reciprocal": _reciprocal,
    "Round": _round,
    "Sinh": _sinh,
    "Tan": _tan,
}
