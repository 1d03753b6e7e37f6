"""What branches and loops hold, and what they read from outside."""

from __future__ import annotations

from typing import Any

from onnx import helper

from edgeopt.graph.subgraphs import names_read, subgraphs


def test_a_node_without_graphs_holds_none(small_models: Any) -> None:
    assert list(subgraphs(small_models.conv().graph.node[0])) == []
    assert list(names_read(small_models.conv().graph.node[0])) == ["image", "kernel", "bias"]


def test_both_branches_are_held_and_what_they_take_from_outside_is_read(small_models: Any) -> None:
    node = small_models.branch().graph.node[0]

    assert sorted(graph.name for graph in subgraphs(node)) == ["else", "then"]
    assert {"flag", "x", "kernel"} <= set(names_read(node))


def test_a_loop_inside_a_branch_is_read_too(small_models: Any) -> None:
    loop = small_models.loop().graph.node[0]
    branch = helper.make_graph([loop], "branch", [], [small_models.value("y", 1, 3)])
    node = helper.make_node("If", ["flag"], ["z"], then_branch=branch, else_branch=branch)

    assert {"flag", "turns", "always", "x", "kernel"} <= set(names_read(node))


def test_inputs_left_out_are_not_read() -> None:
    assert list(names_read(helper.make_node("Pad", ["x", "pads", ""], ["y"]))) == ["x", "pads"]
