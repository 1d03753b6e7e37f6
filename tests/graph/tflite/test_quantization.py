"""How a TFLite model is quantized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.graph.quantization import QuantizationState
from edgeopt.graph.tflite.quantization import quantization_state_of_tflite
from edgeopt.graph.tflite.read import read_tflite
from tests.small_tflite import Operator, Small, SmallTflite, Tensor

Save = Callable[..., Path]


def state(save: Save, small: Any) -> QuantizationState:
    return quantization_state_of_tflite(read_tflite(save(small)))


def dense(weight: np.ndarray[Any, Any], *, scales: tuple[float, ...] = (), is_dequantized: bool = False) -> Small:
    """x (1, 3) float32 -> FULLY_CONNECTED -> y (1, 2); its weight as given, or made float by DEQUANTIZE first."""
    restore = Operator(kind="DEQUANTIZE", inputs=["weight"], outputs=["float_weight"])
    return Small(
        tensors=[
            Tensor(name="x", shape=(1, 3)),
            Tensor(name="weight", data=weight, scales=scales),
            Tensor(name="float_weight", shape=weight.shape),
            Tensor(name="y", shape=(1, 2)),
        ],
        operators=[
            *([restore] if is_dequantized else []),
            Operator(
                kind="FULLY_CONNECTED",
                inputs=["x", "float_weight" if is_dequantized else "weight"],
                outputs=["y"],
                options=("FullyConnectedOptions", {}),
            ),
        ],
        inputs=["x"],
        outputs=["y"],
    )


def test_a_float_model_is_not_quantized(save: Save) -> None:
    found = state(save, SmallTflite.conv())

    assert (found.kind, found.activations, found.weights, found.quantized, found.total) == ("none", (), (), 0, 2)


def test_a_model_on_integers_is_told_with_its_types(save: Save) -> None:
    found = state(save, SmallTflite.quantized())

    assert (found.kind, found.activations, found.weights) == ("integer", ("int8",), ("int8",))
    assert found.is_per_channel
    assert (found.quantized, found.total) == (1, 1)


def test_integer_weights_alone_are_dynamic(save: Save) -> None:
    found = state(save, dense(np.zeros((2, 3), np.int8), scales=(0.1,)))

    assert (found.kind, found.activations, found.weights, found.is_per_channel) == ("dynamic", (), ("int8",), False)
    assert (found.quantized, found.total) == (1, 1)


def test_integer_weights_that_are_made_float_first_are_weights(save: Save) -> None:
    found = state(save, dense(np.zeros((2, 3), np.int8), scales=(0.1,), is_dequantized=True))

    assert (found.kind, found.weights, found.quantized) == ("weights", ("int8",), 1)


def test_half_floats_are_no_quantization(save: Save) -> None:
    found = state(save, dense(np.zeros((2, 3), np.float16), is_dequantized=True))

    assert (found.kind, found.weights, found.quantized) == ("none", ("float16",), 0)


def test_half_floats_beside_floats_are_both_told(save: Save) -> None:
    small = dense(np.zeros((2, 3), np.float16), is_dequantized=True)
    again = Operator(kind="FULLY_CONNECTED", inputs=["y", "last"], outputs=["z"], options=("FullyConnectedOptions", {}))
    tensors = [*small.tensors, Tensor(name="last", data=np.zeros((2, 2), np.float32)), Tensor(name="z", shape=(1, 2))]

    found = state(save, replace(small, tensors=tensors, operators=[*small.operators, again], outputs=["z"]))

    assert (found.kind, found.weights, found.total) == ("none", ("float16", "float32"), 2)


def test_weights_in_blocks_are_found_behind_the_reshape_that_puts_them_together(save: Save) -> None:
    blocks = Tensor(name="blocks", data=np.zeros((6, 1), np.int8), scales=(0.1,))
    numbers = Tensor(name="numbers", shape=(6, 1))
    whole = Operator(kind="DEQUANTIZE", inputs=["blocks"], outputs=["numbers"])
    together = Operator(kind="RESHAPE", inputs=["numbers"], outputs=["float_weight"])
    small = dense(np.zeros((2, 3), np.int8), scales=(0.1,), is_dequantized=True)

    found = state(
        save,
        replace(small, tensors=[*small.tensors, blocks, numbers], operators=[whole, together, *small.operators[1:]]),
    )

    assert (found.kind, found.weights, found.quantized) == ("weights", ("int8",), 1)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["ic_resnet8_int8", "kws_dscnn_int8", "ad_autoencoder_int8"])
def test_the_official_models_are_on_integers_throughout(shared_data: Path, name: str) -> None:
    found = quantization_state_of_tflite(read_tflite(shared_data / "mlperf_tiny" / f"{name}.tflite"))

    assert (found.kind, found.activations, found.weights) == ("integer", ("int8",), ("int8",))
    assert found.quantized == found.total == 10
