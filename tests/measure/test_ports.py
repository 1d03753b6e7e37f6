"""A port carries values between an ONNX tensor and the TFLite tensor that stands for it."""

from __future__ import annotations

import numpy as np
import pytest

from edgeopt.core.artifact import Quantization, TensorSpec
from edgeopt.errors import Unsupported
from edgeopt.measure.ports import Port, ports_of

IMAGE = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)


def spec(name: str, *shape: int | str, dtype: str = "float32", by: Quantization | None = None) -> TensorSpec:
    return TensorSpec(name=name, shape=shape, dtype=dtype, quantization=by)


def test_axes_are_moved_there_and_back() -> None:
    port = Port(name="x", spec=spec("x", 1, 3, 4, 2), axes=(0, 2, 3, 1))

    given = port.given(IMAGE)

    assert port.shape() == (1, 2, 3, 4)
    np.testing.assert_array_equal(given, IMAGE.transpose(0, 2, 3, 1))
    assert given.flags.c_contiguous
    np.testing.assert_array_equal(port.meant(given), IMAGE)


def test_integers_stand_for_real_numbers() -> None:
    port = Port(name="x", spec=spec("x", 1, 4, dtype="int8", by=Quantization(scale=0.5, zero_point=-3)), axes=(0, 1))
    values = np.array([[0.0, 0.5, -1.0, 1000.0]], np.float32)

    given = port.given(values)

    assert given.tolist() == [[-3, -2, -5, 127]]
    assert port.meant(given).tolist() == [[0.0, 0.5, -1.0, 65.0]]


def test_a_single_number_has_no_axes() -> None:
    port = Port(name="x", spec=spec("x"), axes=())

    assert port.meant(port.given(np.float32(3))) == 3


def test_names_pair_tensors_and_places_do_where_names_differ() -> None:
    wanted = [spec("a", "n", 2), spec("b", "n", 3)]

    (named,) = ports_of(wanted, [spec("b", 1, 3), spec("a", 1, 2)], {}, what="input")
    (placed,) = ports_of(wanted, [spec("args_0", 1, 2), spec("args_1", 1, 3)], {}, what="input")

    assert [(port.name, port.spec.name) for port in named] == [("a", "a"), ("b", "b")]
    assert [(port.name, port.spec.name) for port in placed] == [("a", "args_0"), ("b", "args_1")]


def test_the_order_that_is_told_comes_first_and_all_that_fit_follow() -> None:
    wanted = [spec("x", "n", 4, 4, 4)]

    orders = [ports[0].axes for ports in ports_of(wanted, [spec("x", 1, 4, 4, 4)], {"x": [0, 2, 3, 1]}, what="input")]

    assert orders[:2] == [(0, 2, 3, 1), (0, 1, 2, 3)]
    assert len(orders) == len(set(orders)) == 6


def test_an_order_whose_lengths_do_not_fit_is_passed_over() -> None:
    (ports,) = ports_of([spec("x", "n", 3, 5, 7)], [spec("x", 1, 5, 7, 3)], {"x": [0, 1, 2, 3]}, what="output")

    assert ports[0].axes == (0, 2, 3, 1)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([spec("x", 1, 5)], r"output `x` of shape \['n', 4\] became `x` of shape \[1, 5\]"),
        ([spec("x", 4)], "output `x` of shape"),
        ([], "the converted model has 0 outputs, the original 1"),
    ],
)
def test_tensors_that_cannot_stand_for_others_are_refused(found: list[TensorSpec], message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        list(ports_of([spec("x", "n", 4)], found, {}, what="output"))
