"""Which integer types run fast and exact on a processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgeopt.core.target import Target

ActivationType = Literal["uint8", "int8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Types:
    """Types of activations and weights.

    Attributes:
        activations: `uint8` or `int8`, both asymmetric.
        weight_limit: Largest magnitude of a weight; weights are int8, symmetric. 127 uses 8 bits, 64 uses 7.
        thin_channels: A dense convolution with at most this many input channels stays float; 0 keeps none.
        narrow_channels: A depthwise convolution of at most this many channels behind a float one stays float; 0 keeps
            none.
        small_products: A product of two activations, as in attention, whose result has fewer rows or columns than this
            stays float; 0 keeps none.
        is_integer_only: Whether all that has an integer kernel on the target runs in it, whether it pays in ONNX
            Runtime or not: a node that stays float is a fault there, not a choice.
        reason: Why these, for people.
    """

    activations: ActivationType
    weight_limit: int
    thin_channels: int = 0
    narrow_channels: int = 0
    small_products: int = 0
    is_integer_only: bool = False
    reason: str

    @property
    def activation_range(self) -> tuple[int, int]:
        """Smallest and largest activation."""
        limits = np.iinfo(self.activations)
        return int(limits.min), int(limits.max)

    def as_json(self) -> dict[str, Any]:
        """Keys of `scheme` in the record of `quantize`."""
        return {"activations": self.activations, "weights": "int8", "weight_bits": 8 if self.weight_limit > 64 else 7}


_VNNI = frozenset({"avx512_vnni", "avx_vnni"})

# ONNX Runtime's kernels (MLAS): VNNI multiplies uint8 by int8 and sums in 32 bits; AVX2 and SSE do so by PMADDUBSW,
# which saturates at 16 bits unless weights keep 7 bits (255 * 64 * 2 < 2**15); ARM kernels (SMULL, SDOT) are signed.
# Measured on one x86 core with VNNI: int8 activations run ResNet8 at 0.79x of fp32, uint8 ones at 1.76x.
#
# What stays float on x86 (docs/adr/0005, docs/results/layers-in-int8.md), on ARM not measured and so in int8 there:
# a convolution over the 1 to 3 channels of an image or a spectrogram fills too little of an integer dot product;
# a depthwise one of few channels is several times as slow, and costs no rounding more where its input is float anyway;
# a product of activations has to pack its second factor at every call, which eats what integers save below 128 rows.
_X86_THIN_CHANNELS = 3
_X86_NARROW_CHANNELS = 64
_X86_SMALL_PRODUCTS = 128
_X86_VNNI = Int8Types(
    activations="uint8",
    weight_limit=127,
    thin_channels=_X86_THIN_CHANNELS,
    narrow_channels=_X86_NARROW_CHANNELS,
    small_products=_X86_SMALL_PRODUCTS,
    reason="x86-64 with VNNI multiplies unsigned by signed bytes",
)
_X86 = Int8Types(
    activations="uint8",
    weight_limit=64,
    thin_channels=_X86_THIN_CHANNELS,
    narrow_channels=_X86_NARROW_CHANNELS,
    small_products=_X86_SMALL_PRODUCTS,
    reason="x86-64 without VNNI saturates unless weights keep 7 bits",
)
_SIGNED = Int8Types(activations="int8", weight_limit=127, reason="ARM kernels multiply signed bytes")
# TFLite's 8-bit specification, which TFLite Micro, CMSIS-NN and Vela follow: activations int8 with a zero point,
# weights int8 and symmetric.
_INTEGER_ONLY = Int8Types(
    activations="int8",
    weight_limit=127,
    is_integer_only=True,
    reason="its kernels take and give signed bytes, from the input to the output",
)


def int8_types(target: Target) -> Int8Types:
    """The types for a target: of its policy where it runs integers alone, else as ONNX Runtime's kernels want them."""
    if target.is_integer_only:
        return _INTEGER_ONLY
    if target.architecture == "x86_64":
        return _X86_VNNI if target.isa & _VNNI else _X86
    return _SIGNED
