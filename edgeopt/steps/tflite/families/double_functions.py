"""Exponential and logarithm of float64, which LiteRT has of float32 alone."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.double import DOUBLE, double, double_part
from edgeopt.steps.tflite.families.formula import computed, selected
from edgeopt.steps.tflite.families.types import bits
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor

# e**x is 0 below and infinite above.
_LOWEST, _HIGHEST = -746.0, 710.0
_BIAS: Final = 1023  # of the exponent of an IEEE 754 binary64 number, which stands from bit 52 on
_EXPONENT: Final = 1 << 52
_HIGH_EXPONENT_BITS: Final = 20  # where it begins in the upper half of the number
# The logarithm of 2 in two parts (fdlibm, e_exp.c): products of the first with an exponent are exact.
_LN2_HIGH: Final = 6.93147180369123816490e-01
_LN2_LOW: Final = 1.90821492927058770002e-10
_TERMS: Final = 14  # of the series of e**r, |r| <= log(2) / 2; the next is 1e-17


def double_exp(net: Lowering, x: Tensor) -> Tensor:
    """e**x = 2**n e**r with n the integer nearest to x / log 2 and r what is left: a series."""
    limited = double(net, "MINIMUM", [double(net, "MAXIMUM", [x, _number(net, _LOWEST)]), _number(net, _HIGHEST)])
    ratio = computed(net, "MUL", net.cast(limited, "float32"), 1 / math.log(2))
    n = computed(net, "FLOOR", computed(net, "ADD", ratio, 0.5))
    whole = net.cast(n, DOUBLE)
    rest = double(net, "ADD", [limited, double(net, "MUL", [whole, _number(net, -_LN2_HIGH)])])
    rest = double(net, "ADD", [rest, double(net, "MUL", [whole, _number(net, -_LN2_LOW)])])
    value = _number(net, 1 / math.factorial(_TERMS))
    for place in range(_TERMS - 1, -1, -1):
        product = double(net, "MUL", [rest, value])
        value = double(net, "ADD", [product, _number(net, 1 / math.factorial(place))])
    # In two steps, since 2**1024 and 2**-1075 are no numbers though what they are part of is one.
    half = net.cast(computed(net, "FLOOR", computed(net, "MUL", n, 0.5)), "int64")
    other = computed(net, "SUB", net.cast(n, "int64"), half)
    return double(net, "MUL", [double(net, "MUL", [value, _power_of_two(net, half)]), _power_of_two(net, other)])


def double_log(net: Lowering, x: Tensor) -> Tensor:
    """Log x = e log 2 + log m with x = 2**e m, 1 <= m < 2.

    With y the logarithm of m in float32 and d = m e**-y - 1, log m = y + log(1 + d) = y + d - d**2 / 2 + d**3 / 3.
    """
    exponent = _exponent(net, x)
    turned = _power_of_two(net, computed(net, "NEG", exponent))
    m = double(net, "MUL", [x, turned])
    rough = net.cast(computed(net, "LOG", net.cast(m, "float32")), DOUBLE)
    d = double(net, "SUB", [double(net, "MUL", [m, double_exp(net, double(net, "NEG", [rough]))]), _number(net, 1.0)])
    inner = double(net, "ADD", [double(net, "MUL", [d, _number(net, 1 / 3)]), _number(net, -0.5)])
    series = double(net, "ADD", [d, double(net, "MUL", [double(net, "MUL", [d, d]), inner])])
    of_two = double(net, "MUL", [net.cast(exponent, DOUBLE), _number(net, math.log(2))])
    value = double(net, "ADD", [double(net, "ADD", [rough, series]), of_two])
    sign = net.cast(computed(net, "SIGN", x), "int32")
    value = selected(net, computed(net, "EQUAL", sign, 0), _number(net, -np.inf), value)
    return selected(net, computed(net, "LESS", sign, 0), _number(net, np.nan), value)


def _exponent(net: Lowering, x: Tensor) -> Tensor:
    """The exponent of the power of two below each positive number, int64."""
    words = bits(net, bits(net, x, "int64"), "int32")
    upper = net.reshape(double_part(net, words, len(x.shape), 1, 1), x.shape)
    return net.cast(computed(net, "SUB", computed(net, "RIGHT_SHIFT", upper, _HIGH_EXPONENT_BITS), _BIAS), "int64")


def _power_of_two(net: Lowering, exponent: Tensor) -> Tensor:
    """2**exponent for an int64 from -1022 to 1023: written as bits."""
    return bits(net, computed(net, "MUL", computed(net, "ADD", exponent, _BIAS), _EXPONENT), DOUBLE)


def _number(net: Lowering, value: float) -> Tensor:
    return net.scalar(value, DOUBLE)
