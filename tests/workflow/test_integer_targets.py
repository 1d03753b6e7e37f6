"""For microcontrollers a network is int8 from its input to its output, in the ONNX file and in what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, shape_inference

import edgeopt
from edgeopt.errors import Unsupported
from edgeopt.graph.tflite.read import read_tflite
from edgeopt.workflow.inputs import BUNDLED_DATA, BUNDLED_MODEL, bundled

node = helper.make_node


def dtypes_of(path: Path) -> set[str]:
    """Types of all activations of a TFLite file."""
    graph = read_tflite(path).graphs[0]
    read = {place for operator in graph.operators for place in (*operator.inputs, *operator.outputs) if place >= 0}
    return {graph.tensors[place].dtype for place in read if not graph.tensors[place].data[1]}


@pytest.mark.parametrize("target", ["stm32l4r5", "stm32h7", "stm32u5", "nrf5340", "ethos-u55"])
def test_the_bundled_model_is_integers_from_its_input_to_its_output(tmp_path: Path, target: str) -> None:
    quantized, converted = tmp_path / "mcu.onnx", tmp_path / "mcu.tflite"
    data = bundled(BUNDLED_DATA)
    result = edgeopt.quantize(
        bundled(BUNDLED_MODEL), output=quantized, data=data, target=target, measure=False, samples=16
    ).as_json()

    made = edgeopt.convert(quantized, output=converted, io="int8").as_json()

    assert result["kept_float"] == []
    assert (result["scheme"]["activations"], result["scheme"]["weight_bits"]) == ("int8", 8)
    assert dtypes_of(converted) == {"int8"}
    assert not any("QUANTIZE" in kind for kind in made["operators"])
    assert all(output["sqnr_db"] > 35 for output in made["proof"]["outputs"])


def weights(*shape: int) -> Any:
    return (np.random.default_rng(0).standard_normal(shape) / np.prod(shape[1:]) ** 0.5).astype(np.float32)


def conv(source: str, target: str, weight: str = "w") -> Any:
    return node("Conv", [source, weight], [target], name=f"conv_{target}", pads=[1, 1, 1, 1])


@pytest.fixture
def saved(small_models: Any, save_model: Callable[..., Path], tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """A model from `x` (1, 4, 8, 8) to `y`, and samples for it."""

    def save(nodes: list[Any], **constants: Any) -> tuple[Path, Path]:
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        given = small_models.constants(**{"w": weights(4, 4, 3, 3), **constants})
        model = small_models.model(nodes, [small_models.value("x", 1, 4, 8, 8)], [output], given)
        path = save_model(shape_inference.infer_shapes(model))
        data = tmp_path / "samples.npz"
        np.savez(data, x=np.random.default_rng(1).standard_normal((16, 4, 8, 8)).astype(np.float32))
        return path, data

    return save


NETS: dict[str, list[Any]] = {
    "a sum of the input": [node("Add", ["x", "x"], ["s"], name="sum"), conv("s", "y")],
    "a pool of the input": [node("MaxPool", ["x"], ["p"], name="pool", kernel_shape=[2, 2]), conv("p", "y")],
    "an average of windows": [
        conv("x", "c"),
        node("AveragePool", ["c"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        conv("p", "y"),
    ],
    "a clamp that another reader goes around": [
        conv("x", "c"),
        node("Relu", ["c"], ["r"], name="relu"),
        node("Add", ["c", "r"], ["y"], name="sum"),
    ],
    "a clip that another reader goes around": [
        conv("x", "c"),
        node("Clip", ["c", "low", "high"], ["r"], name="clip"),
        node("Add", ["c", "r"], ["y"], name="sum"),
    ],
    "leaky": [conv("x", "c"), node("LeakyRelu", ["c"], ["h"], name="leaky"), conv("h", "y")],
    "a global average at the end": [conv("x", "c"), node("GlobalAveragePool", ["c"], ["y"], name="pool")],
    "a concatenation with a constant": [
        conv("x", "c"),
        node("Concat", ["c", "b"], ["j"], name="join", axis=1),
        node("Conv", ["j", "u"], ["y"], name="conv_y", pads=[1, 1, 1, 1]),
    ],
    "parts of a result": [
        conv("x", "c"),
        node("Split", ["c"], ["p", "q"], name="split", axis=1),
        node("Sub", ["p", "q"], ["y"], name="difference"),
    ],
    "hard swish": [conv("x", "c"), node("HardSwish", ["c"], ["h"], name="swish"), conv("h", "y")],
    "tanh": [conv("x", "c"), node("Tanh", ["c"], ["h"], name="tanh"), conv("h", "y")],
    "sigmoid": [conv("x", "c"), node("Sigmoid", ["c"], ["h"], name="sigmoid"), conv("h", "y")],
    "softmax in the middle": [conv("x", "c"), node("Softmax", ["c"], ["h"], name="softmax", axis=1), conv("h", "y")],
    "a difference": [conv("x", "c"), node("Sub", ["c", "x"], ["h"], name="difference"), conv("h", "y")],
    "a sum at the end": [conv("x", "c"), node("Add", ["c", "x"], ["y"], name="sum")],
    "a mean": [conv("x", "c"), node("ReduceMean", ["c"], ["y"], name="mean", axes=[2, 3], keepdims=0)],
    "a softmax at the end": [
        conv("x", "c"),
        node("Flatten", ["c"], ["f"], name="flatten"),
        node("Gemm", ["f", "v"], ["g"], name="gemm"),
        node("Softmax", ["g"], ["y"], name="softmax", axis=1),
    ],
    "a sum with a constant": [conv("x", "c"), node("Relu", ["c"], ["r"]), node("Add", ["r", "b"], ["y"], name="sum")],
    "a product with a constant": [conv("x", "c"), node("Mul", ["c", "b"], ["y"], name="product")],
}
CONSTANTS = {
    "low": np.float32(-0.5),
    "high": np.float32(0.25),
    "u": weights(4, 8, 3, 3),
    "v": weights(256, 10),
    "b": weights(1, 4, 8, 8),
}


@pytest.fixture
def converted(saved: Callable[..., tuple[Path, Path]], tmp_path: Path) -> Callable[..., Path]:
    """The TFLite file of nodes, quantized for a microcontroller and converted with int8 ends."""

    def make(nodes: list[Any]) -> Path:
        read = {name for each in nodes for name in each.input}
        model, data = saved(nodes, **{name: array for name, array in CONSTANTS.items() if name in read})
        quantized, result = tmp_path / "mcu.onnx", tmp_path / "mcu.tflite"
        edgeopt.quantize(model, output=quantized, data=data, target="stm32h7", measure=False, samples=8)
        edgeopt.convert(quantized, output=result, io="int8")
        return result

    return make


@pytest.mark.parametrize("nodes", NETS.values(), ids=NETS)
def test_operators_with_int8_kernels_stay_in_int8(converted: Callable[..., Path], nodes: list[Any]) -> None:
    assert dtypes_of(converted(nodes)) == {"int8"}


@pytest.mark.parametrize("nodes", NETS.values(), ids=NETS)
def test_the_runtime_of_microcontrollers_runs_them(converted: Callable[..., Path], nodes: list[Any]) -> None:
    micro = pytest.importorskip(
        "tflite_micro.python.tflite_micro.runtime", reason="tflite-micro has no wheel for this Python or processor"
    )
    interpreter = micro.Interpreter.from_bytes(converted(nodes).read_bytes())
    shape = interpreter.get_input_details(0)["shape"]
    interpreter.set_input(np.random.default_rng(2).integers(-128, 128, shape, dtype=np.int8), 0)
    interpreter.invoke()

    assert interpreter.get_output(0).dtype == np.int8
    assert np.ptp(interpreter.get_output(0).astype(int)) > 0


@pytest.mark.parametrize("scheme", ["int8-dynamic", "fp16", "int4-weights"])
def test_a_scheme_that_computes_in_floats_is_refused(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(Unsupported, match=f"scheme `{scheme}` computes in floats, and `stm32h7` runs int8 alone"):
        edgeopt.quantize(bundled(BUNDLED_MODEL), output=tmp_path / "out.onnx", target="stm32h7", scheme=scheme)


def test_what_stays_float_on_such_a_target_is_a_warning(
    saved: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    model, data = saved([conv("x", "c"), node("Erf", ["c"], ["h"], name="erf"), conv("h", "y")])
    result = edgeopt.quantize(
        model, output=tmp_path / "out.onnx", data=data, target="stm32h7", measure=False, samples=8
    ).as_json()

    assert [entry["node"] for entry in result["kept_float"]] == ["erf"]
    assert any("`stm32h7` runs integers alone, and 1 node(s) stay float: `erf`" in one for one in result["warnings"])
