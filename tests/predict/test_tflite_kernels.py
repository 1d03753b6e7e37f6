"""The kernels of a TFLite model: one per operator, of the same kinds as those of an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeopt.graph.tflite.read import read_tflite
from edgeopt.predict.features import FEATURES, feature_vector
from edgeopt.predict.kernels import Kernel, Kind
from edgeopt.predict.tflite_kernels import tflite_kernels
from tests.small_tflite import Operator, Small, SmallTflite, Tensor

Save = Callable[[Small], Path]


def _kernels(save: Save, small: Small) -> list[Kernel]:
    return tflite_kernels(read_tflite(save(small)))


def _one(kind: str, data: tuple[int, ...], weight: tuple[int, ...], output: tuple[int, ...]) -> Small:
    return Small(
        tensors=[
            Tensor(name="data", shape=data),
            Tensor(name="weight", data=np.zeros(weight, np.float32)),
            Tensor(name="output", shape=output),
        ],
        operators=[Operator(kind=kind, inputs=["data", "weight"], outputs=["output"])],
        inputs=["data"],
        outputs=["output"],
    )


@pytest.mark.parametrize(
    ("small", "kind", "window", "stride"),
    [
        (_one("CONV_2D", (1, 8, 8, 6), (4, 1, 1, 6), (1, 8, 8, 4)), Kind.POINTWISE, 1, 1),
        (_one("CONV_2D", (1, 8, 8, 6), (4, 3, 3, 6), (1, 8, 8, 4)), Kind.WINDOW, 9, 1),
        (_one("CONV_2D", (1, 8, 8, 6), (4, 3, 5, 6), (1, 4, 4, 4)), Kind.WINDOW, 15, 2),
        (_one("CONV_2D", (1, 8, 8, 6), (4, 3, 3, 2), (1, 8, 8, 4)), Kind.GROUPED, 9, 1),
        (_one("DEPTHWISE_CONV_2D", (1, 8, 8, 6), (1, 3, 3, 6), (1, 4, 4, 6)), Kind.DEPTHWISE, 9, 2),
        (_one("FULLY_CONNECTED", (1, 7), (5, 7), (1, 5)), Kind.GEMM, 1, 1),
        (_one("ADD", (1, 8), (1, 8), (1, 8)), Kind.ELEMENTWISE, 1, 1),
    ],
)
def test_an_operator_is_of_the_kind_that_its_shapes_tell(
    save_tflite: Save, small: Small, kind: Kind, window: int, stride: int
) -> None:
    (found,) = _kernels(save_tflite, small)

    assert (found.kind, found.window, found.stride, found.is_known) == (kind, window, stride, True)
    assert found.written == np.prod(small.tensors[2].shape)
    assert found.weights == np.prod(small.tensors[1].data.shape)  # type: ignore[union-attr]


def test_a_whole_model_is_a_kernel_per_operator_in_order(save_tflite: Save) -> None:
    found = _kernels(save_tflite, SmallTflite.conv())

    assert [one.operator for one in found] == ["CONV_2D", "MEAN", "FULLY_CONNECTED"]
    assert [one.kind for one in found] == [Kind.WINDOW, Kind.POOL, Kind.GEMM]


def test_a_custom_operator_has_no_rule_and_costs_its_traffic(save_tflite: Save) -> None:
    small = Small(
        tensors=[Tensor(name="data", shape=(1, 8)), Tensor(name="output", shape=(1, 4))],
        operators=[Operator(custom="Mystery", inputs=["data"], outputs=["output"])],
        inputs=["data"],
        outputs=["output"],
    )
    (found,) = _kernels(save_tflite, small)

    assert not found.is_known
    assert (found.operator, found.read, found.written) == ("Mystery", 8, 4)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("mlperf_tiny/kws_dscnn_int8.tflite", "mlperf_tiny_kws_dscnn"),
        ("mlperf_tiny/ic_resnet8_int8.tflite", "mlperf_tiny_ic_resnet8_cifar10"),
        ("mlperf_tiny/ad_autoencoder_int8.tflite", "mlperf_tiny_ad_fc_autoencoder"),
    ],
)
def test_official_models_have_the_work_of_the_networks_that_the_rates_were_fitted_on(
    shared_data: Path, name: str, network: str
) -> None:
    from estimates.networks import kernels_of

    found = feature_vector(tflite_kernels(read_tflite(shared_data / name)))
    written_down = kernels_of(network)

    assert written_down is not None
    for feature, one, other in zip(FEATURES, found, feature_vector(written_down), strict=True):
        slack = 0.04 if feature == "weights" else 1e-9  # biases are no weights of the networks as written down
        assert one == pytest.approx(other, rel=slack), feature
