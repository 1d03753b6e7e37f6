"""Folding writes a smaller graph that computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edgeopt.errors import InputError
from edgeopt.graph import save
from edgeopt.graph.fold import folded
from edgeopt.graph.load import load_onnx

FLOATS = np.random.default_rng(0).standard_normal((3, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "feeds"),
    [
        ("conv", {"image": FLOATS}),
        ("padded", {"image": FLOATS}),
        ("mlp", {"x": FLOATS[:, :, 0, 0]}),
        ("two_inputs", {"left": FLOATS[:, :, 0, 0], "right": FLOATS[:, :, 1, 1]}),
        ("nhwc", {"image": FLOATS.transpose(0, 2, 3, 1)}),
        ("qdq", {"image": FLOATS}),
        ("loop", {"x": FLOATS[:1, :, 0, 0]}),
        ("branch", {"x": FLOATS[:, :, 0, 0], "flag": np.bool_(True)}),
        ("branch", {"x": FLOATS[:, :, 0, 0], "flag": np.bool_(False)}),
        ("conv_fixed_batch", {"image": FLOATS[:1]}),
    ],
)
def test_outputs_are_unchanged(small_models: Any, outputs_of: Any, name: str, feeds: dict[str, Any]) -> None:
    model = getattr(small_models, name)()
    feeds = {key: np.ascontiguousarray(array) for key, array in feeds.items()}
    before, after = outputs_of(model, feeds), outputs_of(folded(model, where="m.onnx"), feeds)

    assert before.keys() == after.keys()
    for key, array in before.items():
        np.testing.assert_allclose(after[key], array, rtol=1e-4, atol=1e-5)


def test_constants_are_computed_and_norms_merged(small_models: Any) -> None:
    model = folded(small_models.padded(), where="m.onnx")

    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("ir", [3, 8])
def test_initializers_that_were_listed_among_the_inputs_fold_too(small_models: Any, save_model: Any, ir: int) -> None:
    model = folded(load_onnx(save_model(small_models.listed_initializers(ir))), where="m.onnx")

    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert [value.name for value in model.graph.input] == ["image"]


def test_a_model_too_large_for_one_message_folds_by_way_of_files(
    small_models: Any, outputs_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = folded(small_models.padded(), where="m.onnx")
    monkeypatch.setattr(save, "_MOST_BYTES", 0)
    model = folded(small_models.padded(), where="m.onnx")

    assert [node.op_type for node in model.graph.node] == [node.op_type for node in expected.graph.node]
    feeds = {"image": FLOATS}
    np.testing.assert_array_equal(outputs_of(model, feeds)["features"], outputs_of(expected, feeds)["features"])


def test_names_and_free_axes_of_inputs_and_outputs_stay(small_models: Any) -> None:
    model = folded(small_models.conv(), where="m.onnx")

    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["image", "scores"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_result_is_standard_onnx_and_names_no_other_domain(small_models: Any) -> None:
    model = folded(small_models.padded(), where="m.onnx")

    onnx.checker.check_model(model, full_check=True)
    assert [entry.domain for entry in model.opset_import] in ([""], ["ai.onnx"])


def test_the_model_itself_is_left_alone(small_models: Any) -> None:
    model = small_models.padded()
    folded(model, where="m.onnx")

    assert model == small_models.padded()


def test_a_model_that_the_runtime_does_not_take_is_refused(small_models: Any) -> None:
    model = small_models.mlp()
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(InputError, match=r"ONNX Runtime does not take `m\.onnx`: .*NoSuchOperator") as caught:
        folded(model, where="m.onnx")

    assert "onnx.checker" in caught.value.hint


def test_a_broken_operator_is_refused_and_nothing_is_printed(
    small_models: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    content = small_models.mlp().SerializeToString().replace(b"Relu", b"\xffelu")
    with pytest.raises(InputError, match=r"ONNX Runtime does not take `m\.onnx`"):
        folded(onnx.load_model_from_string(content), where="m.onnx")

    assert capfd.readouterr() == ("", "")
