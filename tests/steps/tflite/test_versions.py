import numpy as np
import pytest

from edgeopt.steps.tflite.net import Operation, Quantization, Tensor, options
from edgeopt.steps.tflite.versions import version_of

ONE = Quantization(scales=(0.5,), zero_points=(0,))
TWO = Quantization(scales=(0.5, 0.25), zero_points=(0, 0))


def tensor(dtype: str, shape: tuple[int, ...] = (1, 4, 4, 2), quantization: Quantization | None = None) -> Tensor:
    return Tensor(name="t", shape=shape, dtype=dtype, quantization=quantization)


def operation(kind: str, *inputs: Tensor | None, out: str, given: dict[str, object] | None = None) -> Operation:
    attributes = options("AnyOptions", **(given or {}))
    return Operation(kind=kind, inputs=inputs, outputs=(tensor(out, quantization=ONE),), options=attributes)


INT8, REAL = tensor("int8", quantization=ONE), tensor("float32")
WEIGHTS = tensor("int8", quantization=TWO)
DEEP = tensor("float32", (1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("made", "version"),
    [
        (operation("CONV_2D", REAL, REAL, REAL, out="float32"), 1),
        (operation("CONV_2D", INT8, INT8, tensor("int32"), out="int8"), 3),
        (operation("CONV_2D", REAL, INT8, REAL, out="float32"), 2),
        (operation("CONV_2D", REAL, WEIGHTS, REAL, out="float32"), 5),
        (operation("CONV_2D", tensor("float32", (1, 4, 4, 4)), REAL, REAL, out="float32"), 6),  # grouped
        (operation("DEPTHWISE_CONV_2D", REAL, REAL, REAL, out="float32"), 1),
        (operation("DEPTHWISE_CONV_2D", REAL, REAL, REAL, out="float32", given={"dilationHFactor": 2}), 2),
        (operation("DEPTHWISE_CONV_2D", INT8, INT8, tensor("int32"), out="int8"), 3),
        (operation("FULLY_CONNECTED", REAL, REAL, REAL, out="float32"), 1),
        (operation("FULLY_CONNECTED", INT8, INT8, tensor("int32"), out="int8"), 4),
        (operation("FULLY_CONNECTED", INT8, INT8, tensor("int32"), out="int8", given={"keepNumDims": True}), 5),
        (operation("FULLY_CONNECTED", REAL, WEIGHTS, REAL, out="float32"), 12),
        (operation("FULLY_CONNECTED", REAL, INT8, REAL, out="float32", given={"asymmetricQuantizeInputs": True}), 9),
        (operation("FULLY_CONNECTED", INT8, tensor("int4", quantization=ONE), tensor("int32"), out="int8"), 10),
        (operation("DEQUANTIZE", tensor("float16"), out="float32"), 3),
        (operation("DEQUANTIZE", INT8, out="float32"), 2),
        (operation("DEQUANTIZE", WEIGHTS, out="float32"), 5),
        (operation("DEQUANTIZE", tensor("int4", quantization=TWO), out="float32"), 6),
        (operation("QUANTIZE", REAL, out="int8"), 1),
        (operation("QUANTIZE", REAL, out="int16"), 2),
        (operation("MUL", INT8, INT8, out="int8"), 2),  # 0.5 * 0.5 / 0.5 is below 1
        (operation("SOFTMAX", INT8, out="int8"), 2),
        (operation("MEAN", INT8, REAL, out="int8"), 2),
        (operation("PAD", DEEP, REAL, out="float32"), 4),
        (operation("SUB", DEEP, tensor("float32", (5,)), out="float32"), 3),
        (operation("BROADCAST_TO", REAL, tensor("int32", (4,)), out="float32"), 2),
        (operation("CAST", tensor("float16"), out="float32"), 5),
        (operation("TRANSPOSE_CONV", tensor("int32", (4,)), REAL, REAL, None, out="float32"), 1),
        (operation("TRANSPOSE_CONV", tensor("int32", (4,)), REAL, REAL, REAL, out="float32"), 3),
        (operation("COS", REAL, out="float32"), 1),
    ],
)
def test_a_version_is_the_oldest_whose_kernels_run_it(made: Operation, version: int) -> None:
    assert version_of(made) == version


def test_a_product_whose_steps_grow_needs_a_newer_kernel() -> None:
    coarse = Quantization(scales=(2.0,), zero_points=(0,))
    inputs = (tensor("int8", quantization=coarse), tensor("int8", quantization=coarse))
    made = Operation(kind="MUL", inputs=inputs, outputs=(tensor("int8", quantization=coarse),))

    assert version_of(made) == 3
    assert np.prod([each.quantization.scale for each in inputs]) / 2.0 >= 1
