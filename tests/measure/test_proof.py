"""Both files of a conversion run on the same inputs; a wrong one is found, and the node where it goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Dataset, no_samples
from edgeopt.errors import Unsupported
from edgeopt.graph.load import load_onnx
from edgeopt.graph.runtime import plain_session
from edgeopt.graph.tflite.read import read_tflite
from edgeopt.measure import proof as module
from edgeopt.measure.parting import parting
from edgeopt.measure.ports import Port
from edgeopt.measure.proof import FAST, REFERENCE, Proof, proof_of
from edgeopt.measure.random_inputs import input_scale, random_feeds
from edgeopt.steps.quantize.step import Quantize
from edgeopt.steps.tflite.step import Tflite

SaveModel = Callable[..., Path]


def converted(source: Path, **options: Any) -> tuple[Path, dict[str, Any]]:
    made = source.with_suffix(".tflite")
    report = Tflite(**options).apply(source, made, no_samples())
    return made, report.details["tensors"]


def prove(source: Path, made: Path, tensors: Any = None, data: Dataset | None = None) -> Proof:
    axes = {name: entry["axes"] for name, entry in (tensors or {}).items() if entry["tensor"] == name}
    return proof_of(source, made, axes=axes, data=no_samples() if data is None else data)


def with_scaled_weight(made: Path, operator: str, place: int = 0, factor: float = 1.01) -> Path:
    """The file with the weight of one of its operators scaled, as a converter might get it wrong."""
    graph, content = read_tflite(made).graphs[0], bytearray(made.read_bytes())
    found = [each for each in graph.operators if each.name == operator][place]
    start, size = graph.tensors[found.inputs[1]].data
    values = np.frombuffer(bytes(content[start : start + size]), np.float32) * np.float32(factor)
    content[start : start + size] = values.astype(np.float32).tobytes()
    made.write_bytes(bytes(content))
    return made


@pytest.mark.parametrize("name", ["conv", "padded", "mlp", "nhwc", "listed_initializers", "two_inputs"])
def test_a_right_conversion_is_proven_on_both_runtimes(small_models: Any, save_model: SaveModel, name: str) -> None:
    source = save_model(getattr(small_models, name)())
    made, tensors = converted(source)

    found = prove(source, made, tensors)

    assert found.broken is None
    assert {output.runtime for output in found.outputs} == {FAST, REFERENCE}
    assert found.samples == {"random": 3, "real": 0}
    assert all(0 <= output.difference.relative < 1e-5 for output in found.outputs)
    assert "within rounding" in found.as_json()["told"]


def test_axes_that_nobody_tells_are_found(small_models: Any, save_model: SaveModel) -> None:
    model = small_models.nhwc()
    made, _ = converted(save_model(model))
    model.graph.node.pop(0)
    model.graph.node[0].input[0] = "image"
    model.graph.input[0].CopyFrom(small_models.value("image", "batch", 3, 8, 8))
    source = made.with_name("source.onnx")
    source.write_bytes(model.SerializeToString())

    found = prove(source, made)

    assert found.broken is None
    assert found.ports[0].axes == (0, 2, 3, 1)


def test_a_wrong_weight_is_found_and_its_node_named(small_models: Any, save_model: SaveModel) -> None:
    source = save_model(small_models.conv())
    made, tensors = converted(source)

    found = prove(source, with_scaled_weight(made, "CONV_2D"), tensors)

    assert found.broken is not None
    assert found.broken.name == "scores"
    assert "of its largest value, where 0.0001 is rounding" in found.broken.excess
    parted = parting(source, made, tensors, found)
    assert parted is not None
    assert (parted.operator, parted.node) == ("Conv", "conv")
    assert 0.001 < parted.relative < 0.011


def test_the_last_node_is_named_where_all_before_it_is_right(small_models: Any, save_model: SaveModel) -> None:
    source = save_model(small_models.conv())
    made, tensors = converted(source)

    found = prove(source, with_scaled_weight(made, "FULLY_CONNECTED"), tensors)
    parted = parting(source, made, tensors, found)

    assert parted is not None
    assert parted.seen_at == "scores"
    assert parted.node in {"gemm", "flatten", "pool"}  # what was fused or is a view between the two


def test_nothing_parts_in_a_right_conversion(small_models: Any, save_model: SaveModel) -> None:
    source = save_model(small_models.conv())
    made, tensors = converted(source)

    assert parting(source, made, tensors, prove(source, made, tensors)) is None


def test_real_rows_are_tried_too(small_models: Any, save_model: SaveModel) -> None:
    source = save_model(small_models.mlp())
    made, tensors = converted(source)
    rows = Dataset(inputs={"x": np.ones((5, 3), np.float32)}, source="rows", indices=np.arange(5))

    found = prove(source, made, tensors, rows)

    assert found.samples == {"random": 3, "real": 5}
    assert "3 random, 5 real batches" in found.as_json()["told"]


def test_a_fault_that_real_rows_alone_show_is_found(small_models: Any, save_model: SaveModel) -> None:
    """Beyond 1,000, where random inputs never come, the made model cuts off and the source does not."""
    value, constants = small_models.value, small_models.constants(high=np.float32(1000))
    clip = [helper.make_node("Min", ["x", "high"], ["y"])]
    plain = [helper.make_node("Min", ["x", "high"], ["y"])]
    cut = save_model(small_models.model(clip, [value("x", "n", 4)], [value("y", "n", 4)], constants))
    made, _ = converted(cut)
    higher = small_models.constants(high=np.float32(1e6))
    source = cut.with_name("source.onnx")
    source.write_bytes(
        small_models.model(plain, [value("x", "n", 4)], [value("y", "n", 4)], higher).SerializeToString()
    )
    rows = Dataset(inputs={"x": np.full((2, 4), 5000, np.float32)}, source="rows", indices=np.arange(2))

    assert prove(source, made).broken is None
    assert prove(source, made, data=rows).broken is not None


def test_a_file_of_another_model_is_refused(small_models: Any, save_model: SaveModel) -> None:
    source = save_model(small_models.mlp())
    made, _ = converted(source)
    other = source.with_name("other.onnx")
    other.write_bytes(small_models.conv().SerializeToString())

    with pytest.raises(Unsupported, match="became"):
        prove(other, made)


def test_a_file_that_litert_refuses_is_refused_in_words_of_the_conversion(
    small_models: Any, save_model: SaveModel
) -> None:
    source = save_model(small_models.mlp())
    made, _ = converted(source)
    made.write_bytes(made.read_bytes()[:40])

    with pytest.raises(Unsupported, match="the converted model") as caught:
        prove(source, made)
    assert str(made) not in caught.value.message
    assert "nothing is written" in caught.value.message


def test_integer_inputs_stay_within_the_table_that_they_point_into(small_models: Any) -> None:
    port = Port(name="tokens", spec=TensorSpec(name="tokens", shape=(1, 6), dtype="int64"), axes=(0, 1))

    drawn = [random_feeds(small_models.attention(), [port], seed)["tokens"] for seed in range(20)]

    assert min(array.min() for array in drawn) >= 0
    assert 2 < max(array.max() for array in drawn) < 500


def test_integers_of_unknown_use_are_zeros_and_ones(small_models: Any) -> None:
    port = Port(name="tokens", spec=TensorSpec(name="tokens", shape=(1, 4), dtype="int32"), axes=(0, 1))

    drawn = [random_feeds(small_models.integer_input(), [port], seed)["tokens"] for seed in range(20)]

    assert {int(value) for array in drawn for value in array.reshape(-1)} == {0, 1}


def test_a_source_that_fails_on_random_inputs_is_told(small_models: Any, save_model: SaveModel) -> None:
    value = small_models.value
    table = small_models.constants(table=np.zeros((1, 3), np.float32), shift=np.int64(7))
    nodes = [helper.make_node("Add", ["ids", "shift"], ["far"]), helper.make_node("Gather", ["table", "far"], ["y"])]
    ids = value("ids", 1, 2, dtype=TensorProto.INT64)
    source = save_model(small_models.model(nodes, [ids], [value("y", 1, 2, 3)], table))

    session = plain_session(str(source))
    with pytest.raises(Unsupported, match="does not run") as caught:
        module._run(session, {"ids": np.zeros((1, 2), np.int64)})
    assert "--data" in caught.value.hint


class TestIntegers:
    """A model of quantize/dequantize pairs, and the TFLite model of integers that it becomes."""

    @pytest.fixture
    def source(self, small_models: Any, save_model: SaveModel) -> Path:
        plain = save_model(small_models.padded())
        made = plain.with_name("int8.onnx")
        samples = np.random.default_rng(0).standard_normal((40, 3, 8, 8)).astype(np.float32)
        data = Dataset(inputs={"image": samples}, source="normal", indices=np.arange(40))
        Quantize(target="rpi4").apply(plain, made, data)
        return made

    def test_they_are_held_to_a_step_and_to_the_unrest_of_the_source(self, source: Path) -> None:
        made, tensors = converted(source)

        found = prove(source, made, tensors)

        assert found.broken is None
        for output in found.outputs:
            assert output.bound.numbers == "integer"
            assert 0.001 < output.bound.step < 0.1
            assert 0 < output.bound.unrest < 2 * output.bound.step
            assert output.difference.root_mean_square < output.bound.step

    def test_weights_that_are_wrong_by_a_tenth_are_found(self, source: Path) -> None:
        made, tensors = converted(source)
        graph, content = read_tflite(made).graphs[0], bytearray(made.read_bytes())
        found = next(each for each in graph.operators if each.name == "CONV_2D")
        start, size = graph.tensors[found.inputs[1]].data
        weights = np.frombuffer(bytes(content[start : start + size]), np.int8)
        content[start : start + size] = np.rint(weights * 0.8).astype(np.int8).tobytes()
        made.write_bytes(bytes(content))

        proven = prove(source, made, tensors)

        assert proven.broken is not None
        assert "is rounding" in proven.broken.excess

    def test_random_inputs_cover_the_range_of_the_input(self, source: Path) -> None:
        model = load_onnx(source)
        port = Port(name="image", spec=TensorSpec(name="image", shape=(1, 3, 8, 8), dtype="float32"), axes=(0, 1, 2, 3))
        scale = input_scale("image", model)

        drawn = [np.abs(random_feeds(model, [port], seed)["image"]).max() for seed in (1, 2)]

        assert scale is not None
        step, low, high = scale
        reach = step * max(abs(low), high)
        assert all(0.6 * reach < largest < 2 * reach for largest in drawn)
