"""GELU is brought into the order that ONNX Runtime knows as one kernel."""

from __future__ import annotations

from itertools import product
from math import sqrt
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.graph.rewrite.gelu import order_gelus

node = helper.make_node


def gelu(models: Any, *, scale: str = "Div", flips: tuple[bool, ...] = (False,) * 4, **numbers: float) -> Any:
    """x * (0.5 * (1 + erf(x / sqrt 2))), each commutative node with its inputs the other way round where flipped."""
    values = {"root": sqrt(2) if scale == "Div" else sqrt(0.5), "one": 1.0, "half": 0.5, **numbers}

    def ordered(index: int, *names: str) -> list[str]:
        return list(reversed(names)) if flips[index] else list(names)

    nodes = [
        node(scale, ordered(0, "x", "root") if scale == "Mul" else ["x", "root"], ["d"]),
        node("Erf", ["d"], ["e"]),
        node("Add", ordered(1, "e", "one"), ["s"]),
        node("Mul", ordered(2, "half", "s"), ["h"]),
        node("Mul", ordered(3, "x", "h"), ["y"]),
    ]
    constants = models.constants(**{name: np.float32(number) for name, number in values.items()})
    return models.model(nodes, [models.value("x", "batch", 7)], [models.value("y", "batch", 7)], constants)


@pytest.mark.parametrize("scale", ["Div", "Mul"])
@pytest.mark.parametrize("flips", list(product([False, True], repeat=4)))
def test_the_runtime_makes_one_kernel_of_it(small_models, rewrite, fused_operators, scale, flips):
    found = rewrite(gelu(small_models, scale=scale, flips=flips), order_gelus)

    assert fused_operators(found.before) != ["Gelu"]
    assert fused_operators(found.after) == ["Gelu"]


@pytest.mark.parametrize("numbers", [{"half": 0.4}, {"one": 1.5}, {"root": 1.5}])
def test_another_formula_stays(small_models, rewrite, numbers):
    found = rewrite(gelu(small_models, **numbers), order_gelus)

    assert [list(n.input) for n in found.after.graph.node] == [list(n.input) for n in found.before.graph.node]


def test_parts_that_others_read_stay(small_models, rewrite):
    model = gelu(small_models)
    model.graph.output.append(small_models.value("h", "batch", 7))
    found = rewrite(model, order_gelus)

    assert [list(n.input) for n in found.after.graph.node] == [list(n.input) for n in found.before.graph.node]
