"""A Pad is merged into its Conv when that changes nothing, and stays when it would."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from edgeopt.graph.padding import merge_padding

IMAGE = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
PADS = [0, 0, 1, 2, 0, 0, 3, 0]


def padded(
    models: Any,
    pads: list[int],
    *,
    value: float | None = None,
    own: list[int] | None = None,
    opset: int = 17,
    **options: Any,
) -> Any:
    """image (batch, 3, 8, 8) -> Pad -> Conv 2x2 -> y; `options` are attributes of Pad or, with `conv_`, of Conv."""
    constants = models.constants(
        pads=np.array(pads, np.int64),
        value=np.float32(0 if value is None else value),
        kernel=np.random.default_rng(1).standard_normal((4, 3, 2, 2)).astype(np.float32),
    )
    of_conv = {name.removeprefix("conv_"): given for name, given in options.items() if name.startswith("conv_")}
    of_pad = {name: given for name, given in options.items() if not name.startswith("conv_")}
    if own is not None:
        of_conv["pads"] = own
    nodes = [
        helper.make_node("Pad", ["image", "pads", "" if value is None else "value"], ["wide"], **of_pad),
        helper.make_node("Conv", ["wide", "kernel"], ["y"], **of_conv),
    ]
    image, output = models.value("image", "batch", 3, 8, 8), models.value("y", "batch", 4, "h", "w")
    return models.model(nodes, [image], [output], constants, opset=opset)


def merged(model: Any) -> Any:
    """A copy of `model` with its padding merged."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    merge_padding(copy.graph)
    return copy


def operators(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("value", [None, 0.0, -0.0])
@pytest.mark.parametrize("own", [None, [1, 0, 2, 1]])
@pytest.mark.parametrize("options", [{}, {"mode": "constant"}, {"conv_auto_pad": "NOTSET"}, {"conv_strides": [2, 2]}])
def test_zero_padding_of_spatial_axes_is_merged(
    small_models: Any, outputs_of: Any, value: float | None, own: list[int] | None, options: dict[str, Any]
) -> None:
    model = padded(small_models, PADS, value=value, own=own, **options)
    result = merged(model)

    assert operators(result) == ["Conv"]
    onnx.checker.check_model(result, full_check=True)
    feeds = {"image": IMAGE}
    np.testing.assert_allclose(outputs_of(result, feeds)["y"], outputs_of(model, feeds)["y"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("pads", "options"),
    [
        (PADS, {"value": 1.0}),
        (PADS, {"value": float("nan")}),
        (PADS, {"mode": "reflect"}),
        (PADS, {"mode": "edge"}),
        (PADS, {"conv_auto_pad": "SAME_UPPER"}),
        (PADS, {"conv_auto_pad": "VALID"}),
        ([0, 0, -1, 0, 0, 0, 1, 0], {}),
        ([1, 0, 1, 1, 0, 0, 1, 1], {}),
    ],
)
def test_any_other_padding_stays(small_models: Any, pads: list[int], options: dict[str, Any]) -> None:
    model = padded(small_models, pads, **options)

    assert merged(model) == model


def test_padding_of_channels_stays(small_models: Any) -> None:
    model = padded(small_models, [0, 1, 0, 0, 0, 0, 0, 0])

    assert operators(merged(model)) == ["Pad", "Conv"]


def test_padding_that_others_read_stays(small_models: Any) -> None:
    model = padded(small_models, PADS)
    model.graph.output.append(small_models.value("wide", "batch", 3, "h2", "w2"))

    assert operators(merged(model)) == ["Pad", "Conv"]


def test_padding_that_a_branch_reads_stays(small_models: Any) -> None:
    model = padded(small_models, PADS)
    branch = helper.make_graph(
        [helper.make_node("Identity", ["wide"], ["same"])], "branch", [], [small_models.value("same", 2, 3, 12, 10)]
    )
    model.graph.node.append(helper.make_node("If", ["flag"], ["z"], then_branch=branch, else_branch=branch))

    assert operators(merged(model)) == ["Pad", "Conv", "If"]


def test_padding_whose_widths_are_computed_stays(small_models: Any) -> None:
    model = padded(small_models, PADS)
    model.graph.node.insert(0, helper.make_node("Identity", ["pads"], ["computed"]))
    model.graph.node[1].input[1] = "computed"

    assert operators(merged(model)) == ["Identity", "Pad", "Conv"]


def test_padding_whose_value_is_computed_stays(small_models: Any) -> None:
    model = padded(small_models, PADS, value=0.0)
    model.graph.node.insert(0, helper.make_node("Identity", ["value"], ["computed"]))
    model.graph.node[1].input[2] = "computed"

    assert operators(merged(model)) == ["Identity", "Pad", "Conv"]


def test_padding_of_named_axes_stays(small_models: Any) -> None:
    model = padded(small_models, [1, 1, 1, 1], opset=18)
    model.graph.initializer.extend(small_models.constants(axes=np.array([2, 3])))
    model.graph.node[0].input.append("axes")

    assert operators(merged(model)) == ["Pad", "Conv"]


def test_a_graph_without_padding_is_left_alone(small_models: Any) -> None:
    model = small_models.conv()

    assert merged(model) == model


@given(
    pads=st.tuples(*[st.integers(0, 3)] * 4),
    own=st.none() | st.lists(st.integers(0, 2), min_size=4, max_size=4),
    steps=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_merging_never_changes_outputs(
    small_models: Any, outputs_of: Any, pads: tuple[int, ...], own: list[int] | None, steps: tuple[int, int]
) -> None:
    widths = [0, 0, *pads[:2], 0, 0, *pads[2:]]
    model = padded(small_models, widths, own=own, conv_strides=[steps[0]] * 2, conv_dilations=[steps[1]] * 2)
    result = merged(model)

    assert operators(result) == ["Conv"]
    feeds = {"image": IMAGE}
    np.testing.assert_allclose(outputs_of(result, feeds)["y"], outputs_of(model, feeds)["y"], rtol=1e-5, atol=1e-6)
