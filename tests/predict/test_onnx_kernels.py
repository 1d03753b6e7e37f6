"""The kernels of an ONNX graph: what runs together, what runs for nothing, what no rule describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.predict.features import amounts, feature_vector
from edgeopt.predict.kernels import Kernel, Kind
from edgeopt.predict.onnx_kernels import onnx_kernels


def _one_convolution(models: Any, *, kernel: tuple[int, ...], channels: int, group: int = 1, stride: int = 1) -> Kernel:
    out = kernel[0]
    side = (16 - kernel[2]) // stride + 1
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["raw"], name="conv", group=group, strides=[stride, stride]),
        helper.make_node("Relu", ["raw"], ["y"]),
    ]
    generator = np.random.default_rng(0)
    model = models.model(
        nodes,
        [models.value("x", 1, channels, 16, 16)],
        [models.value("y", 1, out, side, side)],
        models.constants(w=generator.standard_normal(kernel).astype(np.float32)),
    )
    found = onnx_kernels(model, where="small")
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("kernel", "channels", "group", "kind"),
    [
        ((8, 4, 1, 1), 4, 1, Kind.POINTWISE),
        ((8, 4, 3, 3), 4, 1, Kind.WINDOW),
        ((4, 1, 3, 3), 4, 4, Kind.DEPTHWISE),
        ((8, 2, 3, 3), 4, 2, Kind.GROUPED),
    ],
)
def test_a_convolution_is_of_the_kind_of_its_window_and_groups(
    small_models: Any, kernel: tuple[int, ...], channels: int, group: int, kind: Kind
) -> None:
    found = _one_convolution(small_models, kernel=kernel, channels=channels, group=group)

    side = 17 - kernel[2]
    assert found.kind is kind
    assert found.macs == kernel[0] * side * side * kernel[1] * kernel[2] * kernel[3]
    assert found.read == channels * 16 * 16
    assert found.written == kernel[0] * side * side
    assert found.weights == np.prod(kernel)
    assert found.window == kernel[2] * kernel[3]
    assert found.is_known


def test_a_stride_is_the_larger_of_both_axes(small_models: Any) -> None:
    found = _one_convolution(small_models, kernel=(8, 4, 3, 3), channels=4, stride=2)

    assert found.stride == 2
    assert "window_macs" in amounts(found)


def test_an_activation_that_others_read_too_is_a_kernel_of_its_own(small_models: Any) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["raw"]),
        helper.make_node("Relu", ["raw"], ["a"]),
        helper.make_node("Add", ["a", "raw"], ["y"]),
    ]
    model = small_models.model(
        nodes,
        [small_models.value("x", 1, 2, 4, 4)],
        [small_models.value("y", 1, 2, 4, 4)],
        small_models.constants(w=np.ones((2, 2, 1, 1), np.float32)),
    )

    assert [one.operator for one in onnx_kernels(model, where="small")] == ["Conv", "Relu", "Add"]


def test_reshapes_and_casts_run_for_nothing(small_models: Any) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "to"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["half"], to=10),
    ]
    model = small_models.model(
        nodes,
        [small_models.value("x", 1, 2, 4, 4)],
        [small_models.value("half", 1, 32, dtype=10)],
        small_models.constants(to=np.array([1, 32], np.int64)),
    )

    assert onnx_kernels(model, where="small") == []


def test_a_product_of_two_activations_is_attention_and_one_with_weights_a_dense_layer(small_models: Any) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "z"], ["y"])]
    model = small_models.model(
        nodes,
        [small_models.value("x", 4, 8), small_models.value("z", 6, 5)],
        [small_models.value("y", 4, 5)],
        small_models.constants(w=np.ones((8, 6), np.float32)),
    )
    dense, product = onnx_kernels(model, where="small")

    assert (dense.kind, dense.macs, dense.weights) == (Kind.GEMM, 4 * 8 * 6, 48)
    assert (product.kind, product.macs, product.weights) == (Kind.ATTENTION, 4 * 6 * 5, 0)


def test_a_loop_is_a_kernel_that_no_rule_describes(small_models: Any) -> None:
    found = onnx_kernels(small_models.loop(), where="small")

    assert [(one.operator, one.is_known) for one in found] == [("Loop", False)]


def test_a_quantized_graph_has_the_kernels_of_the_float_one(small_models: Any) -> None:
    (found,) = onnx_kernels(small_models.qdq(), where="small")

    assert (found.kind, found.macs, found.window) == (Kind.WINDOW, 4 * 8 * 8 * 27, 9)
    assert found.weights == 4 * 27 + 4
    assert found.read == 3 * 8 * 8


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("kws/kws_dscnn.onnx", "mlperf_tiny_kws_dscnn"),
        ("mlperf_tiny/ic_resnet8.onnx", "mlperf_tiny_ic_resnet8_cifar10"),
        ("mlperf_tiny/ad_autoencoder.onnx", "mlperf_tiny_ad_fc_autoencoder"),
    ],
)
def test_graphs_cost_the_products_of_the_networks_that_the_rates_were_fitted_on(
    shared_data: Path, name: str, network: str
) -> None:
    from estimates.networks import kernels_of

    from edgeopt.predict.estimate import kernels_of_file
    from edgeopt.predict.features import FEATURES

    kernels, dtype = kernels_of_file(shared_data / name)
    written_down = kernels_of(network)

    assert dtype == "float32"
    assert written_down is not None
    both = zip(FEATURES, feature_vector(kernels), feature_vector(written_down), strict=True)
    for feature, found, expected in both:
        if feature.endswith("macs"):
            assert found == expected, feature
