"""The integer types follow the target's instructions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeopt.core.profiles import load_target
from edgeopt.core.target import host_target
from edgeopt.steps.quantize.types import Int8Types, int8_types

X86 = load_target("x86-64-avx2")


@pytest.mark.parametrize(
    ("target", "activations", "weight_bits"),
    [
        ("x86-64-vnni", "uint8", 8),
        ("x86-64-avx2", "uint8", 7),
        ("rpi-zero2w", "int8", 8),
        ("rpi3", "int8", 8),
        ("rpi4", "int8", 8),
        ("rpi5", "int8", 8),
    ],
)
def test_every_shipped_target_gets_the_types_of_its_kernels(target, activations, weight_bits):
    record = int8_types(load_target(target)).as_json()

    assert record == {"activations": activations, "weights": "int8", "weight_bits": weight_bits}


@pytest.mark.parametrize(
    ("isa", "limit"),
    [({"avx512_vnni"}, 127), ({"avx_vnni"}, 127), ({"avx2"}, 64), ({"avx512f", "fma"}, 64), (set(), 64)],
)
def test_x86_keeps_seven_bits_unless_it_has_vnni(isa, limit):
    types = int8_types(replace(X86, isa=frozenset(isa)))

    assert (types.activations, types.weight_limit) == ("uint8", limit)
    assert ("with VNNI" in types.reason) == (limit == 127)


def test_seven_bits_are_the_most_that_cannot_saturate_sixteen():
    limit = int8_types(X86).weight_limit

    assert 2 * 255 * limit < 2**15 <= 2 * 255 * (limit + 1)


def test_thin_convolutions_stay_float_on_x86_alone():
    assert [int8_types(load_target(name)).thin_channels for name in ("x86-64-vnni", "x86-64-avx2", "rpi4")] == [3, 3, 0]


def test_this_machine_gets_types_too():
    assert int8_types(host_target()).activations in ("uint8", "int8")


@pytest.mark.parametrize(("activations", "limits"), [("uint8", (0, 255)), ("int8", (-128, 127))])
def test_activations_use_the_whole_type(activations, limits):
    assert Int8Types(activations=activations, weight_limit=127, reason="a test").activation_range == limits
