"""An estimate names its data, holds its interval around its median, and says what no data cover."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeopt.core.measurement import Origin
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.quantization import QuantizationState
from edgeopt.predict.estimate import dtype_of, estimate, estimate_of
from edgeopt.predict.kernels import Kernel, Kind
from edgeopt.predict.rates import Rates, all_rates
from tests.small_tflite import Operator, Small, SmallTflite, Tensor

SaveTflite = Callable[[Small], Path]
_POINTWISE = Kernel(
    name="expand", kind=Kind.POINTWISE, macs=10**8, read=10**5, written=10**6, weights=10**4, operator="Conv"
)
_SMALL = Kernel(name="add", kind=Kind.ELEMENTWISE, read=20, written=10, operator="Add")


def _rates(target: str = "rpi4", runtime: str = "litert-2.7.1", dtype: str = "int8") -> Rates:
    return next(one for one in all_rates() if (one.target, one.runtime, one.dtype) == (target, runtime, dtype))


def test_an_estimate_is_the_sum_of_its_kernels_and_what_an_inference_costs_before_them() -> None:
    found = estimate_of([_POINTWISE, _SMALL], _rates())

    assert found.median == pytest.approx(found.fixed_seconds + sum(one.seconds for one in found.kernels))
    assert found.interval90[0] < found.median < found.interval90[1]
    assert found.origin is Origin.ESTIMATED


def test_what_bounds_a_kernel_is_what_takes_most_of_it() -> None:
    heavy, light = estimate_of([_POINTWISE, _SMALL], _rates()).kernels
    stream = replace(_POINTWISE, macs=10, written=10**8)

    assert (heavy.bound, light.bound) == ("arithmetic", "overhead")
    assert estimate_of([stream], _rates()).kernels[0].bound == "memory"


def test_an_operator_without_a_rule_widens_the_interval_and_is_named() -> None:
    known = replace(_SMALL, kind=Kind.ELEMENTWISE, read=10**7, written=10**7)
    strange = replace(known, is_known=False, operator="Mystery")
    plain = estimate_of([_POINTWISE, known], _rates())
    wide = estimate_of([_POINTWISE, strange], _rates())

    assert wide.median == plain.median
    assert wide.interval90[0] < plain.interval90[0]
    assert wide.interval90[1] > plain.interval90[1]
    assert (plain.uncovered, wide.uncovered) == ((), ("Mystery",))
    assert any("the work of Mystery is not known" in warning for warning in wide.warnings)


def test_a_kind_that_the_data_never_show_is_named_too() -> None:
    product = replace(_POINTWISE, kind=Kind.ATTENTION, operator="MatMul")

    found = estimate_of([product], _rates())

    assert found.uncovered == ("MatMul (attention)",)
    assert any("no data cover MatMul (attention)" in warning for warning in found.warnings)


def test_a_latency_far_from_all_measured_ones_is_said_to_be() -> None:
    far = estimate_of([replace(_POINTWISE, macs=10**13)], _rates())
    near = estimate_of([_POINTWISE], _rates())

    assert any("far outside" in warning for warning in far.warnings)
    assert not any("far outside" in warning for warning in near.warnings)


def test_energy_is_the_measured_power_over_the_estimated_time() -> None:
    with_power, without = _rates(), _rates("rpi4", "ncnn", "float32")
    found = estimate_of([_POINTWISE], with_power)

    assert with_power.watts is not None
    assert found.joules == pytest.approx(found.median * with_power.watts)
    assert estimate_of([_POINTWISE], without).joules is None


def test_an_int8_file_is_estimated_in_int8(save_tflite: SaveTflite) -> None:
    found = estimate(save_tflite(_integer()), "stm32l4r5", runtime="x-cube-ai")

    assert (found.rates.runtime, found.rates.dtype) == ("x-cube-ai-10", "int8")


def test_a_float_file_is_estimated_in_float(save_tflite: SaveTflite) -> None:
    found = estimate(save_tflite(SmallTflite.conv()), "rpi4")

    assert (found.rates.runtime, found.rates.dtype, found.rates.threads) == ("litert-2.7.1", "float32", 4)
    assert [one.operator for one in found.kernels] == ["CONV_2D", "MEAN", "FULLY_CONNECTED"]


def test_an_onnx_file_is_estimated_as_its_runtime_would_fuse_it(save_model: Any, small_models: Any) -> None:
    found = estimate(save_model(small_models.conv()), "rpi5")

    assert (found.rates.runtime, found.rates.dtype) == ("ncnn", "float16")
    assert found.kernels[0].operator == "Conv"
    assert "Relu" not in [one.operator for one in found.kernels]


@pytest.mark.parametrize(
    ("kind", "quantized", "dtype"),
    [
        ("qdq", 9, "int8"),
        ("integer", 10, "int8"),
        ("dynamic", 10, "int8"),
        ("qdq", 3, "float32"),  # most of it was kept float
        ("weights", 10, "float32"),
        ("none", 0, "float32"),
    ],
)
def test_a_model_is_of_the_dtype_that_most_of_it_computes_in(kind: str, quantized: int, dtype: str) -> None:
    state = QuantizationState(
        kind=kind, activations=(), weights=(), is_per_channel=False, quantized=quantized, total=10
    )

    assert dtype_of(state) == dtype


def test_a_dtype_that_was_not_measured_is_refused_with_what_was(save_tflite: SaveTflite) -> None:
    path = save_tflite(SmallTflite.conv())

    with pytest.raises(Unsupported, match="no measurements of `stm32l4r5` with any runtime, float32"):
        estimate(path, "stm32l4r5")
    with pytest.raises(Unsupported, match="no measurements in `int4`") as caught:
        estimate(path, "rpi4", dtype="int4")
    assert "float32" in caught.value.hint


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nothing")

    with pytest.raises(InputError):
        estimate(path, "rpi4")


@pytest.mark.shared
def test_official_networks_are_estimated_near_what_was_published(shared_data: Path) -> None:
    """ResNet-8 on an STM32L4R5 under X-CUBE-AI 9: 165.1 ms, 6.92 mJ (MLPerf Tiny v1.2); the fit has this row."""
    found = estimate(shared_data / "mlperf_tiny" / "ic_resnet8_int8.tflite", "stm32l4r5", runtime="x-cube-ai-9")

    assert found.interval90[0] < 0.1651 < found.interval90[1]
    assert found.median == pytest.approx(0.1651, rel=0.15)
    assert found.joules == pytest.approx(6.92e-3, rel=0.2)


def _integer() -> Small:
    import numpy as np

    return Small(
        tensors=[
            Tensor(name="data", shape=(1, 8, 8, 6), dtype="int8", scales=[0.1]),
            Tensor(name="weight", data=np.ones((4, 1, 1, 6), np.int8), dtype="int8", scales=[0.1]),
            Tensor(name="output", shape=(1, 8, 8, 4), dtype="int8", scales=[0.1]),
        ],
        operators=[Operator(kind="CONV_2D", inputs=["data", "weight"], outputs=["output"])],
        inputs=["data"],
        outputs=["output"],
    )
