"""Moments of columns: what they say about a layer's output is what ONNX Runtime computes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgeopt.errors import InputError
from edgeopt.steps.quantize.observation.layer import from_layer_matrix, layer_matrix, window_of
from edgeopt.steps.quantize.observation.moments import second_moments

# operator, weight, sample, attributes
LAYERS = {
    "plain": ("Conv", (6, 4, 3, 3), (4, 7, 6), {}),
    "padded": ("Conv", (6, 4, 3, 3), (4, 7, 6), {"pads": [1, 0, 2, 1]}),
    "strided": ("Conv", (6, 4, 3, 2), (4, 9, 8), {"strides": [2, 3], "pads": [1, 1, 1, 1]}),
    "dilated": ("Conv", (6, 4, 3, 3), (4, 9, 8), {"dilations": [2, 3], "pads": [2, 2, 2, 2]}),
    "same upper": ("Conv", (6, 4, 3, 2), (4, 8, 7), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "same lower": ("Conv", (6, 4, 4, 2), (4, 8, 7), {"auto_pad": "SAME_LOWER", "strides": [1, 2]}),
    "valid": ("Conv", (6, 4, 3, 3), (4, 8, 7), {"auto_pad": "VALID"}),
    "grouped": ("Conv", (6, 2, 3, 3), (4, 7, 6), {"group": 2}),
    "depthwise": ("Conv", (4, 1, 3, 3), (4, 7, 6), {"group": 4, "pads": [1, 1, 1, 1]}),
    "one axis": ("Conv", (6, 4, 5), (4, 12), {"pads": [2, 2]}),
    "three axes": ("Conv", (3, 2, 2, 2, 2), (2, 4, 5, 3), {}),
    "pointwise": ("Conv", (6, 4, 1, 1), (4, 5, 5), {}),
    "gemm": ("Gemm", (4, 6), (4,), {}),
    "gemm turned": ("Gemm", (6, 4), (4,), {"transB": 1}),
    "matmul": ("MatMul", (4, 6), (4,), {}),
    "matmul of sequences": ("MatMul", (4, 6), (5, 4), {}),
}
EVERY = pytest.mark.parametrize("case", LAYERS)
ALL = {"rows": 1 << 20, "rows_per_input": 1 << 20}


@pytest.fixture
def layer(single_layer):
    def build(case, **options):
        operator, weight, sample, attributes = LAYERS[case]
        return single_layer(operator, weight, sample, **options, **attributes)

    return build


def output_rows(layer, outputs_of):
    """(position, channel) outputs of the layer, by ONNX Runtime."""
    values = outputs_of(layer.model, layer.data.inputs)["y"].astype(np.float64)
    axis = 1 if layer.node.op_type == "Conv" else values.ndim - 1
    return np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])


@EVERY
def test_the_layer_matrix_turns_back_into_the_weight(layer, case):
    made = layer(case)

    assert np.array_equal(from_layer_matrix(made.node, layer_matrix(made.node)), made.weight)


@EVERY
def test_the_second_moments_of_the_output_follow_from_those_of_the_columns(layer, outputs_of, case):
    made = layer(case)

    found = second_moments(made.model, [made.node], made.data, **ALL)["layer"]

    matrix, rows = layer_matrix(made.node).astype(np.float64), output_rows(made, outputs_of)
    groups = len(matrix)
    expected = rows.T @ rows / len(rows)
    assert found.columns == len(rows)
    assert found.second.shape[:2] == (groups, 1)
    for group, second in enumerate(found.second[:, 0]):
        channels = slice(group * len(rows.T) // groups, (group + 1) * len(rows.T) // groups)
        assert matrix[group] @ second @ matrix[group].T == pytest.approx(
            expected[channels, channels], rel=1e-4, abs=1e-4
        )


@EVERY
def test_the_mean_of_the_output_follows_from_that_of_the_columns(layer, outputs_of, case):
    made = layer(case)

    found = second_moments(made.model, [made.node], made.data, **ALL)["layer"]

    means = np.einsum("goi,gi->go", layer_matrix(made.node), found.mean).reshape(-1)
    assert means == pytest.approx(output_rows(made, outputs_of).mean(axis=0), abs=1e-5)


def test_each_product_is_that_of_a_naive_walk_over_the_input(layer):
    made = layer("strided")
    window = window_of(made.node)
    padded = np.pad(made.data.inputs["x"].astype(np.float64), [(0, 0), (0, 0), *window.pads])
    corners = itertools.product(range(len(padded)), range(0, padded.shape[2] - 2, 2), range(0, padded.shape[3] - 1, 3))
    columns = np.array([padded[n, :, top : top + 3, left : left + 2].reshape(-1) for n, top, left in corners])

    found = second_moments(made.model, [made.node], made.data, **ALL)["layer"]

    assert found.second[0, 0] == pytest.approx(columns.T @ columns / len(columns), rel=1e-4, abs=1e-5)
    assert found.diagonal[0] == pytest.approx(np.square(columns).mean(axis=0), rel=1e-4)
    centred = columns - columns.mean(axis=0)
    assert found.centred().second[0, 0] == pytest.approx(centred.T @ centred / len(columns), abs=1e-4)


@pytest.mark.parametrize("case", ["plain", "depthwise", "matmul of sequences"])
def test_drawn_positions_are_as_many_as_asked_for_and_give_nearly_the_same_moments(layer, case):
    made = layer(case, count=400)

    drawn = second_moments(made.model, [made.node], made.data, rows=800)["layer"]
    full = second_moments(made.model, [made.node], made.data, **ALL)["layer"]

    assert drawn.columns == 800 < full.columns
    # standard errors of the mean of 800 products are about 5 % of the mean square
    assert np.abs(drawn.second - full.second).max() < 0.2 * full.diagonal.max()


def test_a_layer_of_few_inputs_sees_fewer_columns(layer):
    narrow, wide = layer("pointwise", count=100), layer("matmul of sequences", count=1000)

    assert second_moments(narrow.model, [narrow.node], narrow.data)["layer"].columns == 1100  # 1024, equally of 100
    found = second_moments(wide.model, [wide.node], wide.data, rows_per_input=1000)["layer"]
    assert found.columns == 4000  # 1000 for each of 4 inputs


def test_the_seed_decides_the_draw(layer):
    made = layer("plain")

    first, again, other = (
        second_moments(made.model, [made.node], made.data, rows=100, seed=seed)["layer"].second for seed in (1, 1, 2)
    )

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("case", ["plain", "grouped", "gemm"])
def test_a_wide_layer_keeps_the_products_within_blocks_of_its_channels(layer, case):
    made = layer(case)
    inputs = layer_matrix(made.node).shape[2]

    full = second_moments(made.model, [made.node], made.data, **ALL)["layer"]
    cut = second_moments(made.model, [made.node], made.data, **ALL, largest=inputs // 2)["layer"]

    half = inputs // 2
    assert cut.second.shape == (len(full.second), 2, half, half)
    assert cut.second[:, 0] == pytest.approx(full.second[:, 0, :half, :half], rel=1e-5, abs=1e-6)
    assert cut.second[:, 1] == pytest.approx(full.second[:, 0, half:, half:], rel=1e-5, abs=1e-6)
    assert np.array_equal(cut.mean, full.mean)


@pytest.mark.parametrize("count", [1, 3, 9])
def test_a_fixed_batch_is_filled_without_a_change_of_the_moments(layer, count):
    free, fixed = layer("padded", count=count), layer("padded", count=count)
    fixed.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4

    expected, found = (second_moments(m.model, [m.node], m.data, **ALL)["layer"] for m in (free, fixed))

    assert found.columns == expected.columns
    assert found.second == pytest.approx(expected.second, rel=1e-5, abs=1e-5)


def test_every_layer_of_a_model_has_its_moments_and_progress_ends_at_the_number_of_samples(small_models):
    import onnx_ir as ir

    from edgeopt.core.dataset import Dataset

    model, seen = small_models.conv(), []
    nodes = [node for node in ir.serde.deserialize_model(model).graph if node.op_type in ("Conv", "Gemm")]
    images = np.random.default_rng(0).standard_normal((21, 3, 8, 8)).astype(np.float32)
    data = Dataset(inputs={"image": images}, source="samples", indices=np.arange(21))

    found = second_moments(model, nodes, data, progress=lambda done, total: seen.append((done, total)))

    assert {name: moments.second.shape for name, moments in found.items()} == {
        "conv": (1, 1, 27, 27),
        "gemm": (1, 1, 4, 4),
    }
    assert found["gemm"].columns == 21
    assert seen[0] == (1, 21)
    assert seen[-1] == (21, 21)


def test_a_layer_whose_squares_overflow_is_left_out(layer):
    made = layer("gemm")
    made.data.inputs["x"][:] *= np.float32(1e30)

    assert second_moments(made.model, [made.node], made.data) == {}


def test_samples_that_the_runtime_refuses_are_said_in_one_line(small_models):
    import onnx_ir as ir

    from edgeopt.core.dataset import Dataset

    model = small_models.conv()
    nodes = [node for node in ir.serde.deserialize_model(model).graph if node.op_type == "Gemm"]
    data = Dataset(inputs={"image": np.zeros((4, 7), np.float32)}, source="samples", indices=np.arange(4))

    with pytest.raises(InputError, match="ONNX Runtime failed on calibration data: ") as caught:
        second_moments(model, nodes, data)

    assert "\n" not in caught.value.message
