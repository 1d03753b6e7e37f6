"""Models of old opsets are upgraded where the result is proven to compute the same, and refused where it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeopt.errors import Unsupported
from edgeopt.graph import save
from edgeopt.graph.load import load_onnx
from edgeopt.graph.upgrade import UPGRADE_OPSET, upgraded

node = helper.make_node
OLD = (7, 8, 9, 10, 11, 12)
X = np.random.default_rng(0).standard_normal((3, 4, 6, 6)).astype(np.float32)
RNG = np.random.default_rng(1)
NORM = {key: RNG.uniform(0.5, 2, 4).astype(np.float32) for key in ("gain", "shift", "mean", "variance")}
SCALES = np.array([1, 1, 2, 2], np.float32)
SHRINK = np.array([1, 1, 0.6, 0.6], np.float32)


def upsample(opset: int, mode: str, scales: Any = SCALES) -> tuple[list[Any], dict[str, Any]]:
    if opset < 9:
        return [node("Upsample", ["x"], ["y"], mode=mode, scales=scales.tolist())], {}
    return [node("Upsample" if opset == 9 else "Resize", ["x", "scales"], ["y"], mode=mode)], {"scales": scales}


# name -> opsets it is tried with, and nodes with their constants
MEANINGS: dict[str, tuple[tuple[int, ...], Any]] = {
    "Clip with attributes": ((7, 9, 10), lambda _: ([node("Clip", ["x"], ["y"], min=-0.5, max=0.5)], {})),
    "Clip with a bound": ((7, 10), lambda _: ([node("Clip", ["x"], ["y"], min=-0.5)], {})),
    "Softmax over all axes behind the first": (OLD, lambda _: ([node("Softmax", ["x"], ["y"])], {})),
    "Softmax over the last axis": (OLD, lambda _: ([node("Softmax", ["x"], ["y"], axis=3)], {})),
    "LogSoftmax": (OLD, lambda _: ([node("LogSoftmax", ["x"], ["y"], axis=2)], {})),
    "Squeeze with an attribute": (
        (7, 11, 12),
        lambda _: ([node("GlobalAveragePool", ["x"], ["p"]), node("Squeeze", ["p"], ["y"], axes=[2, 3])], {}),
    ),
    "Unsqueeze with an attribute": ((7, 12), lambda _: ([node("Unsqueeze", ["x"], ["y"], axes=[2])], {})),
    "ReduceSum with an attribute": ((7, 12), lambda _: ([node("ReduceSum", ["x"], ["y"], axes=[1], keepdims=0)], {})),
    "Split with an attribute": (
        (7, 12),
        lambda _: (
            [node("Split", ["x"], ["a", "b"], axis=1, split=[1, 3]), node("Concat", ["b", "a"], ["y"], axis=1)],
            {},
        ),
    ),
    "Slice with attributes": ((7, 9), lambda _: ([node("Slice", ["x"], ["y"], axes=[2], starts=[1], ends=[-1])], {})),
    "Pad with attributes": (
        (7, 10),
        lambda _: ([node("Pad", ["x"], ["y"], pads=[0, 0, 1, 1, 0, 0, 2, 2], value=0.5)], {}),
    ),
    "Dropout with an attribute": ((7, 11), lambda _: ([node("Dropout", ["x"], ["y"], ratio=0.4)], {})),
    "BatchNormalization": (OLD, lambda _: ([node("BatchNormalization", ["x", *NORM], ["y"])], NORM)),
    "Upsample to the nearest": ((7, 8, 9, 10), lambda opset: upsample(opset, "nearest")),
    "linear Upsample": ((7, 8, 9, 10), lambda opset: upsample(opset, "linear")),
    "Resize to fewer": ((10,), lambda opset: upsample(opset, "nearest", SHRINK)),
}


def old(small_models: Any, nodes: list[Any], constants: dict[str, Any], opset: int) -> Any:
    output = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    listed = small_models.constants(**constants)
    return small_models.model(nodes, [small_models.value("x", "n", 4, 6, 6)], [output], listed, opset=opset, ir=7)


@pytest.mark.parametrize(
    ("meaning", "opset"), [(name, opset) for name, (opsets, _) in MEANINGS.items() for opset in opsets]
)
def test_an_old_operator_keeps_its_meaning(small_models: Any, outputs_of: Any, meaning: str, opset: int) -> None:
    model = old(small_models, *MEANINGS[meaning][1](opset), opset)

    result, (told,) = upgraded(model, where="m.onnx")

    assert told.startswith(f"the model was brought from opset {opset} to {UPGRADE_OPSET}")
    assert [entry.version for entry in result.opset_import] == [UPGRADE_OPSET]
    np.testing.assert_allclose(
        outputs_of(result, {"x": X})["y"], outputs_of(model, {"x": X})["y"], rtol=1e-5, atol=1e-6
    )


def test_an_upgrade_that_changes_the_meaning_is_refused_with_what_differs(small_models: Any) -> None:
    model = old(small_models, [node("Hardmax", ["x"], ["y"])], {}, 11)  # until 13 over all axes behind the first

    with pytest.raises(Unsupported, match="the upgrade failed: output `y` differs by") as caught:
        upgraded(model, where="m.onnx")

    assert caught.value.hint == "export it again with opset 17"


def test_an_upgrade_that_cannot_be_compared_is_said_to_be_unproven(small_models: Any) -> None:
    model = old(small_models, [node("Reshape", ["x", "shape"], ["y"])], {"shape": np.array([7, 11])}, 11)

    _, told = upgraded(model, where="m.onnx")

    assert told[1].startswith("the upgrade from opset 11 is not proven to compute the same: the original does not run")


def test_a_recent_model_is_given_back(small_models: Any) -> None:
    model = small_models.conv()

    assert upgraded(model, where="m.onnx") == (model, ())


def test_initializers_among_the_inputs_are_no_hindrance(small_models: Any, save_model: Any) -> None:
    model = small_models.listed_initializers()
    model.opset_import[0].version = 12

    result, _ = upgraded(load_onnx(save_model(model)), where="m.onnx")

    assert [value.name for value in result.graph.input] == ["image"]


def test_a_model_above_the_limit_of_a_message_is_refused(small_models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = old(small_models, [node("Relu", ["x"], ["y"])], {}, 11)
    monkeypatch.setattr(save, "_MOST_BYTES", 0)

    with pytest.raises(Unsupported, match="above 2 GiB"):
        upgraded(model, where="m.onnx")
