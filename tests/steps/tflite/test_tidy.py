"""What a net need not do is taken off, and what it gives stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.net import Net, Operation, Tensor, options
from edgeopt.steps.tflite.tidy import tidied
from tests.steps.tflite.running import REFERENCE, run_tflite


def constant(name, values):
    data = np.array(values, np.int32)
    return Tensor(name=name, shape=data.shape, dtype="int32", data=data)


def computed(name, shape):
    return Tensor(name=name, shape=tuple(shape), dtype="float32")


def reshape(source, name, shape):
    made = computed(name, shape)
    return Operation(kind="RESHAPE", inputs=(source, constant(f"{name}/shape", shape)), outputs=(made,)), made


def transpose(source, name, order):
    made = computed(name, [source.shape[axis] for axis in order])
    operation = Operation(
        kind="TRANSPOSE",
        inputs=(source, constant(f"{name}/order", order)),
        outputs=(made,),
        options=options("TransposeOptions"),
    )
    return operation, made


def relu(source, name):
    made = computed(name, source.shape)
    return Operation(kind="RELU", inputs=(source,), outputs=(made,)), made


def kinds(net):
    return [operation.kind for operation in net.operations]


def test_reshapes_in_a_row_become_one():
    x = computed("x", (2, 6))
    first, middle = reshape(x, "middle", (3, 4))
    second, y = reshape(middle, "y", (12,))
    net = Net(inputs={"x": x}, outputs={"y": y}, operations=[first, second])

    tidied(net)

    assert kinds(net) == ["RESHAPE"]
    assert net.operations[0].inputs[0] is x


def test_a_reshape_there_and_back_is_nothing():
    x = computed("x", (2, 6))
    begin, a = relu(x, "a")
    first, b = reshape(a, "b", (12,))
    second, c = reshape(b, "c", (2, 6))
    end, y = relu(c, "y")
    net = Net(inputs={"x": x}, outputs={"y": y}, operations=[begin, first, second, end])

    moved = tidied(net)

    assert kinds(net) == ["RELU", "RELU"]
    assert moved[c] is a


def test_a_reshape_that_another_reader_wants_stays():
    x = computed("x", (2, 6))
    first, middle = reshape(x, "middle", (12,))
    second, back = reshape(middle, "back", (2, 6))
    left, y = relu(middle, "y")
    right, z = relu(back, "z")
    net = Net(inputs={"x": x}, outputs={"y": y, "z": z}, operations=[first, second, left, right])

    tidied(net)

    assert sorted(kinds(net)) == ["RELU", "RELU", "RESHAPE"]


@settings(max_examples=30, deadline=None)
@given(first=st.permutations(range(4)), second=st.permutations(range(4)))
def test_transpositions_in_a_row_become_one_or_none(first, second):
    x = computed("x", (2, 3, 4, 5))
    begin, a = relu(x, "a")
    one, b = transpose(a, "b", first)
    two, c = transpose(b, "c", second)
    end, y = relu(c, "y")
    net = Net(inputs={"x": x}, outputs={"y": y}, operations=[begin, one, two, end])
    value = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)

    tidied(net)

    undone = list(np.array(first)[list(second)]) == [0, 1, 2, 3]
    assert kinds(net).count("TRANSPOSE") == (0 if undone else 1)
    given_back = run_tflite(model_bytes(net), {"x": value}, REFERENCE)["y"]
    np.testing.assert_array_equal(given_back, value.transpose(first).transpose(second))


def test_what_is_computed_twice_is_computed_once():
    x = computed("x", (2, 6))
    one, a = relu(x, "a")
    two, b = relu(x, "b")
    out = computed("y", (2, 6))
    total = Operation(kind="ADD", inputs=(a, b), outputs=(out,), options=options("AddOptions"))
    net = Net(inputs={"x": x}, outputs={"y": out}, operations=[one, two, total])

    moved = tidied(net)

    assert kinds(net) == ["RELU", "ADD"]
    assert moved == {b: a}


@pytest.mark.parametrize(("other", "count"), [((1, 0), 1), ((0, 1), 2)])
def test_operations_are_the_same_only_with_equal_constants(other, count):
    x = computed("x", (2, 2))
    one, a = transpose(x, "a", (1, 0))
    two, b = transpose(x, "b", other)
    out = computed("y", (2, 2))
    total = Operation(kind="ADD", inputs=(a, b), outputs=(out,), options=options("AddOptions"))
    net = Net(inputs={"x": x}, outputs={"y": out}, operations=[one, two, total])
    value = np.array([[1, 2], [3, 4]], np.float32)

    tidied(net)

    assert len({a.inputs for a in net.operations if a.kind == "ADD"}.pop()) == 2
    assert kinds(net).count("TRANSPOSE") == 1
    expected = value.T + (value.T if count == 1 else value)
    np.testing.assert_array_equal(run_tflite(model_bytes(net), {"x": value})["y"], expected)


def test_outputs_that_are_equal_both_stay():
    x = computed("x", (3,))
    one, a = relu(x, "a")
    two, b = relu(x, "b")
    net = Net(inputs={"x": x}, outputs={"a": a, "b": b}, operations=[one, two])

    tidied(net)

    assert set(run_tflite(model_bytes(net), {"x": np.ones(3, np.float32)})) == {"a", "b"}


def test_an_input_handed_on_keeps_the_reshape_that_makes_the_output():
    x = computed("x", (3,))
    only, y = reshape(x, "y", (3,))
    net = Net(inputs={"x": x}, outputs={"y": y}, operations=[only])

    tidied(net)

    assert kinds(net) == ["RESHAPE"]
