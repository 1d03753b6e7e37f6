"""Simplifying takes off what is not needed, and keeps nothing that is not proven or that makes a model larger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeopt.core.dataset import Dataset, no_samples
from edgeopt.errors import InputError
from edgeopt.graph import save
from edgeopt.graph.agreement import Agreement, Verdict
from edgeopt.graph.load import load_onnx
from edgeopt.graph.quantization import quantization_state
from edgeopt.steps import simplify as module
from edgeopt.steps.quantize.step import Quantize
from edgeopt.steps.simplify import Simplify

SaveModel = Callable[..., Path]
FLOATS = np.random.default_rng(0).standard_normal((3, 3, 8, 8)).astype(np.float32)


def simplified(source: Path, data: Dataset | None = None) -> tuple[Any, Any]:
    output = source.with_name("out.onnx")
    report = Simplify().apply(source, output, no_samples() if data is None else data)
    return load_onnx(output), report


def operators(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_norms_and_padding_are_merged_and_outputs_stay(
    small_models: Any, save_model: SaveModel, outputs_of: Any
) -> None:
    source = save_model(small_models.padded())

    model, report = simplified(source)

    assert operators(model) == ["Conv", "Relu"]
    assert report.details["nodes"] == {"before": 4, "after": 2}
    assert report.details["is_changed"]
    assert report.warnings == ()
    before = outputs_of(small_models.padded(), {"image": FLOATS})["features"]
    np.testing.assert_allclose(outputs_of(model, {"image": FLOATS})["features"], before, rtol=1e-4, atol=1e-5)


def test_dead_and_duplicate_nodes_go(small_models: Any, save_model: SaveModel) -> None:
    value = small_models.value
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["a"]),
        helper.make_node("Sigmoid", ["x"], ["b"]),
        helper.make_node("Tanh", ["x"], ["dead"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    source = save_model(small_models.model(nodes, [value("x", "n", 4)], [value("y", "n", 4)]))

    model, _ = simplified(source)

    assert operators(model) == ["Sigmoid", "Add"]


@pytest.mark.parametrize("scheme", ["int8", "int8-dynamic", "fp16"])
def test_a_model_keeps_how_it_is_quantized(small_models: Any, save_model: SaveModel, scheme: Any) -> None:
    source = save_model(small_models.conv())
    made = source.with_name("made.onnx")
    samples = Dataset(inputs={"image": FLOATS}, source="normal", indices=np.arange(3))
    Quantize(scheme=scheme, target="rpi4").apply(source, made, samples)

    model, _ = simplified(made)

    before = load_onnx(made)
    assert quantization_state(model.graph) == quantization_state(before.graph)
    assert len(model.graph.node) <= len(before.graph.node)
    assert model.ByteSize() <= before.ByteSize()


def test_calibration_rows_and_notes_of_the_user_stay(small_models: Any, save_model: SaveModel) -> None:
    model = small_models.padded()
    helper.set_model_props(model, {"author": "somebody"})

    simpler, _ = simplified(save_model(model))

    assert {entry.key: entry.value for entry in simpler.metadata_props} == {"author": "somebody"}


def test_a_model_that_is_simple_already_is_left_as_it_was(small_models: Any, save_model: SaveModel) -> None:
    model, report = simplified(save_model(small_models.mlp()))

    assert not report.details["is_changed"]
    assert report.warnings == ()
    assert operators(model) == operators(small_models.mlp())


def test_what_is_not_proven_equal_is_not_kept(
    small_models: Any, save_model: SaveModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def differs(*_models: Any, **_options: Any) -> Agreement:
        return Agreement(verdict=Verdict.DIFFERENT, reason="output `features` differs by 3")

    monkeypatch.setattr(module, "agreement", differs)

    model, report = simplified(save_model(small_models.padded()))

    assert operators(model) == operators(small_models.padded())
    assert not report.details["is_changed"]
    assert any("not proven equal (output `features` differs by 3)" in warning for warning in report.warnings)


def gathering(small_models: Any) -> Any:
    """Ids (n, 2) int64 -> rows of a table of one row, then a norm: random ids 0 and 1 point outside."""
    generator = np.random.default_rng(0)
    norm = {name: np.ones(3, np.float32) for name in ("gain", "shift", "mean", "variance")}
    constants = small_models.constants(table=generator.standard_normal((1, 3)).astype(np.float32), **norm)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("BatchNormalization", ["turned", *norm], ["normal"]),
        helper.make_node("Identity", ["normal"], ["y"]),
    ]
    ids = small_models.value("ids", "n", 2, dtype=TensorProto.INT64)
    return small_models.model(nodes, [ids], [small_models.value("y", "n", 3, 2)], constants)


def test_samples_prove_what_random_inputs_cannot(small_models: Any, save_model: SaveModel) -> None:
    source = save_model(gathering(small_models))
    samples = Dataset(inputs={"ids": np.zeros((3, 2), np.int64)}, source="ids.npz", indices=np.arange(3))

    _, alone = simplified(source)
    model, proven = simplified(source, samples)

    assert not alone.details["is_changed"]
    assert "give samples that it runs on with `--data`" in alone.warnings[-1]
    assert proven.details["is_changed"]
    assert "Identity" not in operators(model)


def test_a_model_above_two_gib_is_rewritten_without_copies_of_its_constants(
    small_models: Any, save_model: SaveModel, outputs_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save_model(small_models.padded())
    monkeypatch.setattr(save, "_MOST_BYTES", 100)
    monkeypatch.setattr("edgeopt.graph.apart._SMALLEST_BYTES", 200)
    seen: list[int] = []
    plain = module.folded

    def watched(model: Any, **options: Any) -> Any:
        seen.append(len(model.graph.initializer))
        return plain(model, **options)

    monkeypatch.setattr(module, "folded", watched)

    model, report = simplified(source)

    monkeypatch.undo()
    assert seen == [5]  # the kernel of 432 bytes is an input meanwhile
    assert [value.name for value in model.graph.input] == ["image"]
    assert report.details["is_changed"]
    assert "Pad" not in operators(model)
    before = outputs_of(small_models.padded(), {"image": FLOATS})["features"]
    np.testing.assert_allclose(outputs_of(model, {"image": FLOATS})["features"], before, rtol=1e-4, atol=1e-5)


def test_a_model_in_training_mode_is_refused(small_models: Any, save_model: SaveModel) -> None:
    model = small_models.padded()
    norm = next(node for node in model.graph.node if node.op_type == "BatchNormalization")
    norm.attribute.append(helper.make_attribute("training_mode", 1))
    norm.output.extend(["", ""])
    source = save_model(model)

    with pytest.raises(InputError, match="training mode"):
        simplified(source)
    assert not source.with_name("out.onnx").exists()


def test_the_output_is_a_valid_model(small_models: Any, save_model: SaveModel) -> None:
    model, _ = simplified(save_model(small_models.padded()))

    onnx.checker.check_model(model, full_check=True)
