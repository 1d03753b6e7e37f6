"""What a runtime lacks is told by operator and reason; TFLite Micro's own interpreter agrees."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeopt.graph.misfit import Misfit
from edgeopt.graph.tflite.model import TfliteModel
from edgeopt.graph.tflite.read import read_tflite
from edgeopt.graph.tflite.support import (
    lacking_in_litert,
    lacking_in_micro,
    slow_in_integers,
    slow_in_words,
)
from tests.graph.tflite.micro_models import IMAGE, single_models
from tests.graph.tflite.recorded import refusal
from tests.small_tflite import Operator, Small, Tensor

SINGLE = single_models()
STRIDE = {"strideW": 1, "strideH": 1}
PRODUCTS = {
    "CONV_2D": (IMAGE, (8, 3, 3, 8), IMAGE, ("Conv2DOptions", STRIDE)),
    "DEPTHWISE_CONV_2D": (IMAGE, (1, 3, 3, 8), IMAGE, ("DepthwiseConv2DOptions", {**STRIDE, "depthMultiplier": 1})),
    "FULLY_CONNECTED": ((1, 32), (16, 32), (1, 16), ("FullyConnectedOptions", {})),
}
Read = Callable[[Small], TfliteModel]


@pytest.fixture
def read(save: Callable[..., Path]) -> Read:
    """A small model as edgeopt reads it."""
    return lambda model: read_tflite(save(model))


def product(kind: str, data: str, weights: str) -> Small:
    """A product of activations and weights of types that may differ."""
    shape, kernel, made, options = PRODUCTS[kind]
    scale = [0.1]
    return Small(
        tensors=[
            Tensor(name="x", shape=shape, dtype=data, scales=[] if data == "float32" else scale),
            Tensor(name="w", data=np.zeros(kernel, weights), dtype=weights, scales=scale),
            Tensor(name="y", shape=made, dtype=data, scales=[] if data == "float32" else scale),
        ],
        operators=[Operator(kind=kind, inputs=["x", "w"], outputs=["y"], options=options)],
        inputs=["x"],
        outputs=["y"],
    )


def one(kind: str, dtype: str, *, custom: str | None = None) -> Small:
    """A model of one operator."""
    operator = Operator(custom=custom, inputs=["x"], outputs=["y"]) if custom else None
    return Small(
        tensors=[Tensor(name=name, shape=(1, 4), dtype=dtype) for name in "xy"],
        operators=[operator or Operator(kind=kind, inputs=["x"], outputs=["y"])],
        inputs=["x"],
        outputs=["y"],
    )


@pytest.mark.parametrize("label", [label for label, model in SINGLE.items() if not refusal(model.content())])
def test_what_the_interpreter_takes_is_not_called_lacking(read: Read, label: str) -> None:
    assert lacking_in_micro(read(SINGLE[label])) == ()


@pytest.mark.parametrize("kind", PRODUCTS)
def test_integer_weights_under_floats_are_refused_there_and_here(read: Read, kind: str) -> None:
    model = product(kind, "float32", "int8")
    assert refusal(model.content())
    (found,) = lacking_in_micro(read(model))
    assert (found.operator, found.count) == (kind, 1)
    assert "hybrid" in found.reason


@pytest.mark.parametrize("kind", PRODUCTS)
def test_uint8_is_refused_there_and_here(read: Read, kind: str) -> None:
    model = product(kind, "uint8", "uint8")
    assert refusal(model.content())
    assert "uint8" in lacking_in_micro(read(model))[0].reason


@pytest.mark.parametrize("kind", ["CEIL", "ROUND", "EXP", "SQUARE", "FLOOR"])
def test_float_operators_are_refused_in_int8_there_and_here(read: Read, kind: str) -> None:
    model = one(kind, "int8")
    assert refusal(model.content())
    assert "does not take int8" in lacking_in_micro(read(model))[0].reason


def test_half_precision_weights_are_refused_there_and_here(read: Read) -> None:
    model = Small(
        tensors=[
            Tensor(name="x", shape=(1, 8)),
            Tensor(name="h", data=np.zeros((1, 8), np.float16), dtype="float16"),
            Tensor(name="w", shape=(1, 8)),
            Tensor(name="y", shape=(1, 8)),
        ],
        operators=[
            Operator(kind="DEQUANTIZE", inputs=["h"], outputs=["w"]),
            Operator(kind="MAXIMUM", inputs=["x", "w"], outputs=["y"], options=("MaximumMinimumOptions", {})),
        ],
        inputs=["x"],
        outputs=["y"],
    )
    assert refusal(model.content())
    (found,) = lacking_in_micro(read(model))
    assert found == Misfit(operator="DEQUANTIZE", count=1, reason="no kernel of TFLite Micro takes float16")


def test_operators_that_it_lacks_are_counted(read: Read) -> None:
    twice = Small(
        tensors=[Tensor(name=name, shape=(1, 4)) for name in "xyz"],
        operators=[
            Operator(kind="GELU", inputs=["x"], outputs=["y"]),
            Operator(kind="GELU", inputs=["y"], outputs=["z"]),
        ],
        inputs=["x"],
        outputs=["z"],
    )
    assert refusal(twice.content())
    assert lacking_in_micro(read(twice)) == (
        Misfit(operator="GELU", count=2, reason="TFLite Micro has no such operator"),
    )


def test_what_vela_writes_runs_on_its_unit_alone(read: Read) -> None:
    model = read(one("", "int8", custom="ethos-u"))
    assert lacking_in_micro(model)[0].operator == "custom.ethos-u"
    assert lacking_in_micro(model, has_ethos_u=True) == ()


def test_custom_operators_are_lacking_in_litert(read: Read) -> None:
    assert [found.operator for found in lacking_in_litert(read(one("", "float32", custom="FlexErf")))] == [
        "custom.FlexErf"
    ]
    assert lacking_in_litert(read(one("GELU", "float32"))) == ()


def test_floats_are_slow_where_integers_are_wanted_but_the_edges_are_not_counted(read: Read) -> None:
    assert [found.operator for found in slow_in_integers(read(SINGLE["CONV_2D float32"]))] == ["CONV_2D"]
    assert slow_in_integers(read(SINGLE["CONV_2D int8"])) == ()
    assert slow_in_integers(read(SINGLE["QUANTIZE"])) == ()


def test_numbers_of_64_bits_take_two_registers(read: Read) -> None:
    assert "int64" in slow_in_words(read(one("ZEROS_LIKE", "int64")))[0].reason
    assert "does not take int64" in lacking_in_micro(read(one("FLOOR", "int64")))[0].reason
    assert slow_in_words(read(one("FLOOR", "int32"))) == ()
