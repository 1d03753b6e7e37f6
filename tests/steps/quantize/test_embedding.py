"""Embedding tables in int8: which, at what scale, and how the looked-up rows come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeopt.steps.quantize.embedding import SMALLEST_TABLE_BYTES, quantize_embeddings

node = helper.make_node
ROWS, WIDTH = 512, 64
TOKENS = np.random.default_rng(1).integers(0, ROWS, (2, 7))


def table(rows: int = ROWS, *, spread: float = 1.0) -> Any:
    """Uniform rows whose largest magnitudes differ by up to `spread`."""
    values = np.random.default_rng(0).uniform(-1, 1, (rows, WIDTH))
    values[:, 0] = 1
    return (values * np.geomspace(1, spread, rows)[:, None]).astype(np.float32)


def lookup(models: Any, array: Any, *, extra: Any = (), axis: int = 0, outputs: tuple[str, ...] = ("y",)) -> Any:
    """tokens (batch, 7) -> rows of `array` -> Neg -> y."""
    nodes = [node("Gather", ["table", "tokens"], ["e"], name="look", axis=axis), node("Neg", ["e"], ["y"]), *extra]
    ranks = {"y": 3, "z": 3}
    values = [models.value(name, *[f"{name}{i}" for i in range(ranks[name])]) for name in outputs]
    tokens = models.value("tokens", "batch", 7, dtype=TensorProto.INT64)
    return models.model(nodes, [tokens], values, models.constants(table=array))


def quantized(model: Any, **options: Any) -> tuple[Any, Any]:
    """The model after, and what is told of its tables."""
    import onnx_ir as ir

    intermediate = ir.serde.deserialize_model(model)
    found = quantize_embeddings(intermediate.graph, **options)
    after = ir.serde.serialize_model(intermediate)
    onnx.checker.check_model(after, full_check=True)
    return after, found


def operators(model: Any) -> list[str]:
    return [found.op_type for found in model.graph.node]


@pytest.mark.parametrize(("spread", "is_per_row"), [(1.0, False), (30.0, True)])
def test_rows_come_back_close_at_the_scale_that_keeps_the_signal(small_models, outputs_of, spread, is_per_row):
    model = lookup(small_models, table(spread=spread))
    expected = outputs_of(model, {"tokens": TOKENS})["y"]
    after, (found,) = quantized(model)
    result = outputs_of(after, {"tokens": TOKENS})["y"]

    assert (found.table, found.nodes, found.is_per_row) == ("table", ("look",), is_per_row)
    limit = np.abs(expected).max(axis=-1, keepdims=True) if is_per_row else np.abs(table(spread=spread)).max()
    assert np.all(np.abs(result - expected) <= limit / 127 * 0.5001)
    assert found.sqnr_db > 30
    assert operators(after) == (
        ["Gather", "DequantizeLinear", "Gather", "Mul", "Neg"] if is_per_row else ["Gather", "DequantizeLinear", "Neg"]
    )


def test_the_file_shrinks_by_what_is_said(small_models):
    model = lookup(small_models, table(spread=30.0))
    before = model.ByteSize()
    after, (found,) = quantized(model)

    assert found.saved_bytes == ROWS * WIDTH * 3 - ROWS * 4
    assert abs(before - after.ByteSize() - found.saved_bytes) < 1000
    assert found.as_json()["scale"] == "row"


@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_the_runtime_looks_up_bytes_and_not_the_dequantized_table(small_models, tmp_path, spread):
    import onnxruntime

    after, _ = quantized(lookup(small_models, table(spread=spread)))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(after.SerializeToString(), options, providers=["CPUExecutionProvider"])
    fused = onnx.load(tmp_path / "fused.onnx").graph

    types = {tensor.name: tensor.data_type for tensor in fused.initializer if tensor.dims == [ROWS, WIDTH]}
    assert list(types.values()) == [TensorProto.INT8]
    assert [found.op_type for found in fused.node if found.input[0] in types] == ["Gather"]


def test_two_lookups_share_the_table(small_models, outputs_of):
    extra = [node("Gather", ["table", "tokens"], ["z"], name="again")]
    model = lookup(small_models, table(), extra=extra, outputs=("y", "z"))
    after, (found,) = quantized(model)

    assert found.nodes == ("look", "again")
    results = outputs_of(after, {"tokens": TOKENS})
    np.testing.assert_array_equal(results["z"], -results["y"])


def small(models: Any) -> Any:
    return lookup(models, table(SMALLEST_TABLE_BYTES // WIDTH // 4 - 1))


def tied(models: Any) -> Any:
    extra = [node("Transpose", ["table"], ["t"]), node("MatMul", ["e", "t"], ["z"])]
    return lookup(models, table(), extra=extra, outputs=("y", "z"))


def infinite(models: Any) -> Any:
    array = table()
    array[3, 3] = np.inf
    return lookup(models, array)


@pytest.mark.parametrize(
    "make",
    [
        small,
        tied,
        infinite,
        lambda models: lookup(models, table().T.copy(), axis=1),
        lambda models: lookup(models, table().astype(np.float64)),
    ],
    ids=["small", "tied to a product", "infinite", "columns", "double"],
)
def test_any_other_table_stays(small_models, make):
    model = make(small_models)
    if model.graph.initializer[0].data_type == TensorProto.DOUBLE:
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    after, found = quantized(model)

    assert found == []
    assert operators(after) == operators(model)


def test_a_table_of_exactly_the_smallest_size_goes(small_models):
    _, found = quantized(lookup(small_models, table(SMALLEST_TABLE_BYTES // WIDTH // 4)))

    assert len(found) == 1


def test_a_lookup_that_is_to_stay_float_stays(small_models):
    assert quantized(lookup(small_models, table()), keep_float={"look": "as asked"})[1] == []


def test_a_table_of_zeros_is_exact(small_models):
    _, (found,) = quantized(lookup(small_models, np.zeros((ROWS, WIDTH), np.float32)))

    assert found.sqnr_db == float("inf")
