"""Reshapes in a row are one; merging and splitting axes around a Transpose is one Transpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.graph.rewrite.reshapes import merge_reshapes, merge_transposes

node = helper.make_node


def chain(
    models: Any, first: list[int], second: list[int], outputs: tuple[str, ...] = ("y",), **attributes: Any
) -> Any:
    """x (batch, 4, 6) -> Abs -> Reshape -> Reshape -> y."""
    nodes = [
        node("Abs", ["x"], ["a"]),
        node("Reshape", ["a", "first"], ["m"], name="r1"),
        node("Reshape", ["m", "second"], ["y"], name="r2", **attributes),
    ]
    ranks = {"y": len(second), "m": len(first)}
    values = [models.value(name, *[f"{name}{index}" for index in range(ranks[name])]) for name in outputs]
    constants = models.constants(first=np.array(first), second=np.array(second))
    return models.model(nodes, [models.value("x", "batch", 4, 6)], values, constants)


@pytest.mark.parametrize(("first", "second"), [([-1, 24], [-1, 4, 6]), ([0, 0, -1], [-1, 2, 12]), ([-1], [2, -1])])
def test_a_reshape_of_a_reshape_is_one(small_models, rewrite, first, second):
    assert rewrite(chain(small_models, first, second), merge_reshapes).operators == ["Abs", "Reshape"]


def test_lengths_copied_from_the_first_stay(small_models, rewrite):
    assert not rewrite(chain(small_models, [-1, 24], [0, 24]), merge_reshapes).is_changed


def test_a_first_that_others_read_stays_for_them(small_models, rewrite):
    found = rewrite(chain(small_models, [-1, 24], [-1, 4, 6], outputs=("y", "m")), merge_reshapes)

    assert [list(n.input[:1]) for n in found.after.graph.node] == [["x"], ["a"], ["a"]]


def keys(models: Any, *, merged: Any = None, split: Any = None, is_computed: bool = True, extra: bool = False) -> Any:
    """x (batch, 2, 5, 3) -> (batch * 2, 5, 3) -> transposed -> (batch, 2, 3, 5), as torch writes attention's keys."""
    nodes = [
        node("Shape", ["x"], ["lengths"]),
        node("Gather", ["lengths", "front"], ["b"]),
        node("Concat", ["minus", "tail"], ["merged"], axis=0),
        node("Concat", ["b", "rest"], ["split"], axis=0),
        node("Reshape", ["x", "merged"], ["m"], name="merge"),
        node("Transpose", ["m"], ["t"], name="swap", perm=[0, 2, 1]),
        node("Reshape", ["t", "split"], ["y"], name="split"),
    ]
    outputs = [models.value("y", "batch", *(split or [2, 3, 5]))] + [models.value("t", "n", 3, 5)] * extra
    constants = models.constants(
        front=np.array([0]), minus=np.array([-1]), tail=np.array(merged or [5, 3]), rest=np.array(split or [2, 3, 5])
    )
    return models.model(nodes, [models.value("x", "batch", 2, 5, 3)], outputs, constants)


def test_the_swap_of_two_of_four_axes_is_one_transpose(small_models, rewrite):
    found = rewrite(keys(small_models), merge_transposes)

    (swap,) = [n for n in found.after.graph.node if n.op_type == "Transpose"]
    assert (list(swap.input), list(swap.output), list(swap.attribute[0].ints)) == (["x"], ["y"], [0, 1, 3, 2])
    assert "Reshape" not in found.operators


@pytest.mark.parametrize("changed", [{"merged": [3, 5], "split": [2, 5, 3]}, {"split": [3, 2, 5]}, {"extra": True}])
def test_any_other_regrouping_stays(small_models, rewrite, changed):
    model = keys(small_models, **changed)
    if "merged" in changed:
        model.graph.node[5].attribute[0].ints[:] = [0, 2, 1]

    assert not rewrite(model, merge_transposes).is_changed
