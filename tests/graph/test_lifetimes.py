"""Peak memory of activations on graphs small enough to count by hand; sizes are bytes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgeopt.graph.lifetimes import peak_activation_bytes
from edgeopt.graph.shapes import TensorType


def peak(nodes: list[Any], outputs: str, inputs: str = "x", constants: str = "", **sizes: int) -> int:
    """Peak of a graph whose tensors have these sizes."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs.split()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs.split()],
        [helper.make_tensor(name, TensorProto.FLOAT, [1], [0.0]) for name in constants.split()],
    )
    return peak_activation_bytes(graph, {name: TensorType((size,), "int8", 1) for name, size in sizes.items()})


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def test_a_tensor_lives_from_the_node_that_makes_it_to_the_last_that_reads_it() -> None:
    nodes = [node("Conv", "x w", "a"), node("Conv", "a w", "b"), node("Conv", "b w", "y")]

    assert peak(nodes, "y", constants="w", x=10, a=20, b=5, y=40) == 45  # b and y


def test_a_skip_connection_keeps_its_start_alive() -> None:
    nodes = [node("Conv", "x", "a"), node("Conv", "a", "b"), node("Concat", "b x", "y")]

    assert peak(nodes, "y", x=10, a=20, b=20, y=5) == 50  # x, a and b


@pytest.mark.parametrize("operator", ["Relu", "Gelu", "Erf"])
def test_an_operator_in_place_writes_over_an_input_that_dies(operator: str) -> None:
    nodes = [node(operator, "x", "a"), node("Conv", "a", "y")]

    assert peak(nodes, "y", x=10, a=10, y=2) == 12


def test_an_operator_in_place_does_not_write_over_an_input_that_lives_on() -> None:
    nodes = [node("Relu", "x", "a"), node("Concat", "a x", "y")]

    assert peak(nodes, "y", x=10, a=10, y=2) == 22


def test_an_operator_in_place_does_not_write_over_a_smaller_input() -> None:
    assert peak([node("Add", "x bias", "y")], "y", constants="bias", x=10, y=30) == 40


def test_the_end_of_a_residual_block_is_added_in_place() -> None:
    nodes = [node("Conv", "x", "a"), node("Add", "a x", "b"), node("Conv", "b", "y")]

    assert peak(nodes, "y", x=10, a=10, b=10, y=1) == 20


def test_outputs_live_to_the_end() -> None:
    nodes = [node("Conv", "x", "a"), node("Conv", "a", "b"), node("Conv", "b", "y")]

    assert peak(nodes, "a y", x=1, a=10, b=20, y=30) == 60  # a, b and y


def test_an_output_that_nobody_reads_dies_at_once() -> None:
    nodes = [node("Split", "x", "a b"), node("Conv", "a", "y")]

    assert peak(nodes, "y", x=10, a=5, b=5, y=2) == 20


def test_inputs_are_there_at_the_start() -> None:
    assert peak([node("Conv", "x", "y")], "y", inputs="x unused", x=10, unused=100, y=1) == 111


def test_constants_are_no_activations_even_where_they_are_listed_among_the_inputs() -> None:
    assert peak([node("Conv", "x w", "y")], "y", inputs="x w", constants="w", x=10, w=1000, y=5) == 15


def test_the_float_side_of_a_quantized_tensor_is_never_stored() -> None:
    nodes = [
        node("QuantizeLinear", "x s", "xq"),
        node("DequantizeLinear", "xq s", "xd"),
        node("Conv", "xd", "r"),
        node("QuantizeLinear", "r s", "rq"),
        node("DequantizeLinear", "rq s", "rd"),
        node("Conv", "rd", "y"),
    ]
    sizes = {"x": 40, "xq": 10, "xd": 40, "r": 800, "rq": 200, "rd": 800, "y": 4}

    assert peak(nodes, "y", constants="s", **sizes) == 210  # xq and rq
    assert peak(nodes, "y", constants="s", **sizes | {"y": 300}) == 500  # rq and y


def test_a_float_output_is_stored_even_where_it_is_quantized_too() -> None:
    nodes = [node("Conv", "x", "r"), node("QuantizeLinear", "r s", "rq"), node("Conv", "rq", "y")]

    assert peak(nodes, "r y", constants="s", x=1, r=80, rq=20, y=5) == 105  # all but x


def test_dequantized_weights_are_no_activations() -> None:
    nodes = [node("DequantizeLinear", "wq s", "w"), node("Conv", "x w", "y")]

    assert peak(nodes, "y", constants="wq s", x=10, wq=1000, w=4000, y=5) == 15


def test_an_operator_between_quantized_tensors_works_in_place_too() -> None:
    nodes = [
        node("DequantizeLinear", "x s", "xd"),
        node("Relu", "xd", "r"),
        node("QuantizeLinear", "r s", "y"),
    ]

    assert peak(nodes, "y", constants="s", x=10, xd=40, r=40, y=10) == 10


def test_a_dequantized_output_is_stored_as_float() -> None:
    nodes = [node("DequantizeLinear", "x s", "y")]

    assert peak(nodes, "y", constants="s", x=10, y=40) == 50


def test_a_tensor_that_a_branch_reads_lives_until_then() -> None:
    inner = [helper.make_node("Identity", ["a"], ["z"])]
    branch = helper.make_graph(inner, "branch", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])
    nodes = [
        node("Conv", "x", "a"),
        node("Conv", "a", "flag"),
        node("If", "flag", "y", then_branch=branch, else_branch=branch),
    ]

    assert peak(nodes, "y", x=1, a=20, flag=2, y=9) == 31  # a, flag and y


def test_tensors_of_unknown_shape_count_nothing() -> None:
    assert peak([node("Conv", "x", "a"), node("Conv", "a", "y")], "y", x=10, y=3) == 10


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=10))
def test_a_chain_needs_its_two_largest_neighbours(sizes: list[int]) -> None:
    names = ["x", *(f"t{index}" for index in range(1, len(sizes)))]
    nodes = [node("Conv", before, after) for before, after in pairwise(names)]
    expected = max(before + after for before, after in pairwise(sizes))

    assert peak(nodes, names[-1], **dict(zip(names, sizes, strict=True))) == expected


@pytest.mark.parametrize("operator", ["Relu", "Reshape", "Sigmoid"])
@given(size=st.integers(1, 1000), length=st.integers(1, 6))
def test_a_chain_of_operators_in_place_needs_one_buffer(operator: str, size: int, length: int) -> None:
    names = ["x", *(f"t{index}" for index in range(length))]
    nodes = [node(operator, before, after) for before, after in pairwise(names)]

    assert peak(nodes, names[-1], **dict.fromkeys(names, size)) == size
