"""TFLite Micro runs what is written, and gives what LiteRT's reference kernels give."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantType

from edgeopt.core.dataset import no_samples
from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.integer_boundary import integer_boundary
from edgeopt.steps.tflite.step import Tflite
from edgeopt.workflow.quantize import quantize
from tests.steps.tflite.quantized import small_net, statically_quantized
from tests.steps.tflite.running import REFERENCE, lowered_model

micro = pytest.importorskip(
    "tflite_micro.python.tflite_micro.runtime", reason="tflite-micro has no wheel for this Python or processor"
)


def both(content: bytes, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(sample, ...) int8 outputs of TFLite Micro and of LiteRT's reference kernels on random int8 inputs."""
    from ai_edge_litert.interpreter import Interpreter

    small = micro.Interpreter.from_bytes(content)
    large = Interpreter(model_content=content, experimental_op_resolver_type=REFERENCE)
    large.allocate_tensors()
    told: Any = large.get_input_details()[0]
    generator = np.random.default_rng(0)
    pairs = []
    for _ in range(count):
        sample = generator.integers(-128, 128, told["shape"], dtype=np.int8)
        small.set_input(sample, 0)
        small.invoke()
        large.set_tensor(told["index"], sample)
        large.invoke()
        pairs.append((small.get_output(0), large.get_tensor(large.get_output_details()[0]["index"])))
    return np.stack([one for one, _ in pairs]), np.stack([other for _, other in pairs])


def without_last_product(model: onnx.ModelProto) -> onnx.ModelProto:
    """`small_net` up to its mean."""
    del model.graph.node[-1]
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("flat", onnx.TensorProto.FLOAT, (1, 12)))
    return model


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("activations", [QuantType.QInt8, QuantType.QUInt8])
def test_convolutions_sums_pools_and_means_are_equal_bit_for_bit(
    tmp_path: Path, activations: QuantType, per_channel: bool
) -> None:
    float_net = without_last_product(small_net())
    model = statically_quantized(float_net, tmp_path, activations=activations, per_channel=per_channel)
    net = lowered_model(model).net
    integer_boundary(net)

    given, wanted = both(model_bytes(net), 20)
    np.testing.assert_array_equal(given, wanted)


def test_products_differ_by_one_step_at_most_where_roundings_do(tmp_path: Path) -> None:
    # LiteRT 2.1's FULLY_CONNECTED rounds once, TFLite Micro's twice: of ten thousand values a few end a step apart.
    net = lowered_model(statically_quantized(small_net(), tmp_path)).net
    integer_boundary(net)

    given, wanted = both(model_bytes(net), 50)
    assert np.abs(given.astype(int) - wanted).max() <= 1
    assert (given == wanted).mean() > 0.98


@pytest.mark.shared
@pytest.mark.parametrize(
    ("model", "data"),
    [("mlperf_tiny/ic_resnet8.onnx", "mlperf_tiny/ic_eval500.npz"), ("kws/kws_dscnn.onnx", "kws/eval.npz")],
)
def test_real_nets_of_microcontrollers_are_equal_bit_for_bit(
    tmp_path: Path, shared_data: Path, model: str, data: str
) -> None:
    quantize(shared_data / model, output=tmp_path / "int8.onnx", data=shared_data / data, target="rpi4", measure=False)
    report = Tflite(io="int8").apply(tmp_path / "int8.onnx", tmp_path / "int8.tflite", no_samples())

    assert {"QUANTIZE", "DEQUANTIZE"}.isdisjoint(report.details["operators"])
    given, wanted = both((tmp_path / "int8.tflite").read_bytes(), 5)
    np.testing.assert_array_equal(given, wanted)
