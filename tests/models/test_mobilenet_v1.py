"""MobileNetV1 has the shape of MLPerf Tiny's visual wake words model."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture
def mobilenet_v1(model_file: Any) -> Any:
    return model_file("mobilenet_v1")


def test_parameters_and_running_statistics_are_the_221794_that_keras_counts(mobilenet_v1: Any) -> None:
    weights = mobilenet_v1.build().state_dict()

    assert sum(value.numel() for name, value in weights.items() if "num_batches" not in name) == 221_794


@pytest.mark.parametrize(("width_multiplier", "widest"), [(0.25, 256), (0.5, 512), (1.0, 1024)])
def test_the_width_multiplier_scales_every_layer(mobilenet_v1: Any, width_multiplier: float, widest: int) -> None:
    network = mobilenet_v1.build(width_multiplier=width_multiplier)
    channels = [layer.out_channels for layer in network if isinstance(layer, torch.nn.Conv2d)]

    assert len(channels) == 27
    assert (channels[0], channels[-1]) == (32 * width_multiplier, widest)


def test_stride_2_pads_right_and_below_as_tensorflow_does(mobilenet_v1: Any) -> None:
    network = mobilenet_v1.build().eval()
    kernel = torch.zeros(8, 3, 3, 3)
    kernel[0, 0, 0, 0] = 1
    network[1].weight.data, network[1].bias.data = kernel, torch.zeros(8)
    image = torch.rand(1, 3, 96, 96)

    assert torch.equal(network[1](network[0](image))[0, 0], image[0, 0, ::2, ::2])


def test_other_sizes_of_image_fit(mobilenet_v1: Any) -> None:
    network = mobilenet_v1.build(classes=5).eval()

    assert network(*mobilenet_v1.example_inputs(side=64)).shape == (1, 5)
