"""Bias correction: rounded weights leave the mean of a layer's output where the float ones had it."""

import numpy as np
import pytest

from edgeopt.steps.quantize.affine import weight_scale
from edgeopt.steps.quantize.observation.layer import from_layer_matrix, layer_matrix, layer_scale
from edgeopt.steps.quantize.observation.moments import second_moments
from edgeopt.steps.quantize.placement.place import channel_axis
from edgeopt.steps.quantize.rounding.bias import bias_shift
from edgeopt.steps.quantize.rounding.scales import round_nearest

LAYERS = {
    "conv": ("Conv", (6, 4, 3, 3), (4, 9, 8), {}),
    "grouped": ("Conv", (6, 2, 3, 3), (4, 9, 8), {"group": 2, "pads": [1, 1, 1, 1]}),
    "depthwise": ("Conv", (4, 1, 3, 3), (4, 9, 8), {"group": 4}),
    "gemm": ("Gemm", (4, 6), (4,), {}),
    "gemm turned": ("Gemm", (6, 4), (4,), {"transB": 1}),
}


@pytest.mark.parametrize("largest", [1024, 9])
@pytest.mark.parametrize("case", LAYERS)
def test_after_correction_the_mean_of_the_output_is_that_of_the_float_layer(single_layer, outputs_of, case, largest):
    operator, weight, sample, attributes = LAYERS[case]
    made = single_layer(operator, weight, sample, **attributes)
    moments = second_moments(made.model, [made.node], made.data, rows=1 << 20, rows_per_input=1 << 20, largest=largest)[
        "layer"
    ]
    matrix = layer_matrix(made.node)
    scale = layer_scale(made.node, weight_scale(made.weight, axis=channel_axis(made.node), limit=7))
    integers = round_nearest(matrix, scale, 7)

    shift = bias_shift(matrix, integers, scale, moments)

    coarse = made.with_weight(from_layer_matrix(made.node, integers * scale))
    before, after = (
        np.moveaxis(outputs_of(model, made.data.inputs)["y"], 1, -1).reshape(-1, len(shift))
        for model in (made.model, coarse)
    )
    assert np.abs(after.mean(axis=0) - before.mean(axis=0)).max() > 0.01
    assert (after - shift).mean(axis=0) == pytest.approx(before.mean(axis=0), abs=1e-4)
