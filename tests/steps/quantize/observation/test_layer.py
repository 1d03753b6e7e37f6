"""A layer as a matrix, and where the taps of a convolution lie."""

import numpy as np
import pytest

from edgeopt.steps.quantize.observation.layer import from_layer_matrix, layer_matrix, layer_scale, to_layer, window_of


def test_a_grouped_convolution_is_one_matrix_per_group(single_layer):
    made = single_layer("Conv", (6, 2, 3, 3), (4, 7, 6), group=2)

    matrix = layer_matrix(made.node)

    assert matrix.shape == (2, 3, 18)
    assert np.array_equal(matrix[1, 0], made.weight[3].reshape(-1))


@pytest.mark.parametrize(("weight", "attributes"), [((4, 6), {}), ((6, 4), {"transB": 1})])
def test_the_outputs_of_a_gemm_are_rows_whichever_way_its_weight_lies(single_layer, weight, attributes):
    made = single_layer("Gemm", weight, (4,), **attributes)

    matrix = layer_matrix(made.node)

    assert matrix.shape == (1, 6, 4)
    assert np.array_equal(matrix[0], made.weight if attributes else made.weight.T)
    assert np.array_equal(from_layer_matrix(made.node, matrix), made.weight)


def test_arrays_of_the_shape_of_the_weight_turn_with_it(single_layer):
    made = single_layer("MatMul", (4, 6), (4,))
    numbers = np.arange(24).reshape(4, 6)

    assert np.array_equal(from_layer_matrix(made.node, to_layer(made.node, numbers)), numbers)


def test_one_scale_per_channel_or_one_for_all_meets_the_matrix(single_layer):
    node = single_layer("Conv", (6, 2, 3, 3), (4, 7, 6), group=2).node

    assert layer_scale(node, np.arange(6))[:, :, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert layer_scale(node, np.float32(2)).shape == (1, 1, 1)


@pytest.mark.parametrize(
    ("attributes", "padding"),
    [
        ({}, ((0, 0), (0, 0))),
        ({"pads": [1, 2, 3, 4]}, ((1, 3), (2, 4))),
        ({"auto_pad": "VALID"}, ((0, 0), (0, 0))),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, ((0, 1), (1, 1))),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, ((1, 0), (1, 1))),
        ({"auto_pad": "SAME_UPPER", "strides": [5, 5]}, ((0, 0), (0, 1))),
    ],
)
def test_zeros_are_where_the_attributes_put_them(single_layer, attributes, padding):
    """For an input of 8 x 7 under a kernel of 3 x 3."""
    node = single_layer("Conv", (6, 4, 3, 3), (4, 8, 7), **attributes).node

    assert window_of(node).padding((8, 7)) == padding
