from __future__ import annotations

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from tests.steps.tflite.families.single import assert_gives, lowered_single

TYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float16", "float32", "float64")


def _target(dtype: str) -> int:
    import onnx

    return onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


@pytest.mark.parametrize("given", TYPES)
@pytest.mark.parametrize("wanted", TYPES)
def test_values_that_both_types_have_are_kept(given: str, wanted: str) -> None:
    x = np.array([0, 1, 100, 1]).astype(given)

    assert_gives("Cast", {"x": x}, x.astype(wanted), to=_target(wanted))


@pytest.mark.parametrize("given", ["int8", "int32", "int64", "uint16"])
@pytest.mark.parametrize("wanted", ["int8", "uint8", "int16", "uint32", "uint64"])
def test_integers_that_do_not_fit_wrap_around(given: str, wanted: str) -> None:
    limits = np.iinfo(given)
    x = np.array([limits.min, limits.max, 77], given)

    assert_gives("Cast", {"x": x}, x.astype(wanted), to=_target(wanted))


def test_a_cast_to_half_precision_rounds_though_it_is_held_in_single() -> None:
    x = np.array([1.0002, 2049.0, 1e-8, 65504.0, 1 / 3], np.float32)

    assert_gives("Cast", {"x": x}, x.astype(np.float16), to=_target("float16"))


def test_a_cast_to_eight_bits_of_float_is_refused_by_name() -> None:
    import onnx

    with pytest.raises(Unsupported, match="float8_e4m3fn"):
        lowered_single("Cast", {"x": np.zeros(3, np.float32)}, to=onnx.TensorProto.FLOAT8E4M3FN)
