"""Costs of TFLite models, counted by hand and held against those of the ONNX models that they were made beside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.graph.costs import Cost, cost_of
from edgeopt.graph.load import load_onnx
from edgeopt.graph.tflite.costs import cost_of_tflite, operators_of_tflite
from edgeopt.graph.tflite.read import read_tflite
from tests.small_tflite import Operator, Small, SmallTflite, Tensor

Save = Callable[..., Path]


def cost(save: Save, small: Any) -> Cost:
    return cost_of_tflite(read_tflite(save(small)))


def product(
    kind: str, data: tuple[int, ...], weight: tuple[int, ...], output: tuple[int, ...], *, is_last: bool = False
) -> Small:
    """One operator of a product; `is_last` for those that take a shape, the weight and then the data."""
    inputs = ["shape", "weight", "data"] if is_last else ["data", "weight"]
    return Small(
        tensors=[
            Tensor(name="data", shape=data),
            Tensor(name="shape", data=np.array(output, np.int32)),
            Tensor(name="weight", data=np.zeros(weight, np.float32)),
            Tensor(name="output", shape=output),
        ],
        operators=[Operator(kind=kind, inputs=inputs, outputs=["output"])],
        inputs=["data"],
        outputs=["output"],
    )


@pytest.mark.parametrize(
    ("small", "macs"),
    [
        (product("CONV_2D", (1, 8, 8, 6), (4, 3, 5, 6), (1, 6, 4, 4)), 6 * 4 * 4 * 3 * 5 * 6),
        (product("CONV_2D", (1, 8, 8, 6), (4, 3, 3, 2), (1, 6, 6, 4)), 6 * 6 * 4 * 3 * 3 * 2),  # three groups
        (product("DEPTHWISE_CONV_2D", (1, 8, 8, 6), (1, 3, 3, 12), (1, 6, 6, 12)), 6 * 6 * 12 * 3 * 3),
        (product("FULLY_CONNECTED", (2, 7), (5, 7), (2, 5)), 2 * 5 * 7),
        (product("TRANSPOSE_CONV", (1, 4, 4, 3), (5, 2, 2, 3), (1, 8, 8, 5), is_last=True), 4 * 4 * 3 * 5 * 2 * 2),
        (product("CONV_3D", (1, 4, 4, 4, 3), (2, 2, 2, 3, 6), (1, 3, 3, 3, 6)), 27 * 6 * 8 * 3),
        (product("BATCH_MATMUL", (2, 3, 4), (2, 4, 5), (2, 3, 5)), 2 * 3 * 5 * 4),
        (product("BATCH_MATMUL", (2, 4, 3), (2, 4, 5), (2, 3, 5)), 2 * 3 * 5 * 4),  # the first one transposed
        (product("ADD", (2, 3), (2, 3), (2, 3)), 0),
    ],
)
def test_the_multiply_accumulates_of_an_operator(save: Save, small: Small, macs: int) -> None:
    found = cost(save, small)

    assert found.macs == macs
    assert found.unknown == ()


def test_steps_and_matrices_are_the_products_of_a_recurrent_operator(save: Save) -> None:
    assert cost(save, SmallTflite.recurrent()).macs == 2 * 3 + 2 * 2


def test_what_a_custom_operator_multiplies_is_not_known(save: Save) -> None:
    found = read_tflite(save(SmallTflite.custom()))

    assert cost_of_tflite(found).unknown == ("y",)
    assert operators_of_tflite(found) == {"custom.Mystery": 1}


@pytest.mark.parametrize(
    "small",
    [
        product("CONV_2D", (1, 8, 8, 6), (4, 3), (1, 6, 6, 4)),
        product("TRANSPOSE_CONV", (1, 4), (5, 2, 2, 3), (1, 8)),
        product("BATCH_MATMUL", (3,), (3,), ()),
    ],
)
def test_shapes_that_do_not_fit_their_operator_are_told(save: Save, small: Small) -> None:
    assert cost(save, small).unknown == ("output",)


def test_biases_count_as_parameters_and_axes_and_single_factors_do_not(save: Save) -> None:
    found = cost(save, SmallTflite.conv())

    assert found.parameters == 4 * 3 * 3 * 8 + 4 + 5 * 4 + 5
    assert found.weight_bytes == 4 * found.parameters + 2 * 4  # the axes of MEAN take two int32


def test_integers_that_stand_for_reals_are_parameters(save: Save) -> None:
    found = cost(save, SmallTflite.quantized())

    assert found.parameters == 6 + 2
    assert found.weight_bytes == 6 + 2 * 4


def test_a_constant_that_two_tensors_share_counts_once(save: Save) -> None:
    model = SmallTflite.mlp().as_object()
    graph = model.subgraphs[0]
    alone = cost(save, model)
    biases = [tensor for tensor in graph.tensors if tensor.name in (b"first_bias", b"second_bias")]
    biases[1].buffer, biases[1].shape = biases[0].buffer, biases[0].shape
    shared = cost(save, model)

    assert alone.parameters - shared.parameters == 2
    assert alone.weight_bytes - shared.weight_bytes == 8


def test_activations_live_from_the_operator_that_makes_them_to_the_last_that_reads_them(save: Save) -> None:
    image, features = 3 * 8 * 8 * 4, 3 * 8 * 4 * 4

    assert cost(save, SmallTflite.conv()).activation_peak_bytes == image + features


def test_an_activation_in_place_takes_no_memory_of_its_own(save: Save) -> None:
    assert cost(save, SmallTflite.mlp()).activation_peak_bytes == (3 + 4) * 4


@pytest.mark.shared
@pytest.mark.parametrize(
    ("tflite", "onnx", "macs"),
    [
        ("mlperf_tiny/ic_resnet8_fp32.tflite", "mlperf_tiny/ic_resnet8.onnx", 12_501_632),
        ("mlperf_tiny/ic_resnet8_int8.tflite", "mlperf_tiny/ic_resnet8.onnx", 12_501_632),
        ("mlperf_tiny/kws_dscnn_int8.tflite", "kws/kws_dscnn.onnx", 2_656_768),
        ("mlperf_tiny/ad_autoencoder_int8.tflite", "mlperf_tiny/ad_autoencoder.onnx", 264_192),
    ],
)
def test_real_models_cost_what_their_onnx_twins_do(shared_data: Path, tflite: str, onnx: str, macs: int) -> None:
    found = cost_of_tflite(read_tflite(shared_data / tflite))
    twin = cost_of(load_onnx(shared_data / onnx), where=onnx)

    assert found.macs == twin.macs == macs
    assert found.parameters == twin.parameters
    assert found.unknown == ()
