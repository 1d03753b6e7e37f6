from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeopt.core.dataset import no_samples
from edgeopt.steps.tflite.blocks import without_blocks
from edgeopt.steps.tflite.step import Tflite
from tests.steps.tflite.running import REFERENCE, XNNPACK, run_tflite

ROWS, COLUMNS, BLOCK = 64, 96, 32


def packed_product(generator: np.random.Generator, *, centred: bool = True) -> tuple[onnx.ModelProto, np.ndarray]:
    """(a MatMulNBits of four bits, the (input, output) numbers that its weights stand for)."""
    integers = generator.integers(0, 16, (COLUMNS, ROWS // BLOCK, BLOCK))
    scale = generator.uniform(0.01, 0.2, (COLUMNS, ROWS // BLOCK)).astype(np.float32)
    packed = (integers[..., 0::2] | (integers[..., 1::2] << 4)).astype(np.uint8)
    constants = {"w": packed, "s": scale.reshape(-1)}
    zero = np.full((COLUMNS, ROWS // BLOCK), 8)
    if not centred:
        zero = generator.integers(0, 16, (COLUMNS, ROWS // BLOCK))
        constants["z"] = (zero[:, 0::2] | (zero[:, 1::2] << 4)).astype(np.uint8)
    node = helper.make_node(
        "MatMulNBits",
        ["x", *constants],
        ["y"],
        name="product",
        domain="com.microsoft",
        K=ROWS,
        N=COLUMNS,
        bits=4,
        block_size=BLOCK,
    )
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (3, ROWS))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (3, COLUMNS))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    numbers = (integers - zero[..., np.newaxis]) * scale[..., np.newaxis]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8), numbers.reshape(COLUMNS, ROWS).T


@pytest.mark.parametrize("centred", [True, False])
def test_blocks_of_four_bits_stay_small_and_are_exact(tmp_path: Path, centred: bool) -> None:
    generator = np.random.default_rng(0)
    model, numbers = packed_product(generator, centred=centred)
    onnx.save(model, tmp_path / "blocks.onnx")
    report = Tflite().apply(tmp_path / "blocks.onnx", tmp_path / "blocks.tflite", no_samples())
    content = (tmp_path / "blocks.tflite").read_bytes()

    assert report.warnings == ()
    assert report.details["operators"] == {"DEQUANTIZE": 1, "FULLY_CONNECTED": 1, "RESHAPE": 1}
    assert len(content) < ROWS * COLUMNS * (2 if centred else 2.5)  # float32 takes 4 bytes each
    feeds = {"x": generator.normal(0, 1, (3, ROWS)).astype(np.float32)}
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(content, feeds, kernels)["y"]
        np.testing.assert_allclose(given, feeds["x"] @ numbers.astype(np.float32), rtol=1e-5, atol=1e-4)


def test_blocks_that_are_read_otherwise_become_floats_and_it_is_said(tmp_path: Path) -> None:
    model, _ = packed_product(np.random.default_rng(0))
    first = helper.make_node("Reshape", ["image", "rows"], ["x"])
    turned = helper.make_node("Transpose", ["source"], ["image"], perm=[0, 2, 1])
    conv = helper.make_node("MaxPool", ["raw"], ["source"], kernel_shape=[1])
    for node in (first, turned, conv):
        model.graph.node.insert(0, node)
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info("raw", TensorProto.FLOAT, (3, 8, ROWS // 8)))
    model.graph.initializer.append(numpy_helper.from_array(np.array([3, ROWS]), "rows"))
    onnx.save(model, tmp_path / "blocks.onnx")

    report = Tflite().apply(tmp_path / "blocks.onnx", tmp_path / "blocks.tflite", no_samples())
    is_float = "DEQUANTIZE" not in report.details["operators"]
    assert is_float == any("float32 in the .tflite file: 24,576 bytes" in each for each in report.warnings)


def test_a_model_without_blocks_is_given_back() -> None:
    model = onnx.ModelProto()

    assert without_blocks(model) == (model, {})
