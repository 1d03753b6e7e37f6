"""What random graphs and odd models have shown: each was wrong, a crash, or a refusal without a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeopt.core.dataset import no_samples
from edgeopt.errors import Unsupported
from edgeopt.steps.convert import Convert
from edgeopt.steps.tflite.ceiling import settle_ceilings
from edgeopt.steps.tflite.flatbuffer import model_bytes
from tests.steps.tflite.running import REFERENCE, XNNPACK, assert_same, lowered_model, parsed, run_onnx, run_tflite

HEAD = '<ir_version: 9, opset_import: ["": 20]>'
RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RANDOM.standard_normal(shape).astype(np.float32)


def with_weights(model: onnx.ModelProto, **weights: Any) -> onnx.ModelProto:
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(each), name) for name, each in weights.items())
    return model


def test_matrices_that_are_transposed_and_multiplied_by_themselves_are_right_on_xnnpack() -> None:
    model = parsed(
        f"{HEAD} g (float[1,3,2,2] x) => (float[1,3,2,2] z) {{ y = MaxPool<kernel_shape=[1,1]>(x)  z = MatMul(y, y) }}"
    )

    assert_same(model, {"x": normal(1, 3, 2, 2)})


def test_an_operand_of_fewer_axes_whose_single_axis_lies_elsewhere_is_broadcast() -> None:
    model = with_weights(
        onnx.parser.parse_model(
            f"{HEAD} g (float[3,2] x, float[3,4,2,4] y) => (float[3,4,2,4] z) {{ "
            "t = Transpose<perm=[1,0]>(x)  s = ReduceSumSquare<keepdims=1>(t, axis)  z = Add(s, y) }"
        ),
        axis=np.array([1]),
    )

    assert_same(model, {"x": normal(3, 2), "y": normal(3, 4, 2, 4)})


@pytest.mark.parametrize(
    ("pool", "shape"),
    [
        ("MaxPool<kernel_shape=[1,1], strides=[3,1], ceil_mode=1>", (3, 1, 2, 1)),
        ("MaxPool<kernel_shape=[2,2], strides=[3,3], pads=[0,0,1,1], ceil_mode=1>", (1, 2, 5, 5)),
        ("MaxPool<kernel_shape=[2,3], strides=[3,2], pads=[0,0,1,1], ceil_mode=1>", (1, 2, 5, 6)),
        ("AveragePool<kernel_shape=[1,1], strides=[3,2], ceil_mode=1>", (1, 2, 5, 6)),
    ],
)
def test_a_last_window_that_starts_in_the_padding_is_none_and_what_follows_is_written(
    pool: str, shape: tuple[int, ...]
) -> None:
    lengths = ",".join(map(str, shape))
    model = onnx.parser.parse_model(
        f"{HEAD} g (float[{lengths}] x) => (float[a,b,c,d] z) {{ p = {pool}(x)  q = {pool}(p)  z = Relu(q) }}"
    )

    assert_same(model, {"x": normal(*shape)})


def test_a_pool_whose_windows_all_count_keeps_its_attributes() -> None:
    model = parsed(
        f"{HEAD} g (float[1,2,6,6] x) => (float[1,2,3,3] z) "
        "{ z = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x) }"
    )
    before = model.SerializeToString()

    settle_ceilings(model)

    assert model.SerializeToString() == before


def channels() -> dict[str, Any]:
    integers = RANDOM.integers(-127, 127, (2, 5, 2, 2)).astype(np.int8)
    return {"w": integers, "s": np.array([0.01, 0.002], np.float32), "z": np.zeros(2, np.int8)}


@pytest.mark.parametrize(
    "use",
    [
        "y = GlobalMaxPool(d)",
        "y = MaxPool<kernel_shape=[2,1]>(d)",
        "y = GlobalAveragePool(d)",
        "y = Conv<kernel_shape=[1,1]>(d, v)",
        "t = Transpose<perm=[0,2,3,1]>(d)  y = ReduceMax<keepdims=1>(t)",
    ],
)
def test_integers_with_a_scale_per_channel_are_never_taken_for_an_image(use: str) -> None:
    model = with_weights(
        onnx.parser.parse_model(
            f"{HEAD} g (float[1,5,4,4] x) => (float[a,b,c,d] o, float[e,f,g,h] c) {{ "
            f"d = DequantizeLinear<axis=0>(w, s, z)  {use}  q = QuantizeLinear(y, r, n)  o = DequantizeLinear(q, r, n)"
            "  c = Conv(x, d) }"
        ),
        **channels(),
        r=np.array(0.01, np.float32),
        n=np.array(0, np.int8),
        **({"v": normal(3, 5, 1, 1)} if "(d, v)" in use else {}),
    )

    assert_same(model, {"x": normal(1, 5, 4, 4)}, tolerance=0.02)


def test_a_step_beyond_an_int32_takes_one_element() -> None:
    model = with_weights(
        onnx.parser.parse_model(
            f"{HEAD} g (float[3,4] x) => (float[1,4] z) {{ y = Relu(x)  z = Slice(y, b, e, a, t) }}"
        ),
        b=np.array([1]),
        e=np.array([3]),
        a=np.array([0]),
        t=np.array([2**33]),
    )

    assert_same(model, {"x": normal(3, 4)})


def quantized(scale: Any, **options: Any) -> onnx.ModelProto:
    axis = f"<axis={options['axis']}>" if options else ""
    return with_weights(
        onnx.parser.parse_model(
            f"{HEAD} g (float[1,4] x) => (float[1,3] y) {{ d = DequantizeLinear{axis}(w, s, z)  y = MatMul(x, d) }}"
        ),
        w=np.ones((4, 3), np.int8),
        s=np.asarray(scale, np.float32),
        z=np.zeros(np.shape(scale), np.int8),
    )


@pytest.mark.parametrize("scale", [np.nan, np.inf])
def test_weights_of_an_impossible_scale_are_refused(scale: float) -> None:
    with pytest.raises(Unsupported, match="has the scale"):
        lowered_model(quantized(scale))


@pytest.mark.parametrize("scale", [np.nan, np.inf, 0.0])
def test_an_activation_of_an_impossible_scale_is_refused(scale: float) -> None:
    model = with_weights(
        onnx.parser.parse_model(
            f"{HEAD} g (float[1,4] x) => (float[1,4] y)"
            " { q = QuantizeLinear(x, s, z)  y = DequantizeLinear(q, s, z) }"
        ),
        s=np.array(scale, np.float32),
        z=np.array(0, np.int8),
    )

    with pytest.raises(Unsupported, match="has the scale"):
        lowered_model(model)


@pytest.mark.parametrize(("axis", "told"), [(7, "along axis 7"), (-3, "along axis -3"), (0, r"of shape \(4, 3\)")])
def test_scales_along_an_axis_that_is_not_theirs_are_refused(axis: int, told: str) -> None:
    with pytest.raises(Unsupported, match=told):
        lowered_model(quantized([0.1, 0.2, 0.3], axis=axis))


@pytest.mark.parametrize("shape", [(2**31,), (2**40, 2**40)])
def test_more_elements_than_kernels_count_are_refused(shape: tuple[int, ...]) -> None:
    lengths = ",".join(map(str, shape))

    with pytest.raises(Unsupported, match="elements"):
        lowered_model(parsed(f"{HEAD} g (float[{lengths}] x) => (float[{lengths}] y) {{ y = Relu(x) }}"))


def test_more_axes_than_a_file_has_are_refused_by_the_name_of_the_input() -> None:
    axes = ",".join(["2"] * 9)

    with pytest.raises(Unsupported, match=r"`x`.* has 9 axes"):
        lowered_model(parsed(f"{HEAD} g (float[{axes}] x) => (float[{axes}] y) {{ y = Relu(x) }}"))


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ("c = ConstantOfShape(n)  y = Add(x, c)", {"n": np.array([2**40])}),
        ("y = Expand(x, n)", {"n": np.array([2**20, 2**20])}),
        ("c = Range(a, n, b)  y = Add(x, c)", {"a": np.float32(0), "n": np.float32(1e20), "b": np.float32(1)}),
    ],
)
def test_a_constant_that_would_fill_the_memory_is_refused_before_it_does(nodes: str, constants: dict[str, Any]) -> None:
    model = with_weights(onnx.parser.parse_model(f"{HEAD} g (float[1] x) => (float[m] y) {{ {nodes} }}"), **constants)

    with pytest.raises(Unsupported, match="a TFLite file holds 2 GiB"):
        lowered_model(model)


def test_constants_beyond_a_file_are_refused_before_they_are_read(tmp_path: Path) -> None:
    weights = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[2**15, 2**15], data_location=TensorProto.EXTERNAL
    )
    for key, value in {"location": "w.data", "offset": "0", "length": str(2**32)}.items():
        weights.external_data.add(key=key, value=value)
    with (tmp_path / "w.data").open("wb") as file:
        file.truncate(2**32)  # a hole: it takes no room on the disk
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2**15])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2**15])],
        [weights],
    )
    source = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), source)

    with pytest.raises(Unsupported, match=r"holds 4\.3 GB of constants"):
        Convert().apply(source, tmp_path / "m.tflite", no_samples())

    assert not (tmp_path / "m.tflite").exists()


def proof_on(model: onnx.ModelProto, folder: Path) -> dict[str, Any]:
    onnx.save(model, folder / "m.onnx")
    details = Convert().apply(folder / "m.onnx", folder / "m.tflite", no_samples()).details
    proof: dict[str, Any] = details["proof"]
    return proof


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_a_model_that_ends_in_integers_is_proven_on_these(dtype: str, tmp_path: Path) -> None:
    model = with_weights(
        onnx.parser.parse_model(f"{HEAD} g (float[1,8] x) => ({dtype}[1,8] y) {{ y = QuantizeLinear(x, s, z) }}"),
        s=np.array(0.03, np.float32),
        z=np.array(100, dtype),
    )

    proof = proof_on(model, tmp_path)

    assert all(output["max_difference"] <= 1 for output in proof["outputs"])


@pytest.mark.parametrize("dtype", ["int64", "int32", "float"])
def test_a_model_of_scalars_is_proven(dtype: str, tmp_path: Path) -> None:
    model = parsed(f"{HEAD} g ({dtype} x) => ({dtype} y) {{ y = Add(x, x) }}")

    assert all(output["max_difference"] == 0 for output in proof_on(model, tmp_path)["outputs"])


def test_a_float16_model_without_weights_is_held_to_float16(tmp_path: Path) -> None:
    model = parsed(f"{HEAD} g (float16[1,3,8,6] x) => (float16[1,3,8,6] y) {{ y = Sigmoid(x) }}")

    assert {output["bound"]["numbers"] for output in proof_on(model, tmp_path)["outputs"]} == {"float16"}


def test_an_output_before_a_transpose_and_a_quantizer_is_not_rounded() -> None:
    model = with_weights(
        onnx.parser.parse_model(
            f"{HEAD} g (float[2,3] x) => (float[2,3] y, float[3,2] o) {{ "
            "y = Relu(x)  t = Transpose<perm=[1,0]>(y)  q = QuantizeLinear(t, s, z)  o = DequantizeLinear(q, s, z) }"
        ),
        s=np.array(0.1, np.float32),
        z=np.array(0, np.int8),
    )

    for kernels in (XNNPACK, REFERENCE):  # ONNX Runtime's own rewrites round it, its model as it is does not
        given = run_tflite(model_bytes(lowered_model(model).net), {"x": np.full((2, 3), 0.33, np.float32)}, kernels)
        np.testing.assert_allclose(given["y"], 0.33, rtol=1e-6)
        np.testing.assert_allclose(given["o"], 0.3, rtol=1e-6)


@pytest.mark.parametrize(("step", "kinds"), [(0.06, 0), (0.2, 1)])
def test_logarithms_below_what_the_int8_kernel_reaches_are_computed_in_float(step: float, kinds: int) -> None:
    model = with_weights(
        onnx.parser.parse_model(
            f"{HEAD} g (float[1,4] x) => (float[1,4] o) {{ p = QuantizeLinear(x, a, b)  d = DequantizeLinear(p, a, b)"
            "  y = LogSoftmax(d)  q = QuantizeLinear(y, s, z)  o = DequantizeLinear(q, s, z) }"
        ),
        a=np.array(0.3, np.float32),
        b=np.array(0, np.int8),
        s=np.array(step, np.float32),
        z=np.array(127, np.int8),
    )
    x = np.array([[0.0, 3.0, -20.0, -30.0]], np.float32)
    result = lowered_model(model)

    assert (sum(each.kind == "DEQUANTIZE" for each in result.net.operations) > 1) == bool(kinds)
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(model_bytes(result.net), {"x": x}, kernels)["o"]
        np.testing.assert_allclose(given, run_onnx(model, {"x": x})["o"], atol=1.5 * max(step, 16 / 256))
