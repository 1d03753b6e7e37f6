"""Quotients of integers that TFLite's DIV, of int32 at most, does not take."""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.bitwise import right_long
from edgeopt.steps.tflite.families.formula import computed, selected
from edgeopt.steps.tflite.families.types import bits, narrowed, ordered
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor


def quotient(net: Lowering, x: Tensor, y: Tensor) -> Tensor:
    """X / y of int64, uint32 or uint64, towards zero."""
    if x.dtype == "uint64":
        return bits(net, _unsigned_quotient(net, x, y), "uint64")
    return narrowed(net, _long_quotient(net, net.cast(x, "int64"), net.cast(y, "int64")), x.dtype)


def remainder(net: Lowering, x: Tensor, y: Tensor) -> Tensor:
    """X - y (x / y) of uint64."""
    product = computed(net, "MUL", _unsigned_quotient(net, x, y), bits(net, y, "int64"))
    return bits(net, computed(net, "SUB", bits(net, x, "int64"), product), "uint64")


def _unsigned_quotient(net: Lowering, x: Tensor, y: Tensor) -> Tensor:
    """X / y of uint64, as the bits of int64, by the quotient of half of x (Warren, Hacker's Delight, 9-3).

    2 ((x / 2) / y) is the quotient or 1 less. A divisor of 2**63 or more is in x once at most.
    """
    one = net.new_constant(np.array(1, np.int32), name="one")
    half = bits(net, right_long(net, x, one), "int64")
    long_x, long_y = bits(net, x, "int64"), bits(net, y, "int64")
    is_huge = computed(net, "LESS", long_y, 0)
    divisor = selected(net, is_huge, net.new_constant(np.array(1, np.int64), name="one"), long_y)
    twice = computed(net, "MUL", _long_quotient(net, half, divisor), 2)
    zero = net.new_constant(np.array(0, np.int64), name="zero")
    made = selected(net, is_huge, zero, twice)
    rest = computed(net, "SUB", long_x, computed(net, "MUL", made, long_y))
    left, right = ordered(net, [bits(net, rest, "uint64"), y])
    return computed(net, "ADD", made, net.cast(computed(net, "GREATER_EQUAL", left, right), "int64"))


# A float32 quotient is off by at most 2**-21 of itself, so each round leaves a rest at least 2**20 times smaller;
# a quotient of 63 bits is found after four.
_ROUNDS: Final = 4


def _long_quotient(net: Lowering, x: Tensor, y: Tensor) -> Tensor:
    """X / y of int64, towards zero, exactly: TFLite divides int32 at most.

    The quotient is the sum of quotients in float32 of what is left each time: x - q y becomes smaller than y.
    """
    divisor = net.cast(y, "float32")
    quotient: Tensor | None = None
    rest = x
    for _ in range(_ROUNDS):
        part = net.cast(computed(net, "DIV", net.cast(rest, "float32"), divisor), "int64")
        quotient = part if quotient is None else computed(net, "ADD", quotient, part)
        rest = computed(net, "SUB", rest, computed(net, "MUL", part, y))
    assert quotient is not None
    return _towards_zero(net, quotient, rest, x, y)


def _towards_zero(net: Lowering, quotient: Tensor, rest: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The quotient mended by at most 1 so that the rest is smaller than y and has the sign of x."""

    def is_negative(tensor: Tensor) -> Tensor:
        return computed(net, "LESS", tensor, 0)

    def size(tensor: Tensor) -> Tensor:
        return computed(net, "MAXIMUM", tensor, computed(net, "NEG", tensor))

    is_alike = computed(net, "EQUAL", is_negative(rest), is_negative(y))
    step = computed(net, "SUB", computed(net, "MUL", net.cast(is_alike, "int64"), 2), 1)
    is_too_large = computed(net, "GREATER_EQUAL", size(rest), size(y))
    quotient = computed(net, "ADD", quotient, computed(net, "MUL", step, net.cast(is_too_large, "int64")))
    rest = computed(net, "SUB", x, computed(net, "MUL", quotient, y))
    is_alike = computed(net, "EQUAL", is_negative(rest), is_negative(y))
    step = computed(net, "SUB", computed(net, "MUL", net.cast(is_alike, "int64"), 2), 1)
    is_turned = computed(net, "NOT_EQUAL", is_negative(rest), is_negative(x))
    is_wrong = computed(net, "LOGICAL_AND", is_turned, computed(net, "NOT_EQUAL", rest, 0))
    return computed(net, "ADD", quotient, computed(net, "MUL", step, net.cast(is_wrong, "int64")))
